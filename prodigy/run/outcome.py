"""The result of a run: what its phases gave, put together and recorded."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prodigy.values import RunResult

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.run.map_outcome import MapOutcome
    from prodigy.run.orchestrator import Orchestrator
    from prodigy.values import MergeOutcome

RunStatus = Literal["success", "partial", "failed", "interrupted"]
_EXIT = {"success": 0, "partial": 4, "failed": 1}


def final_result(context: RunContext, run: Orchestrator, status: RunStatus, merge: MergeOutcome) -> RunResult:
    """Return a run's result; the session's record says the same when this returns."""
    record = context.record
    exit_code = 128 + context.stop.signal_number if status == "interrupted" else _EXIT[status]
    if merge.status in ("refused", "failed"):
        exit_code = 1
    head = context.store.head()
    result = RunResult.model_validate(
        {
            "session_id": record.id,
            "job_id": record.job_id,
            "workflow": record.workflow_name,
            "mode": record.mode,
            "status": status,
            "exit_code": exit_code,
            "started_at": record.created_at,
            "finished_at": datetime.now(UTC),
            "duration": time.monotonic() - context.started,
            "base_commit": record.base,
            "branch": record.branch,
            "target": record.target,
            "workspace": record.workspace,
            "iterations": tuple(run.iterations),
            "phases": tuple(run.phases),
            "steps": tuple(run.steps),
            "items": _counts(run.map),
            "results": run.map.items if run.map else (),
            "tolerated": tuple(run.tolerated()),
            "warnings": tuple(context.bus.warnings),
            "uncommitted": tuple(run.uncommitted),
            "commits": len(context.store.commits(record.base, head)),
            "files_changed": len(context.store.changes(record.base, head)),
            "cost": context.claude.spending.total if context.claude else {},
            "merge": merge,
            "resume_command": _resume_command(context, status),
            "error": run.error,
        }
    )
    context.bus.emit(_LAST_EVENT[status], error=run.error, duration=result.duration)
    context.journal.flush()
    context.sessions.update(
        record.id,
        status=status,
        merge=merge,
        error=run.error and context.variables.masker(run.error),
        phase=None,
        finished_at=result.finished_at,
        result=result.model_copy(update={"steps": (), "results": ()}),
    )
    return result


_LAST_EVENT: dict[RunStatus, str] = {
    "success": "job_completed",
    "partial": "job_completed",
    "failed": "job_failed",
    "interrupted": "job_paused",
}


def _resume_command(context: RunContext, status: RunStatus) -> str | None:
    if status not in ("interrupted", "failed"):
        return None
    return f"prodigy -p {shlex.quote(str(context.repository.root))} resume {context.record.id}"


def _counts(found: MapOutcome | None) -> dict[str, int] | None:
    if found is None:
        return None
    names = {"success": "successful", "failed": "failed", "skipped": "skipped", "pending": "pending"}
    return {"total": len(found.items)} | {name: found.count(status) for status, name in names.items()}
