"""The events of all sessions: chosen, counted, followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.values import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prodigy.state.database import Database

_PAGE = 2000
_AFTER_ALL = 1 << 62
"""A number that no event has."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are wanted. None: any."""

    session: str | None = None
    type: str | None = None
    item: str | None = None
    since: datetime | None = None

    def where(self) -> tuple[str, list[object]]:
        """Return the condition and its parameters."""
        parts, values = ["1"], []
        for column, value in (
            ("session", self.session),
            ("type", self.type),
            ("json_extract(record, '$.item')", self.item),
        ):
            if value is not None:
                parts.append(f"{column} = ?")
                values.append(value)
        if self.since is not None:
            parts.append("at >= ?")
            values.append(self.since.isoformat())
        return " AND ".join(parts), list(values)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event and its number, which orders all events of a data root."""

    seq: int
    event: Event

    def envelope(self, job: str | None, host: str, pid: int) -> dict[str, Any]:
        """Return the event as it is exported."""
        event = self.event
        about = {"phase": event.phase, "item_id": event.item, "step": event.step}
        return {
            "id": f"{event.session}-{self.seq}",
            "timestamp": event.at.isoformat().replace("+00:00", "Z"),
            "seq": self.seq,
            "correlation_id": event.session,
            "event": {
                "event_type": event.type,
                "job_id": job,
                **{name: value for name, value in about.items() if value is not None},
                **event.data,
            },
            "metadata": {"host": host, "pid": pid},
        }


class EventLog:
    """Reads the events of a data root."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, choice: Choice, limit: int) -> list[Recorded]:
        """Return the newest events that are wanted, oldest first."""
        condition, values = choice.where()
        rows = self._database.read(
            f"SELECT seq, record FROM event WHERE {condition} ORDER BY seq DESC LIMIT ?",  # noqa: S608 - columns of ours
            *values,
            limit,
        )
        return [_recorded(row) for row in reversed(rows)]

    def every(self, choice: Choice, after: int = 0) -> Iterator[Recorded]:
        """Give all events that are wanted, oldest first, from the one after ``after`` on."""
        condition, values = choice.where()
        while True:
            rows = self._database.read(
                f"SELECT seq, record FROM event WHERE {condition} AND seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
                *values,
                after,
                _PAGE,
            )
            for row in rows:
                yield _recorded(row)
            if len(rows) < _PAGE:
                return
            after = int(rows[-1][0])

    def counts(self, choice: Choice, column: str) -> list[tuple[str, int, str, str]]:
        """Return value, number, first and last time of each group, the largest first."""
        condition, values = choice.where()
        groups = {"event_type": "type", "job_id": "session", "agent_id": "json_extract(record, '$.item')"}
        rows = self._database.read(
            f"SELECT {groups[column]}, count(*), min(at), max(at) FROM event "  # noqa: S608 - columns of ours
            f"WHERE {condition} GROUP BY 1 ORDER BY 2 DESC, 1",
            *values,
        )
        return [(str(value or "-"), int(number), first, last) for value, number, first, last in rows]

    def types(self) -> list[str]:
        """Return every type that was ever recorded."""
        return [value for (value,) in self._database.read("SELECT DISTINCT type FROM event ORDER BY 1")]

    def count(
        self,
        session: str,
        *,
        before: datetime | None = None,
        keep: int | None = None,
        size: int | None = None,
    ) -> tuple[int, int]:
        """Return how many events ``delete`` would take, and their size in bytes."""
        condition, values = self._doomed(session, before, keep, size)
        rows = self._database.read(
            f"SELECT count(*), coalesce(sum(length(record)), 0) FROM event WHERE {condition}",  # noqa: S608
            *values,
        )
        return int(rows[0][0]), int(rows[0][1])

    def doomed(
        self,
        session: str,
        *,
        before: datetime | None = None,
        keep: int | None = None,
        size: int | None = None,
    ) -> list[Recorded]:
        """Return the events that ``delete`` would take, oldest first."""
        condition, values = self._doomed(session, before, keep, size)
        sql = f"SELECT seq, record FROM event WHERE {condition} ORDER BY seq"  # noqa: S608 - columns of ours
        return [_recorded(row) for row in self._database.read(sql, *values)]

    def delete(
        self,
        session: str,
        *,
        before: datetime | None = None,
        keep: int | None = None,
        size: int | None = None,
    ) -> int:
        """Delete a session's events that are older, or beyond the newest so many, or so many bytes.

        Gives how many.
        """
        count, _ = self.count(session, before=before, keep=keep, size=size)
        condition, values = self._doomed(session, before, keep, size)
        with self._database.transaction() as tx:
            tx.execute(f"DELETE FROM event WHERE {condition}", values)  # noqa: S608 - columns of ours
        return count

    def _doomed(
        self, session: str, before: datetime | None, keep: int | None, size: int | None
    ) -> tuple[str, list[object]]:
        parts = ["session = ?"]
        values: list[object] = [session]
        if before is not None:
            parts.append("at < ?")
            values.append(before.isoformat())
        if keep is not None:
            newest = self._database.read(
                "SELECT min(seq) FROM (SELECT seq FROM event WHERE session = ? ORDER BY seq DESC LIMIT ?)",
                session,
                keep,
            )
            parts.append("seq < ?")
            values.append(newest[0][0] or 0)
        if size is not None:
            kept = self._database.read(
                "SELECT coalesce(min(seq), ?) FROM (SELECT seq, sum(length(record)) OVER (ORDER BY seq DESC) "
                "AS total FROM event WHERE session = ?) WHERE total <= ?",
                _AFTER_ALL,
                session,
                size,
            )
            parts.append("seq < ?")
            values.append(kept[0][0])
        return " AND ".join(parts), values


def _recorded(row: tuple[Any, ...]) -> Recorded:
    return Recorded(int(row[0]), Event.model_validate_json(row[1]))
