"""Rows 6 and 7: objects no git would write, histories that lie, and streams that are no pack."""

from __future__ import annotations

import subprocess

import pytest

from tests.hostile.arena import Arena, Attack, Battle, made, refused

pytestmark = pytest.mark.docker


def named(name: str) -> Attack:
    return made(f"offer \"$(entry 100644 '{name}' $blob | raw tree)\"")


HEADER = "printf 'tree %s\\n%s\\n\\nm\\n' $(git rev-parse @BASE@^{tree}) "
MALFORMED = {
    "name-git": named(".git"),
    "name-git-upper": named(".GIT"),
    "name-git-short": named("git~1"),
    "name-dots": named(".."),
    "name-slash": named("../x"),
    "name-dot": named("."),
    "name-empty": named(""),
    "duplicate": made(
        "{ entry 100644 a $blob; entry 100644 a $blob; } | raw tree >/tmp/t; offer $(cat /tmp/t)"
    ),
    "unsorted": made(
        "{ entry 100644 b $blob; entry 100644 a $blob; } | raw tree >/tmp/t; offer $(cat /tmp/t)"
    ),
    "padded-mode": made("offer $(entry 0100644 a $blob | raw tree)"),
    "gitmodules-link": made("offer $(entry 120000 .gitmodules $blob | raw tree)"),
    "gitmodules-url": made("modules '[submodule \"a\"]\\npath = a\\nurl = -u./x\\n'"),
    "gitmodules-name": made("modules '[submodule \"../../x\"]\\npath = a\\nurl = ./x\\n'"),
    "gitmodules-update": made(
        "modules '[submodule \"a\"]\\npath = a\\nurl = ./x\\nupdate = !touch @CANARY@\\n'"
    ),
    "nul-in-message": made(
        "printf 'tree %s\\nparent @BASE@\\nauthor A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000\\n\\na\\0b\\n'"
        " $(git rev-parse @BASE@^{tree}) | raw commit >/tmp/c; git update-ref refs/heads/work $(cat /tmp/c)"
    ),
    "bad-author": made(
        "printf 'tree %s\\nparent @BASE@\\nauthor A a@x 1 +0000\\ncommitter A <a@x> 1 +0000\\n\\nm\\n'"
        " $(git rev-parse @BASE@^{tree}) | raw commit >/tmp/c; git update-ref refs/heads/work $(cat /tmp/c)"
    ),
}
HISTORY = {
    "missing-blob": made("offer $(entry 100644 a @BLOB@ | raw tree)"),
    "missing-tree": made("offer $(echo @BLOB@)"),
    "hidden-parent": refused(
        "git commit -q --allow-empty -m hidden; git commit -q --allow-empty -m shown;"
        " git rev-parse HEAD >.git/shallow",
        "history",
        "import",
    ),
    "orphan": refused("git checkout -q --orphan new && git commit -qm orphan", "history"),
    "amended-base": refused("git commit -q --amend -m other", "history"),
    "behind-base": refused("git reset -q --hard HEAD~1", "history"),
    "below-base": refused("git reset -q --hard HEAD~2; echo x >x; git add -A; git commit -qm x", "history"),
    "head-is-blob": refused("sha=$(git rev-parse HEAD:README.md); echo $sha >.git/HEAD"),
    "head-is-tag": Attack(
        "echo t >t; git add -A; git commit -qm t; git tag -am t t; s=$(git rev-parse t); echo $s >.git/HEAD"
    ),
    "head-is-junk": refused("head -c 100000 /dev/zero | tr '\\0' a >.git/HEAD"),
    "head-loops": refused(
        "echo 'ref: refs/heads/b' >.git/refs/heads/work; echo 'ref: refs/heads/work' >.git/refs/heads/b"
    ),
}
LYING = """
cat >/tmp/liar.py <<'END'
import os, time
while True:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if b"pack-objects" in open(f"/proc/{pid}/cmdline", "rb").read():
                with open(f"/proc/{pid}/fd/1", "wb") as pipe:
                    pipe.write(b"junk" * 5000)
        except OSError:
            pass
END
setsid -f env -u PRODIGY_STEP python3 /tmp/liar.py >/dev/null 2>&1 </dev/null
"""
STREAMS = {
    "junk-before-head": Attack(
        "git config --global trace2.normalTarget /proc/self/fd/1; echo x >x; git add -A; git commit -qm x",
        ("import", "sandbox"),
    ),
    "junk-in-pack": Attack(LYING + "head -c 20M /dev/urandom >r; git add -A; git commit -qm r", ("import",)),
    "packer-fails": refused("echo x >x; git add -A; git commit -qm x; git config pack.compression nonsense"),
    "home-git-config": refused("echo x >x; git add -A; git commit -qm x; printf '[broken' >~/.gitconfig"),
}
DISGUISED = {
    "replaced": "git replace $(git rev-parse HEAD) $(git rev-parse HEAD~1)",
    "replaced-blob": "git replace $(git rev-parse HEAD:work-@NAME@.txt) $(git rev-parse HEAD:README.md)",
    "grafted": 'mkdir -p .git/info; echo "$(git rev-parse HEAD) $(git rev-parse HEAD~2)" >.git/info/grafts',
    "shallow-base": "echo @BASE@ >.git/shallow",
}
COMMITS = (
    "echo more >>README.md; git rm -q second.txt; echo work >work-@NAME@.txt; git add -A; git commit -qm w\n"
)
ATTACKS = {**MALFORMED, **HISTORY, **STREAMS}
ATTACKS |= {name: Attack(COMMITS + script, ("success", "import")) for name, script in DISGUISED.items()}


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Arena(tmp_path_factory.mktemp("objects")).fight(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacker_alone_fails(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])


@pytest.mark.parametrize("name", MALFORMED)
def test_the_reason_is_the_object(battle: Battle, name: str) -> None:
    assert "its objects are not acceptable" in battle.items[name]["error"]["message"]


@pytest.mark.parametrize("name", DISGUISED)
def test_what_is_shown_is_what_a_clean_clone_shows(battle: Battle, name: str) -> None:
    """Row 7: replace refs, grafts and shallow marks stay behind; only objects come."""
    item = battle.items[name]
    if item["status"] != "success":
        pytest.fail(f"no commit came: {item['error']}")
    clone = battle.arena.place / f"clone-{name}"
    subprocess.run(["git", "clone", "-q", "--bare", str(battle.store), str(clone)], check=True)
    ref = f"refs/prodigy/{battle.session}/agents/{item['agent_id']}"
    sha = battle.git("rev-parse", ref).strip()
    subprocess.run(["git", "-C", str(clone), "fetch", "-q", str(battle.store), ref], check=True)
    shown = [
        "git",
        "-C",
        str(clone),
        "diff-tree",
        "-r",
        "--no-renames",
        "--name-only",
        battle.arena.repository.head,
        sha,
    ]
    names = subprocess.run(shown, capture_output=True, text=True, check=True).stdout.split()
    assert sorted(item["files_changed"]) == sorted(names) == ["README.md", "second.txt", f"work-{name}.txt"]


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()
