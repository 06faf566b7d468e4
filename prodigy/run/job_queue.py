"""The jobs of a map phase that wait: in item order, repeated ones when their time has come."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.run.agent_job import AgentJob
    from prodigy.run.policy_keeper import PolicyKeeper
    from prodigy.run.stop import Stop

_LOOK_AGAIN = 0.5
"""Seconds between two looks at a run that may be stopped while nothing runs."""


class JobQueue:
    """Gives jobs to a pool, as the error policy and the run's end allow."""

    def __init__(self, stop: Stop, keeper: PolicyKeeper, over: Callable[[], bool]) -> None:
        self._stop = stop
        self._keeper = keeper
        self._over = over
        self._waiting: deque[AgentJob] = deque()
        self._later: list[tuple[float, AgentJob]] = []

    def add(self, job: AgentJob) -> None:
        """Let a job start after those that wait already."""
        self._waiting.append(job)

    def again(self, job: AgentJob, delay: float) -> None:
        """Let a job start before the others, but not earlier than in so many seconds."""
        self._later.append((time.monotonic() + delay, job))

    def __len__(self) -> int:
        """How many jobs have not been taken."""
        return len(self._waiting) + len(self._later)

    def take(self, running: int) -> AgentJob | None:
        """Return the next job; None when none may start now. Waits only where nothing else runs."""
        while True:
            if self._stop.requested or self._over() or self._keeper.stopped is not None or not len(self):
                return None
            breaker = self._keeper.breaker
            if breaker is not None and not breaker.room(running):
                return None
            pause = breaker.wait() if breaker is not None else 0.0
            if pause == 0.0:
                job = self._ready()
                if job is not None:
                    return job
                pause = max(min(at for at, _ in self._later) - time.monotonic(), 0.01)
            if running:
                return None
            self._stop.wait(min(pause, _LOOK_AGAIN))

    def _ready(self) -> AgentJob | None:
        now = time.monotonic()
        for entry in sorted(self._later, key=lambda entry: entry[0]):
            if entry[0] <= now:
                self._later.remove(entry)
                return entry[1]
        return self._waiting.popleft() if self._waiting else None
