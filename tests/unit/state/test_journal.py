"""The journal: order, durability of events with records, intents."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodigy.errors import EnvironmentUnavailable
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from prodigy.state.sessions import Sessions
from prodigy.values import Event, ItemResult, StepResult
from tests.unit.state.records import session_record


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "prodigy.db") as opened:
        Sessions(opened).create(session_record("session-a"))
        yield opened


def _event(number: int) -> Event:
    return Event(type="warning", at=datetime.now(UTC), session="session-a", data={"n": number})


def _step(path: str, status: str = "success") -> StepResult:
    return StepResult.model_validate({"path": path, "name": path, "kind": "shell", "status": status})


def test_an_event_is_on_disk_with_the_record_that_follows_it(database: Database, tmp_path: Path) -> None:
    journal = Journal(database, "session-a")
    journal.event(_event(1))
    assert _stored_events(tmp_path) == 0
    journal.step(_step("commands[0]"))
    assert _stored_events(tmp_path) == 1


def test_an_event_is_seen_by_others_while_nothing_else_is_recorded(
    database: Database, tmp_path: Path
) -> None:
    Journal(database, "session-a").event(_event(1))
    deadline = time.monotonic() + 60
    while not _stored_events(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _stored_events(tmp_path) == 1


def _stored_events(directory: Path) -> int:
    other = sqlite3.connect(directory / "prodigy.db")
    try:
        (count,) = other.execute("SELECT count(*) FROM event").fetchone()
    finally:
        other.close()
    return int(count)


def test_events_of_a_failed_write_are_kept_for_the_next(database: Database) -> None:
    journal = Journal(database, "session-a")
    journal.event(_event(1))
    with pytest.raises(EnvironmentUnavailable, match="cannot be written"):
        Journal(database, "no such session").items(
            [ItemResult(item_id="x", index=0, item=1, status="pending")]
        )
    planned = [ItemResult(item_id="x", index=0, item=1, status="pending")]
    journal.items(planned)
    with pytest.raises(EnvironmentUnavailable):
        journal.items(planned)
    journal.flush()
    assert [event.data["n"] for event in journal.events()] == [1]


def test_a_step_run_twice_is_recorded_twice(database: Database) -> None:
    journal = Journal(database, "session-a")
    journal.step(_step("commands[0]", "failed"))
    journal.step(_step("commands[0]"))
    assert [step.status for step in journal.steps()] == ["failed", "success"]


def test_only_effects_that_were_not_settled_need_recovery(database: Database) -> None:
    journal = Journal(database, "session-a")
    first, second = journal.intend(("container", "c1"), ("workspace", "w1"))
    journal.settle(first)
    assert journal.unsettled() == [(second, "workspace", "w1")]


def test_a_settled_effect_is_durable_with_the_next_record(database: Database) -> None:
    journal = Journal(database, "session-a")
    journal.settle(*journal.intend(("container", "c1")))
    assert Journal(database, "session-a").unsettled() != []
    journal.step(_step("commands[0]"))
    assert Journal(database, "session-a").unsettled() == []


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_item_survives_storage(item: object) -> None:
    with Database(Path(":memory:")) as database:
        Sessions(database).create(session_record("session-a"))
        journal = Journal(database, "session-a")
        journal.items([ItemResult(item_id="x", index=0, item=item, status="pending")])
        journal.item(ItemResult(item_id="x", index=0, item=item, status="success", output=item))
        (stored,) = journal.item_results()
        assert (stored.item, stored.output, stored.status) == (item, item, "success")


def test_many_who_create_the_database_at_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from prodigy.state.database import Database\n"
        "sys.stdin.read(); Database(Path(sys.argv[1])).close()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "prodigy.db")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    for process in started:
        assert process.stdin is not None
    ended = [process.communicate() for process in started]
    assert [(process.returncode, err) for process, (_, err) in zip(started, ended, strict=True)] == [
        (0, b"")
    ] * 6
