"""Opening a session: a new one for a run, or an earlier one to look at, merge or recover."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import EnvironmentUnavailable, ProdigyError
from prodigy.owner import Owner
from prodigy.run.claude import Claude
from prodigy.run.context import RunContext
from prodigy.run.credentials import process_secrets, read_model
from prodigy.run.events import Bus
from prodigy.run.plan import Plan, definition
from prodigy.run.spending import Spending
from prodigy.run.variables import read_variables
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from prodigy.state.sessions import SessionRecord, Sessions, new_session_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.repository import UserRepository
    from prodigy.git.store import Store
    from prodigy.run.events import Watcher
    from prodigy.run.machine import Machine
    from prodigy.run.stop import Stop
    from prodigy.run.variables import Variables
    from prodigy.sandbox.egress import Model

_SHOWN = 3


@contextmanager
def new_session(
    home: Path,
    plan: Plan,
    repository: UserRepository,
    machine: Machine,
    watcher: Watcher,
    stop: Stop,
    variables: Variables,
) -> Iterator[RunContext]:
    """A new session with its store; the record is durable before the store exists."""
    from prodigy.git.store import Store

    with Database(home / "prodigy.db") as database:
        sessions = Sessions(database)
        record = _record(home, plan, repository)
        sessions.create(record)
        journal = Journal(database, record.id, variables.masker)
        (effect,) = journal.intend(("store", record.id))
        store = Store.create(home, record.id, repository)
        journal.settle(effect)
        context = _context(
            home, record, plan, repository, store, machine, sessions, journal, watcher, stop, variables
        )
        _tell_of_orphans(database, context)
        try:
            yield context
        finally:
            machine.backend.close()
        journal.flush()


@contextmanager
def open_session(
    home: Path,
    record: SessionRecord,
    repository: UserRepository,
    machine: Machine,
    watcher: Watcher,
    stop: Stop,
    *,
    resumed: bool = False,
) -> Iterator[RunContext]:
    """An earlier session, taken over by this process, under the settings the record is given with.

    Raises EnvironmentUnavailable when the process that runs it is alive, GitFailed when its store is gone.
    """
    from prodigy.git.store import Store

    with Database(home / "prodigy.db") as database:
        sessions = Sessions(database)
        plan = Plan.model_validate(record.settings | {"workflow": record.definition})
        record = take_over(sessions, record)
        store = Store.open(home, record.id)
        variables = read_variables(
            plan.workflow,
            Path(record.workflow_file),
            repository.root,
            plan.policy.allowed_files,
            record.target or "",
        )
        journal = Journal(database, record.id, variables.masker)
        context = _context(
            home, record, plan, repository, store, machine, sessions, journal, watcher, stop, variables
        )
        if resumed:
            _tell_of_orphans(database, context)
        try:
            yield dataclasses.replace(context, resumed=resumed)
        finally:
            machine.backend.close()
        journal.flush()


def take_over(sessions: Sessions, record: SessionRecord) -> SessionRecord:
    """Make this process the owner of a session whose own process has ended.

    Raises EnvironmentUnavailable while that process lives.
    """
    owner = Owner.parse(record.owner)
    if record.status == "running" and owner is not None and owner.alive() and owner != Owner.current():
        raise EnvironmentUnavailable(
            f"{record.id} is already running: PID {owner.pid} on {owner.host} "
            f"since {record.created_at.astimezone():%Y-%m-%d %H:%M:%S}"
        )
    return sessions.update(record.id, owner=str(Owner.current()))


def _record(home: Path, plan: Plan, repository: UserRepository) -> SessionRecord:
    now = datetime.now(UTC)
    session_id = new_session_id(now)
    suffix = session_id.removeprefix("session-")
    settings = plan.model_dump(mode="json", exclude={"workflow"})
    return SessionRecord(
        id=session_id,
        job_id=f"job-{suffix}" if plan.workflow.mode == "mapreduce" else None,
        repository=str(repository.root),
        project=repository.name,
        workflow_file=plan.workflow_file,
        workflow_name=plan.workflow.name,
        definition=definition(plan),
        settings=settings,
        mode=plan.workflow.mode,
        status="running",
        base=repository.head,
        target=repository.branch,
        branch=f"prodigy/{session_id}",
        created_at=now,
        owner=str(Owner.current()),
        workspace=str(home / "worktrees" / repository.name / session_id),
    )


def _context(
    home: Path,
    record: SessionRecord,
    plan: Plan,
    repository: UserRepository,
    store: Store,
    machine: Machine,
    sessions: Sessions,
    journal: Journal,
    watcher: Watcher,
    stop: Stop,
    variables: Variables,
) -> RunContext:
    from prodigy.git.merging import SessionMerger
    from prodigy.git.workspace import Workspaces

    claude, model = _claude(plan, journal)
    return RunContext(
        claude=claude,
        model=model,
        home=home,
        record=record,
        plan=plan,
        repository=repository,
        store=store,
        merger=SessionMerger(store),
        workspaces=Workspaces(store, machine.owner, backend=machine.workspaces),
        machine=machine,
        sessions=sessions,
        journal=journal,
        bus=Bus(journal, watcher, record.id, masker=variables.masker),
        stop=stop,
        variables=variables,
    )


def _claude(plan: Plan, journal: Journal) -> tuple[Claude | None, Model | None]:
    """How Claude runs, and the endpoint that gateways lead to."""
    settings = plan.workflow.claude
    if not plan.uses_claude:
        return None, None
    try:
        secrets = process_secrets(settings)
        model = read_model() if settings.credentials == "gateway" else None
    except EnvironmentUnavailable:
        # What runs Claude has asked for them before; merging what it has done needs none.
        return None, None
    spending = Spending(journal, settings.run_budget_usd or plan.policy.max_run_budget_usd)
    return Claude(settings, spending, plan.sandbox == "docker", secrets), model


def _tell_of_orphans(database: Database, context: RunContext) -> None:
    """Compare the engine with the database: what nobody owns any more is named, and left to the user."""
    from prodigy.run.cleanup import Orphans

    if not context.machine.images:
        return
    try:
        found = Orphans(context.home, database).find()
    except ProdigyError:
        return  # an engine that does not answer now fails the first container with a better message
    names = [one.name for one in found if one.leftover is not None and one.session != context.record.id]
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        context.bus.warn(
            f"runs that were killed left {', '.join(names[:_SHOWN])}{more} on the engine: "
            "`prodigy worktree clean-orphaned` removes them"
        )
