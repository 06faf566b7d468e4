"""The JSON documents: ``prodigy.run/1``, ``prodigy.error/1`` and the frame all others share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from prodigy.errors import ProdigyError, WorkflowInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.values import Diagnostic, ItemResult, RunResult, StepResult


def document(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Put data into the frame every document has."""
    return {"schema": f"prodigy.{name}/1", **data}


def dumps(value: Mapping[str, Any]) -> str:
    """JSON text, pure ASCII so that no foreign character reaches a terminal; times RFC 3339 in UTC."""
    return json.dumps(value, indent=2, default=_plain)


def timestamp(moment: datetime) -> str:
    """Show a moment as RFC 3339 text in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def error_document(error: ProdigyError) -> dict[str, Any]:
    """Return what ``--json`` prints instead of a result."""
    found = error.diagnostics if isinstance(error, WorkflowInvalid) else ()
    data = {
        "exit_code": error.exit_code,
        "message": error.message,
        "help": error.help,
        "diagnostics": [diagnostic_record(one) for one in found],
    }
    return document("error", data)


def diagnostic_record(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as data."""
    keys = ("file", "line", "column", "end_line", "end_column", "severity", "code", "message", "help")
    return {key: getattr(diagnostic, key) for key in keys}


_COST = ("usd", "input_tokens", "output_tokens", "cache_tokens")


def run_document(result: RunResult) -> dict[str, Any]:
    """Return what ``run --json`` prints."""
    data = result.model_dump(exclude={"phases", "steps", "results", "merge"})
    items = [_item(one) for one in result.results]
    data |= {
        "phases": [{**phase.model_dump(), "container_limits": None} for phase in result.phases],
        "steps": [_step(one) for one in result.steps],
        "results": items,
        "merge": result.merge.model_dump(),
        "cost": {name: result.cost.get(name) for name in _COST},
        "artifacts": [{"owner": one.item_id, "ref": one.ref} for one in result.results if one.ref],
    }
    return document("run", data)


def _step(result: StepResult) -> dict[str, Any]:
    tolerated = {"by": None, "error": result.error and result.error.message}
    return {
        **result.model_dump(),
        "tolerated": tolerated if result.status == "tolerated" else None,
    }


def _item(result: ItemResult) -> dict[str, Any]:
    return {**result.model_dump(), "success": result.success}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"no JSON form for {type(value).__name__}")
