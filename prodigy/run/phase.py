"""One phase in the session workspace: a sandbox, the steps, the import, and back to rest."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed, ImportRefused, StepError
from prodigy.git.leftovers import list_leftovers, save_leftovers
from prodigy.run.attribution import attribute
from prodigy.run.committing import commit_everything
from prodigy.run.phase_values import phase_values
from prodigy.run.steps import ListResult, replay_steps, run_steps
from prodigy.state.sessions import Leftovers
from prodigy.values import ErrorKind, PhaseResult, StepFailure
from prodigy.workflow.scope import Deferred

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.git.importing import Imported
    from prodigy.run.context import RunContext
    from prodigy.run.place import Place
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.run.station import Station
    from prodigy.workflow.models import Phase
    from prodigy.workflow.scope import Scope

_NAMED_LEFTOVERS = 20
_RESET = "git -c core.hooksPath=/dev/null reset -q --hard && git -c core.hooksPath=/dev/null clean -qfd"


@dataclass(frozen=True, slots=True)
class PhaseOutcome:
    """What became of a phase in the session workspace."""

    result: PhaseResult
    steps: ListResult
    leftovers: tuple[bytes, ...] = ()
    """Paths left uncommitted, sorted."""
    patch: Path | None = None
    """Where those changes are kept."""

    @property
    def failure(self) -> StepFailure | None:
        """Why the phase failed."""
        return self.steps.failure


@dataclass(frozen=True, slots=True)
class PhaseTask:
    """A phase to run, and what is particular about this run of it."""

    name: str
    phase: Phase
    key: str = ""
    """Where its finished steps are kept; its name unless it is run several times."""
    final: bool = False
    """Whether nothing follows in the workspace: what is left uncommitted is dealt with."""
    reset: bool = False
    """Whether a failure's uncommitted changes are taken out, for what follows."""
    prepare: Callable[[Place], None] | None = None
    """Called before the first step."""
    conclude: Callable[[Place], None] | None = None
    """Called after the last step of a list that went well, before its commits are taken over."""

    @property
    def place(self) -> str:
        """Names the phase's records."""
        return self.key or self.name


def run_phase(
    context: RunContext, task: PhaseTask, workspace: SessionWorkspace, scope: Scope
) -> PhaseOutcome:
    """Run a phase; its commits are on the session branch afterwards, also when it failed.

    What the last phase of a run, or a failed one, leaves uncommitted is kept as a patch. A phase that an
    earlier process finished is not run again: its names are set as they were.
    Raises SandboxFailure or EnvironmentUnavailable when no sandbox could be had at all.
    """
    name, phase = task.name, task.phase
    earlier = _earlier(context, task, scope)
    if earlier is not None:
        return earlier
    clock, started = time.monotonic(), datetime.now(UTC)
    bus = context.bus.at(phase=name)
    context.sessions.update(context.record.id, phase=name)
    values = phase_values(context, workspace, name)
    with workspace.in_use(name) as station:
        if name in ("reduce", "merge"):
            workspace.refresh(station)
        place = context.place(
            station,
            phase=name,
            worktree=workspace.workspace.path,
            timeout=phase.timeout,
            values=values,
            ledger=context.ledger(task.place),
            name=task.place,
        )
        bus.emit(
            "phase_started", place=station.sandbox().place, worktree=place.worktree, steps=len(phase.steps)
        )
        if task.prepare is not None:
            task.prepare(place)
        steps = run_steps(phase.steps, place, _overlaid(context, place, scope, values))
        fetched = _Fetched(steps)
        if not context.stop.forced:
            fetched = _Fetcher(context, task, workspace, place).fetch(steps)
            steps = fetched.steps
    status = "success"
    if steps.failure is not None:
        status = "cancelled" if steps.failure.kind is ErrorKind.CANCELLED else "failed"
    result = PhaseResult.model_validate(
        {
            "name": name,
            "status": status,
            "started_at": started,
            "duration": time.monotonic() - clock,
            "image": context.machine.image_of(name).name or None,
        }
    )
    outcome = PhaseOutcome(result, steps, fetched.leftovers, fetched.patch)
    _remember(context, task, outcome)
    bus.emit("phase_completed", status=status, duration=result.duration)
    return outcome


def _overlaid(context: RunContext, place: Place, scope: Scope, values: dict[str, str]) -> Scope:
    """Return the scope of a phase's steps: with its variables, and what can be asked of its workspace."""
    workflow = {**(scope.find("workflow") or {}), "duration": Deferred(context.elapsed)}
    secrets = dict.fromkeys(context.variables.shown_to_all, "")
    return scope.overlay(place.tracker.names(workflow), exported=values | secrets)


def _earlier(context: RunContext, task: PhaseTask, scope: Scope) -> PhaseOutcome | None:
    """Return what an earlier process made of the phase, the names it set included."""
    kept = context.journal.get(f"phase/{task.place}") if context.resumed else None
    if kept is None:
        return None
    steps = replay_steps(task.phase.steps, context.ledger(task.place), scope)
    if steps is None:
        return None
    leftovers = tuple(bytes.fromhex(path) for path in kept["leftovers"])
    patch = Path(kept["patch"]) if kept["patch"] else None
    return PhaseOutcome(PhaseResult.model_validate(kept["result"]), steps, leftovers, patch)


def _remember(context: RunContext, task: PhaseTask, outcome: PhaseOutcome) -> None:
    """Make a finished phase durable; one that failed is taken up where it failed."""
    if outcome.failure is not None:
        return
    context.journal.put(
        f"phase/{task.place}",
        {
            "result": outcome.result.model_dump(mode="json"),
            "leftovers": [path.hex() for path in outcome.leftovers],
            "patch": str(outcome.patch) if outcome.patch else None,
        },
    )


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What was brought out of a sandbox after a phase."""

    steps: ListResult
    leftovers: tuple[bytes, ...] = ()
    patch: Path | None = None


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """Imports a phase's commits and saves its leftovers; what is refused fails it, unless it has failed."""

    context: RunContext
    task: PhaseTask
    workspace: SessionWorkspace
    place: Place

    def fetch(self, steps: ListResult) -> _Fetched:
        leftovers: tuple[bytes, ...] = ()
        station, context = self.place.station, self.context
        ending = self.task.final or steps.failure is not None
        policy = context.plan.workflow.uncommitted
        try:
            if self.task.final and policy == "commit" and steps.failure is None and steps.dirty != 0:
                done = commit_everything(self.place, f"Uncommitted changes of {context.record.id}\n")
                steps = replace(
                    steps, head=done.head if done else steps.head, dirty=done.dirty if done else 0
                )
            if self.task.conclude is not None and steps.failure is None:
                self.task.conclude(self.place)
                steps = replace(steps, head=None)
            imported = self.workspace.collect(station, claimed=steps.head)
            steps = self._attributed(steps, imported)
            if steps.dirty != 0:
                leftovers = tuple(sorted(list_leftovers(station.sandbox().pipe)))
            self.workspace.leftovers = Leftovers(count=len(leftovers))
            if leftovers and ending:
                return self._saved(steps, leftovers, station, policy)
        except (ImportRefused, GitFailed, StepError) as error:
            message = f"what the phase did cannot be taken over: {error.message}"
            if steps.failure is not None:
                context.bus.at(phase=self.task.name).warn(message)
            else:
                kind = ErrorKind.IMPORT if isinstance(error, GitFailed) else error.kind
                steps = replace(steps, failure=StepFailure(kind=kind, message=message))
        return _Fetched(steps, leftovers)

    def _attributed(self, steps: ListResult, imported: Imported) -> ListResult:
        results = attribute(self.context.store, steps.results, imported)
        for before, after in zip(steps.results, results, strict=True):
            if before != after:
                self.context.journal.amend_step(after)
        return replace(steps, results=results)

    def _saved(
        self, steps: ListResult, leftovers: tuple[bytes, ...], station: Station, policy: str
    ) -> _Fetched:
        patch = save_uncommitted(self.context, self.task.place.replace("/", "-"), station)
        self.workspace.leftovers = Leftovers(count=len(leftovers), patch=str(patch))
        if policy == "fail" and steps.failure is None:
            message = f"changes were left uncommitted: {describe(leftovers)}"
            steps = replace(steps, failure=StepFailure(kind=ErrorKind.UNCOMMITTED, message=message))
        if self.task.reset and steps.failure is not None:
            with station.sandbox().pipe(("sh", "-c", _RESET), timeout=300) as pipe:
                if pipe.wait():
                    raise StepError(ErrorKind.SANDBOX, "the workspace could not be reset for the next pass")
            self.workspace.leftovers = Leftovers(count=0)
        return _Fetched(steps, leftovers, patch)


def save_uncommitted(context: RunContext, name: str, station: Station) -> Path:
    """Keep what a workspace has uncommitted as a patch among the session's artifacts.

    Raises ImportRefused when its git fails, GitFailed when the patch would be too large.
    """
    artifacts = context.directory / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    patch = artifacts / f"{name}.uncommitted.patch"
    number = 1
    while patch.exists():  # of an earlier process: nothing that was kept is replaced
        number += 1
        patch = artifacts / f"{name}.uncommitted-{number}.patch"
    save_leftovers(station.sandbox().pipe, patch)
    return patch


def describe(paths: tuple[bytes, ...]) -> str:
    """Paths for a warning: the first twenty, and how many more."""
    from prodigy.text import printable

    named = ", ".join(printable(path.decode(errors="replace")) for path in paths[:_NAMED_LEFTOVERS])
    more = len(paths) - _NAMED_LEFTOVERS
    return f"{named} and {more} more" if more > 0 else named
