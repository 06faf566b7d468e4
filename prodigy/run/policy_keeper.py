"""The error policy at work: what each finished item means for those that wait."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prodigy.run.events import Bus
    from prodigy.workflow.error_policy import CircuitBreaker, ErrorPolicy

FEWEST = 10
"""Finished items from which on a part of them tells anything."""


@dataclass(slots=True)
class Breaker:
    """A circuit breaker: closed, open for a while, then half open until it is trusted again."""

    rule: CircuitBreaker
    bus: Bus
    state: Literal["closed", "open", "half_open"] = "closed"
    _failures: int = 0
    _successes: int = 0
    _opened: float = 0.0

    def wait(self) -> float:
        """Return the seconds until an agent may start; 0 when one may now."""
        if self.state != "open":
            return 0.0
        left = self._opened + self.rule.timeout - time.monotonic()
        if left > 0:
            return left
        self.state, self._successes = "half_open", 0
        self.bus.emit("circuit_half_open")
        return 0.0

    def room(self, running: int) -> bool:
        """Return whether another agent may run beside those that do."""
        return self.state != "half_open" or running < self.rule.half_open_requests

    def finished(self, *, failed: bool) -> None:
        """Take note of a finished item."""
        if not failed:
            self._failures = 0
            self._successes += 1
            if self.state == "half_open" and self._successes >= self.rule.success_threshold:
                self.state = "closed"
                self.bus.emit("circuit_closed")
            return
        self._failures += 1
        self._successes = 0
        if self.state == "half_open" or (
            self.state == "closed" and self._failures >= self.rule.failure_threshold
        ):
            self.state, self._opened = "open", time.monotonic()
            self.bus.emit("circuit_opened", failures=self._failures, timeout=self.rule.timeout)
            self.bus.warn(
                f"{self._failures} items in a row failed: no agent starts for {self.rule.timeout:g} s"
            )


@dataclass(slots=True)
class PolicyKeeper:
    """Counts what finishes, and says when no more may start. Counters are fresh in a resumed run."""

    policy: ErrorPolicy
    bus: Bus
    stopped: str | None = None
    """The rule that stopped the phase."""
    _finished: int = 0
    _failed: int = 0
    _untold: list[str] = field(default_factory=list)
    breaker: Breaker | None = None

    def __post_init__(self) -> None:
        if self.policy.circuit_breaker is not None:
            self.breaker = Breaker(self.policy.circuit_breaker, self.bus)

    def finished(self, name: str, reason: str | None) -> None:
        """Take note of an item that will not be tried again; ``reason``: why it failed."""
        self._finished += 1
        failed = reason is not None
        self._failed += failed
        if self.breaker is not None:
            self.breaker.finished(failed=failed)
        if failed:
            self._tell(f"{name}: {reason}")
            if self.stopped is None and (rule := self._rule()):
                self.stop(rule)

    def stop(self, rule: str) -> None:
        """Let no more agents start."""
        self.stopped = rule
        self.bus.emit("policy_stopped", rule=rule)
        self.bus.warn(f"no more agents start: {rule}")

    def _rule(self) -> str | None:
        policy = self.policy
        if policy.max_failures is not None and self._failed >= policy.max_failures:
            return f"max_failures: {self._failed} items have failed"
        limit = policy.failure_threshold
        if limit is not None and self._finished >= FEWEST and self._failed / self._finished > limit:
            return f"failure_threshold: {self._failed} of {self._finished} items have failed"
        if not policy.continue_on_failure:
            return "continue_on_failure is false, and an item failed"
        if policy.on_item_failure == "stop":
            return "on_item_failure is stop, and an item failed"
        return None

    def _tell(self, text: str) -> None:
        """Tell failures as they come, or in groups; at the end all are told anyway."""
        how = self.policy.error_collection
        if how == "aggregate":
            return
        self._untold.append(text)
        size = 1 if how == "immediate" else how.size
        if len(self._untold) >= size:
            self.flush()

    def flush(self) -> None:
        """Tell what has not been told yet."""
        if self._untold:
            count = len(self._untold)
            text = "; ".join(self._untold)
            self.bus.warn(f"{count} items failed: {text}" if count > 1 else f"item failed: {text}")
            self._untold.clear()
