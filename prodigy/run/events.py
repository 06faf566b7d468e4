"""Where a run's events go: into the journal, and to whoever shows them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from prodigy.masking import Masker
from prodigy.values import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.state.journal import Journal


class Watcher(Protocol):
    """Shows events as they happen; the readers in ``report`` are such."""

    @property
    def shows_output(self) -> bool:
        """Whether lines of steps' output are of use."""

    def handle(self, event: Event) -> None:
        """Take one event."""

    def output(self, phase: str, item: str | None, step: str, stream: str, line: str) -> None:
        """Take one line a step printed."""


@dataclass(frozen=True, slots=True)
class Bus:
    """Sends events on, with the place they come from filled in."""

    journal: Journal
    watcher: Watcher
    session: str
    phase: str | None = None
    item: str | None = None
    step: str | None = None
    warnings: list[str] = field(default_factory=list)
    """Every warning of the run, shared by all buses made from one another."""
    masker: Masker = field(default_factory=Masker)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def at(self, *, phase: str | None = None, item: str | None = None, step: str | None = None) -> Bus:
        """The same bus, speaking from a phase, item or step."""
        return replace(self, phase=phase or self.phase, item=item or self.item, step=step or self.step)

    def emit(self, event_type: str, /, **data: Any) -> None:
        """Record an event and show it."""
        event = Event(
            type=event_type,
            at=datetime.now(UTC),
            session=self.session,
            phase=self.phase,
            item=self.item,
            step=self.step,
            data=self.masker.value(data),
        )
        with self._lock:
            self.journal.event(event)
            self.watcher.handle(event)

    def warn(self, message: str) -> None:
        """Emit a warning; the summary repeats it."""
        message = self.masker(message)
        with self._lock:
            self.warnings.append(message)
        self.emit("warning", message=message)

    @property
    def on_line(self) -> Callable[[str, str], None] | None:
        """What takes the lines of a step's output; None where nobody looks at them."""
        return self._output if self.watcher.shows_output else None

    def _output(self, stream: str, line: str) -> None:
        """Show one line of a step's output; lines are kept in logs, not as events."""
        with self._lock:
            self.watcher.output(self.phase or "", self.item, self.step or "", stream, line)
