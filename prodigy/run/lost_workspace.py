"""The session's workspace, gone when its run is taken up: made again with what it had uncommitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import EnvironmentUnavailable, ProdigyError
from prodigy.git.leftovers import restore_leftovers
from prodigy.git.tree import delete_tree
from prodigy.run.session_workspace import SessionWorkspace

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.state.sessions import Leftovers


def restore_workspace(context: RunContext, *, force: bool) -> None:
    """See that a session that is taken up has its workspace, where it ever had one.

    ``force``: go on without what cannot be brought back.
    Raises EnvironmentUnavailable where uncommitted changes are lost with it.
    """
    record = context.sessions.get(context.record.id)
    place = Path(record.workspace)
    if record.workspace_state == "none":
        delete_tree(place)  # half made: nothing has run in it
        return
    if context.workspaces.open_session() is not None:
        return
    left = record.leftovers if record.workspace_state == "at_rest" else None
    head = record.head_imported or context.store.base
    problem = _problem(left)
    if problem and not force:
        raise EnvironmentUnavailable(
            f"the workspace {place} is gone, and with it {problem}",
            help=f"--force goes on without, from {head[:12]}",
        )
    workspace = SessionWorkspace.create(context, head)
    told = f"the workspace was gone: it was made again from {head[:12]}"
    if left is None or not left.patch or problem:
        context.bus.warn(told + (f", without {problem}" if problem else ""))
        return
    try:
        with workspace.in_use("recovery") as station:
            restore_leftovers(station.sandbox().pipe, Path(left.patch))
            workspace.leftovers = left
    except ProdigyError:
        workspace.workspace.remove()  # nobody may take it for whole
        raise
    context.bus.warn(f"{told} and {left.patch}")


def _problem(left: Leftovers | None) -> str | None:
    """Say what is lost with the workspace."""
    if left is None:
        return "what was uncommitted in it"
    if left.count and not (left.patch and Path(left.patch).is_file()):
        return f"{left.count} uncommitted changes"
    return None
