"""Removing what a session left: its workspace and store, or all that a dead process could not remove."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.errors import EnvironmentUnavailable, GitFailed, ProdigyError
from prodigy.git.publish import find_published
from prodigy.git.recovery import recover_session
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.template import drop_templates
from prodigy.git.tree import delete_tree
from prodigy.owner import Owner
from prodigy.state.journal import Journal
from prodigy.state.sessions import Sessions
from prodigy.values import MergeOutcome

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.sandbox.docker.leftovers import Leftover
    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord


def discard(context: RunContext) -> None:
    """Remove a finished session's workspace and store; its record, logs and artifacts stay."""
    with ThreadPoolExecutor(1) as beside:
        # Both are many small files, and the file system deletes for two at once.
        deleted = beside.submit(context.store.delete)
        workspace = context.workspaces.open_session()
        if workspace is not None:
            workspace.remove()
    deleted.result()
    drop_templates(context.home, context.record.id)
    context.sessions.update(context.record.id, workspace_state="none")
    context.bus.emit("worktree_cleaned", path=context.record.workspace)


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something a dead process left behind."""

    kind: str
    name: str
    session: str | None
    leftover: Leftover | None = None


class Orphans:
    """Finds and removes what belongs to no living process.

    Engine objects are found by their labels, and only by them; sessions by their recorded owner.
    """

    def __init__(self, home: Path, database: Database) -> None:
        self._home = home
        self._database = database
        self._sessions = Sessions(database)

    def find(self, session: str | None = None) -> list[Orphan]:
        """Everything orphaned, or what of it belongs to one session."""
        found = [*self._engine_objects(), *self._dead_sessions()]
        return [orphan for orphan in found if session is None or orphan.session == session]

    def sessions(self) -> list[SessionRecord]:
        """Every session of the data root."""
        return self._sessions.all()

    def _dead_sessions(self) -> list[Orphan]:
        return [
            Orphan("session", record.workspace, record.id) for record in self.sessions() if abandoned(record)
        ]

    def _engine_objects(self) -> list[Orphan]:
        from prodigy.sandbox.docker.engine import connect
        from prodigy.sandbox.docker.leftovers import find_leftovers

        try:
            engine = connect()
        except EnvironmentUnavailable:
            if any(abandoned(s) and s.settings.get("sandbox") == "docker" for s in self.sessions()):
                raise
            return []
        return [
            Orphan(item.kind, item.name, item.labels.get("prodigy.session"), item)
            for item in find_leftovers(engine, str(self._home))
            if item.orphaned
        ]

    def remove(self, orphans: list[Orphan]) -> list[str]:
        """Remove orphans; gives a sentence for each that could not be removed.

        A dead session loses its agents' workspaces and half-made parts; its own workspace stays.
        """
        from prodigy.sandbox.docker.engine import connect
        from prodigy.sandbox.docker.leftovers import remove_leftovers

        objects = [orphan.leftover for orphan in orphans if orphan.leftover is not None]
        problems = remove_leftovers(connect(), objects) if objects else []
        if problems:
            return problems  # a container may still have a workspace
        for orphan in orphans:
            if orphan.kind == "session" and orphan.session is not None:
                try:
                    self._recover(self._sessions.get(orphan.session))
                except (ProdigyError, OSError) as error:
                    problems.append(f"{orphan.session}: {error}")
        return problems

    def _recover(self, record: SessionRecord) -> None:
        """Settle what a dead process had begun, by what is there now."""
        recover_session(self._home, record.id)
        delete_tree(self._home / "sessions" / record.id / "ws")
        journal = Journal(self._database, record.id)
        changes: dict[str, Any] = {}
        for number, kind, target in journal.unsettled():
            if kind == "publish" and (commit := self._published(record, target)):
                changes["merge"] = MergeOutcome(status="merged", commit=commit)
            journal.settle(number)
        journal.flush()
        self._sessions.update(
            record.id,
            status="interrupted",
            finished_at=datetime.now(UTC),
            error="the process that ran it ended without finishing",
            **changes,
        )

    def _published(self, record: SessionRecord, target: str) -> str | None:
        try:
            repository = open_repository(Path(record.repository))
            return find_published(Store.open(self._home, record.id), repository, target)
        except (GitFailed, EnvironmentUnavailable):
            return None  # without a store or a repository there is nothing to tell it from


def abandoned(record: SessionRecord) -> bool:
    """Whether the process that runs a session is gone without having finished it."""
    return record.status == "running" and Owner.is_dead(record.owner)


def delete_session(home: Path, sessions: Sessions, record: SessionRecord) -> None:
    """Remove a session wholly: workspace, store, logs, artifacts, record.

    Raises ProdigyError when a part of it cannot be removed; the record then stays.
    """
    recover_session(home, record.id)
    delete_tree(Path(record.workspace))
    delete_tree(home / "sessions" / record.id)
    drop_templates(home, record.id)
    sessions.delete(record.id)
