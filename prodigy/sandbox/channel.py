"""Byte streams to and from one running program, that another thread can wake."""

from __future__ import annotations

import os
import select
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.sandbox.protocol import StreamName

CHUNK = 256 << 10
"""Bytes read at once."""

Chunk = tuple["StreamName", bytes]


class Channel(ABC):
    """Standard input, output and error of one program. One thread reads; any thread may wake it."""

    def __init__(self, sources: Sequence[int]) -> None:
        self._wakeup = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wakeup_lock = threading.Lock()
        self._poll = select.poll()
        for descriptor in (self._wakeup, *sources):
            self._poll.register(descriptor, select.POLLIN)

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Write all of ``data`` to standard input. Raises OSError when nobody reads it any more."""

    @abstractmethod
    def finish(self) -> None:
        """Close standard input."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the program, without ending it."""

    @abstractmethod
    def _read(self, descriptor: int) -> list[Chunk]:
        """Read once from a descriptor that is ready."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether all output has been read."""

    def receive(self, timeout: float | None = None) -> list[Chunk] | None:
        """Return output as soon as there is some; None at its end; [] when woken or out of time (seconds)."""
        ready = self._poll.poll(None if timeout is None else max(0.0, timeout) * 1000)
        chunks: list[Chunk] = []
        for descriptor, _ in ready:
            if descriptor == self._wakeup:
                os.eventfd_read(self._wakeup)
            else:
                chunks += self._read(descriptor)
        return None if self.ended and not chunks else chunks

    def wake(self) -> None:
        """Make ``receive`` return. From any thread, also after ``close``."""
        with self._wakeup_lock:
            if self._wakeup >= 0:
                os.eventfd_write(self._wakeup, 1)

    def _release(self) -> None:
        with self._wakeup_lock:
            descriptor, self._wakeup = self._wakeup, -1
            if descriptor >= 0:
                os.close(descriptor)
