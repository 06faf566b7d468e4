"""Which attempt of an item comes next: a first one, or another that a failure asks for."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from prodigy.run.retry import NEVER_RETRIED
from prodigy.values import ErrorKind, ItemResult, StepFailure

if TYPE_CHECKING:
    from prodigy.run.agent_job import AgentJob, AgentResult
    from prodigy.run.context import RunContext
    from prodigy.workflow.models import MapPhase


class ItemAttempts:
    """Decides upon the attempts of the items of one map phase, durably."""

    def __init__(self, context: RunContext, flow: MapPhase, base: str) -> None:
        """``base``: the commit that first attempts start from."""
        self._context = context
        self._flow = flow
        self._base = base
        self._bus = context.bus.at(phase="map")

    def due(self, planned: ItemResult) -> dict[str, Any]:
        """Which attempt of an item comes next: the one a killed process had decided upon, or a first one."""
        kept = self._context.journal.get(f"due/{planned.index}")
        if kept and kept["attempt"] > planned.attempts:
            return dict(kept)
        return {"attempt": planned.attempts + 1, "base": self._base}

    def another(
        self, agent: AgentResult, error: StepFailure, *, retriable: bool
    ) -> tuple[AgentJob, float] | None:
        """Decide upon another attempt, where a conflict or the error policy asks for one; with its delay."""
        job = agent.job
        if error.kind is ErrorKind.MERGE_CONFLICT:
            wanted = self._flow.on_conflict in ("retry", "claude") and job.retry_reason != "conflict"
            return self._due_again(agent, error, "conflict") if wanted and retriable else None
        if error.kind in NEVER_RETRIED:
            return None
        if job.attempt < (self._tries(job) or 0):
            return self._due_again(agent, error, "failure")
        rule = self._context.plan.workflow.error_policy
        retry = rule.retry_config
        if rule.on_item_failure != "retry" or job.attempt >= retry.attempts:
            return None
        if not retry.wants(str(error.kind), error.message, ""):
            return None
        delay = retry.jittered(job.attempt, random.uniform(-1, 1))  # noqa: S311 - spreads load
        return self._due_again(agent, error, "failure", delay)

    def asked_again(self, job: AgentJob) -> bool:
        """Whether the item had failed for good, and somebody asked for it again."""
        return self._tries(job) is not None

    def _tries(self, job: AgentJob) -> int | None:
        """Up to which attempt a failed item that was asked for again may be tried."""
        found: int | None = self._context.journal.get(f"tries/{job.index}") if self._context.resumed else None
        return found

    def _due_again(
        self, agent: AgentResult, error: StepFailure, reason: str, delay: float = 0.0
    ) -> tuple[AgentJob, float]:
        """Record which attempt comes next, and from where."""
        job = agent.job
        base = self._context.store.head() if reason == "conflict" else job.base
        due = {"attempt": job.attempt + 1, "base": base, "retry_reason": reason}
        if reason == "conflict" and self._flow.on_conflict == "claude":
            due |= {"joins": agent.head, "joined_output": agent.output}
        self._context.journal.put(f"due/{job.index}", due)
        again = job.model_copy(update=due)
        self._bus.at(item=job.item_id).emit(
            "agent_retrying", attempt=again.attempt, backoff=delay, error=error.message
        )
        return again, delay
