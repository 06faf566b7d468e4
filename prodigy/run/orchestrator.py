"""A run from its first phase to its result."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from prodigy.errors import ProdigyError
from prodigy.run.guard import guarded
from prodigy.run.inputs import read_items
from prodigy.run.mapping import MapOutcome, MapPhaseRunner
from prodigy.run.phase import PhaseOutcome, describe, run_phase
from prodigy.run.publishing import Publisher
from prodigy.run.session_workspace import SessionWorkspace
from prodigy.values import MergeOutcome, RunResult

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.run.publishing import Approve
    from prodigy.values import PhaseResult, StepResult
    from prodigy.workflow.models import Phase
    from prodigy.workflow.scope import Scope

RunStatus = Literal["success", "partial", "failed", "interrupted"]
_EXIT = {"success": 0, "partial": 4, "failed": 1}
_ENDED = {"failed": "failed", "interrupted": "was interrupted"}


class Orchestrator:
    """Runs the phases of one session in order and keeps what they gave."""

    def __init__(self, context: RunContext, approve: Approve) -> None:
        self._context = context
        self._approve = approve
        self._scope = context.base_scope()
        self._phases: list[PhaseResult] = []
        self._steps: list[StepResult] = []
        self._map: MapOutcome | None = None
        self._leftovers: tuple[bytes, ...] = ()
        self._uncommitted: list[dict[str, Any]] = []
        self._error: str | None = None
        self._workspace: SessionWorkspace | None = None
        self.visited: tuple[bytes, ...] = ()
        """Paths a visitor left uncommitted in the workspace before it was merged."""

    def run(self) -> RunResult:
        """The whole run. Failures are in the result; only errors of the machine are raised."""
        context = self._context
        flow = context.plan.workflow
        status: RunStatus = "failed"
        merge = MergeOutcome(status="not_asked")
        try:
            self._workspace = SessionWorkspace.create(context)
            done = self._phase("commands", flow.commands, self._scope) if flow.commands else self._mapreduce()
            status = self._status(done)
            merge = self._merge(status)
        except ProdigyError as error:
            self._error = self._error or error.message
            status = "interrupted" if context.stop.requested else "failed"
        return self._result(status, merge)

    def _mapreduce(self) -> bool:
        flow = self._context.plan.workflow
        if flow.setup is not None:
            if not self._phase("setup", flow.setup, self._scope):
                return False
            self._warn_of_leftovers()
        if not self._map_phase():
            return False
        if flow.reduce is None or self._map is None or not self._map.items:
            return True
        return self._phase("reduce", flow.reduce, self._scope)

    def _phase(self, name: str, phase: Phase, scope: Scope) -> bool:
        context = self._context
        if context.stop.requested or self._workspace is None:
            return False
        with guarded(context, name):
            outcome = run_phase(
                context, name, phase, self._workspace, scope, final=name in ("commands", "reduce")
            )
            self._keep(outcome)
        if outcome.failure is not None:
            self._error = f"{name} failed: {outcome.failure.message}"
        return outcome.failure is None

    def _keep(self, outcome: PhaseOutcome) -> None:
        self._phases.append(outcome.result)
        self._steps.extend(outcome.steps.results)
        self._leftovers = outcome.leftovers
        if outcome.patch is not None:
            files = [path.decode(errors="replace") for path in outcome.leftovers[:100]]
            self._uncommitted.append({"owner": "session", "files": files, "patch": str(outcome.patch)})
            bus = self._context.bus.at(phase=outcome.result.name)
            bus.emit("uncommitted_saved", files=files, patch=str(outcome.patch))
            named = describe(outcome.leftovers)
            bus.warn(f"{len(outcome.leftovers)} changes are left uncommitted ({named}): {outcome.patch}")

    def _map_phase(self) -> bool:
        context = self._context
        flow = context.plan.workflow.map
        if flow is None or self._workspace is None or context.stop.requested:
            return False
        self._scope.set("setup", self._scope.captures())
        with guarded(context, "map"):
            try:
                found = read_items(context, self._workspace, self._scope)
            except ProdigyError as error:
                self._error = f"map failed: {error.message}"
                return False
            items = found[: flow.max_items]
            if not found:
                why = "json_path matches nothing in the input" if flow.json_path else "the input is empty"
                context.bus.at(phase="map").warn(
                    f"there are no work items ({why}): no agent runs, and no reduce"
                )
            elif len(items) < len(found):
                message = f"max_items keeps {len(items)} of {len(found)} items"
                context.bus.at(phase="map").warn(message)
            head = self._workspace.head
            runner = MapPhaseRunner(context, flow, self._scope, frozenset(self._leftovers), head)
            self._map = runner.run(items)
        self._phases.append(self._map.result)
        self._scope.set("map", self._map.variables())
        if self._map.all_failed:
            self._error = f"all {len(self._map.items)} items failed"
        elif self._map.count("pending") and not context.stop.requested:
            self._error = "the run's time is over"
        return self._error is None and not context.stop.requested

    def _warn_of_leftovers(self) -> None:
        if self._leftovers:
            self._context.bus.at(phase="setup").warn(
                f"setup left {len(self._leftovers)} changes uncommitted: agents do not see them, reduce does "
                f"({describe(self._leftovers)})"
            )

    def _status(self, done: bool) -> RunStatus:  # noqa: FBT001 - the only fact there is
        if self._context.stop.requested:
            return "interrupted"
        if not done:
            return "failed"
        return "partial" if self._map is not None and self._map.count("failed") else "success"

    def _merge(self, status: RunStatus) -> MergeOutcome:
        publisher = Publisher(self._context, self._workspace)
        if status not in ("success", "partial"):
            has_work = self._context.store.head() != self._context.store.base
            command = publisher.command if has_work else None
            return MergeOutcome(status="not_asked", reason=f"the run {_ENDED[status]}", command=command)
        failed = self._map.count("failed") if self._map else 0
        with_tolerated = len(self._tolerated())
        merge = publisher.offer(self._approve, self._scope, failed, with_tolerated)
        self.visited = publisher.visited
        if publisher.phase is not None:
            self._keep(publisher.phase)
        return merge

    def _tolerated(self) -> list[dict[str, Any]]:
        steps = self._context.journal.steps()
        return [
            {"path": step.path, "name": step.name, "error": step.error.message if step.error else ""}
            for step in steps
            if step.status == "tolerated"
        ]

    def _result(self, status: RunStatus, merge: MergeOutcome) -> RunResult:
        context, record = self._context, self._context.record
        exit_code = 128 + context.stop.signal_number if status == "interrupted" else _EXIT[status]
        if merge.status in ("refused", "failed"):
            exit_code = 1
        head = context.store.head()
        result = RunResult.model_validate(
            {
                "session_id": record.id,
                "job_id": record.job_id,
                "workflow": record.workflow_name,
                "mode": record.mode,
                "status": status,
                "exit_code": exit_code,
                "started_at": record.created_at,
                "finished_at": datetime.now(UTC),
                "duration": time.monotonic() - context.started,
                "base_commit": record.base,
                "branch": record.branch,
                "target": record.target,
                "workspace": record.workspace,
                "phases": tuple(self._phases),
                "steps": tuple(self._steps),
                "items": self._counts(),
                "results": self._map.items if self._map else (),
                "tolerated": tuple(self._tolerated()),
                "warnings": tuple(context.bus.warnings),
                "uncommitted": tuple(self._uncommitted),
                "commits": len(context.store.commits(record.base, head)),
                "files_changed": len(context.store.changes(record.base, head)),
                "merge": merge,
                "error": self._error,
            }
        )
        kind = "job_completed" if status in ("success", "partial") else "job_failed"
        context.bus.emit(kind, error=self._error, duration=result.duration)
        context.journal.flush()
        context.sessions.update(
            record.id,
            status=status,
            merge=merge,
            error=self._error,
            phase=None,
            finished_at=result.finished_at,
            result=result.model_copy(update={"steps": (), "results": ()}),
        )
        return result

    def _counts(self) -> dict[str, int] | None:
        if self._map is None:
            return None
        names = {"success": "successful", "failed": "failed", "skipped": "skipped", "pending": "pending"}
        return {"total": len(self._map.items)} | {
            name: self._map.count(status) for status, name in names.items()
        }
