"""How far a run is: a fold over its events, read by the live view."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prodigy.report.wording import lines, prefix

if TYPE_CHECKING:
    from datetime import datetime

    from prodigy.values import Event

_KEPT_WARNINGS = 3


@dataclass(slots=True)
class Activity:
    """One agent, or a phase's own steps: what it is doing since when."""

    since: datetime
    step: str = "starting"
    name: str = ""
    """What people call the agent's item."""


@dataclass(slots=True)
class Progress:
    """The state of a run as its events tell it."""

    started: datetime | None = None
    phase: str | None = None
    finished_phases: list[tuple[str, str]] = field(default_factory=list)
    steps: Activity | None = None
    agents: dict[str, Activity] = field(default_factory=dict)
    queue: dict[str, int] = field(default_factory=dict)
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_WARNINGS))

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        self._warn(event)
        data = event.data
        match event.type:
            case "job_started":
                self.started = event.at
            case "phase_started":
                self.phase, self.steps = event.phase, None
            case "phase_completed":
                self.finished_phases.append((str(event.phase), str(data.get("status"))))
                self.phase, self.steps = None, None
                self.agents.clear()
            case "step_started":
                self._step(event, f"{data.get('index')}/{data.get('total')} {data.get('name')}")
            case "step_retrying":
                self._step(event, f"{event.step}, waiting for attempt {data.get('attempt')}")
            case "handler_started":
                self._step(event, f"handler of {data.get('step')}")
            case "queue_depth_changed":
                self.queue = {key: value for key, value in data.items() if isinstance(value, int)}
            case "agent_started":
                self.agents[str(event.item)] = Activity(event.at, name=str(data.get("name") or event.item))
            case "agent_completed" | "agent_failed":
                self.agents.pop(str(event.item), None)

    def _warn(self, event: Event) -> None:
        if event.type != "job_started":
            alarms = [line for line in lines(event) if line.level != "INFO"]
            self.warnings.extend(prefix(event) + line.text for line in alarms)

    def _step(self, event: Event, what: str) -> None:
        if event.item is not None and event.item in self.agents:
            self.agents[event.item].step = what
        else:
            self.steps = Activity(event.at, what)

    def counts(self) -> dict[str, Any]:
        """Items by state; all zero before the first is known."""
        return {key: self.queue.get(key, 0) for key in ("total", "completed", "failed", "active", "pending")}
