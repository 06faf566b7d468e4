"""Row 17: the ways out that agents are known to try, most of them without malice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hostile.arena import Arena, Attack, Battle, commits
from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

DAEMON = """
cat >/tmp/daemon <<'END'
trap '' TERM HUP INT
while sleep 0.1; do touch @CANARY@; echo tick >>/workspace/ticks-@NAME@; done
END
setsid -f env -i PATH="$PATH" bash /tmp/daemon >/dev/null 2>&1 </dev/null
"""
ATTACKS = {
    "write-main": commits(
        "echo broken >@MAIN@/README.md; mkdir -p @MAIN@/.git/hooks;"
        " echo x >@MAIN@/.git/hooks/post-merge; true"
    ),
    "read-main": Attack("cat @MAIN@/README.md && touch @CANARY@; ls @MAIN@ @SECRET@", ("command",)),
    "cd-main": Attack("cd @MAIN@ && git commit --allow-empty -m x", ("command",)),
    "git-in-main": Attack("git -C @MAIN@ commit --allow-empty -m x", ("command",)),
    "git-dir-main": Attack("GIT_DIR=@MAIN@/.git git update-ref refs/heads/main HEAD", ("command",)),
    "git-up": Attack("cd .. && git status", ("command",)),
    "clone-main": Attack("git clone @MAIN@ there || git fetch file://@SECRET@ main", ("command",)),
    "push-main": Attack("git commit -q --allow-empty -m x; git push file://@MAIN@ HEAD:main", ("command",)),
    "links-out": commits(
        "ln -s / root; ln -s @MAIN@ main; ln -s @HOST@/home home; ln -s /etc/passwd passwd;"
        " ln -s ../../../../.. up"
    ),
    "setuid": commits("cp /bin/sh s; chmod 6755 s; ./s -p -c id | grep -q 'euid=0' && touch euid-0; true"),
    "daemon": commits(DAEMON),
    "daemon-holds-output": commits("(setsid sleep 1000 &)"),
    "proc-root": commits("for p in /proc/[0-9]*; do ls $p/root@MAIN@ && echo found >found; done; true"),
    "fills-tmp": Attack("head -c 3G /dev/zero >/tmp/full", ("command", "oom")),
    "fills-run": Attack("head -c 1G /dev/zero >/run/prodigy/full; false", ("command",)),
    "much-output": commits("head -c 60M /dev/zero | tr '\\0' x; head -c 60M /dev/zero | tr '\\0' '\\n' >&2"),
    "one-long-line": commits("head -c 30M /dev/zero | tr '\\0' '\\033' >&2"),
    "forged-reports": commits(
        "for i in 1 2 3; do printf '%s:E 0;' $(printf %032d 0) >&2; echo '::set-output name=x::y'; done"
    ),
    "reads-environment": commits(
        "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' |"
        " grep -i 'docker\\|secret\\|ssh_\\|api_key' && exit 1; true"
    ),
    "ptrace": commits("python3 -c 'import ctypes; exit(ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0)'"),
    "kills-main-process": Attack("kill -9 -1; sleep 100", ("sandbox", "signal", "command")),
    "settings": commits(
        "mkdir -p .prodigy .claude; for f in .prodigy.yml prodigy.yml .prodigy/config.yml .claude/x.json; do"
        ' echo \'{"network": "bridge", "sandbox": "host", "image": "evil"}\' >$f; done;'
        " echo 'PRODIGY_HOME=@MAIN@' >.env; echo 'export PRODIGY_SANDBOX=host' >.envrc"
    ),
}


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Arena(tmp_path_factory.mktemp("escapes")).fight(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacker_reaches_nothing(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()
    tree = battle.git("ls-tree", "-r", f"refs/prodigy/{battle.session}/session")
    assert "\tfound\n" not in tree
    assert "\teuid-0\n" not in tree
    assert re.search(r"^100755 blob \S+\ts$", tree, re.MULTILINE)


def test_a_settings_file_of_theirs_widens_no_later_run(battle: Battle) -> None:
    arena = battle.arena
    arena.prodigy("worktree", "merge", battle.session, "-y", code=0)
    assert (arena.repository.path / ".prodigy/config.yml").exists()
    refused = arena.prodigy("run", arena.write_flow({"commands": [{"shell": "true"}]}), code=2)
    assert ".prodigy/config.yml:1:2: error[P201]" in refused.err
    arena.repository.git("rm", "-q", ".prodigy/config.yml")
    arena.repository.git("commit", "-qm", "without it")
    (arena.repository.path / ".prodigy").mkdir(exist_ok=True)
    test = 'ls /sys/class/net; [ "$(ls /sys/class/net)" = lo ] && [ $(pwd) = /workspace ]'
    flow = arena.write_flow({"name": "next", "commands": [{"shell": test}]})
    for cwd in (arena.repository.path, arena.repository.path / ".prodigy"):
        done = arena.prodigy("run", flow, "--json", code=0, cwd=cwd)
        assert Path(done.json["workspace"]).parent.parent.parent == arena.home
        assert "network: none" in done.err


ITEMS = {
    "host-file": ("ln -s @HOST@/items.json items.json", "not found"),
    "absolute": ("ln -s /etc/passwd items.json", ""),
    "loop": ("ln -s items.json items.json", "not found"),
    "fifo": ("mkfifo items.json", "not found"),
    "device": ("ln -s /dev/zero items.json", "not found"),
    "process": ("ln -s /proc/1/environ items.json", ""),
    "huge": ("truncate -s 1G items.json", "larger"),
    "deep": ("python3 -c 'print(\"[\" * 100000)' >items.json", ""),
    "bomb": (
        (
            "{ echo 'b0: &b0 [x,x,x,x,x,x,x,x,x]'; for n in $(seq 9); do"
            ' echo "b$n: &b$n [*b$((n-1)),*b$((n-1))]"; done; } >items.json'
        ),
        "",
    ),
}


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_file_is_the_containers_own(tmp_path: Path, name: str) -> None:
    script, reason = ITEMS[name]
    arena = Arena(tmp_path)
    (tmp_path / "items.json").write_text('[{"stolen": 1}]')
    document = {
        "name": "items",
        "mode": "mapreduce",
        "setup": [{"shell": arena.fill(script, name)}],
        "map": {"input": "items.json", "agent_template": [{"shell": "echo ${item}"}]},
    }
    main = arena.repository.fingerprint()
    done = arena.prodigy("run", arena.write_flow(document), "--json", code=1)
    assert reason in done.json["error"]
    assert "stolen" not in done.out + done.err
    assert "root:x:0:0" not in done.out.replace("root:x:0:0:root:/root:/bin/bash\\ndaemon", "")
    assert arena.repository.fingerprint() == main


CHANGES = {
    "index": "cd @MAIN@ && git rm -q --cached README.md",
    "HEAD": "cd @MAIN@ && git checkout -q -b other",
    "refs": "git -C @MAIN@ branch evil",
    "config": "git -C @MAIN@ config core.fsmonitor x",
    "README.md": "echo broken >@MAIN@/README.md",
    "new.txt": "echo new >@MAIN@/new.txt",
    "hooks": "mkdir -p @MAIN@/.git/hooks; echo x >@MAIN@/.git/hooks/post-merge",
}


@pytest.mark.parametrize("name", CHANGES)
def test_host_mode_tells_what_a_step_did_to_the_repository(tmp_path: Path, name: str) -> None:
    """Nothing can hold a process of this machine; the guard names what it changed."""
    arena = Arena(tmp_path)
    flow = arena.write_flow({"name": "host", "commands": [{"shell": arena.fill(CHANGES[name], name)}]})
    done = arena.prodigy("run", flow, "--sandbox", "host", "--json", code=1)
    assert "security violation" in done.json["error"]
    assert name in done.json["error"]
    assert done.json["merge"]["status"] != "merged"


def test_host_mode_is_silent_about_a_step_that_keeps_to_its_place(tmp_path: Path) -> None:
    arena = Arena(tmp_path)
    flow = arena.write_flow(
        {"name": "good", "commands": [{"shell": "echo x >x; git add x; git commit -qm x"}]}
    )
    main = arena.repository.fingerprint()
    done = arena.prodigy("run", flow, "--sandbox", "host", "--json", code=0)
    assert Repository(arena.repository.path).fingerprint() == main
    assert done.json["commits"] == 1
