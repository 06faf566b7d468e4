"""Session records for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prodigy.owner import Owner
from prodigy.state.sessions import SessionRecord


def session_record(session_id: str, **changes: Any) -> SessionRecord:
    """A running session of this process."""
    fields: dict[str, Any] = {
        "id": session_id,
        "job_id": f"job-{session_id.removeprefix('session-')}",
        "repository": "/somewhere/project",
        "project": "project",
        "workflow_file": "flow.yml",
        "workflow_name": "flow",
        "definition": {},
        "settings": {},
        "mode": "mapreduce",
        "status": "running",
        "base": "0" * 40,
        "target": "main",
        "branch": f"prodigy/{session_id}",
        "created_at": datetime.now(UTC),
        "owner": str(Owner.current()),
        "workspace": f"/home/worktrees/project/{session_id}",
    }
    return SessionRecord.model_validate(fields | changes)
