"""A command whose output is read as it comes, as much as the reader asks for."""

from __future__ import annotations

import io
import threading
import time
from typing import TYPE_CHECKING, BinaryIO, cast

from prodigy.errors import SandboxFailure
from prodigy.sandbox.flight import Stoppable
from prodigy.sandbox.marks import MarkFilter
from prodigy.sandbox.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.sandbox.channel import Channel

FEEDER_LIMIT = 10.0
"""Seconds to wait for the thread that writes, once the command is gone."""


class OpenPipe(Stoppable):
    """A running command. Only one thread reads it; nothing is read ahead of what is asked for."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        super().__init__()
        self._program = argv[0]
        self._stderr = Recorder(None, None)
        self._closed_output = False
        self._filters = {
            "stdout": MarkFilter(self.mark, self._on_stdout_report),
            "stderr": MarkFilter(self.mark, self._on_stderr_report),
        }
        self._ready = b""
        self._eof = False
        self._feeder: threading.Thread | None = None
        self._feed_error: Exception | None = None
        self.stdout: BinaryIO = cast("BinaryIO", io.BufferedReader(_Reader(self)))

    @property
    def over(self) -> bool:
        """Whether the command has ended by itself and all its output was read."""
        return self._closed_output and self.exit_code is not None

    def connect(self, channel: Channel, stdin: Iterable[bytes] | None) -> None:
        """Bind the running program and feed it. Raises SandboxFailure when it was stopped already."""
        if not self.commit(channel):
            channel.close()
            raise SandboxFailure(self.stop_message)
        self._feeder = threading.Thread(target=self._feed, args=(channel, stdin), daemon=True)
        self._feeder.start()

    def disconnect(self) -> None:
        """Let go of the program, after its end."""
        if self._feeder:
            self._feeder.join(FEEDER_LIMIT)
        if self.channel:
            self.channel.close()

    def wait(self, timeout: float | None = None) -> int:
        """Drain, wait for the end and return the exit code.

        Raises SandboxFailure when the sandbox died or the time (seconds) ran out, and what reading ``stdin``
        raised.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.over and not self._eof:
            self._pump(deadline)
            self._ready = b""
        if self.stop_kind or self.exit_code is None or not self._closed_output:
            raise SandboxFailure(self.stop_message or f"{self._program} broke off: its sandbox ended")
        return self.exit_code

    def stderr_tail(self) -> bytes:
        """Return the last bytes of stderr, for messages."""
        return self._stderr.tail

    def read_some(self, size: int) -> bytes:
        """Return up to ``size`` bytes of stdout, b"" at its end. Raises SandboxFailure when stopped."""
        while not self._ready and not self._closed_output and not self._eof:
            self._pump(None)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def _pump(self, deadline: float | None) -> None:
        if self.channel is None:
            raise SandboxFailure(f"{self._program} is not running")
        limits = [self.patience(), None if deadline is None else deadline - time.monotonic()]
        limit = min((limit for limit in limits if limit is not None), default=None)
        if limit is not None and limit < 0:
            raise SandboxFailure(self.stop_message or f"{self._program} did not end in time")
        chunks = self.channel.receive(limit)
        if self._feed_error:
            raise self._feed_error
        self._eof = chunks is None
        for name, data in chunks or ():
            passed = self._filters[name].feed(data)
            if name == "stderr":
                self._stderr.feed(passed)
            else:
                self._ready += passed

    def _feed(self, channel: Channel, stdin: Iterable[bytes] | None) -> None:
        try:
            channel.send(f"{self.mark}\n".encode())
            for data in stdin or ():
                channel.send(data)
            channel.finish()
        except OSError:
            return  # the command ended, or does not want more: its exit code tells
        except Exception as error:  # noqa: BLE001 - whatever the source raised belongs to the reader
            # Without the end of its input the command goes on waiting, until it is stopped.
            self._feed_error = error
            channel.wake()

    def _on_stdout_report(self, text: str) -> None:
        self._closed_output = self._closed_output or text == "O"

    def _on_stderr_report(self, text: str) -> None:
        code = text.removeprefix("E ")
        if self.exit_code is None and code.isdigit():
            self.exit_code = int(code)


class _Reader(io.RawIOBase):
    """The raw end of ``OpenPipe.stdout``."""

    def __init__(self, pipe: OpenPipe) -> None:
        super().__init__()
        self._pipe = pipe

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stub wants a wider type
        data = self._pipe.read_some(len(buffer))
        buffer[: len(data)] = data
        return len(data)
