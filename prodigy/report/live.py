"""The live view at a terminal: what runs now below, what happened above it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.control import Control
from rich.live import Live as Region
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment, Segments
from rich.table import Table
from rich.text import Text

from prodigy.report.plain import event_lines, output_line
from prodigy.report.progress import Progress
from prodigy.report.units import clock
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from rich.console import ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult

    from prodigy.report.progress import Activity
    from prodigy.report.wording import Level
    from prodigy.values import Event

_REFRESH = 8
"""Redraws per second."""
_BAR_WIDTH = 30
_FIXED_ROWS = 8
"""Rows besides those of the agents: phases, counts, warnings, a margin."""
_SILENT = frozenset({"step_started", "step_completed", "agent_completed", "worktree_merged", "phase_started"})
"""Events whose good news the view itself shows; as lines they would only scroll by, so they need ``-v``."""


_UP = Control((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
_ERASE_BELOW = Segments([Segment("\x1b[J", None, [(ControlType.ERASE_IN_LINE, 0)])])


class _Region(Region):
    """A live region that stays whole when the terminal gets narrower.

    Terminals then wrap the rows already drawn, so more rows than were written must be taken back.
    """

    drawn: Sequence[int] = ()
    """How wide each row on the screen was drawn."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Put the removal of wrapped rows before what the region draws anyway."""
        wrapped = sum(max(0, -(-width // self.console.width) - 1) for width in self.drawn)
        rows = super().process_renderables(renderables)
        return [*([_UP] * wrapped), *rows[:1], _ERASE_BELOW, *rows[1:]] if wrapped else rows


class _Frame:
    """The rows of one drawing; notes in ``drawn`` how wide each came out."""

    def __init__(self, drawn: list[int], rows: list[RenderableType]) -> None:
        self._drawn = drawn
        self._rows = Group(*rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._rows, options, pad=False)
        self._drawn[:] = [sum(segment.cell_length for segment in line) for line in lines]
        for line in lines:
            yield from line
            yield Segment.line()


class Live:
    """Draws the state of a run some times a second, and prints what is worth keeping above it."""

    def __init__(self, stream: TextIO, *, verbosity: int, color: bool) -> None:
        self._console = Console(file=stream, force_terminal=True, no_color=not color, highlight=False)
        self._color = color
        self._verbosity = verbosity
        self.shows_output = verbosity > 0
        self._progress = Progress()
        # The lock guards the state only; it is never held while writing, as the region's own
        # thread takes the console's lock first and this one second.
        self._lock = RLock()
        self._drawn: list[int] = []
        self._region = _Region(
            get_renderable=self._view,
            console=self._console,
            refresh_per_second=_REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._region.drawn = self._drawn
        self._region.start()

    def handle(self, event: Event) -> None:
        """Take the event into the view, and print it above if it is worth keeping."""
        with self._lock:
            self._progress.apply(event)
        silent = event.type in _SILENT and not self._verbosity
        levels: tuple[Level, ...] = ("WARN", "ERROR") if silent else ("INFO", "WARN", "ERROR")
        self._print(event_lines(event, verbosity=self._verbosity, color=self._color, levels=levels))

    def output(self, phase: str | None, item: str | None, step: str | None, stream: str, line: str) -> None:  # noqa: ARG002 - the protocol's
        """Print a line of step output above the view, from ``-v`` on."""
        if self.shows_output:
            self._print([output_line(phase, item, line, color=self._color)])

    def pause(self) -> None:
        """Take the view away for a prompt."""
        with contextlib.suppress(OSError, ValueError):
            self._region.stop()
            self._drawn.clear()

    def resume(self) -> None:
        """Draw the view again."""
        with contextlib.suppress(OSError, ValueError):
            self._region.start()

    def close(self) -> None:
        """Take the view away; what was printed above it stays."""
        self.pause()

    def _print(self, lines: list[str]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                self._console.print(Text.from_ansi(line), soft_wrap=True)

    def _view(self) -> RenderableType:
        with self._lock:
            return _Frame(self._drawn, _rows(self._progress, datetime.now(UTC), self._console.height))


def _rows(progress: Progress, now: datetime, height: int) -> list[RenderableType]:
    rows: list[RenderableType] = [_phases(progress, now)]
    if progress.queue:
        rows.append(_bar(progress))
    if progress.steps and not progress.agents:
        rows.append(_activity(progress.phase or "", progress.steps, now))
    room = max(height - _FIXED_ROWS, 1)
    agents = list(progress.agents.items())
    rows += [_activity(activity.name or item, activity, now) for item, activity in agents[:room]]
    if len(agents) > room:
        rows.append(_row(f"  … and {len(agents) - room} more agents", "dim"))
    rows += [_row(f"  ! {printable(text)}", "yellow") for text in progress.warnings]
    return rows


def _row(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _phases(progress: Progress, now: datetime) -> Text:
    row = _row("")
    for name, status in progress.finished_phases:
        good = status in ("success", "skipped")
        row.append(f"{'✓' if good else '✗'} {printable(name)}  ", style="green" if good else "red")
    if progress.phase:
        row.append(f"▶ {printable(progress.phase)}  ", style="bold")
    if progress.started:
        row.append(clock((now - progress.started).total_seconds()), style="dim")
    return row


def _bar(progress: Progress) -> Table:
    counts = progress.counts()
    done = counts["completed"] + counts["failed"]
    text = _row(f"{counts['completed']} done, {counts['active']} running, ")
    text.append(f"{counts['failed']} failed", style="red" if counts["failed"] else "")
    text.append(f", {counts['pending']} pending of {counts['total']}")
    bar = ProgressBar(total=max(counts["total"], 1), completed=done, width=_BAR_WIDTH)
    table = Table.grid(padding=(0, 1))
    table.add_row(" ", bar, text)
    return table


def _activity(name: str, activity: Activity, now: datetime) -> Text:
    elapsed = clock((now - activity.since).total_seconds())
    return _row(f"  {elapsed:>7}  {printable(name)}: {printable(activity.step)}")
