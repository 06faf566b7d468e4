"""Stopping a run: the first signal ends it cleanly, the second at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prodigy.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from prodigy.sandbox.protocol import Sandbox

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Knows every open sandbox, and whether the run is to end.

    A signal handler only starts a thread: handlers run between two bytecodes of the main thread, which
    may hold any lock.
    """

    def __init__(self) -> None:
        self._sandboxes: set[Sandbox] = set()
        self._lock = threading.Lock()
        self._requested = threading.Event()
        self._forced = False
        self.signal_number = 0
        self.announce: Callable[[], None] = lambda: None
        """Tells the user that the first signal was understood."""

    @property
    def requested(self) -> bool:
        """Whether no new work may start."""
        return self._requested.is_set()

    @property
    def forced(self) -> bool:
        """Whether sandboxes are being killed rather than asked to end."""
        return self._forced

    def check(self) -> None:
        """Raise Interrupted when the run is to end."""
        if self.requested:
            raise Interrupted(self.signal_number)

    def wait(self, seconds: float) -> bool:
        """Pause, at most until a stop is requested; tells whether one was."""
        return self._requested.wait(seconds)

    def request(self, signal_number: int) -> None:
        """Ask for the end; asked again, force it."""
        with self._lock:
            self._forced = self.requested
            if not self._forced:
                self.signal_number = signal_number
            self._requested.set()
            sandboxes = list(self._sandboxes)
        for sandbox in sandboxes:
            end = sandbox.kill if self._forced else sandbox.cancel
            threading.Thread(target=end, name="stop", daemon=True).start()
        if not self._forced:
            self.announce()

    def watch(self, sandbox: Sandbox) -> None:
        """Stop this sandbox too when the run is stopped; at once if it was."""
        with self._lock:
            self._sandboxes.add(sandbox)
            requested, forced = self.requested, self._forced
        if requested:
            (sandbox.kill if forced else sandbox.cancel)()

    def forget(self, sandbox: Sandbox) -> None:
        """Leave a sandbox that is being closed alone."""
        with self._lock:
            self._sandboxes.discard(sandbox)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM while the block runs (main thread only)."""

        def on_signal(number: int, _frame: FrameType | None) -> None:
            threading.Thread(target=self.request, args=(number,), name="signal", daemon=True).start()

        before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
