"""Who runs agents: a protocol, and the threads of this process."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prodigy.run.agent import AgentJob, AgentResult


class Pool(Protocol):
    """Runs jobs, several at once, and gives results as they come."""

    def run(self, jobs: Iterable[AgentJob], work: Callable[[AgentJob], AgentResult]) -> Iterator[AgentResult]:
        """Results in order of completion. A job is taken from ``jobs`` only when it can start."""


class ThreadPool:
    """Agents are threads of this process: they wait for containers, so threads are enough."""

    def __init__(self, max_parallel: int) -> None:
        self._max_parallel = max_parallel

    def run(self, jobs: Iterable[AgentJob], work: Callable[[AgentJob], AgentResult]) -> Iterator[AgentResult]:
        """See Pool."""
        source = iter(jobs)
        with ThreadPoolExecutor(self._max_parallel, thread_name_prefix="agent") as threads:
            running: set[Future[AgentResult]] = set()
            while True:
                for job in islice(source, self._max_parallel - len(running)):
                    running.add(threads.submit(work, job))
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
