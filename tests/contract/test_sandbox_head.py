"""What a step reports of its worktree, on every backend."""

from __future__ import annotations

import pytest

from prodigy.sandbox.protocol import Call, Sandbox
from prodigy.values import ErrorKind

from .helpers import GIT_IDENTITY, Bench, sh

NESTED = """
git symbolic-ref HEAD refs/heads/alias
git symbolic-ref refs/heads/alias refs/heads/work
git commit -qm x --allow-empty
"""


def test_a_step_that_commits_nothing_leaves_head(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("true",)))
    assert outcome.head_before
    assert (outcome.head_before, outcome.descends) == (outcome.head_after, True)


def test_a_commit_moves_head_to_a_descendant(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("echo 2 >file; git commit -qam second; git rev-parse HEAD", env=GIT_IDENTITY))
    assert outcome.head_after == outcome.stdout_tail.decode().strip() != outcome.head_before
    assert outcome.descends


@pytest.mark.parametrize(
    "text", ["git commit -q --amend -m other", "git checkout -q --orphan x; git commit -qm x"]
)
def test_rewritten_history_does_not_descend(sandbox: Sandbox, text: str) -> None:
    outcome = sandbox.run(sh(text, env=GIT_IDENTITY))
    assert outcome.exit_code == 0
    assert outcome.head_after != outcome.head_before
    assert not outcome.descends


def test_a_reset_does_not_descend(sandbox: Sandbox) -> None:
    sandbox.run(sh("git commit -qm x --allow-empty", env=GIT_IDENTITY))
    outcome = sandbox.run(sh("git reset -q --hard HEAD~1"))
    assert outcome.head_after != outcome.head_before
    assert not outcome.descends


@pytest.mark.parametrize(
    "text",
    [
        "git checkout -q --detach; git commit -qm x --allow-empty",
        "git switch -qc other/branch; git commit -qm x --allow-empty; git pack-refs --all",
        "git switch -qc 'b;a$(nch)'; git commit -qm x --allow-empty",
        NESTED,
    ],
)
def test_head_is_what_git_says(sandbox: Sandbox, text: str) -> None:
    outcome = sandbox.run(sh(f"{text}\ngit rev-parse HEAD", env=GIT_IDENTITY))
    assert outcome.stderr_tail == b""
    assert outcome.head_after == outcome.stdout_tail.decode().strip() != outcome.head_before
    assert outcome.descends
    assert sandbox.run(Call(("true",))).head_before == outcome.head_after


@pytest.mark.parametrize(
    "line", ["0" * 40, "f" * 40, "ref: refs/heads/../../../etc/hostname", "", "x" * 40, "0abc"]
)
def test_a_forged_head_never_descends(sandbox: Sandbox, line: str) -> None:
    outcome = sandbox.run(sh(f"echo '{line}' >.git/HEAD"))
    assert outcome.exit_code == 0
    assert outcome.head_after != outcome.head_before
    assert not outcome.descends


def test_an_unborn_branch_has_no_head(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("git switch -q --orphan empty"))
    assert outcome.head_before
    assert (outcome.head_after, outcome.descends) == (None, False)
    outcome = sandbox.run(sh("git commit -qm x --allow-empty", env=GIT_IDENTITY))
    assert outcome.head_before is None
    assert outcome.head_after
    assert outcome.descends


def test_a_removed_repository_has_no_head(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("rm -rf .git"))
    assert (outcome.exit_code, outcome.head_after, outcome.descends) == (0, None, False)


def test_the_report_is_about_the_worktree_whatever_the_environment_says(sandbox: Sandbox) -> None:
    plain = sandbox.run(Call(("true",)))
    outcome = sandbox.run(Call(("true",), env={"GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/"}))
    assert outcome.head_after == plain.head_after


def test_a_survey_counts_uncommitted_paths(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        sh("echo x >new; echo y >'with\nnewline'; echo z >>file; git mv sub other", survey=True)
    )
    assert outcome.dirty == 5
    assert sandbox.run(sh("git add -A; git commit -qm all", env=GIT_IDENTITY, survey=True)).dirty == 0
    assert sandbox.run(Call(("true",))).dirty is None


def test_a_step_starts_in_its_directory(sandbox: Sandbox) -> None:
    assert sandbox.run(Call(("pwd",))).stdout_tail.decode().strip() == sandbox.root
    assert sandbox.run(Call(("cat", "deep"), cwd="sub")).stdout_tail == b"deep\n"


@pytest.mark.parametrize("cwd", ["nowhere", "file", "..", "/etc", "link", "sub/../..", "link/x"])
def test_a_directory_that_is_missing_or_outside_is_refused(sandbox: Sandbox, cwd: str) -> None:
    sandbox.run(sh("ln -s /usr link; echo x >> file"))
    outcome = sandbox.run(Call(("touch", "started"), cwd=cwd))
    assert outcome.kind is ErrorKind.WORKING_DIR
    assert cwd in outcome.message
    assert sandbox.run(Call(("test", "-e", "started"))).exit_code == 1


def test_a_directory_is_only_a_name(sandbox: Sandbox) -> None:
    sandbox.run(sh("mkdir -- '-P $(touch made)'"))
    assert sandbox.run(Call(("pwd",), cwd="-P $(touch made)")).stdout_tail.endswith(b"/-P $(touch made)\n")
    assert sandbox.run(Call(("test", "-e", "made"))).exit_code == 1


def test_a_repository_that_hangs_git_fails_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prodigy.sandbox.flight.REPORT_LIMIT", 0.5)
    sandbox = bench.open(stop_grace=0.2)
    outcome = sandbox.run(sh("rm .git/HEAD; mkfifo .git/HEAD"))
    assert outcome.kind is ErrorKind.COMMAND
    assert "git did not answer" in outcome.message
    assert outcome.duration < 200
