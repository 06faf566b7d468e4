"""Leftovers: changes that a workspace did not commit, found and saved inside its sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import ImportRefused
from prodigy.git.changes import nul_separated
from prodigy.git.pipe import OpenPipe, chunks, complaint, shell
from prodigy.git.store import write_bounded
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

_LIST = (
    "GIT_OPTIONAL_LOCKS=0 exec git -c core.fsmonitor=false status"
    " --porcelain -z --untracked-files=all --no-renames"
)

# The index is a copy: the workspace's own stays as its owner left it.
_DIFF = """\
index=$(git rev-parse --absolute-git-dir)/prodigy-index.$$ || exit
trap 'rm -f "$index" "$index.lock"' EXIT
cp "$(git rev-parse --git-path index)" "$index" || exit
export GIT_INDEX_FILE="$index"
git -c core.fsmonitor=false add -A &&
    git diff --cached --binary --full-index --no-ext-diff --no-textconv --no-color HEAD
"""


def list_leftovers(open_pipe: OpenPipe, *, limit: int = 100_000, timeout: float = 120.0) -> tuple[bytes, ...]:
    """Return the changed and the untracked, not ignored paths, at most ``limit`` of them.

    Raises ImportRefused when the workspace's git fails.
    """
    found = []
    with open_pipe(shell(_LIST), timeout=timeout) as pipe:
        for entry in nul_separated(pipe.stdout):
            found.append(entry[3:])
            if len(found) == limit:
                return tuple(found)
        if pipe.wait():
            raise _refused(f"its changes cannot be listed: {complaint(pipe)}")
    return tuple(found)


def save_leftovers(open_pipe: OpenPipe, file: Path, *, limit: int = 256 << 20, timeout: float = 300.0) -> int:
    """Save them as a binary patch against HEAD in the new ``file``; return its size in bytes.

    Raises ImportRefused when the workspace's git fails, GitFailed for more than ``limit`` bytes; then
    there is no file.
    """
    with open_pipe(shell(_DIFF), timeout=timeout) as pipe:
        size = write_bounded(file, chunks(pipe.stdout), limit)
        if pipe.wait():
            file.unlink()
            raise _refused(f"its changes cannot be saved: {complaint(pipe)}")
    return size


def restore_leftovers(open_pipe: OpenPipe, file: Path, *, timeout: float = 300.0) -> None:
    """Bring what ``save_leftovers`` saved into a workspace that stands on the same commit.

    Raises ImportRefused when the workspace's git cannot.
    """
    command = ("git", "apply", "--binary", "--whitespace=nowarn", "-")
    with file.open("rb") as patch, open_pipe(command, stdin=chunks(patch), timeout=timeout) as pipe:
        while pipe.stdout.read(1 << 16):
            pass
        if pipe.wait():
            raise _refused(f"its changes cannot be restored: {complaint(pipe)}")


def _refused(message: str) -> ImportRefused:
    return ImportRefused(ErrorKind.IMPORT, f"the workspace's uncommitted changes: {message}")
