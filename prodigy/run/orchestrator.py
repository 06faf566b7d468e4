"""A run from its first phase to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.errors import ProdigyError
from prodigy.run.guard import guarded
from prodigy.run.map_phase import MapWork
from prodigy.run.outcome import RunStatus, final_result
from prodigy.run.passes import Passes
from prodigy.run.phase import PhaseOutcome, PhaseTask, describe, run_phase
from prodigy.run.publishing import Publisher
from prodigy.run.session_workspace import SessionWorkspace
from prodigy.run.setup_captures import setup_captures
from prodigy.values import ErrorKind, MergeOutcome

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.run.map_outcome import MapOutcome
    from prodigy.run.publishing import Approve
    from prodigy.values import PhaseResult, RunResult, StepResult
    from prodigy.workflow.models import Phase, SetupPhase

_ENDED = {"failed": "failed", "interrupted": "was interrupted"}


class Orchestrator:
    """Runs the phases of one session in order and keeps what they gave."""

    def __init__(self, context: RunContext, approve: Approve) -> None:
        self._context = context
        self._approve = approve
        self._scope = context.base_scope()
        self.phases: list[PhaseResult] = []
        self.steps: list[StepResult] = []
        self.map: MapOutcome | None = None
        self.iterations: list[dict[str, Any]] = []
        self.uncommitted: list[dict[str, Any]] = []
        self.error: str | None = None
        self._leftovers: tuple[bytes, ...] = ()
        self._workspace: SessionWorkspace | None = None
        self._ends_early = False
        """Whether there was nothing to do, so that reduce does not run."""
        self.published: str | None = None
        """The commit that an earlier process had already published."""
        self.visited: tuple[bytes, ...] = ()
        """Paths a visitor left uncommitted in the workspace before it was merged."""

    def run(self) -> RunResult:
        """The whole run. Failures are in the result; only errors of the machine are raised."""
        context = self._context
        flow = context.plan.workflow
        status: RunStatus = "failed"
        merge = MergeOutcome(status="not_asked")
        try:
            self._workspace = self._open_workspace()
            done = self._standard(flow.commands) if flow.commands else self._mapreduce()
            status = self._status(done=done)
            merge = self._merge(status)
        except ProdigyError as error:
            self.error = self.error or error.message
            status = "interrupted" if context.stop.requested else "failed"
        return final_result(context, self, status, merge)

    def _open_workspace(self) -> SessionWorkspace:
        if self._context.resumed and (found := SessionWorkspace.reopen(self._context)) is not None:
            return found
        return SessionWorkspace.create(self._context, self._context.store.head())

    def _standard(self, phase: Phase) -> bool:
        if self._workspace is None:
            return False
        passes = Passes(self._context, self._workspace, self._scope)
        try:
            done = passes.run(phase)
        finally:
            for outcome in passes.outcomes:
                self._keep(outcome)
            self.iterations = passes.iterations
        if passes.failed > 1 or (passes.failed and len(self._context.plan.passes) > 1):
            self.error = f"{passes.failed} of {len(self._context.plan.passes)} passes failed: {self.error}"
        return done

    def _mapreduce(self) -> bool:
        flow = self._context.plan.workflow
        if flow.setup is not None:
            if not self._phase("setup", flow.setup):
                return False
            self._take_captures(flow.setup)
            self._warn_of_leftovers()
        if not self._map_phase():
            return False
        if flow.reduce is None or self._ends_early:
            return True
        return self._phase("reduce", flow.reduce, final=True)

    def _phase(self, name: str, phase: Phase, *, final: bool = False) -> bool:
        context = self._context
        if context.stop.requested or self._workspace is None:
            return False
        with guarded(context, name):
            outcome = run_phase(context, PhaseTask(name, phase, final=final), self._workspace, self._scope)
            self._keep(outcome)
        return outcome.failure is None

    def _keep(self, outcome: PhaseOutcome) -> None:
        name = outcome.result.name
        self.phases.append(outcome.result)
        self.steps.extend(outcome.steps.results)
        self._leftovers = outcome.leftovers
        if outcome.failure is not None:
            self.error = f"{name} failed: {outcome.failure.message}"
            if outcome.failure.kind is ErrorKind.CANCELLED:
                self.error = f"{name} was interrupted"
        if outcome.patch is not None:
            files = [path.decode(errors="replace") for path in outcome.leftovers[:100]]
            self.uncommitted.append({"owner": "session", "files": files, "patch": str(outcome.patch)})
            bus = self._context.bus.at(phase=name)
            bus.emit("uncommitted_saved", files=files, patch=str(outcome.patch))
            named = describe(outcome.leftovers)
            bus.warn(f"{len(outcome.leftovers)} changes are left uncommitted ({named}): {outcome.patch}")

    def _take_captures(self, phase: SetupPhase) -> None:
        """Set what setup's captures found. Raises ProdigyError for one that is not there."""
        results = [one for one in self.steps if one.path.startswith("setup[")]
        for name, value in setup_captures(phase, results).items():
            self._scope.capture(name, value)

    def _map_phase(self) -> bool:
        context, flow = self._context, self._context.plan.workflow.map
        if flow is None or self._workspace is None or context.stop.requested:
            return False
        context.sessions.update(context.record.id, phase="map")
        work = MapWork(context, flow, self._workspace, self._scope, self._leftovers)
        done = work.run()
        self.map, self.error = work.outcome, work.error
        self.phases += work.phases
        self._ends_early = done and work.skip_reduce
        return done

    def _warn_of_leftovers(self) -> None:
        setup = self._context.plan.workflow.setup
        shared = tuple(path.encode() for path in setup.share) if setup else ()
        hidden = tuple(path for path in self._leftovers if not _below(path, shared))
        if hidden:
            self._context.bus.at(phase="setup").warn(
                f"setup left {len(hidden)} changes uncommitted: agents do not see them, reduce does "
                f"({describe(hidden)})"
            )

    def _status(self, *, done: bool) -> RunStatus:
        if self._context.stop.requested:
            return "interrupted"
        if not done:
            return "failed"
        return "partial" if self.map is not None and self.map.count("failed") else "success"

    def _merge(self, status: RunStatus) -> MergeOutcome:
        if self.published is not None:
            return MergeOutcome(status="merged", commit=self.published)
        publisher = Publisher(self._context, self._workspace)
        if status not in ("success", "partial"):
            has_work = self._context.store.head() != self._context.store.base
            command = publisher.command if has_work else None
            return MergeOutcome(status="not_asked", reason=f"the run {_ENDED[status]}", command=command)
        failed = self.map.count("failed") if self.map else 0
        merge = publisher.offer(self._approve, self._scope, failed, len(self.tolerated()))
        self.visited = publisher.visited
        if publisher.phase is not None:
            self._keep(publisher.phase)
        return merge

    def tolerated(self) -> list[dict[str, Any]]:
        """The failures that were tolerated, wherever they happened."""
        return [
            {
                "path": step.path,
                "name": step.name,
                "by": step.tolerated_by or "",
                "error": step.error.message if step.error else "",
            }
            for step in self._context.journal.steps()
            if step.status == "tolerated"
        ]


def _below(path: bytes, roots: tuple[bytes, ...]) -> bool:
    return any(path == root or path.startswith(root + b"/") for root in roots)
