"""A git process at work: its streams, its time, its end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, cast

from prodigy.errors import GitFailed
from prodigy.git.shown import shown_lines

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable

CHUNK = 1 << 16
"""Bytes moved at a time between processes."""

_PIPE = 4096
"""Bytes that every pipe holds, so that writing them does not block."""

_STDERR_KEPT = 16 << 10


@dataclass(slots=True)
class Running:
    """A git command at work; ``stdout`` is read by the caller."""

    verb: str
    process: subprocess.Popen[bytes]
    data: bytes | Iterable[bytes]
    timeout: float
    stdout: BinaryIO = field(init=False)
    _stderr: bytearray = field(default_factory=bytearray)
    _threads: list[threading.Thread] = field(default_factory=list)
    _timer: threading.Timer = field(init=False)
    _late: bool = False
    _fault: BaseException | None = None

    def __post_init__(self) -> None:
        self.stdout = cast("BinaryIO", self.process.stdout)
        self._timer = threading.Timer(self.timeout, self._expire)
        self._timer.daemon = True
        self._timer.start()
        self._in_background(self._collect)
        if isinstance(self.data, bytes) and len(self.data) <= _PIPE:
            self._feed([self.data])
        else:
            self._in_background(self._feed, [self.data] if isinstance(self.data, bytes) else self.data)

    def finish(self, ok: tuple[int, ...] = (0,)) -> int:
        """Wait for the end and return the exit code.

        Raises GitFailed when it is not in ``ok`` or the time ran out, and whatever the input raised.
        """
        code = self.process.wait()
        self._threads[0].join()
        if self._late:
            raise GitFailed(f"git {self.verb} did not end within {self.timeout:g} s")
        if code in ok:
            for thread in self._threads[1:]:
                thread.join()
        # After a failure the input may still wait for its source: the caller closes that.
        if self._fault:
            raise self._fault
        if code not in ok:
            raise GitFailed(f"git {self.verb} failed (exit code {code}): {self.stderr or 'no message'}")
        return code

    @property
    def stderr(self) -> str:
        """The end of git's messages, safe to show."""
        return shown_lines(bytes(self._stderr)).strip()

    def close(self) -> None:
        """Kill what still runs, and free everything."""
        self._timer.cancel()
        if self.process.poll() is None:
            self._kill()
            self.process.wait()
        self._threads[0].join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _in_background(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=cast("None", work), args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _feed(self, chunks: Iterable[bytes]) -> None:
        sink = cast("BinaryIO", self.process.stdin)
        try:
            with sink:
                for chunk in chunks:
                    sink.write(chunk)
        except BrokenPipeError:
            return  # git ended first; its exit code says why
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            self._fault = error
            self._kill()

    def _collect(self) -> None:
        stream = cast("BinaryIO", self.process.stderr)
        while chunk := stream.read(CHUNK):
            self._stderr += chunk
            del self._stderr[:-_STDERR_KEPT]

    def _expire(self) -> None:
        self._late = True
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
