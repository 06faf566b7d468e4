"""Rows 2 to 5: a `.git` that is something else, leads elsewhere, hangs its reader, or is overwritten."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.hostile.arena import Arena, Attack, Battle, commits, refused

pytestmark = pytest.mark.docker

STEAL = """
tree=$(printf '100644 blob @BLOB@\\tstolen.txt\\n' | git mktree --missing)
commit=$(git commit-tree "$tree" -p @BASE@ -m stolen) && git update-ref refs/heads/work "$commit"
"""
OVERWRITE = (
    'find . -type f -exec chmod u+w {} + ; find . -type f | while read -r f; do echo broken >"$f"; done'
)
ELSEWHERE = {
    "git-is-link-to-main": refused("rm -rf .git && ln -s @MAIN@/.git .git"),
    "git-is-link-to-secret": refused("rm -rf .git && ln -s @SECRET@/.git .git"),
    "git-is-file": refused("rm -rf .git && echo 'gitdir: @MAIN@/.git' >.git"),
    "git-is-removed": refused("rm -rf .git"),
    "git-is-moved": refused("mv .git other && ln -s other/nothing .git"),
    "git-within-linked": commits("mv .git .real && ln -s .real .git && echo .real >>.real/info/exclude"),
    "commondir": refused("echo @MAIN@/.git >.git/commondir"),
    "worktree-outside": refused("git config core.worktree @MAIN@"),
    "alternates": Attack("echo @SECRET@/.git/objects >.git/objects/info/alternates\n" + STEAL, ("import",)),
    "objects-linked": Attack(
        STEAL + "rm -rf .git/objects && ln -s @SECRET@/.git/objects .git/objects", ("import",)
    ),
    "ref-linked": refused("ln -sf @SECRET@/.git/refs/heads/main .git/refs/heads/work"),
    "head-linked": refused(
        "ln -sf @SECRET@/.git/HEAD .git/HEAD; ln -s @SECRET@/.git/refs .git/r; rm .git/refs -r"
    ),
    "secret-sha": refused("echo @SECRETHEAD@ >.git/refs/heads/work"),
    "environ-root": refused("ln -sfn /proc/1/root .git/objects/info; ln -sf /proc/1/environ .git/HEAD"),
}
HANGING = {
    "device-node": commits("mknod .git/x b 254 0; mknod node b 254 0; mknod zero c 1 5"),
    # What follows the old end is taken for an extension; by chance of its first letter git skips it.
    "sparse-index": Attack(
        "truncate -s 1G .git/index; echo x >x; git add -A; git commit -qm x", ("command", "import", "success")
    ),
    "sparse-packed-refs": refused(
        "truncate -s 1G .git/packed-refs; git commit --allow-empty -qm x; false", "command", "import"
    ),
    "sparse-head": refused("truncate -s 1G .git/HEAD"),
    "sparse-config": refused("truncate -s 1G .git/config", "import", "sandbox"),
    "sparse-file": commits("truncate -s 1G big; echo big >>.git/info/exclude"),
    **{
        f"directory-{path.rsplit('/')[-1]}": refused(
            f"rm -rf .git/{path}; mkdir -p .git/{path}; false", "command", "import"
        )
        for path in ("HEAD", "index", "config", "packed-refs", "refs/heads/work")
    },
}
WRITING = {
    "overwrite-all": Attack(OVERWRITE, ("import", "sandbox")),
    "overwrite-objects": Attack("cd .git/objects && " + OVERWRITE, ("import", "sandbox")),
    "delete-all": Attack("find . -mindepth 1 -delete", ("import",)),
    "close-all": Attack("chmod -R 000 . ; true", ("import", "sandbox")),
}
ATTACKS = {**ELSEWHERE, **HANGING, **WRITING}


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Arena(tmp_path_factory.mktemp("shapes")).fight(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacker_alone_fails(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()


SESSION = {
    "link": "rm -rf .git && ln -s @MAIN@/.git .git",
    "file": "rm -rf .git && echo 'gitdir: @MAIN@/.git' >.git",
    "removed": "rm -rf .git",
    "worktree": "git config core.worktree @MAIN@ && echo @MAIN@/.git >.git/commondir",
    "overwrite": OVERWRITE,
}


@pytest.mark.parametrize("name", SESSION)
def test_a_session_workspace_is_no_way_to_the_repository(tmp_path: Path, name: str) -> None:
    """The same on a session's own workspace: the run fails, and what is left can be shown and removed."""
    arena = Arena(tmp_path)
    script = arena.fill(SESSION[name], name)
    main, started = arena.repository.fingerprint(), time.monotonic()
    done = arena.prodigy(
        "run", arena.write_flow({"name": name, "commands": [{"shell": script}]}), "--json", code=1
    )
    assert time.monotonic() - started < 600
    assert "cannot be taken over: the workspace's " in done.json["error"]
    session = done.json["session_id"]
    for command in ("show", "diff"):
        arena.prodigy("worktree", command, session)
    assert arena.repository.fingerprint() == main
    arena.prodigy("worktree", "clean", session, "-f", code=0)
    assert not Path(done.json["workspace"]).exists()
    assert arena.repository.fingerprint() == main
