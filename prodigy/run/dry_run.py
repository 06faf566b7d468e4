"""What a run would do, without doing any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.git.committed import Committed
from prodigy.run.header import notes, settings
from prodigy.run.inputs import INPUT_LIMIT
from prodigy.sandbox.protocol import WORKSPACE
from prodigy.workflow.globs import match_glob
from prodigy.workflow.items import number_items, parse_document, select
from prodigy.workflow.pipeline import select_items

if TYPE_CHECKING:
    from prodigy.git.repository import UserRepository
    from prodigy.run.plan import Plan
    from prodigy.workflow.models import MapInput, MapPhase, Phase
    from prodigy.workflow.step import Step


def describe_plan(plan: Plan, repository: UserRepository) -> dict[str, Any]:
    """The document ``prodigy.plan/1``: phases, steps and items as far as they are known beforehand."""
    base = Committed.head(repository)
    return {
        "workflow": plan.workflow.name,
        "mode": plan.workflow.mode,
        "base_commit": repository.head,
        "target": repository.branch,
        "settings": [list(row) for row in settings(plan, None) + notes(plan, repository)],
        "phases": [_phase(plan, name, phase) for name, phase in plan.workflow.phases().items()],
        "items": _items(plan, plan.workflow.map, base) if plan.workflow.map else None,
        "claude_steps": sum(step.claude is not None for step in plan.steps()),
        "merge": {"ask": "asked at the end", "yes": "without a question", "never": "never"}[plan.merge],
    }


def _phase(plan: Plan, name: str, phase: Phase) -> dict[str, Any]:
    mount = "one for each agent" if name == "map" else "the session workspace"
    return {
        "name": name,
        "mounts": [{"path": WORKSPACE, "mode": "rw", "what": mount}] if plan.sandbox == "docker" else [],
        "timeout": phase.timeout,
        "environment": sorted(plan.workflow.env),
        "steps": [_step(step) for step in phase.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "path": step.path,
        "name": step.name,
        "kind": step.kind,
        "text": step.text,
        "timeout": step.timeout,
        "working_dir": step.working_dir,
        "commit_required": step.commit_required,
        "when": step.when,
        "retry": step.retry.model_dump(mode="json") if step.retry else None,
        "on_failure": [_step(inner) for inner in step.on_failure.steps] if step.on_failure else None,
    }


def _items(plan: Plan, flow: MapPhase, base: Committed) -> dict[str, Any]:
    """The items, where finding them runs nothing: then as the base commit has them."""
    source = flow.input
    document = _document(source, base)
    if document is None:
        kind = "command" if source.kind == "text" else source.kind
        return {"known": False, "source": source.text or ", ".join(source.patterns), "kind": kind}
    chosen = select_items(number_items(select(document, flow.json_path)), flow)
    return {
        "known": True,
        "input": chosen.counts["input"],
        "stages": chosen.counts,
        "selected": len(chosen.items),
        "items": [{"id": item_id, "item": item} for item_id, item in chosen.items],
        "may_change": plan.workflow.setup is not None and source.kind != "inline",
    }


def _document(source: MapInput, base: Committed) -> Any:
    if source.kind == "inline":
        return source.document
    if source.kind == "glob":
        paths = [path.decode(errors="surrogateescape") for path in base.files()]
        return match_glob(source.patterns, source.exclude, paths)
    if source.kind in ("text", "file") and "${" not in source.text:
        data = base.file(source.text, INPUT_LIMIT)
        return None if data is None else parse_document(data, source.text, source.format)
    return None
