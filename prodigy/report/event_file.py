"""Events as JSON Lines, written as they happen: ``run --events``."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import TYPE_CHECKING

from prodigy.errors import UsageError
from prodigy.owner import Owner
from prodigy.state.event_log import Recorded

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from prodigy.report.reporter import Reporter
    from prodigy.values import Event


class EventFile:
    """A reporter that also writes every event down; what it writes is what ``events export`` would."""

    def __init__(self, inner: Reporter, target: Path | None, *, is_job: bool) -> None:
        """``target``: None for standard output. ``is_job``: whether the session is a job too.

        Raises UsageError when it cannot be written.
        """
        self._inner = inner
        self.shows_output = inner.shows_output
        self._number = 0
        self._lock = threading.Lock()
        self._owner = Owner.current()
        self._is_job = is_job
        self._is_file = target is not None
        try:
            self._stream: TextIO = target.open("w", encoding="utf-8") if target else sys.stdout
        except OSError as error:
            raise UsageError(f"--events: {target} cannot be written: {error.strerror}") from error

    def handle(self, event: Event) -> None:
        """Write one event, and show it."""
        with self._lock:
            self._number += 1
            job = f"job-{event.session.removeprefix('session-')}" if self._is_job else None
            found = Recorded(self._number, event).envelope(job, self._owner.host, self._owner.pid)
            # A disk that is full, or a reader that went away, must not end the run.
            with contextlib.suppress(OSError, ValueError):
                self._stream.write(json.dumps(found) + "\n")
                self._stream.flush()
        self._inner.handle(event)

    def output(self, phase: str | None, item: str | None, step: str | None, stream: str, line: str) -> None:
        """Show one line that a step printed; it is no event."""
        self._inner.output(phase, item, step, stream, line)

    def pause(self) -> None:
        """Leave the terminal to a prompt."""
        self._inner.pause()

    def resume(self) -> None:
        """Take the terminal back."""
        self._inner.resume()

    def close(self) -> None:
        """Leave the terminal as it was, and the file whole."""
        self._inner.close()
        if self._is_file:
            with contextlib.suppress(OSError):
                self._stream.close()
