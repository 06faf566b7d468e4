"""What a run would do, without doing any of it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from prodigy.git.committed import Committed
from prodigy.run.header import notes, settings
from prodigy.run.inputs import INPUT_LIMIT
from prodigy.sandbox.protocol import WORKSPACE
from prodigy.workflow.globs import match_glob
from prodigy.workflow.items import number_items, parse_document, select
from prodigy.workflow.pipeline import select_items

_PLACEHOLDER = re.compile(r"(?<!\$)\$\{([^{}]*)\}")

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
        "peak": _peak(plan),
        "claude_steps": sum(step.claude is not None for step in plan.steps()),
        "merge": {"ask": "asked at the end", "yes": "without a question", "never": "never"}[plan.merge],
    }


def _peak(plan: Plan) -> dict[str, Any]:
    """The most containers at a time, and what they may use of this machine's memory together."""
    agents = plan.max_parallel if plan.workflow.map else 1
    memory = agents * plan.settings_of("map" if plan.workflow.map else "commands").memory
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"containers": agents, "memory": memory, "machine_memory": machine}


def _phase(plan: Plan, name: str, phase: Phase) -> dict[str, Any]:
    mount = "one for each agent" if name == "map" else "the session workspace"
    settings = plan.settings_of(name)
    caches = [
        {"path": cache.path, "mode": "ro" if cache.read_only else "rw", "what": f"the cache {cache.name}"}
        for cache in settings.caches
    ]
    docker = plan.sandbox == "docker"
    secrets = [*plan.workflow.secrets, *(n for n, v in plan.workflow.env.items() if v.secret)]
    environment = {n: v.text or "" for n, v in plan.workflow.env.items() if not v.secret}
    return {
        "name": name,
        "image": (settings.image or "built-in") if docker else None,
        "mounts": [{"path": WORKSPACE, "mode": "rw", "what": mount}, *caches] if docker else [],
        "user": settings.user or "the caller",
        "network": settings.network_kind if docker else "host",
        "egress": list(settings.egress),
        "limits": settings.model_dump(include={"cpus", "memory", "pids", "disk"}) if docker else None,
        "timeout": phase.timeout,
        "environment": sorted([*environment, *secrets, *settings.env]),
        "values": environment | dict.fromkeys(secrets, "***"),
        "steps": [_step(step) for step in phase.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    handlers = {f"on_exit_code[{code}]": one for code, one in step.on_exit_code.items()}
    if step.on_failure is not None:
        handlers["on_failure"] = step.on_failure
    return {
        "path": step.path,
        "name": step.name,
        "kind": step.kind,
        "text": shown(step.text),
        "when": step.when,
        "timeout": step.timeout,
        "working_dir": step.working_dir,
        "commit_required": step.commit_required,
        "continue_on_error": step.continue_on_error,
        "retry": step.retry.model_dump(mode="json", exclude_defaults=True) | {"attempts": step.retry.attempts}
        if step.retry
        else None,
        "handlers": {
            name: one.model_dump(mode="json", exclude={"steps"}) | {"steps": [_step(s) for s in one.steps]}
            for name, one in handlers.items()
        },
        "steps": [_step(inner) for inner in step.foreach.do] if step.foreach else [],
    }


def shown(text: str) -> str:
    """Return a text whose placeholders, known only when it runs, stand out."""
    return _PLACEHOLDER.sub(lambda found: f"⟨{found[1]}⟩", text)


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
