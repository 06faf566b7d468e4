"""The map phase: items become agents, their commits are merged one at a time, results are kept."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prodigy.git.merging import Conflict
from prodigy.git.template import get_template
from prodigy.run.agent import AgentJob, AgentResult, run_agent
from prodigy.run.pool import ThreadPool
from prodigy.values import ErrorKind, ItemResult, PhaseResult, StepFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.run.context import RunContext
    from prodigy.run.pool import Pool
    from prodigy.workflow.models import MapPhase
    from prodigy.workflow.scope import Scope

_PATCH_LIMIT = 256 << 20


@dataclass(frozen=True, slots=True)
class MapOutcome:
    """What became of the map phase."""

    result: PhaseResult
    items: tuple[ItemResult, ...]

    def count(self, status: str) -> int:
        """How many items ended with a status."""
        return sum(item.status == status for item in self.items)

    @property
    def all_failed(self) -> bool:
        """Whether there were items and every one failed."""
        return bool(self.items) and self.count("failed") == len(self.items)

    def variables(self) -> dict[str, Any]:
        """The ``map`` namespace of reduce and merge."""
        total, good, bad = len(self.items), self.count("success"), self.count("failed")
        results = [item.model_dump(mode="json") | {"success": item.success} for item in self.items]
        durations = sum(item.duration for item in self.items)
        values: dict[str, Any] = {
            "total": total,
            "successful": good,
            "failed": bad,
            "skipped": self.count("skipped"),
            "success_rate": 100 * good / total if total else 0,
            "failure_rate": bad / total if total else 0,
            "duration": self.result.duration,
            "average_duration_secs": durations / total if total else 0,
            "total_duration_secs": durations,
            "results": results,
            "outputs": [item.output for item in self.items if item.success],
            "errors": [item.error.model_dump(mode="json") for item in self.items if item.error],
        }
        aliases = {
            "success_count": good,
            "failure_count": bad,
            "results_json": results,
            "results_array": results,
        }
        return values | aliases


class MapPhaseRunner:
    """Runs the agents of one map phase."""

    def __init__(
        self, context: RunContext, flow: MapPhase, scope: Scope, protected: frozenset[bytes], head: str
    ) -> None:
        self._context = context
        self._flow = flow
        self._scope = scope.dump()
        self._protected = protected
        self._base = head
        self._bus = context.bus.at(phase="map")
        self._tally: Counter[str] = Counter()

    def run(self, items: list[tuple[str, Any]]) -> MapOutcome:
        """Run all items; every finished one is durable before another takes its place."""
        clock, started = time.monotonic(), datetime.now(UTC)
        results = [
            ItemResult(item_id=item_id, index=index, item=item, status="pending", attempts=0)
            for index, (item_id, item) in enumerate(items)
        ]
        self._tally.update(pending=len(results))
        self._context.journal.items(results)
        self._bus.emit(
            "phase_started", place="one sandbox an agent", worktree="one workspace an agent", steps=len(items)
        )
        self._announce()
        if items:
            self._run_agents(results)
        status = self._status(results)
        result = PhaseResult.model_validate(
            {
                "name": "map",
                "status": status,
                "started_at": started,
                "duration": time.monotonic() - clock,
                "image": self._context.machine.image_name or None,
            }
        )
        self._bus.emit("phase_completed", status=status, duration=result.duration)
        return MapOutcome(result, tuple(results))

    def _run_agents(self, results: list[ItemResult]) -> None:
        context = self._context
        template = get_template(context.store, self._base, context.machine.owner)
        pool: Pool = ThreadPool(context.plan.max_parallel)
        deadline = context.deadline(None)

        def jobs() -> Iterator[AgentJob]:
            for planned in results:
                if context.stop.requested or (deadline is not None and time.monotonic() >= deadline):
                    return
                self._tally.update(pending=-1, active=1)
                self._announce()
                yield self._job(planned, len(results))

        for agent in pool.run(jobs(), lambda job: run_agent(context, job, template)):
            done = self._finish(agent)
            results[done.index] = done
            context.journal.item(done)
            self._tally.update({done.status: 1, "active": -1})
            self._announce()

    def _job(self, planned: ItemResult, total: int) -> AgentJob:
        return AgentJob(
            index=planned.index,
            total=total,
            item_id=planned.item_id,
            item=planned.item,
            item_is_path=self._flow.input.kind == "glob",
            base=self._base,
            template=self._flow.agent_template,
            scope=self._scope,
        )

    def _announce(self) -> None:
        count = self._tally
        self._bus.emit(
            "queue_depth_changed",
            total=count["pending"] + count["active"] + count["success"] + count["failed"],
            pending=count["pending"],
            active=count["active"],
            completed=count["success"],
            failed=count["failed"],
        )

    @staticmethod
    def _status(results: list[ItemResult]) -> str:
        found = {result.status for result in results}
        if "pending" in found:
            return "cancelled"
        return "failed" if found == {"failed"} else "success"

    def _finish(self, agent: AgentResult) -> ItemResult:
        """Merge what an agent did, or keep it named when it cannot be merged."""
        failure, merge_commit, conflict = agent.failure, None, None
        if failure is None and agent.head is not None:
            merged = self._context.merger.merge_agent(
                agent.job.item_id,
                agent.head,
                protected=self._protected,
                changed=[path.encode(errors="surrogateescape") for path in agent.files],
            )
            if isinstance(merged, Conflict):
                conflict, failure = merged, self._conflict(agent, merged)
            else:
                merge_commit = merged.commit
        bus = self._bus.at(item=agent.job.item_id)
        if merge_commit is not None:
            bus.emit("worktree_merged", commit=merge_commit, strategy="fast_git")
        if failure is None:
            bus.emit("agent_completed", duration=agent.duration, commits=len(agent.commits))
        else:
            bus.emit("agent_failed", kind=failure.kind, error=failure.message, step=failure.step)
        return self._record(agent, failure, merge_commit, conflict)

    def _conflict(self, agent: AgentResult, conflict: Conflict) -> StepFailure:
        files = [path.decode(errors="replace") for path in conflict.files]
        bus = self._bus.at(item=agent.job.item_id)
        bus.emit("merge_conflict", files=files, ours=conflict.ours, theirs=conflict.theirs)
        return StepFailure(
            kind=ErrorKind.MERGE_CONFLICT,
            message=f"its commit {conflict.theirs[:12]} conflicts with {conflict.ours[:12]} in "
            f"{', '.join(files)}",
        )

    def _record(
        self,
        agent: AgentResult,
        failure: StepFailure | None,
        merge_commit: str | None,
        conflict: Conflict | None,
    ) -> ItemResult:
        cancelled = failure is not None and failure.kind is ErrorKind.CANCELLED
        kept = self._keep(agent) if failure is not None and agent.head is not None else None
        return ItemResult(
            item_id=agent.job.item_id,
            index=agent.job.index,
            item=agent.job.item,
            status="success" if failure is None else "pending" if cancelled else "failed",
            output=agent.output,
            error=failure,
            commits=agent.commits,
            files_changed=tuple(_readable(path) for path in agent.files),
            merge_commit=merge_commit,
            uncommitted=agent.uncommitted,
            attempts=agent.job.attempt,
            duration=agent.duration,
            agent_id=agent.job.name,
            log=agent.log,
            base=agent.job.base,
            ref=kept,
            conflict=_sides(conflict) if conflict else None,
        )

    def _keep(self, agent: AgentResult) -> str:
        """Keep the commits of a failed agent: as a ref of the store, and as a patch for people."""
        artifacts = self._context.directory / "artifacts"
        artifacts.mkdir(parents=True, exist_ok=True)
        patch = artifacts / f"{agent.job.name}.patch"
        self._context.store.save_patch(agent.job.base, agent.head or "", patch, _PATCH_LIMIT)
        return f"agents/{agent.job.name}"


def _readable(path: str) -> str:
    """A path that can be stored: bytes that are no UTF-8 become replacement characters."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def _sides(conflict: Conflict) -> dict[str, Any]:
    files = [path.decode(errors="replace") for path in conflict.files]
    return {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs, "files": files}
