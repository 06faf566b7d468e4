"""Rows 12 and 14: trees that resist deletion, links that lead away, and a killed orchestrator."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.hostile.arena import COMMIT, GATE, Arena, Attack, Battle, commits, inside
from tests.hostile.plain import open_arena
from tests.support.engine import containers, docker, volumes
from tests.support.ground import Live

pytestmark = pytest.mark.docker

MANY = "for d in $(seq 100); do mkdir d$d && (cd d$d && seq 1000 | xargs touch); done"
DEEP = 'python3 -c \'import os\nfor n in range(1000): os.mkdir("d" * 100); os.chdir("d" * 100)\''
IGNORED = "echo '*' >>.git/info/exclude\n"
ATTACKS = {
    "closed": commits(
        "mkdir -p a/b/c && touch a/b/c/f && echo a >>.git/info/exclude && chmod 000 a/b/c a/b a"
    ),
    "read-only": Attack(COMMIT + "chmod -R a-w src; chmod 555 ."),
    "links": commits("ln -s @HOST@/precious precious; ln -s / root; ln -s @HOST@ src/up; ln -s ~ home"),
    "git-closed": Attack("ln -s @HOST@/precious .git/precious; chmod 000 .git", ("import", "sandbox")),
    "root-owned": commits(
        "chown 0:0 README.md; touch x; chown root x; chattr +i README.md;"
        " setfattr -n user.x -v y README.md; rm -f x"
    ),
    "many": Attack(MANY + "\n" + "echo /d[0-9]* >>.git/info/exclude"),
    "deep": Attack(IGNORED + DEEP),
    "odd-names": commits(
        "touch -- '-rf' ' ' '*' \"$(printf 'a\\nb')\" \"$(printf '\\377')\";"
        " touch '$(touch @CANARY@)' '`touch @CANARY@`'"
    ),
    "sockets": Attack(IGNORED + "mkfifo f; python3 -c 'import socket; socket.socket(1).bind(\"s\")'"),
    "top-replaced": Attack(
        "cd / && rm -rf /workspace; rmdir /workspace; ln -s @HOST@/precious /workspace", ("command", "import")
    ),
}


@pytest.fixture(scope="module", params=["copy", "overlay"])
def battle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Battle:
    from tests.hostile.plain import MANY as FILES

    place = tmp_path_factory.mktemp("cleanup")
    (place / "precious").mkdir()
    (place / "precious" / "file").write_text("precious\n")
    files = {"README.md": "hello\n", "src/a.py": "a = 1\n"} | (FILES if request.param == "overlay" else {})
    return Arena(place, files).fight(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_it_is_removed_and_nothing_else(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])
    precious = battle.arena.place / "precious"
    assert [(path.name, path.read_text()) for path in precious.iterdir()] == [("file", "precious\n")]
    assert precious.stat().st_uid == os.getuid()


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()


def test_a_session_that_resists_is_shown_and_removed(tmp_path: Path) -> None:
    arena = Arena(tmp_path)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("precious\n")
    script = "\n".join(ATTACKS[name].script for name in ("links", "closed", "read-only"))
    flow = arena.write_flow({"name": "resists", "commands": [{"shell": arena.fill(script, "x")}]})
    done = arena.prodigy("run", flow, "--json", code=0)
    tree = Path(done.json["workspace"])
    assert {path.lstat().st_uid for path in tree.rglob("*")} == {os.getuid()}
    arena.prodigy("worktree", "clean", done.json["session_id"], "-f", code=0)
    assert not tree.exists()
    assert (tmp_path / "precious/file").read_text() == "precious\n"


@pytest.mark.root
@pytest.mark.parametrize("kind", ["root-copy", "root-overlay", "plain-overlay"])
def test_a_killed_orchestrator_leaves_nothing_running(kind: str) -> None:
    """Row 14: containers end with it, the repository is as it was, and what it left is found and removed."""
    with open_arena(kind) as arena:
        arena.warm()
        main = arena.repository.fingerprint()
        held = f"trap '' TERM HUP; git rm -q README.md; git commit -q -m x; ({GATE}) & wait"
        flow = arena.flow([{"shell": held}], [{"id": str(number)} for number in range(3)])
        live = Live(arena.prodigy.start("run", flow, "--json"))
        live.wait_until(lambda lines: sum("Executing in worktree" in line for line in lines) == 3)
        ids = containers(arena.home)
        for container in ids:
            inside(container, "until [ -p /tmp/gate ]; do sleep 0.05; done")
        live.process.send_signal(signal.SIGKILL)
        live.finish(code=-signal.SIGKILL)
        assert len(ids) == 3
        docker("wait", *ids)
        assert containers(arena.home, every=False) == []
        assert arena.repository.fingerprint() == main
        arena.prodigy("worktree", "clean-orphaned", "-f", code=0)
        assert (containers(arena.home), volumes(arena.home)) == ([], [])
        assert str(arena.home) not in Path("/proc/self/mounts").read_text()
        assert arena.repository.fingerprint() == main
        arena.warm()
        for session in arena.prodigy("worktree", "ls", "--json", code=0).json["worktrees"]:
            arena.prodigy("worktree", "clean", session["name"], "-f", code=0)
        left = subprocess.run(
            ["find", str(arena.home / "sessions"), "-name", "*.tmp"], capture_output=True, check=True
        )
        assert left.stdout == b""
