"""What the claude steps of a run have cost so far, durably."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from prodigy.state.journal import Journal

_KEY = "claude/spent"


class Spending:
    """Adds up costs. Its methods may be called from several threads."""

    def __init__(self, journal: Journal, budget: float | None) -> None:
        """``budget``: US dollars that the run may spend; None: any."""
        self._journal = journal
        self._budget = budget
        self._lock = threading.Lock()

    @property
    def total(self) -> dict[str, float]:
        """The sums: ``usd``, ``input_tokens``, ``output_tokens``, ``cache_tokens``; empty without any."""
        return dict(self._journal.get(_KEY) or {})

    def add(self, usd: float, tokens: dict[str, int]) -> None:
        """Take a finished step into account; durable when this returns."""
        with self._lock:
            total = self.total
            for name, value in {"usd": usd, **tokens}.items():
                total[name] = total.get(name, 0) + value
            self._journal.put(_KEY, total)

    def ceiling(self, step: float | None) -> float | None:
        """Return what a step may cost that starts now: its own limit, or what is left of the run's.

        Raises StepError (budget) when nothing is left.
        """
        if self._budget is None:
            return step
        left = self._budget - self.total.get("usd", 0.0)
        if left <= 0:
            raise StepError(
                ErrorKind.BUDGET, f"the run's budget of {self._budget:g} USD is spent: no claude step starts"
            )
        return left if step is None else min(step, left)


class SpendingPart:
    """What one agent has cost; it counts for the run as well."""

    def __init__(self, whole: Spending | SpendingPart) -> None:
        self._whole = whole
        self.total: dict[str, float] = {}
        """The sums, as Spending has them."""

    def add(self, usd: float, tokens: dict[str, int]) -> None:
        """Take a finished step into account."""
        for name, value in {"usd": usd, **tokens}.items():
            self.total[name] = self.total.get(name, 0) + value
        self._whole.add(usd, tokens)

    def ceiling(self, step: float | None) -> float | None:
        """Return what a step may cost that starts now. Raises StepError (budget)."""
        return self._whole.ceiling(step)
