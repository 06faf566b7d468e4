"""What failing items mean for the map phase, and how long an agent may take."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prodigy.workflow.fields import Duration, Model, Resolvable
from prodigy.workflow.retry import Retry

OnItemFailure = Literal["dlq", "retry", "skip", "stop"]


class CircuitBreaker(Model):
    """Holds agents back while item after item fails."""

    failure_threshold: Annotated[int, Field(ge=1)] = 5
    """Failures in a row that open it: no agent starts then."""
    success_threshold: Annotated[int, Field(ge=1)] = 3
    """Successes in a row that close it again."""
    timeout: Duration = 30.0
    """How long it stays open before it lets some agents through."""
    half_open_requests: Annotated[int, Field(ge=1)] = 3
    """Agents at a time while it is half open."""


class Batched(Model):
    """Failures told in groups."""

    size: Annotated[int, Field(ge=1)]
    """Failures in a group."""


class ErrorPolicy(Model):
    """What a failed item means for the others."""

    on_item_failure: OnItemFailure = "dlq"
    """Keep it as a dead letter, run it again first, note it as skipped, or stop."""
    continue_on_failure: bool = True
    """Whether other items go on after a failed one."""
    max_failures: Annotated[int, Field(ge=1)] | None = None
    """Stop when so many items have failed."""
    failure_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """Stop when a larger part of the finished items has failed, from ten finished ones on."""
    retry_config: Retry = Field(default_factory=Retry)
    """How often and after which pauses a failed item's agent is run again, for `on_item_failure: retry`."""
    error_collection: Literal["aggregate", "immediate"] | Batched = "aggregate"
    """When failures are told: at the end, at once, or in groups."""
    circuit_breaker: CircuitBreaker | None = None
    """Holds agents back while item after item fails."""


class AgentTimeouts(Model):
    """How long an agent and its commands may take."""

    agent_timeout_secs: Annotated[Duration | None, Resolvable()] = 600.0
    """The longest an agent may take, or each command of it with `per_command`."""
    timeout_policy: Literal["per_agent", "per_command", "hybrid"] = "per_agent"
    """Whether the time is the agent's, each command's, or the agent's with times for some commands."""
    command_timeouts: dict[str, Duration] = Field(default_factory=dict)
    """Times by kind of command, or by kind and position as in `shell_0`."""
    timeout_action: Literal["dlq", "skip", "fail"] = "dlq"
    """What an agent that ran out of time means."""
    cleanup_grace_period_secs: Duration = 30.0
    """Between the polite signal and the final one."""
    enable_monitoring: bool = True
    """Whether an event tells that four fifths of the time are over."""
