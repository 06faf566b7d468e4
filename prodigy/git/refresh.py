"""Refresh: bringing the session's new commits into its own workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.pipe import OpenPipe, chunks, complaint, shell

if TYPE_CHECKING:
    from prodigy.git.store import Store

_TAKE = """\
git index-pack --stdin --fix-thin >/dev/null && exec git -c core.fsmonitor=false merge -q --ff-only "$1"
"""


def refresh(store: Store, open_pipe: OpenPipe, have: str, to: str, *, timeout: float = 300.0) -> None:
    """Fast-forward the branch a workspace has checked out from ``have`` to ``to``, in its sandbox.

    Files it has not committed stay. Raises GitFailed when the workspace cannot take it; seconds.
    """
    if have == to:
        return
    flags = ("--revs", "--thin", "--stdout", "-q", "--delta-base-offset")
    with store.git.stream(
        "pack-objects", *flags, data=f"{to}\n^{have}\n".encode(), timeout=timeout
    ) as running:
        with open_pipe(shell(_TAKE, to), stdin=chunks(running.stdout), timeout=timeout) as pipe:
            while pipe.stdout.read(1 << 16):
                pass
            if code := pipe.wait():
                raise GitFailed(f"the workspace cannot take {to[:12]} (exit code {code}): {complaint(pipe)}")
        running.finish()
