"""Measuring two things side by side on a machine that has other things to do."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Rounds:
    """Seconds that two contenders took, round for round."""

    ours: list[float] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, ours: Callable[[], object], baseline: Callable[[], object], count: int) -> Rounds:
        """Run both ``count`` times, each first in every other round, after one round that does not count."""
        rounds = cls()
        ours()
        baseline()
        for number in range(count):
            pair = [(rounds.ours, ours), (rounds.baseline, baseline)]
            for seconds, contender in reversed(pair) if number % 2 else pair:
                seconds.append(timed(contender))
        return rounds

    @property
    def ratio(self) -> float:
        """Median of the rounds' own ratios: what else the machine does weighs on both of a round alike."""
        return statistics.median(a / b for a, b in zip(self.ours, self.baseline, strict=True))


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(seconds: list[float]) -> str:
    """Median, least and most, for people."""
    middle = statistics.median(seconds)
    return f"{_shown(middle)} ({_shown(min(seconds))} to {_shown(max(seconds))})"


def _shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"
