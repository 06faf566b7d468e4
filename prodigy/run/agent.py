"""One agent: the template's steps on one item, in a workspace and a sandbox of its own."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from prodigy.errors import GitFailed, ImportRefused, OverlayUnavailable, ProdigyError
from prodigy.git.importing import import_commits
from prodigy.git.leftovers import list_leftovers
from prodigy.run.phase import describe, save_uncommitted
from prodigy.run.steps import ListResult, run_steps
from prodigy.text import item_name
from prodigy.values import ErrorKind, Frozen, StepFailure
from prodigy.workflow.models import Phase
from prodigy.workflow.scope import Scope

if TYPE_CHECKING:
    from prodigy.git.template import Template
    from prodigy.git.workspace import Workspace
    from prodigy.run.context import RunContext
    from prodigy.run.station import Station

_SHOWN_LEFTOVERS = 100


class AgentJob(Frozen):
    """All an agent needs to know: data, free of this process's memory."""

    index: int
    """Position among the items that run, from 0."""
    total: int
    item_id: str
    item: Any
    item_is_path: bool = False
    """Whether the item came from a glob, so that it also answers to the parts of a path."""
    attempt: int = 1
    base: str
    """The commit the agent starts from."""
    template: Phase
    scope: dict[str, Any]
    """The names setup left, as Scope.dump wrote them."""

    @property
    def name(self) -> str:
        """Names the agent's workspace, logs and ref; item ids may hold characters a ref may not."""
        return f"{self.index}-{self.attempt}"


class AgentResult(Frozen):
    """What an agent gives back; its commits are in the store under its ref."""

    job: AgentJob
    failure: StepFailure | None = None
    head: str | None = None
    """Where its commits end; None when it made none."""
    commits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Changed paths; bytes that are no UTF-8 as surrogates."""
    output: Any = None
    uncommitted: dict[str, Any] | None = None
    duration: float = 0.0
    log: str = ""


def run_agent(context: RunContext, job: AgentJob, template: Template) -> AgentResult:
    """Run a job to its end; failures of any kind are in the result, never raised."""
    clock = time.monotonic()
    log = context.directory / "logs" / "map" / job.name
    try:
        result = _Agent(context, job, template).run()
    except ImportRefused as error:
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
        station = context.station(workspace.mount, phase="map", item=job.item_id, name=job.name)
        try:
            return self._work(station, workspace)
        finally:
            # Where the sandbox cannot be removed, it may still have the workspace: both stay.
            station.close()
            workspace.remove()
            context.journal.settle(effect)

    def _work(self, station: Station, workspace: Workspace) -> AgentResult:
        context, job = self._context, self._job
        bus = context.bus.at(phase="map", item=job.item_id)
        place = context.place(
            station,
            phase="map",
            worktree=workspace.path,
            timeout=job.template.timeout,
            item_id=job.item_id,
            name=f"map/{job.name}",
        )
        bus.emit(
            "agent_started",
            name=item_name(job.item_id, job.item),
            index=job.index,
            attempt=job.attempt,
            worktree=place.worktree,
            place=station.sandbox().place,
        )
        steps = run_steps(job.template.steps, place, self._scope())
        if context.stop.forced:
            return AgentResult(job=job, failure=steps.failure)
        return self._gather(station, steps)

    def _gather(self, station: Station, steps: ListResult) -> AgentResult:
        """Take the agent's commits and left-over changes before its sandbox goes."""
        job = self._job
        try:
            imported = import_commits(
                self._context.store, station.sandbox().pipe, job.base, self._ref, claimed=steps.head
            )
            uncommitted = None if steps.dirty == 0 else self._save_leftovers(station, steps)
        except (ImportRefused, GitFailed) as error:
            if steps.failure is None:
                raise
            # The step's own failure came first, and explains more.
            bus = self._context.bus.at(phase="map", item=job.item_id)
            bus.warn(f"what the agent did cannot be taken over: {error.message}")
            return AgentResult(job=job, failure=steps.failure)
        return AgentResult(
            job=job,
            failure=steps.failure,
            head=imported.head if imported.head != job.base else None,
            commits=imported.commits,
            files=tuple(change.path.decode(errors="surrogateescape") for change in imported.files),
            output=_value(steps.output),
            uncommitted=uncommitted,
        )

    def _save_leftovers(self, station: Station, steps: ListResult) -> dict[str, Any] | None:
        # A git that did not count them when the step had ended gets a last chance, not as long a one.
        limit = 30.0 if steps.dirty is None else 120.0
        paths = tuple(sorted(list_leftovers(station.sandbox().pipe, timeout=limit)))
        if not paths:
            return None
        patch = save_uncommitted(self._context, self._job.name, station)
        files = [path.decode(errors="replace") for path in paths[:_SHOWN_LEFTOVERS]]
        bus = self._context.bus.at(phase="map", item=self._job.item_id)
        bus.emit("uncommitted_saved", files=files, patch=str(patch))
        bus.warn(
            f"item {self._job.item_id} left {len(paths)} changes uncommitted ({describe(paths)}): {patch}"
        )
        return {"owner": self._job.item_id, "files": files, "patch": str(patch)}

    def _scope(self) -> Scope:
        job = self._job
        scope = Scope.load(job.scope).child(
            {
                "item_index": job.index,
                "item_total": job.total,
                "item_id": job.item_id,
                "map": {"item": job.item, "total": job.total, "job_id": self._context.record.job_id},
            }
        )
        scope.set_item(job.item, is_path=job.item_is_path)
        return scope


def _value(text: str) -> Any:
    """An agent's output: an object or array where the text is one, else the text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text
