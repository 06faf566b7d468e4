"""Where a list of steps runs, and who is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prodigy.masking import Masker
    from prodigy.run.claude import Claude
    from prodigy.run.events import Bus
    from prodigy.run.ledger import Ledger
    from prodigy.run.station import Station
    from prodigy.run.stop import Stop
    from prodigy.run.tracker import Tracker
    from prodigy.state.journal import Journal
    from prodigy.workflow.step import Step


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of steps runs, and who is told. One for each phase or agent."""

    station: Station
    bus: Bus
    journal: Journal
    stop: Stop
    logs: Path
    worktree: str
    """The workspace's path on this machine, for people."""
    environment: Mapping[str, str]
    tracker: Tracker
    ledger: Ledger
    masker: Masker | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process that stand above all others, and are never shown."""
    read_secret: Callable[[str, str], str] | None = None
    """Reads a secret a step names, by provider and key."""
    interpreter: str = "auto"
    guarded: str = ""
    """The main repository's path where steps cannot see it: output that names it is explained."""
    deadline: float | None = None
    """Monotonic time at which the phase, the agent or the run is over."""
    time_is_agents: bool = False
    survey: bool = False
    """Whether the last step is to count what is left uncommitted."""
    command_limits: Callable[[Step], float | None] = lambda _step: None
    """The time an agent's settings give a step."""
    claude: Claude | None = None
    """How Claude runs, where some step may run it."""
    ask: Callable[[str], bool | None] = lambda _question: None
    """Asks the user; None: there is nobody to ask."""

    @property
    def shell(self) -> str:
        """The interpreter of shell texts."""
        return self.station.sandbox().interpreter if self.interpreter == "auto" else self.interpreter

    def within(self, seconds: float | None) -> Place:
        """Return the same place, over after so many seconds at the latest."""
        if seconds is None:
            return self
        ends = time.monotonic() + seconds
        return replace(self, deadline=ends if self.deadline is None else min(ends, self.deadline))

    def remaining(self) -> float | None:
        """Return the seconds left, None where nothing ends it. Raises StepError when it is over."""
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise StepError(ErrorKind.TIMEOUT, "the time for this is over")
        return left
