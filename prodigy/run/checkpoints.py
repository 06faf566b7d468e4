"""The durable points of a session: what a resumed run does not do again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.git.store import Store, exists
from prodigy.state.event_log import Choice, EventLog
from prodigy.state.journal import Journal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord


def overview(database: Database, record: SessionRecord) -> dict[str, Any]:
    """Return how far a session is."""
    journal = Journal(database, record.id)
    steps = [one for one in journal.steps() if one.status not in ("failed", "cancelled")]
    newest = EventLog(database).newest(Choice(record.id), 1)
    saved: datetime | None = newest[0].event.at if newest else None
    return {
        "session": record.id,
        "workflow": record.workflow_name,
        "phase": record.phase,
        "last_step": steps[-1].path if steps else None,
        "items_done": journal.item_counts().get("success", 0),
        "saved": saved,
        "size": journal.kept_bytes(),
    }


def points(database: Database, record: SessionRecord) -> list[dict[str, Any]]:
    """Return the finished steps of the session's own phases, then its finished items, numbered from 1."""
    journal = Journal(database, record.id)
    found: list[dict[str, Any]] = [
        {"kind": "step", "path": one.path, "status": one.status, "commit": one.head_after}
        for one in journal.steps(item="")
    ]
    found += [
        {"kind": "item", "path": one.item_id, "status": one.status, "commit": one.merge_commit}
        for one in journal.item_results()
        if one.status != "pending"
    ]
    return [{"number": number, **one} for number, one in enumerate(found, 1)]


def variables_at(database: Database, record: SessionRecord, path: str) -> dict[str, Any]:
    """Return the names that a finished step of the session's own phases had set, secrets masked."""
    phase = path.partition("[")[0]
    kept = Journal(database, record.id).get(f"steps/{phase}/done:{path}")
    return dict(kept["names"]["names"]) if kept else {}


def problems(home: Path, database: Database, record: SessionRecord) -> list[str]:
    """Say what of a session's durable points is damaged: records, and commits that are not in the store."""
    found = [f"the database: {text}" for (text,) in database.read("PRAGMA quick_check") if text != "ok"]
    try:
        listed = points(database, record)
    except ValueError as error:
        return [*found, f"a record cannot be read: {error}"]
    if not exists(home, record.id):
        return found
    store = Store.open(home, record.id)
    return found + [
        f"{one['kind']} {one['path']}: its commit {one['commit'][:12]} is not in the store"
        for one in listed
        if one["commit"] and not store.holds(one["commit"])
    ]
