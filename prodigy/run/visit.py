"""A person's visit to a session: an interactive shell in a sandbox, and the usual import after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import UsageError
from prodigy.run.session_workspace import SessionWorkspace
from prodigy.run.worktrees import visiting

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.run.events import Watcher
    from prodigy.state.sessions import SessionRecord


def visit(
    home: Path,
    record: SessionRecord,
    watcher: Watcher,
    *,
    image: str | None,
    network: str | dict[str, list[str]] | None,
) -> int:
    """Open a shell on the session's workspace; gives the shell's exit code.

    Commits made there are on the session branch afterwards. Raises ImportRefused when they cannot be.
    """
    changes = {name: value for name, value in (("image", image), ("network", network)) if value}
    settings = {**record.settings, "settings": {**record.settings["settings"], **changes}}
    with visiting(home, record.model_copy(update={"settings": settings}), watcher, sandbox=True) as context:
        workspace = SessionWorkspace.reopen(context)
        if workspace is None:
            raise UsageError(f"{record.id} has no workspace any more")
        with workspace.in_use("shell") as station:
            workspace.refresh(station)
            sandbox = station.sandbox()
            code = sandbox.interact((sandbox.interpreter,), context.environment("shell", sandbox.root))
            workspace.collect(station)
        return code
