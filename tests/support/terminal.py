"""The program at a terminal: a pseudo-terminal that is its controlling one."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import termios
from types import TracebackType
from typing import Self

from tests.support.program import Program

LIMIT = 60
"""Seconds without a sign of life after which a run counts as hanging."""
_SEQUENCES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A run of the program whose three streams are one terminal."""

    def __init__(self, program: Program, *arguments: str, size: tuple[int, int] = (40, 160)) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, size)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "prodigy", *arguments],
            cwd=program.cwd,
            env={**program.environment, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        self.raw = b""

    @property
    def text(self) -> str:
        """All that was shown, without cursor movements."""
        return _SEQUENCES.sub(b"", self.raw).decode(errors="replace")

    def expect(self, text: str) -> str:
        """Read until a text was shown."""
        while text not in self.text:
            assert self._read(), f"{text!r} never came:\n{self.text}"
        return self.text

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def finish(self, code: int | None = None) -> str:
        """Read to the end; gives all that was shown."""
        while self._read():
            pass
        found = self.process.wait(LIMIT)
        if code is not None:
            assert found == code, self.text
        return self.text

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], LIMIT)
        assert ready, f"nothing more came:\n{self.text}"
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side was closed
            return False
        self.raw += data
        return bool(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
