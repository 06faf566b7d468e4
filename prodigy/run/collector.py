"""Collecting what agents did: merged one at a time, or kept and named where it cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.git.merging import Conflict
from prodigy.git.target_refs import left_markers
from prodigy.values import ErrorKind, ItemResult, StepFailure

if TYPE_CHECKING:
    from prodigy.run.agent_job import AgentResult
    from prodigy.run.context import RunContext
    from prodigy.workflow.models import MapPhase

_PATCH_LIMIT = 256 << 20


class Collector:
    """Brings the commits of finished agents to the session branch."""

    def __init__(self, context: RunContext, flow: MapPhase, protected: frozenset[bytes]) -> None:
        self._context = context
        self._flow = flow
        self._protected = protected
        self._bus = context.bus.at(phase="map")
        self.retriable = True
        """Whether the last conflict could end otherwise from a newer base."""

    def finish(self, agent: AgentResult) -> ItemResult:
        """Merge what an agent did, or keep it named when it cannot be merged."""
        failure, merge_commit, conflict = agent.failure or self._unresolved(agent), None, None
        if failure is None and agent.head is not None:
            merged = self._merge(agent)
            if isinstance(merged, Conflict):
                conflict, failure = merged, self._conflict(agent, merged)
            else:
                merge_commit = merged
        bus = self._bus.at(item=agent.job.item_id)
        if merge_commit is not None:
            bus.emit("worktree_merged", commit=merge_commit, strategy="fast_git")
        return self.record(agent, failure, merge_commit, conflict)

    def _merge(self, agent: AgentResult) -> Conflict | str:
        store, head = self._context.store, agent.head or ""
        earlier = store.merge_of(head) if self._context.resumed else None
        if earlier is not None:
            return earlier  # an earlier process merged it and could not say so any more
        changed = [path.encode(errors="surrogateescape") for path in agent.files]
        self.retriable = not self._protected.intersection(changed)
        merged = self._context.merger.merge_agent(
            agent.job.item_id, head, protected=self._protected, changed=changed
        )
        return merged if isinstance(merged, Conflict) else merged.commit

    def _unresolved(self, agent: AgentResult) -> StepFailure | None:
        """Say how an attempt to resolve a conflict did not."""
        joins, head, store = agent.job.joins, agent.head, self._context.store
        if joins is None:
            return None
        if head is None or not store.is_ancestor(joins, head):
            message = f"the conflict was not resolved: the result does not hold {joins[:12]}"
            return StepFailure(kind=ErrorKind.MERGE_CONFLICT, message=message)
        left = left_markers(store, head, [path.encode(errors="surrogateescape") for path in agent.files])
        if not left:
            return None
        names = ", ".join(path.decode(errors="replace") for path in left[:5])
        message = f"the conflict was not resolved: conflict markers are left in {names}"
        return StepFailure(kind=ErrorKind.MERGE_CONFLICT, message=message)

    def _conflict(self, agent: AgentResult, conflict: Conflict) -> StepFailure:
        files = [path.decode(errors="replace") for path in conflict.files]
        bus = self._bus.at(item=agent.job.item_id)
        bus.emit("merge_conflict", files=files, ours=conflict.ours, theirs=conflict.theirs)
        return StepFailure(
            kind=ErrorKind.MERGE_CONFLICT,
            message=f"its commit {conflict.theirs[:12]} conflicts with {conflict.ours[:12]} in "
            f"{', '.join(files)}",
        )

    def record(
        self,
        agent: AgentResult,
        failure: StepFailure | None,
        merge_commit: str | None,
        conflict: Conflict | None,
    ) -> ItemResult:
        """What became of an agent's item."""
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
            attempts=agent.job.attempt - cancelled,
            duration=agent.duration,
            agent_id=agent.job.name,
            log=agent.log,
            base=agent.job.base,
            ref=kept,
            conflict=_sides(conflict) if conflict else None,
            cost_usd=agent.cost.get("usd"),
            tokens={name: int(count) for name, count in agent.cost.items() if name != "usd"} or None,
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
