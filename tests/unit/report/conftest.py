from datetime import UTC, datetime, timedelta

import pytest

from prodigy.values import (
    ErrorKind,
    Event,
    ItemResult,
    MergeOutcome,
    PhaseResult,
    RunResult,
    StepFailure,
    StepResult,
)

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def event():
    def build(type_, phase=None, item=None, step=None, at=0.0, **data):
        moment = START + timedelta(seconds=at)
        return Event(type=type_, at=moment, session="s", phase=phase, item=item, step=step, data=data)

    return build


@pytest.fixture
def result():
    def build(**changes):
        values = {
            "session_id": "session-20260301-120000-abcdef",
            "job_id": None,
            "workflow": "tidy",
            "mode": "standard",
            "status": "success",
            "exit_code": 0,
            "started_at": START,
            "finished_at": START + timedelta(seconds=90.5),
            "duration": 90.5,
            "base_commit": "a" * 40,
            "branch": "prodigy/session-20260301-120000-abcdef",
            "target": "main",
            "workspace": "/data/worktrees/demo/session",
            "commits": 2,
            "files_changed": 1,
            "merge": MergeOutcome(status="merged", commit="b" * 40),
        }
        return RunResult.model_validate(values | changes)

    return build


@pytest.fixture
def failed_item():
    return ItemResult(
        item_id="a.py",
        index=0,
        item="a.py",
        status="failed",
        error=StepFailure(kind=ErrorKind.MERGE_CONFLICT, message="conflict", step="map.agent_template[0]"),
        ref="refs/prodigy/s/failed/a.py",
        conflict={"files": ["x.txt"], "ours": "1" * 40, "theirs": "2" * 40},
    )


@pytest.fixture
def tolerated_step():
    error = StepFailure(kind=ErrorKind.COMMAND, message="exit code 3")
    return StepResult(
        path="commands[0]", name="lint", kind="shell", status="tolerated", exit_code=3, error=error
    )


@pytest.fixture
def phase():
    return PhaseResult(name="commands", status="success", started_at=START, duration=1.5, image="sha256:1")
