"""A list of steps, one after the other, up to the first failure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prodigy.run.step_runner import StepRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.run.ledger import Finished, Ledger
    from prodigy.run.place import Place
    from prodigy.values import StepFailure, StepResult
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Step


@dataclass(frozen=True, slots=True)
class ListResult:
    """What became of a list of steps."""

    results: tuple[StepResult, ...] = ()
    failure: StepFailure | None = None
    head: str | None = None
    """Where the sandbox says HEAD stood at the end; None when the last command could not tell."""
    dirty: int | None = None
    """Uncommitted paths at the end, when the place asked for a survey and the last command told."""
    linear: bool = True
    """Whether no command took HEAD away from its own history."""
    output: str = ""
    """stdout of the last shell or claude step."""
    replayed: bool = False
    """Whether every step had been finished before: nothing was executed."""


def run_steps(steps: Sequence[Step], place: Place, scope: Scope) -> ListResult:
    """Run steps in order; stops at the first that fails. Every finished step is recorded durably.

    Steps that an earlier process finished are not repeated: their names are set as they were.
    """
    done = ListResult(replayed=True)
    for index, step in enumerate(steps):
        finished = place.ledger.finished(step.path)
        if finished is not None and finished.result.status not in ("failed", "cancelled"):
            scope.restore(finished.names)
            done = _replayed(done, finished)
            continue
        done = replace(_one(step, index, steps, place, scope, done), replayed=False)
        if done.failure is not None:
            break
    return done


def replay_steps(steps: Sequence[Step], ledger: Ledger, scope: Scope) -> ListResult | None:
    """Set the names of steps that are all finished; None where one is not. Nothing is executed."""
    done = ListResult(replayed=True)
    for step in steps:
        finished = ledger.finished(step.path)
        if finished is None:
            return None
        scope.restore(finished.names)
        done = _replayed(done, finished)
    return done


def _replayed(done: ListResult, finished: Finished) -> ListResult:
    return replace(
        done,
        results=(*done.results, finished.result),
        head=finished.head,
        dirty=finished.dirty,
        output=finished.output or done.output,
    )


def _one(
    step: Step, index: int, steps: Sequence[Step], place: Place, scope: Scope, done: ListResult
) -> ListResult:
    runner = StepRunner(step, place, scope, survey=place.survey and index == len(steps) - 1)
    scope.track()
    result = runner.run(index, len(steps))
    said = step.kind in ("shell", "test", "claude") and result.status != "skipped"
    output = runner.output if said else done.output
    ended = result.status in ("failed", "cancelled")
    if result.status == "skipped":
        head, dirty = done.head, done.dirty
    else:
        head, dirty = runner.last_head, runner.dirty
    names = scope.tracked()
    if place.ledger.durable and not ended:
        place.ledger.record(result, names, output=output, head=head, dirty=dirty)
    place.journal.step(result, item=place.bus.item or "")
    return ListResult(
        results=(*done.results, result),
        failure=result.error if ended else None,
        head=head,
        dirty=dirty,
        linear=done.linear and runner.linear,
        output=output,
    )
