"""The state of the user's checkout, as git reports it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.git.runner import Git

_FIELDS = {b"1": 8, b"2": 9, b"u": 10, b"?": 1}
"""Fields before the path, by the kind of entry (git-status, porcelain format 2)."""


@dataclass(frozen=True, slots=True)
class Status:
    """``head`` and ``branch`` as git names them; ``paths``: what is changed or untracked, with its entry."""

    head: str
    branch: bytes
    paths: Mapping[bytes, bytes]


def read_status(git: Git) -> Status:
    """Ask git; nothing is written. Raises GitFailed where git cannot tell."""
    flags = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames")
    out = git.run("status", *flags, "--ignore-submodules=dirty", timeout=600).out
    head, branch, paths = "", b"", {}
    for entry in out.split(b"\0"):
        if entry.startswith(b"# branch.oid "):
            head = entry[13:].decode()
        elif entry.startswith(b"# branch.head "):
            branch = entry[14:]
        elif fields := _FIELDS.get(entry[:1]):
            *_, path = entry.split(b" ", fields)
            paths[path] = entry
    return Status(head, branch, paths)
