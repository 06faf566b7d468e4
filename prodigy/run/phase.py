"""One phase in the session workspace: a sandbox, the steps, the import, and back to rest."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed, ImportRefused
from prodigy.git.leftovers import list_leftovers, save_leftovers
from prodigy.run.phase_values import phase_values
from prodigy.run.steps import ListResult, run_steps
from prodigy.values import ErrorKind, PhaseResult, StepFailure

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.run.context import RunContext
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.run.station import Station
    from prodigy.workflow.models import Phase
    from prodigy.workflow.scope import Scope

_NAMED_LEFTOVERS = 20


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


def run_phase(
    context: RunContext,
    name: str,
    phase: Phase,
    workspace: SessionWorkspace,
    scope: Scope,
    *,
    final: bool = False,
) -> PhaseOutcome:
    """Run a phase; its commits are on the session branch afterwards, also when it failed.

    What the last phase of a run, or a failed one, leaves uncommitted is kept as a patch.
    Raises SandboxFailure or EnvironmentUnavailable when no sandbox could be had at all.
    """
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
            ledger=context.ledger(name),
        )
        bus.emit(
            "phase_started", place=station.sandbox().place, worktree=place.worktree, steps=len(phase.steps)
        )
        steps = run_steps(phase.steps, place, scope.overlay(exported=values))
        fetched = _Fetched(steps)
        if not context.stop.forced:
            fetched = _fetch(context, name, workspace, station, steps, final=final)
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
            "image": context.machine.image_name or None,
        }
    )
    bus.emit("phase_completed", status=status, duration=result.duration)
    return PhaseOutcome(result, steps, fetched.leftovers, fetched.patch)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What was brought out of a sandbox after a phase."""

    steps: ListResult
    leftovers: tuple[bytes, ...] = ()
    patch: Path | None = None


def _fetch(
    context: RunContext,
    name: str,
    workspace: SessionWorkspace,
    station: Station,
    steps: ListResult,
    *,
    final: bool,
) -> _Fetched:
    """Import the phase's commits and save its leftovers; what is refused fails it, unless it has failed."""
    leftovers: tuple[bytes, ...] = ()
    try:
        workspace.collect(station, claimed=steps.head)
        if steps.dirty != 0:
            leftovers = tuple(sorted(list_leftovers(station.sandbox().pipe)))
        if leftovers and (final or steps.failure is not None):
            return _Fetched(steps, leftovers, save_uncommitted(context, name, station))
    except (ImportRefused, GitFailed) as error:
        message = f"what the phase did cannot be taken over: {error.message}"
        if steps.failure is not None:
            context.bus.at(phase=name).warn(message)
        else:
            kind = error.kind if isinstance(error, ImportRefused) else ErrorKind.IMPORT
            steps = replace(steps, failure=StepFailure(kind=kind, message=message))
    return _Fetched(steps, leftovers)


def save_uncommitted(context: RunContext, name: str, station: Station) -> Path:
    """Keep what a workspace has uncommitted as a patch among the session's artifacts.

    Raises ImportRefused when its git fails, GitFailed when the patch would be too large.
    """
    patch = context.directory / "artifacts" / f"{name}.uncommitted.patch"
    patch.parent.mkdir(parents=True, exist_ok=True)
    save_leftovers(station.sandbox().pipe, patch)
    return patch


def describe(paths: tuple[bytes, ...]) -> str:
    """Paths for a warning: the first twenty, and how many more."""
    from prodigy.text import printable

    named = ", ".join(printable(path.decode(errors="replace")) for path in paths[:_NAMED_LEFTOVERS])
    more = len(paths) - _NAMED_LEFTOVERS
    return f"{named} and {more} more" if more > 0 else named
