"""Who runs agents: a protocol, and the threads of this process."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prodigy.run.agent_job import AgentJob, AgentResult


class Pool(Protocol):
    """Runs jobs, several at once, and gives results as they come."""

    def run(
        self, take: Callable[[int], AgentJob | None], work: Callable[[AgentJob], AgentResult]
    ) -> Iterator[AgentResult]:
        """Results in order of completion.

        ``take`` gives the next job, told how many run already; None when none may start now. It is
        asked again after every result. With nothing running, None is the end.
        """


class ThreadPool:
    """Agents are threads of this process: they wait for containers, so threads are enough."""

    def __init__(self, max_parallel: int) -> None:
        self._max_parallel = max_parallel

    def run(
        self, take: Callable[[int], AgentJob | None], work: Callable[[AgentJob], AgentResult]
    ) -> Iterator[AgentResult]:
        """See Pool."""
        with ThreadPoolExecutor(self._max_parallel, thread_name_prefix="agent") as threads:
            running: set[Future[AgentResult]] = set()
            while True:
                while len(running) < self._max_parallel and (job := take(len(running))) is not None:
                    running.add(threads.submit(work, job))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
