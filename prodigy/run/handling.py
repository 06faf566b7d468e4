"""Handlers: what is done when a step failed for good, or when it succeeded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.run.names import step_names
from prodigy.values import ErrorKind, StepFailure
from prodigy.workflow.render import render_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.run.attempt import Attempt
    from prodigy.run.place import Place
    from prodigy.run.step_runner import StepRunner
    from prodigy.run.steps import ListResult
    from prodigy.values import StepStatus
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Handler, Step

Ending = tuple["StepStatus", "StepFailure | None"]


class Handling:
    """The handlers of one step."""

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner
        self._step = runner.step
        self._place = runner.place

    def recover(self, last: Attempt) -> Ending:
        """What becomes of a failure: recovered, tolerated or failed."""
        failure = last.failure
        if failure is None:
            return "success", None
        if failure.kind is ErrorKind.CANCELLED or self._place.stop.requested:
            return "cancelled", failure.model_copy(update={"kind": ErrorKind.CANCELLED})
        retry = self._step.retry
        if retry is not None and retry.on_failure == "continue":
            self._runner.tolerated_by = "retry"
            return "tolerated", failure
        if self._step.fallback is not None and self._fallback(self._step.fallback, failure):
            return "recovered", None
        code = failure.exit_code
        handler = self._step.on_exit_code.get(code) if code else None
        name = f"on_exit_code[{code}]" if handler else "on_failure"
        handler = handler or self._step.on_failure
        if handler is None:
            return "failed", failure
        return self._cycles(handler, failure, name)

    def succeed(self) -> StepFailure | None:
        """Run what follows a success; gives why it failed."""
        first = self._step.on_exit_code.get(0)
        if first is not None and first.steps:
            failure = self._list(first.steps, "on_exit_code[0]")
            if failure is not None and first.fail_workflow:
                return failure
        return self._list(self._step.on_success, "on_success") if self._step.on_success else None

    def _list(self, steps: Sequence[Step], name: str) -> StepFailure | None:
        done = self._run(steps, self._place_for(name), self._runner.scope)
        if done.failure is None:
            return None
        message = f"{name} failed: {done.failure.message}"
        return done.failure.model_copy(update={"message": message})

    def _fallback(self, step: Step, failure: StepFailure) -> bool:
        done = self._run((step,), self._place_for("fallback"), self._scope(failure))
        if done.failure is None:
            self._replace_output(done)
        return done.failure is None

    def _cycles(self, handler: Handler, failure: StepFailure, name: str) -> Ending:
        ledger = self._place.ledger
        begun = ledger.get(f"cycle:{name}") or 1
        well = not handler.steps
        for cycle in range(begun, max(handler.max_attempts, 1) + 1):
            ledger.put(f"cycle:{name}", cycle)
            before = self._runner.last_head
            done = self.handle(handler, failure, cycle, name)
            well = done is None
            if done is not None:
                if done.kind is ErrorKind.CANCELLED:
                    return "cancelled", done
                if handler.handler_failure_fatal:
                    message = f"{failure.message} (and its handler failed: {done.message})"
                    return "failed", failure.model_copy(update={"message": message})
                break
            if handler.commit_required and self._runner.last_head == before:
                self._runner.note = "the handler made no commit"
                failure = failure.model_copy(
                    update={"message": f"{failure.message} (handler made no commit)"}
                )
                well = False
                break
            if handler.max_attempts == 0:
                break
            again = self._runner.attempt()
            if again.failure is None:
                return "recovered", None
            failure = again.failure
            if failure.kind is ErrorKind.CANCELLED:
                return "cancelled", failure
        if handler.strategy == "fallback" and well and handler.steps:
            return "recovered", None
        self._runner.tolerated_by = name
        return ("failed" if handler.fail_workflow else "tolerated"), failure

    def handle(self, handler: Handler, failure: StepFailure, cycle: int, name: str) -> StepFailure | None:
        """Run a handler's steps once; gives why it failed."""
        scope = self._scope(failure)
        self._place.bus.emit("handler_started", step=self._step.name, cycle=cycle)
        # Logs of a handler's cycles must not overwrite each other.
        place = self._place_for(f"{name}-{cycle}").within(handler.timeout)
        output = ""
        failed: StepFailure | None = None
        for step in handler.steps:
            scope.set("handler", {"output": output, "attempt": cycle})
            done = self._run((step,), place, scope)
            output = "\n".join(part for part in (output, done.output) if part)
            if done.failure is not None:
                failed = done.failure
                break
            if handler.strategy == "fallback":
                self._replace_output(done)
        scope.set("handler", {"output": output, "attempt": cycle})
        if failed is None:
            failed = self._capture(handler, scope)
        self._place.bus.emit("handler_completed", step=self._step.name, success=failed is None)
        return failed

    def _capture(self, handler: Handler, scope: Scope) -> StepFailure | None:
        try:
            for name, text in handler.capture.items():
                self._runner.scope.capture(name, render_plain(text, scope))
        except StepError as error:
            return StepFailure(kind=error.kind, message=error.message, step=self._step.name)
        return None

    def _replace_output(self, done: ListResult) -> None:
        """Make what a fallback printed the step's own output."""
        runner, scope = self._runner, self._runner.scope
        runner.output = done.output
        fields = {"output": done.output, "stdout": done.output, "stderr": "", "exit_code": 0, "success": True}
        for name in (self._step.kind, "last"):
            scope.set(name, {**(scope.find(name) or {}), **fields})
        if self._step.capture_output is not None:
            scope.capture(self._step.capture_output, done.output, exit_code=0, success=True)

    def _run(self, steps: Sequence[Step], place: Place, scope: Scope) -> ListResult:
        from prodigy.run.steps import run_steps

        done = run_steps(steps, place, scope)
        self._runner.absorb(done)
        return done

    def _place_for(self, name: str) -> Place:
        return replace(
            self._place,
            logs=self._place.logs / f"{self._step.path}.{name}",
            ledger=self._place.ledger.below(name),
            survey=self._runner.survey,
        )

    def _scope(self, failure: StepFailure) -> Scope:
        """Return what a handler sees: all that the step sees, and the failure; what it sets stays."""
        runner = self._runner
        about = {
            "message": failure.message,
            "kind": str(failure.kind),
            "exit_code": failure.exit_code,
            "step": self._step.id or self._step.name,
            "attempt": runner.number,
            "timestamp": datetime.now(UTC).isoformat(),
        }
        names = {"error": about}
        if runner.before is not None and self._place.tracker.follows:
            facts, _ = self._place.tracker.since(runner.before)
            names["step"] = step_names(self._step, 0, self._place.tracker) | facts.fields()
        return runner.scope.overlay(names)
