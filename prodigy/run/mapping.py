"""The map phase: items become agents, their commits are merged one at a time, results are kept."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.git.template import get_template
from prodigy.run.agent import run_agent
from prodigy.run.agent_job import AgentJob, AgentResult
from prodigy.run.collector import Collector
from prodigy.run.dead_letters import signature
from prodigy.run.item_attempts import ItemAttempts
from prodigy.run.job_queue import JobQueue
from prodigy.run.map_outcome import MapOutcome
from prodigy.run.policy_keeper import PolicyKeeper
from prodigy.run.pool import ThreadPool
from prodigy.text import item_name
from prodigy.values import ErrorKind, ItemResult, PhaseResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.run.context import RunContext
    from prodigy.run.pool import Pool
    from prodigy.workflow.models import MapPhase
    from prodigy.workflow.scope import Scope


class MapPhaseRunner:
    """Runs the agents of one map phase."""

    def __init__(
        self,
        context: RunContext,
        flow: MapPhase,
        scope: Scope,
        protected: frozenset[bytes],
        head: str,
        values: dict[str, str],
    ) -> None:
        self._context = context
        self._flow = flow
        self._scope = scope.dump()
        self._values = values
        self._bus = context.bus.at(phase="map")
        self._tally: Counter[str] = Counter()
        self._keeper = PolicyKeeper(context.plan.workflow.error_policy, self._bus)
        self._attempts = ItemAttempts(context, flow, head)
        self._collector = Collector(context, flow, protected)
        deadline = context.deadline(None)
        self._queue = JobQueue(
            context.stop, self._keeper, lambda: deadline is not None and time.monotonic() >= deadline
        )
        self._held: dict[int, AgentResult] = {}
        """Finished agents whose turn to be merged has not come."""
        self._order: list[int] = []

    @property
    def stopped(self) -> str | None:
        """The rule of the error policy that stopped the phase."""
        return self._keeper.stopped

    def run(self, items: list[ItemResult]) -> MapOutcome:
        """Run all pending items; every finished one is durable before another takes its place."""
        clock, started = time.monotonic(), datetime.now(UTC)
        results = list(items)
        if self._context.resumed:
            results = [self._recovered(result) for result in results]
            items = results
        self._tally.update(result.status for result in results)
        self._bus.emit(
            "phase_started", place="one sandbox an agent", worktree="one workspace an agent", steps=len(items)
        )
        self._announce()
        pending = [result for result in results if result.status == "pending"]
        if pending:
            self._run_agents(pending, results)
        self._keeper.flush()
        status = self._status(results)
        result = PhaseResult.model_validate(
            {
                "name": "map",
                "status": status,
                "started_at": started,
                "duration": time.monotonic() - clock,
                "image": self._context.machine.image_of("map").name or None,
            }
        )
        self._bus.emit("phase_completed", status=status, duration=result.duration)
        return MapOutcome(result, tuple(results))

    def _run_agents(self, pending: list[ItemResult], results: list[ItemResult]) -> None:
        context = self._context
        self._order = [planned.index for planned in pending]
        for planned in pending:
            self._queue.add(self._job(planned, len(results)))
        pool: Pool = ThreadPool(context.plan.max_parallel)
        for agent in pool.run(self._take, self._work):
            for ready in self._in_turn(agent):
                self._settle(ready, results)

    def _recovered(self, planned: ItemResult) -> ItemResult:
        """Finish an agent that had ended before its process did: it is merged, not run again."""
        if planned.status != "pending":
            return planned
        attempt = self._attempts.due(planned)["attempt"]
        kept = self._context.journal.get(f"agent/{planned.index}-{attempt}")
        agent = AgentResult.model_validate(kept) if kept else None
        if agent is None or agent.failure is not None:
            return planned
        done = self._collector.finish(agent)
        if done.status != "success":
            return planned
        self._tell(agent, done)
        self._context.journal.item(done)
        return done

    def _take(self, running: int) -> AgentJob | None:
        job = self._queue.take(running)
        if job is not None:
            self._tally.update(pending=-1, active=1)
            self._announce()
        return job

    def _work(self, job: AgentJob) -> AgentResult:
        template = get_template(self._context.store, job.base, self._context.machine.owner)
        return run_agent(self._context, job, template)

    def _in_turn(self, agent: AgentResult) -> Iterator[AgentResult]:
        """Give finished agents in the order they are to be merged in."""
        if self._flow.merge_order == "completion":
            yield agent
            return
        self._held[agent.job.index] = agent
        while self._order and (ready := self._held.pop(self._order[0], None)) is not None:
            yield ready

    def _settle(self, agent: AgentResult, results: list[ItemResult]) -> None:
        """Merge an agent's work, or decide what its failure means."""
        agent = self._excused(agent)
        self._context.journal.put(f"agent/{agent.job.name}", agent.model_dump(mode="json"))
        done = self._collector.finish(agent)
        again = self._another(agent, done)
        if again is not None and not self._ending:
            self._queue.again(*again)
            self._tally.update(pending=1, active=-1)
            self._announce()
            return
        # What would be tried again waits for a resumed run, as all that was not begun does.
        done = self._judged(agent, done) if again is None else done.model_copy(update={"status": "pending"})
        if self._order and self._order[0] == done.index:
            self._order.pop(0)
        results[done.index] = done
        self._tell(agent, done)
        self._context.journal.item(done)
        self._tally.update({done.status: 1, "active": -1})
        self._announce()
        if done.status != "pending":
            reason = done.error.message if done.error else None
            self._keeper.finished(item_name(done.item_id, done.item), reason)

    def _excused(self, agent: AgentResult) -> AgentResult:
        """Hold no item to blame for an engine that died: it waits for a resumed run, as all others do."""
        failure = agent.failure
        if (
            failure is None
            or failure.kind is not ErrorKind.SANDBOX
            or self._context.machine.backend.answers()
        ):
            return agent
        self._keeper.stop("the container engine went away")
        cancelled = failure.model_copy(update={"kind": ErrorKind.CANCELLED})
        return agent.model_copy(update={"failure": cancelled})

    def _tell(self, agent: AgentResult, done: ItemResult) -> None:
        bus, error = self._bus.at(item=done.item_id), done.error
        if error is None:
            bus.emit("agent_completed", duration=agent.duration, commits=len(agent.commits))
            if self._attempts.asked_again(agent.job):
                bus.emit("dlq_item_removed", count=1)
            return
        bus.emit("agent_failed", kind=error.kind, error=error.message, step=error.step)
        if done.status == "failed":
            bus.emit("dlq_item_added", error_signature=signature(error), failure_count=done.attempts)

    def _another(self, agent: AgentResult, done: ItemResult) -> tuple[AgentJob, float] | None:
        if done.status != "failed" or done.error is None:
            return None
        return self._attempts.another(agent, done.error, retriable=self._collector.retriable)

    @property
    def _ending(self) -> bool:
        """Whether no more agents are started."""
        return self._context.stop.requested or self._keeper.stopped is not None

    def _judged(self, agent: AgentResult, done: ItemResult) -> ItemResult:
        """Apply what a failure for good means: kept as a dead letter, skipped, or the end of the phase."""
        if done.status != "failed" or done.error is None:
            return done
        policy = self._context.plan.workflow.error_policy
        action = agent.job.timeouts.timeout_action if agent.job.timeouts and agent.out_of_time else "dlq"
        if done.error.kind is ErrorKind.MERGE_CONFLICT and self._flow.on_conflict == "fail":
            self._keeper.stop(f"on_conflict is fail, and {done.item_id} conflicts")
        if action == "fail":
            self._keeper.stop(f"timeout_action is fail, and {done.item_id} ran out of time")
        if action == "skip" or policy.on_item_failure == "skip":
            return done.model_copy(update={"status": "skipped"})
        return done

    def _job(self, planned: ItemResult, total: int) -> AgentJob:
        flow = self._context.plan.workflow
        return AgentJob(
            **self._attempts.due(planned),
            index=planned.index,
            total=total,
            item_id=planned.item_id,
            item=planned.item,
            item_is_path=self._flow.input.kind == "glob",
            template=self._flow.agent_template,
            scope=self._scope,
            values=self._values,
            output=self._flow.output,
            timeouts=self._flow.timeouts,
            uncommitted=self._flow.uncommitted or flow.uncommitted,
            share=flow.setup.share if flow.setup else (),
        )

    def _announce(self) -> None:
        count = self._tally
        done = count["success"] + count["failed"] + count["skipped"]
        self._bus.emit(
            "queue_depth_changed",
            total=count["pending"] + count["active"] + done,
            pending=count["pending"],
            active=count["active"],
            completed=count["success"],
            failed=count["failed"] + count["skipped"],
        )

    def _status(self, results: list[ItemResult]) -> str:
        found = {result.status for result in results}
        if self._keeper.stopped is not None:
            return "failed"
        if "pending" in found:
            return "cancelled"
        return "failed" if found and found <= {"failed", "skipped"} else "success"
