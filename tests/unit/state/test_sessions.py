"""Session records: finding by every accepted name, changing, deleting."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prodigy.errors import EnvironmentUnavailable, UsageError
from prodigy.owner import Owner
from prodigy.state.database import Database
from prodigy.state.sessions import Sessions, new_session_id
from tests.unit.state.records import session_record

OLD = "session-20260101-000000-aaaaaa"
NEW = "session-20260102-000000-bbbbbb"


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    now = datetime.now(UTC)
    with Database(tmp_path / "prodigy.db") as database:
        stored = Sessions(database)
        stored.create(session_record(OLD, created_at=now - timedelta(days=1)))
        stored.create(session_record(NEW, created_at=now))
        yield stored


@pytest.mark.parametrize(
    "name", [NEW, "latest", "session-20260102", "20260102", "bbbb", "job-20260102-000000-bbbbbb"]
)
def test_a_session_answers_to_its_names(sessions: Sessions, name: str) -> None:
    assert sessions.find(name).id == NEW


@pytest.mark.parametrize(
    ("name", "says"), [("session-2026", "ambiguous"), ("bbb", "not known"), ("zzzz", "not known")]
)
def test_a_name_that_does_not_decide_is_refused_with_candidates(
    sessions: Sessions, name: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        sessions.find(name)
    assert refused.value.help is not None
    assert OLD in refused.value.help


def test_sessions_of_another_repository_are_not_found(sessions: Sessions) -> None:
    with pytest.raises(UsageError):
        sessions.find("latest", "/somewhere/else")


def test_a_change_is_checked_and_kept(sessions: Sessions) -> None:
    sessions.update(OLD, status="failed", error="it broke")
    assert (sessions.get(OLD).status, sessions.get(OLD).error) == ("failed", "it broke")
    with pytest.raises(ValueError, match="status"):
        sessions.update(OLD, status="nonsense")
    assert sessions.get(OLD).status == "failed"


def test_a_deleted_session_is_gone(sessions: Sessions) -> None:
    sessions.delete(OLD)
    assert [session.id for session in sessions.all()] == [NEW]


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    now = datetime.now(UTC)
    assert new_session_id(now) != new_session_id(now)
    assert new_session_id(now) < new_session_id(now + timedelta(seconds=1))


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prodigy.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(EnvironmentUnavailable, match=r"prodigy\.db cannot be used"):
        Database(path)


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path / "prodigy.db") as database, database.transaction() as tx:
        tx.execute("PRAGMA user_version=99")
    with pytest.raises(EnvironmentUnavailable, match="newer prodigy"):
        Database(tmp_path / "prodigy.db")


def test_an_owner_is_alive_while_its_process_is() -> None:
    code = "from prodigy.owner import Owner; print(Owner.current(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        owner = Owner.parse(process.stdout.readline().strip())
        assert owner is not None
        assert owner.alive()
        process.communicate("\n")
    assert not owner.alive()


def test_a_later_process_with_the_same_number_is_another_owner() -> None:
    me = Owner.current()
    assert me.alive()
    assert not Owner(me.pid, "1", me.machine).alive()
    assert Owner.parse("nonsense") is None
