"""A session at rest, visited by hand: safe to look at, and what is committed there counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ground import Ground
from tests.support.repositories import Repository
from tests.support.terminal import Terminal

pytestmark = pytest.mark.docker

HOSTILE = """
name: hostile
mode: mapreduce
setup:
  - shell: |
      echo set > setup.txt; git add -A; git commit -qm "setup's commit"; echo open > open.txt
      for key in core.fsmonitor core.pager diff.external core.sshCommand; do
        git config $key 'touch %(canary)s; false'
      done
      git config filter.bad.clean 'touch %(canary)s; cat'
      git config filter.bad.smudge 'touch %(canary)s; cat'
      mkdir -p .git/hooks .git/info; echo '* filter=bad' > .git/info/attributes
      for hook in post-index-change pre-commit post-checkout reference-transaction; do
        printf '#!/bin/sh\\ntouch %(canary)s\\n' > .git/hooks/$hook; chmod +x .git/hooks/$hook
      done
map:
  input: [one]
  agent_template: [{shell: "echo a > agent.txt; git add -A; git commit -qm 'agent made'"}]
"""


def hostile(ground: Ground) -> tuple[Repository, Path]:
    """A finished run whose setup was hostile; gives its workspace and what must never appear."""
    canary = ground.repository.path.parent / "canary"
    done = ground.run(HOSTILE % {"canary": canary}, "--no-merge", "--json", code=0)
    return Repository(Path(done.json["workspace"])), canary


def test_a_visit_shows_the_changes_and_commits_of_setup_and_runs_nothing(ground: Ground) -> None:
    workspace, canary = hostile(ground)
    assert workspace.git("status", "--porcelain") == "?? open.txt"
    assert workspace.git("log", "--format=%s").splitlines() == ["setup's commit", "first"]
    assert workspace.git("rev-parse", "--abbrev-ref", "HEAD") == f"prodigy/{ground.session()['name']}"
    workspace.git("diff", "HEAD~1")
    workspace.git("add", "open.txt")
    workspace.git("commit", "-qm", "by hand")
    workspace.git("checkout", "-q", "HEAD~1")
    assert not canary.exists()


def test_a_commit_made_by_hand_is_merged_with_the_agents_work(ground: Ground) -> None:
    workspace, canary = hostile(ground)
    workspace.commit({"by-hand.txt": "x\n"}, "by hand")
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert {"by-hand.txt", "open.txt", "agent.txt", "setup.txt"} <= set(ground.repository.files())
    assert not canary.exists()
    assert not workspace.path.exists()


def test_what_a_visitor_left_uncommitted_outlives_the_merge(ground: Ground) -> None:
    done = ground.run("- shell: git commit -qm x --allow-empty\n", "--no-merge", "--json", code=0)
    note = Path(done.json["workspace"]) / "note.txt"
    note.write_text("mine\n")
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert note.read_text() == "mine\n"


def test_a_commit_by_hand_that_conflicts_is_refused_and_kept(ground: Ground) -> None:
    workspace, _ = hostile(ground)
    made = workspace.commit({"agent.txt": "other\n"}, "by hand")
    before = ground.repository.fingerprint()
    done = ground.program("worktree", "merge", "latest", "-y", code=1)
    assert "conflicts in agent.txt" in done.out
    assert ground.repository.fingerprint() == before
    assert ground.program("worktree", "merge", "latest", "-y", code=1).out == done.out
    assert Path(workspace.path).exists()
    assert made


def test_commits_made_in_a_shell_count(ground: Ground) -> None:
    hostile(ground)
    with Terminal(ground.program, "worktree", "shell", "latest") as shell:
        shell.expect("/workspace$")
        shell.send("cat agent.txt setup.txt && echo by-shell > made.txt && git add made.txt\n")
        shell.send("git commit -qm 'made in a shell' && echo com''mitted\n")
        shell.expect("committed")
        shell.send("ls -d /workspace; exit 7\n")
        shell.finish(code=7)
    subjects = [commit["subject"] for commit in ground.session()["commits"]]
    assert "made in a shell" in subjects
    assert "agent made" in subjects


def test_a_shell_needs_a_terminal(ground: Ground) -> None:
    ground.run("- shell: 'true'\n", "--no-merge", code=0)
    assert "a shell needs a terminal" in ground.program("worktree", "shell", "latest", code=2).err
