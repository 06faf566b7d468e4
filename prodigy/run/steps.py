"""A list of steps: each with its retries and its handler, one after the other, up to the first failure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.run.attempt import attempt
from prodigy.run.retry import with_retry
from prodigy.values import ErrorKind, StepFailure, StepResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.run.attempt import Attempt, Place
    from prodigy.values import StepStatus
    from prodigy.workflow.models import Handler, Step
    from prodigy.workflow.scope import Scope


@dataclass(frozen=True, slots=True)
class ListResult:
    """What became of a list of steps."""

    results: tuple[StepResult, ...]
    failure: StepFailure | None = None
    head: str | None = None
    """Where the sandbox says HEAD stood at the end; None when the last command could not tell."""
    dirty: int | None = None
    """Uncommitted paths at the end, when the place asked for a survey and the last command told."""
    linear: bool = True
    """Whether no command took HEAD away from its own history."""
    output: str = ""
    """stdout of the last shell or claude step."""


def run_steps(steps: Sequence[Step], place: Place, scope: Scope) -> ListResult:
    """Run steps in order; stops at the first that fails. Every finished step is recorded durably."""
    done = ListResult(())
    for index, step in enumerate(steps):
        runner = StepRunner(step, place, scope, survey=place.survey and index == len(steps) - 1)
        result = runner.run(index, len(steps))
        place.journal.step(result, item=place.bus.item or "")
        ended = result.status in ("failed", "cancelled")
        done = ListResult(
            results=(*done.results, result),
            failure=result.error if ended else None,
            head=runner.last_head,
            dirty=runner.dirty,
            linear=done.linear and runner.linear,
            output=done.output if step.kind == "write_file" else runner.output,
        )
        if ended:
            break
    return done


class StepRunner:
    """Runs one step to its end: attempts, handler cycles, the commit it owes."""

    def __init__(self, step: Step, place: Place, scope: Scope, *, survey: bool = False) -> None:
        self._step = step
        self._place = replace(place, bus=place.bus.at(step=step.name))
        self._scope = scope
        self._survey = survey
        self._attempts: list[Attempt] = []
        self._start_head: str | None = None
        self.linear = True
        self.last_head: str | None = None
        self.dirty: int | None = None
        self.output = ""

    def run(self, index: int = 0, total: int = 1) -> StepResult:
        """The step's result."""
        clock = time.monotonic()
        self._announce(index, total)
        last = with_retry(self._step.retry, self._place.stop, self._attempt, self._announce_retry)
        status, failure = self._recover(last.failure) if last.failure else ("success", None)
        result = self._result(status, failure, time.monotonic() - clock)
        self._place.bus.emit(
            "step_completed",
            name=self._step.name,
            status=result.status,
            exit_code=result.exit_code,
            duration=result.duration,
            error=failure.message if failure else None,
            note=self._guarded_note(),
        )
        return result

    def _announce(self, index: int, total: int) -> None:
        place = self._place
        try:
            where = place.station.sandbox().place
        except Exception:  # noqa: BLE001 - the attempt meets the same failure and reports it
            where = "no sandbox"
        place.bus.emit(
            "step_started",
            name=self._step.name,
            kind=self._step.kind,
            place=where,
            worktree=place.worktree,
            index=index + 1,
            total=total,
        )

    def _announce_retry(self, number: int, delay: float, failed: Attempt) -> None:
        error = failed.failure.message if failed.failure else ""
        self._place.bus.emit("step_retrying", attempt=number, delay=delay, error=error)

    def _attempt(self, _number: int = 0) -> Attempt:
        tried = attempt(self._step, len(self._attempts) + 1, self._place, self._scope, survey=self._survey)
        outcome = tried.outcome
        self._note_head(outcome.head_before, outcome.head_after, descends=outcome.descends)
        self.dirty = outcome.dirty
        self.output = tried.output
        if tried.failure is None and self._step.commit_required and not self._committed():
            tried = tried.failed(self._no_commit())
        self._attempts.append(tried)
        return tried

    def _note_head(self, before: str | None, after: str | None, *, descends: bool) -> None:
        if self._start_head is None:
            self._start_head = before
        self.linear = self.linear and descends
        self.last_head = after

    def _committed(self) -> bool:
        return self.linear and self.last_head is not None and self.last_head != self._start_head

    def _no_commit(self) -> StepFailure:
        why = "HEAD did not move" if self.last_head == self._start_head else "HEAD left its own history"
        return StepFailure(
            kind=ErrorKind.COMMIT_REQUIRED,
            message=f"step '{self._step.name}' must create a commit and did not: {why}",
            step=self._step.name,
        )

    def _recover(self, failure: StepFailure) -> tuple[StepStatus, StepFailure | None]:
        """What the handler makes of a failure: recovered, tolerated or failed."""
        handler = self._step.on_failure
        if failure.kind is ErrorKind.CANCELLED or self._place.stop.requested:
            return "cancelled", failure
        if handler is None:
            return "failed", failure
        recovered, failure = self._cycles(handler, failure)
        if recovered:
            return "recovered", None
        if failure.kind is ErrorKind.CANCELLED:
            return "cancelled", failure
        return ("failed" if handler.fail_workflow else "tolerated"), failure

    def _cycles(self, handler: Handler, failure: StepFailure) -> tuple[bool, StepFailure]:
        for cycle in range(1, max(handler.max_attempts, 1) + 1):
            before = self.last_head
            if not self._handle(handler, failure, cycle):
                break
            if handler.commit_required and self.last_head == before:
                failure = failure.model_copy(
                    update={"message": f"{failure.message} (handler made no commit)"}
                )
                break
            if handler.max_attempts == 0:
                break
            again = self._attempt()
            if again.failure is None:
                return True, failure
            failure = again.failure
        return False, failure

    def _handle(self, handler: Handler, failure: StepFailure, cycle: int) -> bool:
        """Run the handler's steps once; tells whether all of them went well."""
        scope = self._scope.child(
            {
                "error": {
                    "message": failure.message,
                    "kind": str(failure.kind),
                    "exit_code": failure.exit_code,
                    "step": failure.step,
                    "attempt": len(self._attempts),
                    "timestamp": datetime.now(UTC).isoformat(),
                }
            }
        )
        self._place.bus.emit("handler_started", step=self._step.name)
        # Logs of a handler's cycles must not overwrite each other.
        place = replace(
            self._place, logs=self._place.logs / f"{self._step.path}.handler-{cycle}", survey=self._survey
        )
        output, well = "", True
        for step in handler.steps:
            scope.set("handler", {"output": output, "attempt": cycle})
            done = run_steps((step,), place, scope)
            output += done.output
            self.last_head, self.dirty = done.head, done.dirty
            self.linear = self.linear and done.linear
            well = done.failure is None
            if not well:
                break
        self._place.bus.emit("handler_completed", step=self._step.name)
        return well

    def _guarded_note(self) -> str | None:
        guarded = self._place.guarded.encode(errors="surrogateescape")
        tails = b"".join(a.outcome.stdout_tail + a.outcome.stderr_tail for a in self._attempts[-1:])
        if not guarded or guarded not in tails:
            return None
        return (
            f"the output names {self._place.guarded}, the repository itself: it does not exist inside the "
            "sandbox; work on the files of the working directory instead"
        )

    def _result(self, status: StepStatus, failure: StepFailure | None, duration: float) -> StepResult:
        last = self._attempts[-1]
        return StepResult(
            path=self._step.path,
            name=self._step.name,
            kind=self._step.kind,
            status=status,
            exit_code=last.outcome.exit_code,
            attempts=tuple(a.record for a in self._attempts),
            duration=duration,
            stdout_log=str(last.streams.stdout) if last.streams else None,
            stderr_log=str(last.streams.stderr) if last.streams else None,
            head_before=self._start_head,
            head_after=self.last_head,
            error=failure,
        )
