"""Running a step's command again, on tenacity: how often, how long apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.run.stop import Stop
    from prodigy.values import StepFailure
    from prodigy.workflow.models import Retry

NEVER_RETRIED = frozenset({ErrorKind.INTERPOLATION, ErrorKind.BUDGET, ErrorKind.CANCELLED})


class Tried(Protocol):
    """What an attempt gives back."""

    @property
    def failure(self) -> StepFailure | None:
        """Why it failed."""


T = TypeVar("T", bound=Tried)


def with_retry(
    retry: Retry | None, stop: Stop, once: Callable[[int], T], announce: Callable[[int, float, T], None]
) -> T:
    """Call ``once(number)`` until it succeeds, may not be retried, or attempts are used up.

    ``announce(next number, delay, failed)`` is called before each pause; the pause ends early when the
    run is stopped.
    """
    if retry is None or retry.attempts == 1:
        return once(1)
    import tenacity

    tried: list[T] = []

    def attempt() -> T:
        tried.append(once(len(tried) + 1))
        return tried[-1]

    def again(result: T) -> bool:
        failed = result.failure
        return failed is not None and failed.kind not in NEVER_RETRIED and not stop.requested

    def pause(seconds: float) -> None:
        stop.wait(seconds)

    controller = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(retry.attempts),
        wait=lambda state: retry.delay(state.attempt_number),
        retry=tenacity.retry_if_result(again),
        before_sleep=lambda state: announce(len(tried) + 1, retry.delay(state.attempt_number), tried[-1]),
        sleep=pause,
        retry_error_callback=lambda _state: tried[-1],
    )
    return controller(attempt)
