"""The session workspace as a small state machine: none, at rest, in use, and back to rest.

In use, a sandbox owns the directory and its ``.git`` cannot be trusted. On the way back its commits are
imported, and the ``.git`` is replaced by one the host built, so that a person may visit it. A process
that dies in between leaves ``in_use`` in the record; ``recover`` finishes what it began.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prodigy.errors import ImportRefused
from prodigy.git.at_rest import settle
from prodigy.git.importing import Imported, import_commits
from prodigy.git.leftovers import list_leftovers
from prodigy.git.merging import Conflict
from prodigy.git.refresh import refresh
from prodigy.git.template import get_template
from prodigy.state.sessions import Leftovers
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.template import Template
    from prodigy.git.workspace import Workspace
    from prodigy.run.context import RunContext
    from prodigy.run.station import Station


@dataclass(slots=True)
class SessionWorkspace:
    """The workspace of a session and the commit it was last known to stand on."""

    context: RunContext
    workspace: Workspace
    head: str
    leftovers: Leftovers | None = None
    """What is uncommitted in it, where that is known."""

    @property
    def _template(self) -> Template:
        return get_template(self.context.store, self.context.store.base, self.context.machine.owner)

    @classmethod
    def create(cls, context: RunContext, head: str) -> SessionWorkspace:
        """Make the workspace from a commit, and bring it to rest."""
        (effect,) = context.journal.intend(("workspace", context.record.workspace))
        workspace = context.workspaces.session(get_template(context.store, head, context.machine.owner))
        context.bus.emit("worktree_created", path=str(workspace.path))
        made = cls(context, workspace, head, Leftovers(count=0))
        made._record("at_rest")
        context.journal.settle(effect)
        return made

    @classmethod
    def reopen(cls, context: RunContext) -> SessionWorkspace | None:
        """The workspace of an earlier process, brought to rest; None when there is none any more."""
        workspace = context.workspaces.open_session()
        if workspace is None:
            return None
        record = context.sessions.get(context.record.id)
        found = cls(context, workspace, record.head_imported or context.store.base, record.leftovers)
        if record.workspace_state == "in_use":
            with found.in_use("recovery") as station:
                try:
                    found.collect(station)
                except ImportRefused as error:
                    if error.kind is not ErrorKind.IMPORT:
                        raise  # good commits that do not fit: a person may still make them fit
                    # The files stay; only what no git should read is gone with its .git.
                    context.bus.warn(f"commits in {workspace.path} cannot be taken over: {error.message}")
        return found

    @contextmanager
    def in_use(self, phase: str) -> Iterator[Station]:
        """Hand the workspace to a sandbox for the block, then bring it to rest.

        When the block raises, when its sandbox cannot be removed, or after a forced stop, it is left as it
        is and recorded as in use: commits may not be imported yet, and replacing ``.git`` would lose them.
        """
        self.leftovers = None
        self._record("in_use")
        self.workspace.hand_over(*self.context.machine.owner)
        with self.context.station(self.workspace.mount, phase=phase) as station:
            yield station
        if not self.context.stop.forced:
            settle(self.workspace, self.context.store, self.head, self._template)
            self._record("at_rest")

    @contextmanager
    def read_only(self, phase: str) -> Iterator[Station]:
        """Let a sandbox read the workspace for the block."""
        self.workspace.hand_over(*self.context.machine.owner)
        try:
            mount = replace(self.workspace.mount, read_only=True)
            with self.context.station(mount, phase=phase, name=f"{phase}-input") as station:
                yield station
        finally:
            self.workspace.hand_over(os.getuid(), os.getgid())

    def collect(self, station: Station, *, claimed: str | None = None) -> Imported:
        """Bring new commits into the store and move the session branch to them.

        ``claimed`` is where the sandbox said HEAD stands; nothing is transferred when that is where the
        workspace began. Raises ImportRefused; the session branch is then where it was.
        """
        ref = "workspace"
        imported = import_commits(self.context.store, station.sandbox().pipe, self.head, ref, claimed=claimed)
        if imported.head != self.head:
            self._advance(imported.head)
            self.head = imported.head
            self._record("in_use")
        return imported

    def _advance(self, commit: str) -> None:
        if self.context.store.head() == self.head:
            self.context.merger.fast_forward(commit)
            return
        # Agents were merged since the workspace was brought up to date.
        merged = self.context.merger.merge_target(commit, self.context.record.branch)
        if isinstance(merged, Conflict):
            files = ", ".join(path.decode(errors="replace") for path in merged.files)
            raise ImportRefused(
                ErrorKind.MERGE_CONFLICT, f"what was committed in {self.workspace.path} conflicts in {files}"
            )

    def catch_up(self) -> tuple[bytes, ...]:
        """Import what a person committed in the workspace at rest; gives the paths left uncommitted."""
        with self.in_use("visit") as station:
            self.collect(station)
            left = tuple(sorted(list_leftovers(station.sandbox().pipe)))
            self.leftovers = Leftovers(count=len(left))
            return left

    def refresh(self, station: Station) -> None:
        """Import what was committed at rest, then bring the workspace to the session's head."""
        self.collect(station)
        to = self.context.store.head()
        if to != self.head:
            refresh(self.context.store, station.sandbox().pipe, self.head, to)
            self.head = to
            self._record("in_use")

    def _record(self, state: str) -> None:
        self.context.sessions.update(
            self.context.record.id,
            workspace_state=state,
            head_imported=self.head,
            leftovers=self.leftovers,
        )
