"""Taking up a session where its process ended: recovered by what is there, then run on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.errors import EnvironmentUnavailable, GitFailed, ProdigyError, UsageError
from prodigy.git.committed import Committed
from prodigy.git.leftovers import list_leftovers
from prodigy.git.publish import find_published
from prodigy.git.recovery import recover_session
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.store import exists as store_exists
from prodigy.git.tree import delete_tree
from prodigy.run.dead_letters import DISMISSED
from prodigy.run.header import header
from prodigy.run.lost_workspace import restore_workspace
from prodigy.run.machine import prepare
from prodigy.run.orchestrator import Orchestrator
from prodigy.run.phase import save_uncommitted
from prodigy.run.plan import Plan
from prodigy.run.rewind import rewind
from prodigy.run.session import open_session
from prodigy.run.session_workspace import SessionWorkspace
from prodigy.run.start import finish_session
from prodigy.run.stop import Stop
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from prodigy.state.sessions import Leftovers, Sessions

if TYPE_CHECKING:
    from prodigy.git.repository import UserRepository
    from prodigy.run.context import RunContext
    from prodigy.run.events import Watcher
    from prodigy.run.publishing import Approve
    from prodigy.state.sessions import SessionRecord
    from prodigy.values import RunResult
    from prodigy.workflow.models import Workflow


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """What may be given anew when a run is taken up."""

    force: bool = False
    """Go on with a workflow file that differs from the one the run began with, or without what was
    uncommitted in a workspace that is gone."""
    include_failed: bool = False
    """Run items that had failed again."""
    items: tuple[str, ...] = ()
    """Only these of them; all where none is named."""
    max_retries: int = 3
    """How often each of them may be tried."""
    again_reduce: bool = True
    """Whether reduce runs again too, where it had."""
    from_checkpoint: str | None = None
    """A finished step after which everything is done again."""
    steal_lock: bool = False
    """Take over a session whose process was on another host."""
    max_parallel: int | None = None
    timeout: float | None = None
    merge: str | None = None


def resumable(record: SessionRecord, pending: int, *, include_failed: bool = False) -> bool:
    """Whether a session has anything left to do. ``pending``: items that were not run."""
    if record.merge is not None and record.merge.status == "merged":
        return False
    if record.status in ("running", "interrupted", "failed"):
        return True
    return record.status == "partial" and (pending > 0 or include_failed)


def resume_session(
    home: Path,
    record: SessionRecord,
    flow: Workflow | None,
    options: ResumeOptions,
    watcher: Watcher,
    approve: Approve,
) -> RunResult:
    """Go on with a session to its end. ``flow``: the workflow as its file has it now.

    Raises UsageError for one that has nothing left to do, or whose file changed; EnvironmentUnavailable
    where another process runs it, or what it needs is gone.
    """
    repository = open_repository(Path(record.repository))
    with Database(home / "prodigy.db") as database:
        sessions = Sessions(database)
        journal = Journal(database, record.id)
        pending = sum(item.status == "pending" for item in journal.item_results())
        if not resumable(record, pending, include_failed=options.include_failed):
            raise UsageError(
                f"{record.id} has nothing to resume: it ended with {record.status}",
                help="--include-dlq runs items that failed again",
            )
        record = _with_workflow(record, flow, options)
        record = sessions.claim(record, steal=options.steal_lock)
    plan = Plan.model_validate(record.settings | {"workflow": record.definition})
    stop = Stop()
    try:
        _require_store(home, record, repository)
        _clear_remains(home, record)
        machine = prepare(plan, home, lambda: Committed.at(repository, record.base))
        with (
            stop.signals(),
            open_session(home, record, repository, machine, watcher, stop, resumed=True) as context,
        ):
            return _go_on(context, options, approve)
    except ProdigyError:
        _give_back(home, record)
        raise


def _require_store(home: Path, record: SessionRecord, repository: UserRepository) -> None:
    """Make a store that was never finished: nothing can have been committed in its session.

    The session must be this process's own: another one may be making the store just now.
    """
    if store_exists(home, record.id):
        return
    with Database(home / "prodigy.db") as database:
        finished = Journal(database, record.id).settled("store")
    if finished:
        raise EnvironmentUnavailable(
            f"the store of {record.id} is gone, and with it the commits that were not merged"
        )
    delete_tree(home / "sessions" / record.id / "store.git")
    Store.create(home, record.id, repository, commit=record.base)


def _give_back(home: Path, record: SessionRecord) -> None:
    """Leave a session that could not be taken up as one that can be."""
    with Database(home / "prodigy.db") as database:
        sessions = Sessions(database)
        if sessions.get(record.id).status == "running":
            sessions.update(record.id, status="interrupted")


def _go_on(context: RunContext, options: ResumeOptions, approve: Approve) -> RunResult:
    context.bus.emit("job_resumed", header=[list(row) for row in header(context)])
    context.stop.announce = partial(
        context.bus.emit, "warning", message="stopping what runs; Ctrl-C again stops at once"
    )
    published = _settle_effects(context)
    orchestrator = Orchestrator(context, approve)
    orchestrator.published = published
    restore_workspace(context, force=options.force)
    if options.include_failed:
        _queue_failed(context, options)
    _save_partial(context)
    if options.from_checkpoint is not None:
        rewind(context, options.from_checkpoint)
    result = orchestrator.run()
    finish_session(context, orchestrator, result)
    return result


def _with_workflow(record: SessionRecord, flow: Workflow | None, options: ResumeOptions) -> SessionRecord:
    """Hold the file against what the run began with. Raises UsageError where it differs."""
    settings: dict[str, Any] = dict(record.settings)
    for name in ("max_parallel", "timeout", "merge"):
        value = getattr(options, name)
        if value is not None:
            settings[name] = value
    record = record.model_copy(update={"settings": settings})
    if flow is None:
        return record
    now = flow.model_dump(mode="json")
    changed = changed_keys(record.definition, now)
    if changed and not options.force:
        listed = "\n".join(f"  {line}" for line in changed[:20])
        raise UsageError(
            f"the workflow {record.workflow_file} is not the one {record.id} began with:\n{listed}",
            help="--force goes on with the file as it is now, from its first changed step",
        )
    return record.model_copy(update={"definition": now}) if changed else record


_NOT_COMPARED = ("warnings",)


def changed_keys(before: Any, after: Any, path: str = "") -> list[str]:
    """Say key by key how two workflows differ."""
    if before == after or path in _NOT_COMPARED:
        return []
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in [*before, *(key for key in after if key not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            found += changed_keys(before.get(key), after.get(key), inner)
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            line
            for number, (a, b) in enumerate(zip(before, after, strict=True))
            for line in changed_keys(a, b, f"{path}[{number}]")
        ]
    return [f"{path}: {_shown(before)} -> {_shown(after)}"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - a line


def _clear_remains(home: Path, record: SessionRecord) -> None:
    """Remove what the dead process left on the engine, and of half-made trees."""
    from prodigy.run.cleanup import Orphans

    with Database(home / "prodigy.db") as database:
        orphans = Orphans(home, database)
        found = [one for one in orphans.find(record.id) if one.leftover is not None]
        problems = orphans.remove(found)
    if problems:
        raise EnvironmentUnavailable("; ".join(problems))
    recover_session(home, record.id)
    delete_tree(home / "sessions" / record.id / "ws")


def _settle_effects(context: RunContext) -> str | None:
    """Find out what became of effects that were intended; gives the commit of a finished publication."""
    published = None
    for number, kind, target in context.journal.unsettled():
        if kind == "publish":
            try:
                published = find_published(context.store, context.repository, target)
            except GitFailed:
                published = None
        context.journal.settle(number)
    context.journal.flush()
    return published


def _queue_failed(context: RunContext, options: ResumeOptions) -> None:
    """Let items that had failed run again, from the newest commit; dismissed ones only by their names."""
    dismissed = set(context.journal.get(DISMISSED) or ())
    chosen = [
        item
        for item in context.journal.item_results()
        if item.status in ("failed", "skipped")
        and (item.item_id in options.items if options.items else item.item_id not in dismissed)
    ]
    if not chosen:
        return
    names = [item.item_id for item in chosen]
    context.bus.at(phase="map").emit("dlq_items_reprocessed", items=names, count=len(names))
    context.journal.put(DISMISSED, sorted(dismissed.difference(names)))
    for item in chosen:
        context.journal.put(f"tries/{item.index}", item.attempts + options.max_retries)
        context.journal.item(item.model_copy(update={"status": "pending"}))
    context.journal.put("map/base", context.store.head())
    if options.again_reduce:
        context.journal.forget("phase/reduce")
        context.journal.forget("steps/reduce")


def _save_partial(context: RunContext) -> None:
    """Keep what a step that was cut off had left uncommitted, before it runs again."""
    record = context.sessions.get(context.record.id)
    if record.workspace_state != "in_use":
        return
    workspace = SessionWorkspace.reopen(context)
    if workspace is None:
        return
    with workspace.in_use("recovery") as station:
        left = list_leftovers(station.sandbox().pipe)
        workspace.leftovers = Leftovers(count=len(left))
        if left:
            patch = save_uncommitted(context, "cut-off", station)
            workspace.leftovers = Leftovers(count=len(left), patch=str(patch))
            context.bus.warn(
                f"a step was cut off: its {len(left)} uncommitted changes stay, a copy of them is {patch}"
            )
