"""Recovery: removing what a killed process left half made. Nothing finished is touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.git.tree import delete_tree
from prodigy.git.workspace import unmount

if TYPE_CHECKING:
    from collections.abc import Iterator


def recover_session(home: Path, session_id: str) -> tuple[str, ...]:
    """Remove quarantines, unfinished trees and overlay mounts of a session that no process runs.

    Returns a sentence for each. Raises ProdigyError naming what could not be removed.
    """
    directory = home / "sessions" / session_id
    done = []
    for place in _mounts_below(directory):
        unmount(place)
        done.append(f"unmounted {place}")
    trees = (home / "worktrees").glob(f"*/.{session_id}.*.tmp")
    for place in (*directory.glob("store.git/incoming-*"), *_unfinished(directory), *trees):
        delete_tree(place)
        done.append(f"removed {place}")
    return tuple(done)


def _unfinished(directory: Path) -> Iterator[Path]:
    yield from directory.glob("*.tmp")
    yield from directory.glob(".*.tmp")
    yield from (directory / "ws").glob(".*.tmp")


def _mounts_below(directory: Path) -> list[Path]:
    """Return the mount points below a directory, innermost first."""
    points = []
    with Path("/proc/self/mountinfo").open("rb") as table:
        for line in table:
            # Fields: id, parent, device, root, mount point (with octal escapes).
            point = line.split(b" ")[4].decode("unicode_escape").encode("latin-1")
            points.append(Path(os.fsdecode(point)))
    return sorted((point for point in points if directory in point.parents), reverse=True)
