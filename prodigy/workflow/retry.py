"""Retrying: how often, after which pauses, and for which failures."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from prodigy.workflow.fields import Duration, Model


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


Regex = Annotated[str, AfterValidator(_regex)]
Matcher = Literal["network", "timeout", "server_error", "rate_limit"]
Backoff = Literal["fixed", "linear", "exponential", "fibonacci", "custom"]

_MATCHERS: dict[str, re.Pattern[str]] = {
    "network": re.compile(r"network|connection|refused|unreachable", re.IGNORECASE),
    "timeout": re.compile(r"timeout|timed out", re.IGNORECASE),
    "server_error": re.compile(r"\b(?:500|502|503|504)\b|server error", re.IGNORECASE),
    "rate_limit": re.compile(r"rate limit|\b429\b|too many requests", re.IGNORECASE),
}
_MOST_STEPS = 90
"""Growth beyond so many runs is far above any cap, and floats have an end."""


class RetryPattern(Model):
    """Retries failures whose text a regular expression finds."""

    pattern: Regex
    """Searched in the kind, the message and stderr of the failure; case counts."""


class Retry(Model):
    """How often, and after which pauses, what failed is run again."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 3
    """Total runs, the first one included."""
    backoff: Backoff = "exponential"
    """How the pause grows from run to run."""
    initial_delay: Duration = 1.0
    """The first pause."""
    increment: Duration | None = None
    """What each further pause of `linear` is longer; the first pause unless given."""
    base: Annotated[float, Field(ge=1, le=1000)] = 2.0
    """What each further pause of `exponential` is multiplied by."""
    delays: tuple[Duration, ...] = ()
    """The pauses of `custom`, one after another; then the longest allowed."""
    max_delay: Duration = 30.0
    """No pause is longer."""
    jitter: bool = False
    """Whether pauses vary at random."""
    jitter_factor: Annotated[float, Field(ge=0, le=1)] = 0.3
    """How much of a pause the variation spans, half of it to either side."""
    retry_on: tuple[Matcher | RetryPattern, ...] = ()
    """Only failures that any of these finds are retried; none: all are."""
    retry_budget: Duration | None = None
    """No run starts when more than this would have passed since the first began."""
    on_failure: Literal["stop", "continue", "fallback"] = "stop"
    """After the last run: go on to the handlers, tolerate the failure, or run another command instead."""

    def delay(self, run: int) -> float:
        """Return the pause in seconds after the given run, which counts from 1, before any jitter."""
        if self.backoff == "custom":
            wanted = self.delays[run - 1] if run <= len(self.delays) else self.max_delay
        elif self.backoff == "fixed":
            wanted = self.initial_delay
        elif self.backoff == "linear":
            wanted = self.initial_delay + (run - 1) * (self.increment or self.initial_delay)
        elif self.backoff == "exponential":
            growth = min(run - 1, _MOST_STEPS)
            wanted = self.initial_delay * self.base**growth
        else:
            before, factor = 0.0, 1.0
            for _ in range(min(run, _MOST_STEPS) - 1):
                before, factor = factor, before + factor
            wanted = self.initial_delay * factor
        return min(wanted, self.max_delay)

    def jittered(self, run: int, draw: float) -> float:
        """Return the pause after a run; ``draw`` is a number at random from -1 to 1."""
        pause = self.delay(run)
        return pause + draw * pause * self.jitter_factor / 2 if self.jitter else pause

    def wants(self, kind: str, message: str, stderr: str) -> bool:
        """Return whether a failure is one of those to retry."""
        if not self.retry_on:
            return True
        text = f"{kind}: {message}\n{stderr}"
        return any(_finds(matcher, kind, text) for matcher in self.retry_on)


def _finds(matcher: Matcher | RetryPattern, kind: str, text: str) -> bool:
    if isinstance(matcher, RetryPattern):
        return re.search(matcher.pattern, text) is not None
    return (matcher == "timeout" and kind == "timeout") or _MATCHERS[matcher].search(text) is not None
