"""One agent: the template's steps on one item, in a workspace and a sandbox of its own."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prodigy.errors import GitFailed, ImportRefused, OverlayUnavailable, ProdigyError, StepError
from prodigy.git.importing import import_commits
from prodigy.git.leftovers import list_leftovers
from prodigy.git.target_refs import offer_target
from prodigy.run.agent_job import AgentJob, AgentResult
from prodigy.run.agent_limits import CommandLimits, own_time
from prodigy.run.agent_output import agent_output
from prodigy.run.committing import commit_everything
from prodigy.run.computing import StepComputer
from prodigy.run.phase import describe, save_uncommitted
from prodigy.run.sharing import receive_shared
from prodigy.run.spending import SpendingPart
from prodigy.run.steps import ListResult, run_steps
from prodigy.text import item_name
from prodigy.values import ErrorKind, StepFailure
from prodigy.workflow.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prodigy.git.template import Template
    from prodigy.git.workspace import Workspace
    from prodigy.run.context import RunContext
    from prodigy.run.place import Place
    from prodigy.run.station import Station

_SHOWN_LEFTOVERS = 100
_NEAR = 0.8
"""The part of its time after which an agent's end is near."""


def run_agent(context: RunContext, job: AgentJob, template: Template) -> AgentResult:
    """Run a job to its end; failures of any kind are in the result, never raised."""
    clock = time.monotonic()
    log = context.directory / "logs" / "map" / job.name
    try:
        result = _Agent(context, job, template).run()
    except (ImportRefused, StepError) as error:
        result = AgentResult(job=job, failure=StepFailure(kind=error.kind, message=error.message))
    except ProdigyError as error:
        kind = ErrorKind.CANCELLED if context.stop.requested else ErrorKind.SANDBOX
        result = AgentResult(job=job, failure=StepFailure(kind=kind, message=error.message))
    except OSError as error:
        failure = StepFailure(kind=ErrorKind.SANDBOX, message=f"this machine failed the agent: {error}")
        result = AgentResult(job=job, failure=failure)
    return result.model_copy(update={"duration": time.monotonic() - clock, "log": str(log)})


class _Agent:
    """One agent at work."""

    def __init__(self, context: RunContext, job: AgentJob, template: Template) -> None:
        self._context = context
        self._job = job
        self._template = template
        self._ref = f"agents/{job.name}"
        self._bus = context.bus.at(phase="map", item=job.item_id)

    def run(self) -> AgentResult:
        try:
            return self._in_workspace()
        except OverlayUnavailable:
            self._context.workspaces.fall_back()
            self._context.bus.warn(
                "overlay workspaces do not work on this engine: workspaces are copied instead"
            )
            return self._in_workspace()

    def _in_workspace(self) -> AgentResult:
        context, job = self._context, self._job
        context.stop.check()
        (effect,) = context.journal.intend(("workspace", job.name))
        workspace = context.workspaces.agent(job.name, self._template)
        grace = job.timeouts.cleanup_grace_period_secs if job.timeouts else None
        station = context.station(
            workspace.mount, phase="map", item=job.item_id, name=job.name, stop_grace=grace
        )
        try:
            return self._work(station, workspace)
        finally:
            # Where the sandbox cannot be removed, it may still have the workspace: both stay.
            station.close()
            workspace.remove()
            context.journal.settle(effect)

    def _work(self, station: Station, workspace: Workspace) -> AgentResult:
        context, job = self._context, self._job
        place = context.place(
            station,
            phase="map",
            worktree=workspace.path,
            timeout=job.template.timeout,
            item_id=job.item_id,
            name=f"map/{job.name}",
            values=job.values,
        )
        if job.share:
            receive_shared(station, self._shared(), job.share)
        if job.joins is not None:
            offer_target(context.store, station.sandbox().pipe, job.base, "theirs", job.joins)
        self._bus.emit(
            "agent_started",
            name=item_name(job.item_id, job.item),
            index=job.index,
            attempt=job.attempt,
            base=job.base,
            worktree=place.worktree,
            place=station.sandbox().place,
        )
        limit = own_time(job.timeouts)
        place = replace(place.within(limit), command_limits=CommandLimits(job))
        spent = SpendingPart(place.claude.spending) if place.claude else None
        if place.claude is not None and spent is not None:
            place = replace(place, claude=replace(place.claude, spending=spent))
        ends = None if limit is None else time.monotonic() + limit
        scope = self._scope(place)
        with self._watched(limit):
            steps = run_steps(job.steps, place, scope)
        if context.stop.forced:
            return AgentResult(job=job, failure=steps.failure)
        late = ends is not None and time.monotonic() >= ends
        result = self._gather(place, scope, steps)
        is_timeout = result.failure is not None and result.failure.kind is ErrorKind.TIMEOUT
        cost = spent.total if spent else {}
        return result.model_copy(update={"out_of_time": late and is_timeout, "cost": cost})

    def _shared(self) -> Path:
        return self._context.directory / "shared.tar"

    @contextmanager
    def _watched(self, limit: float | None) -> Iterator[None]:
        """Tell when most of an agent's time is over."""
        timeouts = self._job.timeouts
        if limit is None or timeouts is None or not timeouts.enable_monitoring:
            yield
            return
        near = threading.Timer(limit * _NEAR, self._bus.emit, ("agent_timeout_near",), {"limit": limit})
        near.daemon = True
        near.start()
        try:
            yield
        finally:
            near.cancel()

    def _gather(self, place: Place, scope: Scope, steps: ListResult) -> AgentResult:
        """Take the agent's output, commits and left-over changes before its sandbox goes."""
        job, failure, head, dirty = self._job, steps.failure, steps.head, steps.dirty
        output, uncommitted = None, None
        if failure is None:
            try:
                computing = scope.computing(StepComputer(place, place.environment, ""))
                if job.joins is None:
                    output = agent_output(job.output, place, computing, steps)
                if job.uncommitted == "commit" and dirty != 0:
                    done = commit_everything(place, f"Uncommitted changes of {job.item_id}\n")
                    head, dirty = (done.head, done.dirty) if done else (head, 0)
            except StepError as error:
                failure = StepFailure(kind=error.kind, message=error.message)
        try:
            imported = import_commits(
                self._context.store, place.station.sandbox().pipe, job.base, self._ref, claimed=head
            )
            uncommitted = None if dirty == 0 else self._save_leftovers(place.station, dirty, failure)
        except (ImportRefused, GitFailed) as error:
            if failure is None:
                raise
            # The step's own failure came first, and explains more.
            self._bus.warn(f"what the agent did cannot be taken over: {error.message}")
            return AgentResult(job=job, failure=failure)
        if uncommitted is not None and job.uncommitted == "fail" and failure is None:
            files = ", ".join(uncommitted["files"][:5])
            failure = StepFailure(
                kind=ErrorKind.UNCOMMITTED, message=f"changes were left uncommitted: {files}"
            )
        return AgentResult(
            job=job,
            failure=failure,
            head=imported.head if imported.head != job.base else None,
            commits=imported.commits,
            files=tuple(change.path.decode(errors="surrogateescape") for change in imported.files),
            output=output if job.joins is None else job.joined_output,
            uncommitted=uncommitted,
            tolerated=any(step.status == "tolerated" for step in steps.results),
        )

    def _save_leftovers(
        self, station: Station, dirty: int | None, failure: StepFailure | None
    ) -> dict[str, Any] | None:
        # A git that did not count them when the step had ended gets a last chance, not as long a one.
        limit = 30.0 if dirty is None else 120.0
        paths = tuple(sorted(list_leftovers(station.sandbox().pipe, timeout=limit)))
        if not paths:
            return None
        patch = save_uncommitted(self._context, self._job.name, station)
        files = [path.decode(errors="replace") for path in paths[:_SHOWN_LEFTOVERS]]
        self._bus.emit("uncommitted_saved", files=files, patch=str(patch))
        if failure is None:
            self._bus.warn(
                f"item {self._job.item_id} left {len(paths)} changes uncommitted ({describe(paths)}): {patch}"
            )
        return {"owner": self._job.item_id, "files": files, "patch": str(patch)}

    def _scope(self, place: Place) -> Scope:
        job = self._job
        loaded = Scope.load(job.scope)
        scope = loaded.child(
            {
                **place.tracker.names(loaded.find("workflow") or {}),
                **self._old_names(),
                "item_index": job.index,
                "item_total": job.total,
                "item_id": job.item_id,
                "map": {"item": job.item, "total": job.total, "job_id": self._context.record.job_id},
                "agent": {"id": job.name},
                "worker": {"id": job.name},
            }
        )
        scope.set_item(job.item, is_path=job.item_is_path)
        return scope

    def _old_names(self) -> dict[str, Any]:
        """The names by which older workflows know a simple item."""
        job = self._job
        if isinstance(job.item, dict | list) or "ARG" in job.values:
            return {}
        names = dict.fromkeys(("ARG", "ARGUMENT"), job.item)
        return names | (dict.fromkeys(("FILE", "FILE_PATH"), job.item) if job.item_is_path else {})
