"""Failed items run again in a session of their own, where the one they failed in is merged or gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.errors import UsageError
from prodigy.git.store import exists
from prodigy.run.plan import Plan
from prodigy.run.policy import check_plan, read_policy
from prodigy.workflow.models import MapInput

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.state.sessions import SessionRecord


def is_closed(home: Path, record: SessionRecord) -> bool:
    """Whether a session takes no more work: it is merged, or its store was removed."""
    merged = record.merge is not None and record.merge.status == "merged"
    return merged or not exists(home, record.id)


def retry_plan(record: SessionRecord, items: list[Any], *, reduce: bool, **changes: Any) -> Plan:
    """Return the session's plan with these items alone, for a run from the target's newest commit.

    ``changes``: settings given anew. Raises UsageError where it had no map phase, PolicyViolation for what
    the machine's policy forbids by now.
    """
    plan = Plan.model_validate(record.settings | {"workflow": record.definition})
    flow = plan.workflow
    if flow.map is None:
        raise UsageError(f"{record.id} has no map phase")
    chosen = {
        "input": MapInput(kind="inline", document=items),
        **dict.fromkeys(("json_path", "filter", "sort_by", "distinct", "max_items")),
        "offset": 0,
    }
    parts: dict[str, Any] = {"map": flow.map.model_copy(update=chosen)}
    if not reduce:
        parts["reduce"] = None
    wanted = {name: value for name, value in changes.items() if value is not None}
    plan = plan.model_copy(update={"workflow": flow.model_copy(update=parts), **wanted})
    check_plan(plan, read_policy())
    return plan
