"""Row 1: configuration and attributes that make git run programs, in agents' and session workspaces."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.hostile.arena import COMMIT, Arena, Attack, Battle, commits
from tests.support.repositories import ENVIRONMENT, fingerprint

pytestmark = pytest.mark.docker

FIRES = "{ touch @CANARY@; cat; } 2>/dev/null || true"
HOOK = """
mkdir -p @DIR@
for hook in post-index-change pre-commit reference-transaction post-checkout post-merge update post-commit; do
    printf '#!/bin/sh\\ntouch @CANARY@ 2>/dev/null\\nexit 0\\n' >@DIR@/$hook && chmod +x @DIR@/$hook
done
"""
FILTER = f"git config filter.x.clean '{FIRES}'; git config filter.x.smudge '{FIRES}'"
FIRING = {
    "fsmonitor": "git config core.fsmonitor 'touch @CANARY@ 2>/dev/null; true'",
    "hooks": HOOK.replace("@DIR@", ".git/hooks"),
    "hooks-path": HOOK.replace("@DIR@", "tools/hooks") + "git config core.hooksPath tools/hooks",
    "filter-tree": FILTER + "; echo '* filter=x' >.gitattributes",
    "filter-info": FILTER + "; mkdir -p .git/info; echo '* filter=x' >.git/info/attributes",
    "filter-process": "git config filter.x.process 'touch @CANARY@ 2>/dev/null; false';"
    " echo '* filter=x' >.gitattributes",
    "diff-external": "git config diff.external 'touch @CANARY@ 2>/dev/null; true'",
    "textconv": "git config diff.x.textconv 'touch @CANARY@ 2>/dev/null; cat';"
    " mkdir -p .git/info; echo '* diff=x' >.git/info/attributes",
}
"""Those that a host's own `git status`, `diff`, `log` and `commit` are known to set off."""

QUIET = {
    "gpg-program": """
printf '#!/bin/sh\\ntouch @CANARY@ 2>/dev/null\\ncat >/dev/null\\n' >gpg && chmod +x gpg
git config log.showSignature true && git config gpg.program "$PWD/gpg" && git config commit.gpgSign false
""",
    "pager": "git config core.pager 'touch @CANARY@ 2>/dev/null; cat'",
    "ssh-command": "git config core.sshCommand 'touch @CANARY@'; git config remote.origin.url ssh://x/y",
    "alias": "git config alias.status '!touch @CANARY@'; git config alias.st '!touch @CANARY@'",
    "credentials": "git config credential.helper '!touch @CANARY@'; git config core.askPass 'touch @CANARY@'",
    "editor": "git config core.editor 'touch @CANARY@'; git config sequence.editor 'touch @CANARY@'",
    "upload-pack": "git config uploadpack.packObjectsHook 'touch @CANARY@;'",
    "merge-driver": "git config merge.x.driver 'touch @CANARY@'; echo '* merge=x' >src/.gitattributes",
    "nested": """
git init -q inner && cd inner && git config core.fsmonitor 'touch @CANARY@ 2>/dev/null; true'
git -c user.name=x -c user.email=x@x commit -q --allow-empty -m inner && cd ..
""",
    "submodule-config": """
git init -q sub && git -C sub -c user.name=x -c user.email=x@x commit -q --allow-empty -m sub
git config -f .gitmodules submodule.sub.path sub && git config -f .gitmodules submodule.sub.url ./sub
git config submodule.sub.update '!touch @CANARY@' && git -C sub config core.fsmonitor 'touch @CANARY@; true'
""",
}
PROMISED = """
echo work >work.txt && git add -A && git commit -qm work
blob=$(git rev-parse HEAD:work.txt)
rm -f ".git/objects/$(printf %.2s "$blob")/${blob#??}"
git config core.repositoryFormatVersion 1 && git config extensions.partialClone origin
git config remote.origin.url file:///nowhere && git config remote.origin.promisor true
git config remote.origin.uploadpack 'touch @CANARY@; false'
"""
ATTACKS = {name: commits(script) for name, script in {**FIRING, **QUIET}.items()}
ATTACKS["include"] = Attack(
    "git config include.path /etc/shadow; git config x.y z; cat .git/config", ("success", "import")
)
ATTACKS["promisor"] = Attack(PROMISED, ("import",))
ATTACKS["filter-process"] = Attack(COMMIT + FIRING["filter-process"], ("import",))
ATTACKS["all-at-once"] = Attack(COMMIT + "\n".join(FIRING.values()), ("import",))


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    return Arena(tmp_path_factory.mktemp("execution")).fight(ATTACKS)


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_of_the_agents_runs_on_the_host(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()


def visit(tree: Path) -> None:
    """What a person does in a work tree. Not ``git add -A``: that goes by nested repositories' rules."""
    for command in ("status", "diff HEAD~1", "log -p", "add README.md", "commit -qm mine"):
        git = ["git", *command.split()]
        subprocess.run(git, cwd=tree, env=ENVIRONMENT, capture_output=True, check=False)


@pytest.mark.parametrize("name", FIRING)
def test_the_recipe_fires_where_nothing_protects(tmp_path: Path, name: str) -> None:
    """Else the tests above would prove nothing."""
    arena = Arena(tmp_path)
    script = arena.fill(FIRING[name] + COMMIT, name).replace("2>/dev/null", "")
    tree = arena.repository.path
    subprocess.run(["bash", "-c", script], cwd=tree, env=ENVIRONMENT, capture_output=True, check=False)
    arena.canary(name).unlink(missing_ok=True)
    (tree / "README.md").write_text("changed\n")
    visit(tree)
    assert arena.canary(name).exists()


def test_a_hostile_session_workspace_is_safe_to_visit_and_merge(tmp_path: Path) -> None:
    arena = Arena(tmp_path)
    harmless = [text for name, text in FIRING.items() if name != "filter-process"]  # it fails git itself
    script = arena.fill("\n".join([COMMIT, *harmless, *QUIET.values()]), "session")
    one = "echo 1 >one.txt && git add -A && git commit -qm 1"
    document = {
        "name": "session",
        "mode": "mapreduce",
        "setup": [{"shell": script}],
        "map": {"input": [{"id": "one"}], "agent_template": [{"shell": one}]},
        "reduce": [{"shell": script.replace("work-", "reduce-")}],
    }
    main = arena.repository.fingerprint()
    done = arena.prodigy("run", arena.write_flow(document), "--json", code=0)
    session, tree = done.json["session_id"], Path(done.json["workspace"])
    for command in ("show", "diff"):
        arena.prodigy("worktree", command, session)
    arena.prodigy("worktree", "ls", code=0)
    (tree / "README.md").write_text("changed\n")
    visit(tree)
    assert not arena.canary("session").exists()
    assert arena.repository.fingerprint() == main
    arena.prodigy("worktree", "merge", session, "-y", code=0)
    assert {"one.txt", "work-session.txt"} <= set(arena.repository.files())
    assert not arena.canary("session").exists()
    assert fingerprint(arena.canaries) == {}
