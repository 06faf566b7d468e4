"""Earlier sessions, to look at, merge, or visit in a shell: through the store or a sandbox, never by path."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed, ProdigyError, SandboxFailure
from prodigy.git.committed import Committed
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.run.cleanup import discard
from prodigy.run.machine import Machine, prepare
from prodigy.run.plan import Plan
from prodigy.run.publishing import Publisher
from prodigy.run.session import open_session
from prodigy.run.session_workspace import SessionWorkspace
from prodigy.run.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.run.cleanup import Orphan, Orphans
    from prodigy.run.context import RunContext
    from prodigy.run.events import Watcher
    from prodigy.run.publishing import Approve
    from prodigy.sandbox.protocol import Sandbox, SandboxSpec
    from prodigy.state.sessions import SessionRecord
    from prodigy.values import MergeOutcome


def stored_plan(record: SessionRecord) -> Plan:
    """The plan a session was started with."""
    return Plan.model_validate(record.settings | {"workflow": record.definition})


def session_store(home: Path, record: SessionRecord) -> Store | None:
    """The session's store; None when it went with a merge."""
    try:
        return Store.open(home, record.id)
    except GitFailed:
        return None


class _NoBackend:
    """Stands where no sandbox is needed."""

    def answers(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def open(self, spec: SandboxSpec) -> Sandbox:
        raise SandboxFailure(f"no sandbox was prepared for {spec.name}")


@contextmanager
def visiting(home: Path, record: SessionRecord, watcher: Watcher, *, sandbox: bool) -> Iterator[RunContext]:
    """An earlier session as a context; an engine is only asked for when a sandbox may be needed."""
    plan = stored_plan(record)
    needed = sandbox or record.workspace_state == "in_use"
    repository = open_repository(Path(record.repository))
    nowhere = Machine(_NoBackend(), (os.getuid(), os.getgid()))
    machine = (
        prepare(
            plan,
            home,
            lambda: Committed.at(repository, record.base),
            phases=plan.workflow.claude_phases() & {"merge"},
        )
        if needed
        else nowhere
    )
    stop = Stop()
    with stop.signals(), open_session(home, record, repository, machine, watcher, stop) as context:
        yield context


def clean_orphans(home: Path, orphans: Orphans, found: list[Orphan], watcher: Watcher) -> list[str]:
    """Remove orphans, then bring the workspaces of their sessions to rest.

    Gives a sentence for each thing that could not be done; nothing of a workspace's work is removed.
    """
    problems = orphans.remove(found)
    for record in orphans.sessions():
        if record.workspace_state != "in_use" or record.status == "running":
            continue
        try:
            with visiting(home, record, watcher, sandbox=True) as context:
                SessionWorkspace.reopen(context)
        except ProdigyError as error:
            problems.append(f"the workspace of {record.id} is not at rest: {error.message}")
    return problems


def merge_session(
    home: Path, record: SessionRecord, watcher: Watcher, approve: Approve, *, into: str | None = None
) -> MergeOutcome:
    """Merge a finished session into its target, or into another branch.

    Asks as a run does at its end. A merged session's workspace and store are removed when nothing else
    is kept in them.
    """
    if record.merge is not None and record.merge.status == "merged":
        return record.merge
    # What the run was told about merging was for its own end.
    asking = record.model_copy(update={"settings": {**record.settings, "merge": "ask"}})
    with visiting(home, asking, watcher, sandbox=record.workspace_state != "none") as context:
        publisher = Publisher(context, SessionWorkspace.reopen(context), target=into)
        publisher.catch_up()
        merge = publisher.offer(approve, context.base_scope())
        context.sessions.update(record.id, merge=merge, status=_finished(record))
        kept = any(item.ref for item in context.journal.item_results())
        left_over = publisher.visited or (record.result is not None and record.result.uncommitted)
        if merge.status == "merged" and not kept and not left_over:
            discard(context)
        return merge


def _finished(record: SessionRecord) -> str:
    return "interrupted" if record.status == "running" else record.status
