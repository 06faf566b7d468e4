"""The final merge: asked for, never assumed, and only ever a fast-forward."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground import Ground
from tests.support.terminal import Terminal

pytestmark = pytest.mark.docker

FLOW = "- shell: echo new > new.txt; echo more >> README.md; git add -A; git commit -qm work\n"
QUESTION = "(1 commits, 2 files) into main? [y/N] "


@pytest.mark.parametrize(
    ("answer", "merged"), [("\n", False), ("n\n", False), ("\x04", False), ("y\n", True), ("yes\n", True)]
)
def test_the_question_at_a_terminal(ground: Ground, answer: str, merged: bool) -> None:
    before = ground.repository.fingerprint()
    with Terminal(ground.program, "run", ground.flow(FLOW)) as terminal:
        terminal.expect(QUESTION)
        assert ground.repository.fingerprint() == before
        terminal.send(answer)
        text = terminal.finish(code=0)
    assert (ground.repository.fingerprint() == before) is not merged
    assert ("new.txt" in ground.repository.files()) is merged
    assert ("worktree merge session-" in text) is not merged


def test_yes_on_the_command_line_merges_without_a_question(ground: Ground) -> None:
    base = ground.repository.head
    done = ground.run(FLOW, "-y", code=0)
    assert f"merged into main as {ground.repository.head[:12]}" in done.out
    assert ground.repository.git("rev-parse", "HEAD~1") == base
    assert ground.repository.git("status", "--porcelain") == ""
    assert ground.repository.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert ground.program("worktree", "ls", "--json").json["worktrees"] == []


def test_without_a_terminal_the_printed_command_merges(ground: Ground) -> None:
    done = ground.run(FLOW, code=0)
    assert "new.txt" not in ground.repository.files()
    (command,) = [line.split("next:")[1].strip() for line in done.out.splitlines() if "next:" in line]
    name, *arguments = shlex.split(command)
    assert name == "prodigy"
    with Terminal(ground.program, *arguments) as terminal:
        terminal.expect(QUESTION)
        terminal.send("y\n")
        terminal.finish(code=0)
    assert "new.txt" in ground.repository.files()
    again = ground.program(*arguments, "-y", code=0)
    assert "merged" in again.out


def test_the_printed_command_fits_a_path_with_blanks(ground: Ground) -> None:
    moved = ground.repository.path.with_name("two words; 'quoted'")
    ground.repository.path.rename(moved)
    done = ground.program("run", ground.flow(FLOW), cwd=moved, code=0)
    (command,) = [line.split("next:")[1].strip() for line in done.out.splitlines() if "next:" in line]
    program = f"{shlex.quote(sys.executable)} -m {command} -y"
    subprocess.run(
        ["sh", "-c", program], check=True, env=ground.program.environment, cwd=Path(__file__).parents[2]
    )
    assert (moved / "new.txt").exists()


def test_no_merge_never_asks(ground: Ground) -> None:
    with Terminal(ground.program, "run", ground.flow(FLOW), "--no-merge") as terminal:
        text = terminal.finish(code=0)
    assert "[y/N]" not in text
    assert "new.txt" not in ground.repository.files()


def test_nothing_to_merge_asks_nothing(ground: Ground) -> None:
    with Terminal(ground.program, "run", ground.flow("- shell: 'true'\n")) as terminal:
        text = terminal.finish(code=0)
    assert "[y/N]" not in text
    assert "nothing to merge" in text


@pytest.mark.parametrize("staged", [True, False])
def test_a_dirty_overlap_is_refused_with_the_list(ground: Ground, staged: bool) -> None:
    ground.repository.write({"README.md": "mine\n", "new.txt": "also mine\n", "other.txt": "free\n"})
    if staged:
        ground.repository.git("add", "-A")
    before = ground.repository.fingerprint()
    done = ground.run(FLOW, "-y", code=1)
    assert ground.repository.fingerprint() == before
    assert "README.md" in done.out
    assert "new.txt" in done.out
    assert "other.txt" not in done.out
    assert "are in the way" in done.out


def test_other_uncommitted_files_are_kept(ground: Ground) -> None:
    ground.repository.write({"other.txt": "mine\n"})
    done = ground.run(FLOW, "-y", code=0)
    assert "1 uncommitted files of your checkout are not part of this run" in done.err
    assert ground.repository.git("status", "--porcelain") == "?? other.txt"
    assert ground.repository.show("new.txt") == "new"


def test_a_target_that_moved_is_merged_into_the_session_first(ground: Ground) -> None:
    done = ground.run(FLOW, "--no-merge", "--json", code=0)
    moved = ground.repository.commit({"elsewhere.txt": "x\n"}, "meanwhile")
    ground.program("worktree", "merge", done.json["session_id"], "-y", code=0)
    assert ground.repository.git("merge-base", "--is-ancestor", moved, "HEAD") == ""
    assert {"elsewhere.txt", "new.txt"} <= set(ground.repository.files())
    assert ground.repository.git("status", "--porcelain") == ""


def test_a_conflicting_target_is_refused_and_nothing_moves(ground: Ground) -> None:
    ground.run(FLOW, "--no-merge", code=0)
    ground.repository.commit({"new.txt": "other\n"}, "meanwhile")
    before = ground.repository.fingerprint()
    done = ground.program("worktree", "merge", "latest", "-y", code=1)
    assert "main moved meanwhile and conflicts" in done.out
    assert "new.txt" in done.out
    assert ground.repository.fingerprint() == before
    assert ground.session()["commits"]


def test_merging_into_another_branch(ground: Ground) -> None:
    ground.repository.git("branch", "side")
    ground.run(FLOW, "--no-merge", code=0)
    head = ground.repository.head
    ground.program("worktree", "merge", "latest", "-y", "--into", "side", code=0)
    assert ground.repository.head == head
    assert "new.txt" in ground.repository.files("side")
    assert ground.repository.git("status", "--porcelain") == ""


def test_a_detached_head_has_no_target_until_one_is_named(ground: Ground) -> None:
    ground.repository.git("checkout", "-q", "--detach")
    done = ground.run(FLOW, "-y", code=1)
    assert "HEAD is detached, merging needs --into BRANCH" in done.err
    assert "--into BRANCH" in done.out
    ground.program("worktree", "merge", "latest", "-y", "--into", "main", code=0)
    assert "new.txt" in ground.repository.files("main")


def test_merge_steps_run_before_the_merge_and_can_stop_it(ground: Ground) -> None:
    phase = """
commands:
  - shell: echo new > new.txt; git add -A; git commit -qm work
merge:
  - shell: test "${merge.target_branch}" = main && test "${merge.source_branch}" = "prodigy/${merge.worktree}"
  - shell: git commit -qm checked --allow-empty; %s
"""
    before = ground.repository.fingerprint()
    done = ground.run(phase % "false", "-y", code=1)
    assert "the merge phase failed" in done.out
    assert ground.repository.fingerprint() == before
    ground.run(phase % "true", "-y", code=0)
    assert ground.repository.git("log", "--format=%s").splitlines()[:2] == ["checked", "work"]


def test_a_failed_run_is_not_merged(ground: Ground) -> None:
    before = ground.repository.fingerprint()
    done = ground.run(FLOW + "- shell: exit 3\n", "-y", code=1)
    assert ground.repository.fingerprint() == before
    assert "worktree merge session-" in done.out


def test_all_sessions_are_merged_one_after_the_other(ground: Ground) -> None:
    for name in ("a", "b"):
        ground.run(f"- shell: echo x > {name}; git add -A; git commit -qm {name}\n", code=0)
    ground.run("- shell: echo y > a; git add -A; git commit -qm conflict\n", code=0)
    done = ground.program("worktree", "merge", "--all", "-y", "--json", code=1)
    states = sorted(one["status"] for one in done.json["merges"])
    assert states == ["merged", "merged", "refused"]
