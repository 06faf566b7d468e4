"""The main repository stays byte-identical, however a run ends, and nothing of a run stays running."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.support.engine import containers, docker
from tests.support.ground import Ground, watched

pytestmark = pytest.mark.docker

FLOW = """
name: ending
mode: mapreduce
sandbox: {stop_grace: 60}
setup:
  - shell: echo set > setup.txt && git add -A && git commit -qm "setup's commit"
map:
  input: [one, two, three, four]
  max_parallel: 2
  agent_template:
    - shell: echo work > "${item}" && git add -A && git commit -qm "work on ${item}"; echo begun; %s
reduce:
  - shell: touch reduced
"""
WAITING = "sleep 600"
STUBBORN = "trap '' TERM INT HUP; while :; do sleep 1; done"


@pytest.mark.parametrize(("end", "code"), [("true", 0), ("false", 1), ("kill -9 $$", 1)])
def test_untouched_by_success_and_failure(ground: Ground, end: str, code: int) -> None:
    with watched(ground.repository):
        ground.run(FLOW % end, "--no-merge", code=code)


@pytest.mark.parametrize(
    ("command", "signals", "code"),
    [
        (WAITING, [signal.SIGINT], 130),
        (WAITING, [signal.SIGTERM], 143),
        (STUBBORN, [signal.SIGINT, signal.SIGINT], 130),
    ],
    ids=["ctrl-c", "sigterm", "ctrl-c twice"],
)
def test_a_stopped_run_leaves_no_container_and_no_half_moved_branch(
    ground: Ground, command: str, signals: list[signal.Signals], code: int
) -> None:
    with watched(ground.repository):
        live = ground.start(FLOW % command)
        live.wait_for("begun", 2)
        for number in signals:
            live.signal(number)
            live.wait_for("Ctrl-C again stops at once")
        done = live.finish(code=code)
    assert containers(ground.home) == []
    session = ground.session()
    assert session["status"] == "interrupted"
    assert ground.program("events", "ls", "--event-type", "job_paused", "--json", code=0).json["events"]
    assert [commit["subject"] for commit in session["commits"]] == ["setup's commit"]
    assert not any(line for line in done.err.splitlines() if "[reduce]" in line)
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.files() == ["README.md", "setup.txt"]


def test_a_run_stopped_in_a_phase_keeps_its_commits(ground: Ground) -> None:
    live = ground.start(
        "- shell: git commit -qm done --allow-empty; echo begun; sleep 600\n- shell: touch never\n"
    )
    live.wait_for("begun")
    live.signal(signal.SIGINT)
    done = live.finish(code=130)
    assert "next:" in done.out
    assert [commit["subject"] for commit in ground.session()["commits"]] == ["done"]
    assert ground.session()["state"] == "at rest"


def test_a_killed_run_is_cleaned_up_by_label_and_keeps_its_commits(ground: Ground) -> None:
    canary = ground.repository.path.parent / "canary"
    with watched(ground.repository):
        live = ground.start(
            "- shell: |\n    git commit -qm done --allow-empty\n"
            f"    git config core.fsmonitor 'touch {canary}'\n"
            "    echo left > left.txt; echo begun; sleep 600\n"
        )
        live.wait_for("begun")
        (container,) = containers(ground.home)
        live.signal(signal.SIGKILL)
        live.finish(code=-signal.SIGKILL)
        docker("wait", container)
        dry = ground.program("worktree", "clean-orphaned", "--dry-run", code=0)
        assert f"container {docker('inspect', '-f', '{{.Name}}', container).lstrip('/')}" in dry.out
        assert containers(ground.home) == [container]
        done = ground.program("worktree", "clean-orphaned", "-f", code=0)
    assert "session" in done.out
    assert containers(ground.home) == []
    session = ground.session()
    assert (session["status"], session["state"]) == ("interrupted", "at rest")
    assert [commit["subject"] for commit in session["commits"]] == ["done"]
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=session["path"], capture_output=True, text=True, check=True
    )
    assert status.stdout == "?? left.txt\n"
    assert not canary.exists()
    assert ground.program("worktree", "clean-orphaned", "-f", code=0).out == "nothing is orphaned\n"


def test_a_run_killed_in_its_map_phase_keeps_what_was_merged(ground: Ground) -> None:
    live = ground.start(FLOW % WAITING)
    live.wait_for("begun", 2)
    running = containers(ground.home)
    assert len(running) == 2
    live.signal(signal.SIGKILL)
    live.finish(code=-signal.SIGKILL)
    docker("wait", *running)
    ground.program("worktree", "clean-orphaned", "-f", code=0)
    assert containers(ground.home) == []
    assert list((ground.home / "sessions").glob("*/ws/*")) == []
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.files() == ["README.md", "setup.txt"]


def test_the_merge_finishes_what_a_killed_run_left(ground: Ground) -> None:
    live = ground.start("- shell: echo x > x; git add x; git commit -qm done; echo begun; sleep 600\n")
    live.wait_for("begun")
    (container,) = containers(ground.home)
    live.signal(signal.SIGKILL)
    live.finish(code=-signal.SIGKILL)
    docker("wait", container)
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.files() == ["README.md", "x"]
    ground.program("worktree", "clean-orphaned", "-f", code=0)
