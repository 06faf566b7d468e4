"""One call on its way: what it has reported, and why it is being stopped."""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prodigy.sandbox.marks import MarkFilter
from prodigy.sandbox.recorder import Recorder
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.sandbox.channel import Channel
    from prodigy.sandbox.protocol import Call, StreamName

PREPARE_LIMIT = 60.0
"""Seconds a step may take to begin: storing its input and asking for HEAD."""
REPORT_LIMIT = 60.0
"""Seconds the report may take once the command has ended: a hostile repository can hang git."""
EARLY_LIMIT = 4 << 20
"""Bytes of output held back until the report of the beginning has come."""
DRAIN_LIMIT = 3.0
"""Seconds to wait for the rest of the output of a step that was stopped."""

_BEGIN = re.compile(r"B (\d+) (\d+) (\d+) (-|[0-9a-f]{40}|[0-9a-f]{64})")
_END = re.compile(r"E (\d{1,3})")
_HEAD = re.compile(r"H (-|[0-9a-f]{40}|[0-9a-f]{64}) ([01]) (\d+) (-|\d+) ([01])")


@dataclass(frozen=True, slots=True)
class Begin:
    """A step's first report."""

    session: int
    start: int
    """Clock ticks since the machine started."""
    oom_kills: int
    head: str | None


@dataclass(frozen=True, slots=True)
class End:
    """A step's last report."""

    head: str | None
    descends: bool
    oom_kills: int
    dirty: int | None
    told: bool
    """Whether the step left values in its output file."""


class Stoppable:
    """An execution under way, shared by the thread that reads its output and those that may stop it."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        """In the environment of every process of the execution: what the kill rule goes by."""
        self.mark = secrets.token_hex(16)
        self.started_at = time.monotonic()
        self.begin: Begin | None = None
        self.exit_code: int | None = None
        self.stop_kind: ErrorKind | None = None
        self.stop_message = ""
        self.channel: Channel | None = None
        self.lock = threading.Lock()
        self._stopped_at: float | None = None
        self._stopped = threading.Event()

    def commit(self, channel: Channel) -> bool:
        """Bind the running program; False when the execution was stopped before it had one."""
        with self.lock:
            if self.stop_kind is None:
                self.channel = channel
            return self.stop_kind is None

    def request_stop(self, kind: ErrorKind, message: str) -> bool:
        """Claim the right to stop this; False when it is over or another does it already."""
        with self.lock:
            too_late = self.exit_code is not None and kind is ErrorKind.TIMEOUT
            if self.stop_kind is not None or too_late:
                return False
            self.stop_kind, self.stop_message = kind, message
            return True

    def stopped(self) -> None:
        """Say that the stopping is through; the reader waits for rest output a bounded time only."""
        self._stopped_at = time.monotonic()
        self._stopped.set()
        if self.channel:
            self.channel.wake()

    def settle(self) -> None:
        """Wait until a stopping that has begun is through: nothing of the execution runs after that."""
        if self.stop_kind is not None:
            self._stopped.wait()

    def patience(self) -> float | None:
        """Seconds the reader may wait for more output; negative when it shall give up."""
        return None if self._stopped_at is None else self._stopped_at + DRAIN_LIMIT - time.monotonic()


class Flight(Stoppable):
    """The state of one call."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call
        self.end: End | None = None
        self.refused: tuple[ErrorKind, str] | None = None
        self._output_ended = False
        self._early = bytearray()
        self._watchdog: threading.Timer | None = None
        self._on_deadline: Callable[[ErrorKind, str], None] | None = None
        self.recorders: dict[StreamName, Recorder] = {
            "stdout": Recorder(call.stdout, self._lines("stdout"), call.masker),
            "stderr": Recorder(call.stderr, self._lines("stderr"), call.masker),
        }
        self._filters: dict[StreamName, MarkFilter] = {
            "stdout": MarkFilter(self.mark, self._on_stdout_report),
            "stderr": MarkFilter(self.mark, self._on_report),
        }

    @property
    def complete(self) -> bool:
        """Whether both streams have been read up to their closing marks."""
        return self._output_ended and (self.end is not None or self.refused is not None)

    @property
    def log_error(self) -> OSError | None:
        """Why a log could not be written."""
        return self.recorders["stdout"].error or self.recorders["stderr"].error

    def feed(self, name: StreamName, data: bytes) -> None:
        """Take output as it came.

        What the command prints can overtake the report of its beginning, which comes by another stream; it
        is held back until then, so that the deadline is set before a reader of lines may block.
        """
        passed = self._filters[name].feed(data)
        early = self.begin is None and len(self._early) < EARLY_LIMIT
        if early and name == "stdout":
            self._early += passed
            return
        if not early:
            self._release_early()
        self.recorders[name].feed(passed)

    def finish(self) -> None:
        """Close the logs: no more output will come."""
        self.watch(None)
        self._release_early()
        for name, recorder in self.recorders.items():
            recorder.feed(self._filters[name].finish())
            recorder.close()

    def watch(
        self,
        seconds: float | None,
        on_deadline: Callable[[ErrorKind, str], None] | None = None,
        kind: ErrorKind = ErrorKind.TIMEOUT,
        message: str = "",
    ) -> None:
        """Set the one deadline that counts now; None ends the watch."""
        self._on_deadline = on_deadline or self._on_deadline
        if self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        if seconds is not None and self._on_deadline:
            self._watchdog = threading.Timer(seconds, self._on_deadline, (kind, message))
            self._watchdog.daemon = True
            self._watchdog.start()

    def _release_early(self) -> None:
        early, self._early = bytes(self._early), bytearray()
        self.recorders["stdout"].feed(early)

    def _lines(self, name: StreamName) -> Callable[[str], None] | None:
        on_line = self.call.on_line
        return (lambda line: on_line(name, line)) if on_line else None

    def _on_stdout_report(self, text: str) -> None:
        self._output_ended = self._output_ended or text == "O"

    def _on_report(self, text: str) -> None:
        if text.startswith("W "):
            self._refuse(ErrorKind.WORKING_DIR, f"cannot start in {self.call.cwd or '.'}: {text[2:]}")
        elif text == "I":
            self._refuse(ErrorKind.SANDBOX, "the step's input could not be stored in the sandbox")
        elif self.begin is None and (match := _BEGIN.fullmatch(text)):
            self.begin = Begin(int(match[1]), int(match[2]), int(match[3]), _commit(match[4]))
            limit = self.call.timeout
            self.watch(limit, message=f"timed out after {limit:g} s" if limit else "")
        elif self.begin and self.exit_code is None and (match := _END.fullmatch(text)):
            with self.lock:
                self.exit_code = int(match[1])
            hung = f"exit code {self.exit_code}, but git did not answer for {REPORT_LIMIT:g} s after it"
            self.watch(REPORT_LIMIT, kind=ErrorKind.COMMAND, message=hung)
        elif self.exit_code is not None and self.end is None and (match := _HEAD.fullmatch(text)):
            dirty = None if match[4] == "-" else int(match[4])
            self.end = End(_commit(match[1]), match[2] == "1", int(match[3]), dirty, match[5] == "1")

    def _refuse(self, kind: ErrorKind, message: str) -> None:
        self.refused = self.refused or (kind, message)
        self._output_ended = True


def _commit(text: str) -> str | None:
    return None if text == "-" else text
