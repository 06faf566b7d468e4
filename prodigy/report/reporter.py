"""What follows a run while it runs, and which follower fits the stream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from prodigy.report.calls import show_calls
from prodigy.report.plain import Plain
from prodigy.report.quiet import Quiet

if TYPE_CHECKING:
    from typing import TextIO

    from prodigy.values import Event

_SHOWS_CALLS = 2
"""The verbosity from which on calls of git and the engine are shown."""


class Reporter(Protocol):
    """Shows events and step output. Callable from any thread; a closed stream never raises."""

    @property
    def shows_output(self) -> bool:
        """Whether step output is shown at all; otherwise nobody need cut it into lines."""

    def handle(self, event: Event) -> None:
        """Show one event."""

    def output(self, phase: str | None, item: str | None, step: str | None, stream: str, line: str) -> None:
        """Show one line that a step printed, where live output is wanted."""

    def pause(self) -> None:
        """Leave the terminal to a prompt."""

    def resume(self) -> None:
        """Take the terminal back."""

    def close(self) -> None:
        """Leave the terminal as it was. Idempotent."""


def open_reporter(*, stream: TextIO, verbosity: int, quiet: bool, color: bool) -> Reporter:
    """Return the reporter that fits: silent, live view at a terminal, or plain lines."""
    if quiet:
        return Quiet(stream)
    reporter = _follower(stream, verbosity=verbosity, color=color)
    if verbosity >= _SHOWS_CALLS:
        show_calls(reporter)
    return reporter


def _follower(stream: TextIO, *, verbosity: int, color: bool) -> Reporter:
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        from prodigy.report.live import Live  # rich's live view is heavy

        return Live(stream, verbosity=verbosity, color=color)
    return Plain(stream, verbosity=verbosity, color=color)
