"""Retrying: how often, and what is never tried again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.run.retry import with_retry
from prodigy.run.stop import Stop
from prodigy.values import ErrorKind, StepFailure
from prodigy.workflow.retry import Retry


@dataclass(frozen=True)
class Tried:
    number: int
    failure: StepFailure | None


def _failing(
    times: int, kind: ErrorKind = ErrorKind.COMMAND
) -> tuple[list[int], list[tuple[int, float]], Tried]:
    calls: list[int] = []
    pauses: list[tuple[int, float]] = []

    def once(number: int) -> Tried:
        calls.append(number)
        return Tried(number, StepFailure(kind=kind, message="no") if number <= times else None)

    retry = Retry(attempts=3, backoff="linear", initial_delay=0.001)
    last = with_retry(retry, Stop(), once, lambda number, delay, _failed: pauses.append((number, delay)))
    return calls, pauses, last


@pytest.mark.parametrize(("times", "calls"), [(0, [1]), (2, [1, 2, 3]), (9, [1, 2, 3])])
def test_attempts_are_total_runs(times: int, calls: list[int]) -> None:
    made, pauses, last = _failing(times)
    assert made == calls
    assert last.number == calls[-1]
    assert pauses == [(n, pytest.approx(0.001 * (n - 1))) for n in calls[1:]]


@pytest.mark.parametrize("kind", [ErrorKind.INTERPOLATION, ErrorKind.CANCELLED, ErrorKind.BUDGET])
def test_some_failures_cannot_improve(kind: ErrorKind) -> None:
    assert _failing(9, kind)[0] == [1]


def test_a_stopped_run_is_not_retried() -> None:
    stop = Stop()
    calls: list[int] = []

    def once(number: int) -> Tried:
        calls.append(number)
        stop.request(2)
        return Tried(number, StepFailure(kind=ErrorKind.COMMAND, message="no"))

    with_retry(Retry(attempts=5, initial_delay=60), stop, once, lambda *_: None)
    assert calls == [1]


@given(st.sampled_from(["fixed", "linear", "exponential", "fibonacci"]), st.integers(1, 10_000))
def test_no_delay_is_above_its_limit(backoff: str, number: int) -> None:
    retry = Retry.model_validate({"backoff": backoff, "initial_delay": 0.5, "max_delay": 20})
    assert 0 < retry.delay(number) <= 20
    assert retry.delay(number) <= retry.delay(number + 1)
