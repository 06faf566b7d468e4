"""Only errors, for ``-q``."""

from __future__ import annotations

import contextlib
from threading import Lock
from typing import TYPE_CHECKING

from prodigy.report import wording

if TYPE_CHECKING:
    from typing import TextIO

    from prodigy.values import Event


class Quiet:
    """Writes errors and nothing else."""

    shows_output = False

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = Lock()

    def handle(self, event: Event) -> None:
        """Write the event if it is an error."""
        errors = [line for line in wording.lines(event) if line.level == "ERROR"]
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write("".join(f"{wording.prefix(event)}{line.text}\n" for line in errors))
            self._stream.flush()

    def output(self, phase: str | None, item: str | None, step: str | None, stream: str, line: str) -> None:
        """Step output is not shown."""

    def pause(self) -> None:
        """Nothing to leave."""

    def resume(self) -> None:
        """Nothing to take back."""

    def close(self) -> None:
        """Nothing to restore."""
