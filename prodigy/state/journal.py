"""What one session did, in order: steps, items, events, and intents for effects outside the database."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from prodigy.errors import EnvironmentUnavailable
from prodigy.values import Event, ItemResult, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prodigy.state.database import Database

EffectKind = Literal["container", "workspace", "ref", "publish", "store"]


VISIBLE_AFTER = 0.5
"""Seconds after which others see an event at the latest."""


class Journal:
    """Appends to one session's history. Safe to use from several threads.

    Events are kept until the next durable record and written in its transaction, so that an event is
    on disk before anything acts on the state it reports. So are settled effects: one that is lost in
    a crash is looked for again, and found to be done.
    """

    def __init__(
        self, database: Database, session_id: str, mask: Callable[[str], str] = lambda text: text
    ) -> None:
        """``mask`` takes secrets out of every record before it is stored."""
        self._mask = mask
        self._database = database
        self._session = session_id
        self._pending: list[Event] = []
        self._settled: list[int] = []
        self._pending_lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def event(self, event: Event) -> None:
        """Add an event; durable with the next record, with ``flush``, or after VISIBLE_AFTER seconds."""
        with self._pending_lock:
            self._pending.append(event)
            if self._timer is None:
                self._timer = threading.Timer(VISIBLE_AFTER, self._show)
                self._timer.daemon = True
                self._timer.start()

    def _show(self) -> None:
        """Make events durable for those who look on while nothing else is recorded."""
        with self._pending_lock:
            self._timer = None
        # A disk that is full shows at the next record; a database that was closed has them all.
        with suppress(EnvironmentUnavailable, sqlite3.Error):
            self.flush()

    def flush(self) -> None:
        """Make all events and settled effects so far durable."""
        with self._write():
            pass

    def step(self, result: StepResult, item: str = "") -> None:
        """Record a finished step."""
        with self._write() as tx:
            tx.execute(
                "INSERT INTO step SELECT ?1, ?2, ?3, count(*), ?4 FROM step "
                "WHERE session = ?1 AND item = ?2 AND path = ?3",
                (self._session, item, result.path, self._mask(result.model_dump_json())),
            )

    def amend_step(self, result: StepResult, item: str = "") -> None:
        """Replace the last record of a step by one that knows more."""
        with self._write() as tx:
            tx.execute(
                "UPDATE step SET record = ?4 WHERE session = ?1 AND item = ?2 AND path = ?3 AND seq = "
                "(SELECT max(seq) FROM step WHERE session = ?1 AND item = ?2 AND path = ?3)",
                (self._session, item, result.path, self._mask(result.model_dump_json())),
            )

    def items(self, planned: list[ItemResult]) -> None:
        """Record all items of a map phase before the first agent starts."""
        with self._write() as tx:
            tx.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?)",
                (
                    (self._session, r.item_id, r.index, r.status, self._mask(r.model_dump_json()))
                    for r in planned
                ),
            )

    def item(self, result: ItemResult) -> None:
        """Record what became of an item."""
        with self._write() as tx:
            tx.execute(
                "UPDATE item SET status = ?, record = ? WHERE session = ? AND item_id = ?",
                (result.status, self._mask(result.model_dump_json()), self._session, result.item_id),
            )

    def intend(self, *effects: tuple[EffectKind, str]) -> tuple[int, ...]:
        """Record effects that are about to happen; durable before this returns. Gives their numbers."""
        at = datetime.now(UTC).isoformat()
        with self._write() as tx:
            return tuple(
                tx.execute(
                    "INSERT INTO effect (session, kind, name, state, at) VALUES (?, ?, ?, 'intended', ?)",
                    (self._session, kind, name, at),
                ).lastrowid
                or 0
                for kind, name in effects
            )

    def settle(self, *numbers: int) -> None:
        """Note that intended effects are done or undone; durable with the next record, or with ``flush``."""
        with self._pending_lock:
            self._settled += numbers

    def unsettled(self) -> list[tuple[int, str, str]]:
        """Effects that may exist although nothing says they were completed: number, kind, name."""
        self.flush()
        rows = self._database.read(
            "SELECT id, kind, name FROM effect WHERE session = ? AND state = 'intended' ORDER BY id",
            self._session,
        )
        return [(int(number), kind, name) for number, kind, name in rows]

    def settled(self, kind: EffectKind) -> bool:
        """Whether an effect of a kind is known to be done or undone."""
        sql = "SELECT 1 FROM effect WHERE session = ? AND kind = ? AND state = 'settled' LIMIT 1"
        return bool(self._database.read(sql, self._session, kind))

    def put(self, key: str, value: Any) -> None:
        """Keep JSON data under a key, in place of what was there; durable when this returns."""
        with self._write() as tx:
            tx.execute(
                "INSERT INTO memo VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET value = excluded.value, at = excluded.at",
                (self._session, key, self._mask(json.dumps(value)), datetime.now(UTC).isoformat()),
            )

    def get(self, key: str) -> Any:
        """Return what was kept under a key, None where nothing was."""
        for (text,) in self._database.read(
            "SELECT value FROM memo WHERE session = ? AND key = ?", self._session, key
        ):
            return json.loads(text)
        return None

    def time_of(self, key: str) -> str | None:
        """Return when something was kept under a key, as ISO 8601 text."""
        for (text,) in self._database.read(
            "SELECT at FROM memo WHERE session = ? AND key = ?", self._session, key
        ):
            return str(text)
        return None

    def kept_bytes(self) -> int:
        """How many bytes are kept under all keys."""
        rows = self._database.read(
            "SELECT coalesce(sum(length(value)), 0) FROM memo WHERE session = ?", self._session
        )
        return int(rows[0][0])

    def forget(self, prefix: str) -> None:
        """Drop everything kept under keys that begin so; durable when this returns."""
        with self._write() as tx:
            tx.execute(
                "DELETE FROM memo WHERE session = ?1 AND substr(key, 1, length(?2)) = ?2",
                (self._session, prefix),
            )

    def drop_after(self, path: str, *, with_items: bool) -> None:
        """Drop the records of the steps after one of the session's own; ``with_items``: and every item."""
        with self._write() as tx:
            tx.execute(
                "DELETE FROM step WHERE session = ?1 AND rowid > coalesce((SELECT max(rowid) FROM step "
                "WHERE session = ?1 AND item = '' AND path = ?2), 0)",
                (self._session, path),
            )
            if with_items:
                tx.execute("DELETE FROM item WHERE session = ?", (self._session,))

    def step_count(self) -> int:
        """How many of the session's own top-level steps are recorded."""
        (count,) = self._database.read(
            "SELECT count(DISTINCT path) FROM step WHERE session = ? AND item = '' AND path LIKE '%]' "
            "AND path NOT LIKE '%].%'",
            self._session,
        )[0]
        return int(count)

    def item_counts(self) -> dict[str, int]:
        """How many items have each status."""
        rows = self._database.read(
            "SELECT status, count(*) FROM item WHERE session = ? GROUP BY 1", self._session
        )
        return {status: int(count) for status, count in rows}

    def steps(self, item: str | None = None) -> list[StepResult]:
        """All recorded steps, in order; of one item, or ("") of the session's own phases."""
        rows = self._database.read(
            "SELECT record FROM step WHERE session = ?1 AND (?2 IS NULL OR item = ?2) ORDER BY rowid",
            self._session,
            item,
        )
        return [StepResult.model_validate_json(text) for (text,) in rows]

    def item_results(self) -> list[ItemResult]:
        """All recorded items, in item order."""
        rows = self._database.read(
            "SELECT record FROM item WHERE session = ? ORDER BY position", self._session
        )
        return [ItemResult.model_validate_json(text) for (text,) in rows]

    def events(self) -> list[Event]:
        """All durable events, in order."""
        rows = self._database.read("SELECT record FROM event WHERE session = ? ORDER BY seq", self._session)
        return [Event.model_validate_json(text) for (text,) in rows]

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        events: list[Event] = []
        settled: list[int] = []
        try:
            with self._database.transaction() as tx:
                # Taken under the database's lock: no later record can come before an earlier event.
                with self._pending_lock:
                    events, self._pending = self._pending, []
                    settled, self._settled = self._settled, []
                tx.executemany(
                    "INSERT INTO event (session, type, at, record) VALUES (?, ?, ?, ?)",
                    (
                        (self._session, e.type, e.at.isoformat(), self._mask(e.model_dump_json()))
                        for e in events
                    ),
                )
                tx.executemany("UPDATE effect SET state = 'settled' WHERE id = ?", ((n,) for n in settled))
                yield tx
        except BaseException:
            with self._pending_lock:
                self._pending[:0] = events
                self._settled[:0] = settled
            raise
