"""Plain lines ``HH:MM:SS LEVEL [phase/item] text``, for everything that is not a terminal."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from prodigy.report import wording
from prodigy.report.paint import paint
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Container
    from typing import TextIO

    from prodigy.report.wording import Level
    from prodigy.values import Event

_STYLES: dict[str, str] = {"INFO": "dim", "WARN": "yellow", "ERROR": "bold red"}


def event_lines(
    event: Event, *, verbosity: int, color: bool, levels: Container[Level] = ("INFO", "WARN", "ERROR")
) -> list[str]:
    """Return the lines an event deserves at this verbosity; times are local."""
    at = event.at.astimezone()
    shown = [line for line in wording.lines(event) if line.verbosity <= verbosity and line.level in levels]
    return [_line(at, line.level, wording.prefix(event) + line.text, color=color) for line in shown]


def output_line(phase: str | None, item: str | None, text: str, *, color: bool) -> str:
    """Return the line for one line of step output."""
    now = datetime.now(UTC).astimezone()
    return _line(now, "INFO", f"{wording.bracket(phase, item)}{printable(text.rstrip())}", color=color)


def _line(at: datetime, level: str, text: str, *, color: bool) -> str:
    return f"{at:%H:%M:%S} {paint(f'{level:<5}', _STYLES[level], color=color)} {text}"


class Plain:
    """Writes one line after another; lines of several threads never mix."""

    def __init__(self, stream: TextIO, *, verbosity: int, color: bool) -> None:
        self._stream = stream
        self._verbosity = verbosity
        self.shows_output = verbosity > 0
        self._color = color
        self._lock = Lock()

    def handle(self, event: Event) -> None:
        """Write the event's lines."""
        self._write(event_lines(event, verbosity=self._verbosity, color=self._color))

    def output(self, phase: str | None, item: str | None, step: str | None, stream: str, line: str) -> None:  # noqa: ARG002 - the protocol's
        """Write a line of step output, from ``-v`` on."""
        if self.shows_output:
            self._write([output_line(phase, item, line, color=self._color)])

    def pause(self) -> None:
        """Nothing to leave: lines don't occupy a terminal."""

    def resume(self) -> None:
        """Nothing to take back."""

    def close(self) -> None:
        """Nothing to restore."""

    def _write(self, lines: list[str]) -> None:
        # A reader that went away must not end the run: what counts is in the session's record.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write("".join(line + "\n" for line in lines))
            self._stream.flush()
