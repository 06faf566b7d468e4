"""The time an agent has, as a whole and for each of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodigy.run.agent_job import AgentJob
    from prodigy.workflow.error_policy import AgentTimeouts
    from prodigy.workflow.step import Step


def own_time(timeouts: AgentTimeouts | None) -> float | None:
    """Return the seconds an agent has as a whole."""
    if timeouts is None or timeouts.timeout_policy == "per_command":
        return None
    return timeouts.agent_timeout_secs


class CommandLimits:
    """The time each step of an agent has, by its kind and position."""

    def __init__(self, job: AgentJob) -> None:
        self._timeouts = job.timeouts
        counts: dict[str, int] = {}
        self._positions: dict[str, str] = {}
        for step in job.template.steps:
            number = counts.get(step.kind, 0)
            counts[step.kind] = number + 1
            self._positions[step.path] = f"{step.kind}_{number}"

    def __call__(self, step: Step) -> float | None:
        """Return a step's seconds, None where nothing limits it."""
        timeouts = self._timeouts
        if timeouts is None or timeouts.timeout_policy == "per_agent":
            return None
        if timeouts.timeout_policy == "per_command":
            return timeouts.agent_timeout_secs
        times = timeouts.command_timeouts
        return times.get(self._positions.get(step.path, ""), times.get(step.kind))
