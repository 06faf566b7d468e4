"""Where the events come from that a command is about: sessions, or an exported file."""

from __future__ import annotations

import json as json_format
import os
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prodigy.cli.records import Records
from prodigy.errors import ProdigyError, UsageError
from prodigy.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from prodigy.cli.settings import Settings
    from prodigy.state.event_log import Choice, EventLog
    from prodigy.state.sessions import SessionRecord

_POLL = 0.3
Envelope = dict[str, Any]


class EventSource:
    """The events a command is about: of sessions, or of an exported file."""

    def __init__(self, settings: Settings, job: str | None, file: Path | None, *, every: bool) -> None:
        self._records: Records | None = None
        self._file = read_events(file) if file is not None else None
        self.records: list[SessionRecord] = []
        if self._file is None:
            from prodigy.state.event_log import EventLog

            self._records = Records(settings)
            found = self._records
            self.records = found.all() if every else [found.find(job or "latest")]
            self.log: EventLog = EventLog(found.database)

    def close(self) -> None:
        """Let go of the database."""
        if self._records is not None:
            self._records.close()

    def archive(self, record: SessionRecord, directory: Path | None, **limits: Any) -> None:
        """Write what a deletion under these limits takes to a file of its own, one event a line.

        ``directory``: `archive` in the data root unless given. Raises ProdigyError when it is not writable.
        """
        if self._records is None:
            return
        doomed = [self._envelope(one, record) for one in self.log.doomed(record.id, **limits)]
        if not doomed:
            return
        directory = directory or self._records.home / "archive"
        file = directory / f"{record.id}-{doomed[0]['seq']}-{doomed[-1]['seq']}.jsonl"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8") as sink:
                sink.writelines(json_format.dumps(one) + "\n" for one in doomed)
                sink.flush()
                os.fsync(sink.fileno())
        except OSError as error:
            raise ProdigyError(f"{file} cannot be written: {error.strerror}; nothing is removed") from error

    def _choices(
        self, kind: str | None = None, item: str | None = None, since: datetime | None = None
    ) -> list[Choice]:
        from prodigy.state.event_log import Choice

        if kind is not None and kind not in self.log.types():
            raise UsageError(f"no event has the type '{kind}'")
        return [Choice(record.id, kind, item, since) for record in self.records]

    def newest(
        self, kind: str | None, item: str | None, since: datetime | None, text: str | None, limit: int
    ) -> list[Envelope]:
        """Return the newest events that are wanted, oldest first."""
        if self._file is not None:
            chosen = [one for one in self._file if _fits(one, kind, item, since)]
            return list(filtered(chosen, text))[-limit:]
        if text is not None:
            return list(filtered(self.every(kind, item, since), text))[-limit:]
        found = [
            self._envelope(one, record)
            for record, choice in zip(self.records, self._choices(kind, item, since), strict=True)
            for one in self.log.newest(choice, limit)
        ]
        return sorted(found, key=lambda one: int(one["seq"]))[-limit:]

    def every(
        self, kind: str | None = None, item: str | None = None, since: datetime | None = None
    ) -> Iterator[Envelope]:
        """Give all events that are wanted."""
        if self._file is not None:
            yield from (one for one in self._file if _fits(one, kind, item, since))
            return
        for record, choice in zip(self.records, self._choices(kind, item, since), strict=True):
            for one in self.log.every(choice):
                yield self._envelope(one, record)

    def counts(self, column: str) -> list[tuple[str, int, str, str]]:
        """Return the groups of a column."""
        if self._file is None and len(self.records) == 1:
            return self.log.counts(self._choices()[0], column)
        groups: dict[str, list[str]] = {}
        names = {"agent_id": "item_id"}
        for one in self.every():
            key = str(one["event"].get(names.get(column, column)) or "-")
            groups.setdefault(key, []).append(str(one["timestamp"]))
        rows = [(key, len(times), min(times), max(times)) for key, times in groups.items()]
        return sorted(rows, key=lambda row: -row[1])

    def follow(self, kind: str | None, text: str | None) -> Iterator[Envelope]:
        """Give events as they come, until the session does not run any more."""
        from prodigy.state.event_log import Choice

        (record,) = self.records
        choice, after = Choice(record.id, kind), 0
        while self._records is not None:
            now = self._records.sessions.get(record.id)
            owner = Owner.parse(now.owner)
            runs = now.status == "running" and owner is not None and owner.alive()
            for one in self.log.every(choice, after):
                after = one.seq
                yield from filtered([self._envelope(one, record)], text)
            if not runs:
                return
            time.sleep(_POLL)

    @staticmethod
    def _envelope(one: Any, record: SessionRecord) -> Envelope:
        owner = Owner.parse(record.owner)
        found: Envelope = one.envelope(record.job_id, owner.host if owner else "", owner.pid if owner else 0)
        return found


def read_events(file: Path) -> list[Envelope]:
    """Return the events of an exported file, or of one that `run --events` wrote. Raises ProdigyError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProdigyError(f"{file} cannot be read: {error}") from error
    try:
        document = json_format.loads(text)
        found = document["events"] if isinstance(document, dict) and "events" in document else document
    except ValueError:
        try:
            found = [json_format.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise ProdigyError(f"{file} holds no events: {error}") from error
    found = [found] if isinstance(found, dict) else found
    if not all(isinstance(one, dict) and "event" in one and "timestamp" in one for one in found):
        raise ProdigyError(f"{file} holds no events")
    return list(found)


def _fits(one: Envelope, kind: str | None, item: str | None, since: datetime | None) -> bool:
    event = one["event"]
    return (
        (kind is None or event.get("event_type") == kind)
        and (item is None or event.get("item_id") == item)
        and (since is None or datetime.fromisoformat(one["timestamp"]) >= since)
    )


def filtered(events: Iterable[Envelope], text: str | None) -> Iterator[Envelope]:
    """Give those an expression takes; all without one. Raises UsageError for what is no expression."""
    from prodigy.workflow.expression_nodes import ExpressionError
    from prodigy.workflow.expressions import ItemNames, parse_expression

    if text is None:
        yield from events
        return
    try:
        expression = parse_expression(text)
        for one in events:
            if expression.holds(ItemNames({**one, **one["event"]}, 0)):
                yield one
    except ExpressionError as error:
        raise UsageError(f"--filter, column {error.column}: {error}") from error
