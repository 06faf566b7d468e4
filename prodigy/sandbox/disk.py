"""Watching how much a workspace holds, from inside its sandbox."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from prodigy.sandbox.flight import Flight
    from prodigy.sandbox.runner import Runner

FIRST_LOOK = 3.0
"""Seconds after which a call that still runs is looked at."""
INTERVAL = 5.0
"""Seconds between two looks, at least ten times what a look takes."""
FASTEST = 2 << 30
"""Bytes nothing writes more of in a second: a call too short to reach the limit is not looked at."""
_LOOK_LIMIT = 120.0


class DiskWatch:
    """Watches one call; without a limit it does nothing."""

    def __init__(self, runner: Runner, flight: Flight, limit: int | None) -> None:
        self._runner = runner
        self._flight = flight
        self._limit = limit
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Look from time to time while the call runs."""
        if self._limit is not None:
            self._thread = threading.Thread(target=self._watch, name="disk", daemon=True)
            self._thread.start()

    def end(self, kind: ErrorKind | None, message: str, seconds: float) -> tuple[ErrorKind | None, str]:
        """Look once more at the end of a call that went well; gives what is to be said of it."""
        self.close()
        if self._limit is None or kind is not None or seconds * FASTEST < self._limit:
            return kind, message
        problem = self._problem()
        return (kind, message) if problem is None else (ErrorKind.DISK_LIMIT, problem)

    def close(self) -> None:
        """Stop looking."""
        self._over.set()

    def _watch(self) -> None:
        pause = FIRST_LOOK
        while not self._over.wait(pause):
            problem = self._problem()
            if problem is not None and not self._over.is_set():
                self._runner.stop_for(self._flight, ErrorKind.DISK_LIMIT, problem)
                return
            pause = INTERVAL

    def _problem(self) -> str | None:
        """Say that the workspace holds too much; None where it does not, or cannot be asked."""
        try:
            with self._runner.pipe(("du", "-skx", "."), timeout=_LOOK_LIMIT) as pipe:
                said = pipe.stdout.read(64).split()
                pipe.wait()
        except SandboxFailure:
            return None
        if not said or not said[0].isdigit() or self._limit is None:
            return None
        held = int(said[0]) << 10
        if held <= self._limit:
            return None
        return f"the workspace holds {held >> 20} MiB, more than the {self._limit >> 20} MiB of `disk`"
