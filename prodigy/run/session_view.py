"""What the record of a run says, for people and programs that ask afterwards."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from prodigy.run.cleanup import abandoned
from prodigy.run.resume import resumable
from prodigy.state.journal import Journal
from prodigy.text import item_name, printable_lines

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord

_SHOWN_ITEMS = 50


def brief(database: Database, record: SessionRecord) -> dict[str, Any]:
    """Return one line about a session."""
    counts = Journal(database, record.id).item_counts()
    finished = record.finished_at
    return {
        "id": record.id,
        "job_id": record.job_id,
        "workflow": record.workflow_name,
        "mode": record.mode,
        "status": "orphaned" if abandoned(record) else record.status,
        "phase": record.phase,
        "progress": _progress(record, counts, Journal(database, record.id).step_count()),
        "items": counts or None,
        "started_at": record.created_at,
        "finished_at": finished,
        "duration": (finished - record.created_at).total_seconds() if finished else None,
        "cost": Journal(database, record.id).get("claude/spent"),
        "merged": record.merge is not None and record.merge.status == "merged",
        "repository": record.repository,
    }


def _progress(record: SessionRecord, counts: dict[str, int], steps: int) -> str:
    if counts:
        done, failed = counts.get("success", 0), counts.get("failed", 0)
        tail = f", {failed} failed" if failed else ""
        return f"items {done}/{sum(counts.values())}{tail}"
    total = len((record.definition.get("commands") or {}).get("steps") or ())
    return f"step {min(steps, total)}/{total}" if total else "-"


def full(home: Path, database: Database, record: SessionRecord) -> dict[str, Any]:
    """Return all that is recorded of a session, but its events."""
    journal = Journal(database, record.id)
    items = journal.item_results()
    artifacts = sorted((home / "sessions" / record.id / "artifacts").glob("*"))
    pending = sum(item.status == "pending" for item in items)
    return {
        **brief(database, record),
        "base_commit": record.base,
        "branch": record.branch,
        "target": record.target,
        "workspace": record.workspace,
        "workflow_file": record.workflow_file,
        "error": record.error,
        "phases": [one.model_dump(mode="json") for one in record.result.phases] if record.result else [],
        "steps": [one.model_dump(mode="json") for one in journal.steps()],
        "results": [item.model_dump(mode="json") for item in items],
        "artifacts": [str(file) for file in artifacts],
        "refs": [item.ref for item in items if item.ref],
        "merge": record.merge.model_dump(mode="json") if record.merge else None,
        "next": _next(record, pending, any(item.status == "failed" for item in items)),
    }


def _next(record: SessionRecord, pending: int, failed: bool) -> list[str]:  # noqa: FBT001 - a fact
    """Return the commands that make sense now."""
    start = f"prodigy -p {shlex.quote(record.repository)}"
    found = []
    if resumable(record, pending) and not (record.status == "running" and not abandoned(record)):
        found.append(f"{start} resume {record.id}")
    if failed:
        found.append(f"{start} dlq retry {record.id}")
    if record.workspace_state != "none" and record.status in ("success", "partial"):
        found.append(f"{start} worktree merge {record.id}")
    return found


def full_text(found: dict[str, Any]) -> str:
    """Return ``full`` for people."""
    names = (
        "id",
        "job_id",
        "workflow",
        "mode",
        "status",
        "progress",
        "base_commit",
        "branch",
        "target",
        "error",
        "cost",
    )
    lines = [f"{name:<12} {found[name]}" for name in names if found[name] is not None]
    lines += [
        f"phase        {one['name']}: {one['status']}, {one['duration']:.1f}s" for one in found["phases"]
    ]
    for step in found["steps"]:
        error = f": {step['error']['message']}" if step["error"] else ""
        lines.append(f"step         {step['path']} '{step['name']}': {step['status']}{error}")
    for item in found["results"][:_SHOWN_ITEMS]:
        error = f": {item['error']['message']}" if item["error"] else ""
        lines.append(f"item         {item_name(item['item_id'], item['item'])}: {item['status']}{error}")
    if len(found["results"]) > _SHOWN_ITEMS:
        lines.append(f"             and {len(found['results']) - _SHOWN_ITEMS} more items")
    lines += [f"artifact     {one}" for one in found["artifacts"]]
    lines += [f"next         {one}" for one in found["next"]]
    return printable_lines("\n".join(lines))
