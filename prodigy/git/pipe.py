"""What importing needs of a sandbox: a command in the workspace, and its streams."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, BinaryIO, Protocol

from prodigy.git.process import CHUNK
from prodigy.git.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager


class Pipe(Protocol):
    """A running command in a workspace. Leaving its context kills it."""

    stdout: BinaryIO

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code; raise a ProdigyError when the sandbox died or seconds ran out."""

    def stderr_tail(self) -> bytes:
        """Return the last bytes of stderr."""


class OpenPipe(Protocol):
    """Starts a command in one workspace, in its sandbox."""

    def __call__(
        self, argv: tuple[str, ...], *, stdin: Iterable[bytes] | None = None, timeout: float | None = None
    ) -> AbstractContextManager[Pipe]:
        """Start ``argv`` in the work tree's top directory."""


def shell(script: str, *args: str) -> tuple[str, ...]:
    """Return the command that runs ``script`` with ``args`` as its positional parameters."""
    return ("sh", "-c", script, "prodigy", *args)


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield a stream's bytes to its end."""
    while chunk := stream.read(CHUNK):
        yield chunk


def complaint(pipe: Pipe) -> str:
    """Return the last line a command wrote to stderr, safe to show."""
    lines = []
    with contextlib.suppress(Exception):
        lines = pipe.stderr_tail().strip().splitlines()
    return shown(lines[-1]) if lines else "no message"
