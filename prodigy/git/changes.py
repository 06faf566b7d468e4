"""Changed files between two commits, with counted lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.process import CHUNK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from prodigy.git.runner import Git


@dataclass(frozen=True, slots=True)
class FileChange:
    """One changed file. The counts are lines; None for a binary file."""

    path: bytes
    insertions: int | None
    deletions: int | None


def changes_between(git: Git, base: str, head: str, most: int = 1_000_000) -> tuple[FileChange, ...]:
    """Compare two commits; a rename is a deletion and an addition.

    Raises GitFailed for more than ``most`` files, or when the comparison needs too much memory or time.
    """
    flags = ("-r", "-z", "--numstat", "--no-renames", "--no-ext-diff", "--no-textconv")
    found: list[FileChange] = []
    with git.stream("diff-tree", *flags, base, head, limited=True) as running:
        for row in nul_separated(running.stdout):
            added, deleted, path = row.split(b"\t", 2)
            found.append(FileChange(path, _count(added), _count(deleted)))
            if len(found) > most:
                raise GitFailed(f"more than {most} files are changed")
        running.finish()
    return tuple(found)


def nul_separated(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the records of a stream in which each ends with NUL."""
    rest = b""
    while chunk := stream.read(CHUNK):
        *rows, rest = (rest + chunk).split(b"\0")
        yield from rows


def _count(text: bytes) -> int | None:
    return None if text == b"-" else int(text)
