"""Running a step's command again, on tenacity: how often, how long apart, and for which failures."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.run.stop import Stop
    from prodigy.sandbox.protocol import Outcome
    from prodigy.values import StepFailure
    from prodigy.workflow.retry import Retry

NEVER_RETRIED = frozenset({ErrorKind.INTERPOLATION, ErrorKind.BUDGET, ErrorKind.CANCELLED})


class Tried(Protocol):
    """What an attempt gives back."""

    @property
    def failure(self) -> StepFailure | None:
        """Why it failed."""

    @property
    def outcome(self) -> Outcome:
        """What its command did."""


T = TypeVar("T", bound=Tried)


def with_retry(
    retry: Retry | None,
    stop: Stop,
    once: Callable[[int], T],
    announce: Callable[[int, float, T], None],
    *,
    done: int = 0,
) -> T:
    """Call ``once(number)`` until it succeeds, may not be retried, or attempts are used up.

    ``announce(next number, delay, failed)`` is called before each pause; the pause ends early when the
    run is stopped. ``done``: runs of a process that was cut off; they count, but one more is made.
    """
    if retry is None or retry.attempts - done <= 1:
        return once(done + 1)
    import tenacity

    tried: list[T] = []
    delays: dict[int, float] = {}
    began = time.monotonic()

    def attempt() -> T:
        tried.append(once(done + len(tried) + 1))
        return tried[-1]

    def delay(number: int) -> float:
        if number not in delays:
            draw = random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
            delays[number] = retry.jittered(done + number, draw)
        return delays[number]

    def again(result: T) -> bool:
        failed = result.failure
        if failed is None or failed.kind in NEVER_RETRIED or stop.requested:
            return False
        elapsed = time.monotonic() - began
        if retry.retry_budget is not None and elapsed + delay(len(tried)) > retry.retry_budget:
            return False
        if not retry.retry_on:
            return True
        stderr = result.outcome.stderr_tail.decode(errors="replace")
        return retry.wants(str(failed.kind), failed.message, stderr)

    def pause(seconds: float) -> None:
        stop.wait(seconds)

    controller = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts - done),
        wait=lambda state: delay(state.attempt_number),
        retry=tenacity.retry_if_result(again),
        before_sleep=lambda state: announce(done + len(tried) + 1, delay(state.attempt_number), tried[-1]),
        sleep=pause,
        retry_error_callback=lambda _state: tried[-1],
    )
    return controller(attempt)
