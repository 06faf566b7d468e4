"""Judging a step's work: checks after the command, and how complete the result is."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.run.computing import read_file
from prodigy.run.handling import Handling
from prodigy.values import ErrorKind, StepFailure
from prodigy.workflow.render import render_plain
from prodigy.workflow.step import Step

if TYPE_CHECKING:
    from prodigy.run.handling import Ending
    from prodigy.run.step_runner import StepRunner
    from prodigy.run.steps import ListResult
    from prodigy.workflow.step import Check, Handler, StepChecks, Validation

_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_STATUSES = frozenset(("complete", "incomplete", "failed", "skipped"))
_WHOLE = 100.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """How complete the work is. ``completion`` in percent."""

    status: str
    completion: float
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def passes(self, threshold: float) -> bool:
        """Whether that is enough."""
        return self.status == "skipped" or (self.status != "failed" and self.completion >= threshold)

    def names(self, attempt: int, threshold: float) -> dict[str, Any]:
        """Return the ``validation`` namespace."""
        missing = self.facts.get("missing") or []
        return {
            **self.facts,
            "completion": self.completion,
            "completion_percentage": self.completion,
            "status": self.status,
            "implemented": self.facts.get("implemented") or [],
            "missing": missing,
            "missing_count": len(missing) if isinstance(missing, list) else 0,
            "gaps": self.facts.get("gaps") or {},
            "attempt": attempt,
            "attempt_number": attempt,
            "threshold": threshold,
        }


class Judge:
    """Judges one step after its command has succeeded."""

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner
        self._step = runner.step
        self._place = runner.place.within(runner.step.validation_timeout)

    def judge(self) -> Ending:
        """Whether the step may count as done; what tolerates it is noted at the runner."""
        if self._step.skip_validation:
            return "success", None
        failure = self._checks(self._step.step_validate) if self._step.step_validate else None
        tolerated = ""
        if failure is None and self._step.validation is not None:
            failure, tolerated = self._validate(self._step.validation)
        if failure is None:
            return "success", None
        if failure.kind is ErrorKind.CANCELLED:
            return "cancelled", failure
        if self._step.ignore_validation_failure:
            tolerated = "ignore_validation_failure"
        if tolerated:
            self._runner.tolerated_by = tolerated
            return "tolerated", failure
        return "failed", failure

    def _failure(self, message: str) -> StepFailure:
        return StepFailure(kind=ErrorKind.VALIDATION, message=message, step=self._step.name)

    def _checks(self, checks: StepChecks) -> StepFailure | None:
        """Run the checks until enough are met, or the tries are used up."""
        unmet: list[str] = []
        for attempt in range(1, checks.max_attempts + 1):
            if attempt > 1 and self._place.stop.wait(checks.retry_delay):
                break
            unmet = []
            for number, check in enumerate(checks.commands):
                reason = self._check(check, number, attempt)
                if reason is not None:
                    unmet.append(f"{check.command!r} {reason}")
            if len(checks.commands) - len(unmet) >= checks.needed:
                return None
        if self._place.stop.requested:
            return StepFailure(kind=ErrorKind.CANCELLED, message="stopped during its checks")
        met = len(checks.commands) - len(unmet)
        return self._failure(f"{met} of {checks.needed} needed checks are met: {'; '.join(unmet)}")

    def _check(self, check: Check, number: int, attempt: int) -> str | None:
        """Run one check; gives how it is not met."""
        text = {check.command_type: check.command}
        step = Step.model_validate(
            {"path": f"{self._step.path}.step_validate[{number}]", "name": check.command[:40], **text}
        )
        done = self._run((step,), f"checks-{attempt}")
        result = done.results[-1]
        if result.exit_code != check.expect_exit_code:
            why = f": {result.error.message}" if result.exit_code is None and result.error else ""
            return f"ended with {result.exit_code} instead of {check.expect_exit_code}{why}"
        if check.expect_output is not None and not re.search(check.expect_output, done.output):
            return f"printed nothing that matches {check.expect_output!r}"
        return None

    def _run(self, steps: tuple[Step, ...], name: str) -> ListResult:
        from prodigy.run.steps import run_steps

        environment = {**self._place.environment, "PRODIGY_VALIDATION": "true"}
        place = replace(
            self._place,
            environment=environment,
            logs=self._place.logs / f"{self._step.path}.{name}",
            ledger=self._place.ledger.below(name),
            survey=self._runner.survey,
        )
        done = run_steps(steps, place, self._runner.scope)
        self._runner.absorb(done)
        return done

    def _validate(self, wanted: Validation) -> tuple[StepFailure | None, str]:
        """Judge, complete, and judge again; gives why it is not enough, and what tolerates that."""
        handler = wanted.on_incomplete
        most = max(handler.max_attempts, 1) if handler else 0
        verdict = self._verdict(wanted, 1)
        for attempt in range(1, most + 1):
            if verdict.passes(wanted.threshold) or self._place.stop.requested or handler is None:
                break
            if not self._agreed(handler):
                break
            failure = self._complete(handler, verdict, wanted, attempt)
            if failure is not None and failure.kind is ErrorKind.CANCELLED:
                return failure, ""
            if failure is not None and handler.handler_failure_fatal:
                return failure, ""
            verdict = self._verdict(wanted, attempt + 1)
        if self._place.stop.requested:
            return StepFailure(kind=ErrorKind.CANCELLED, message="stopped during its validation"), ""
        if verdict.passes(wanted.threshold):
            if verdict.status == "skipped":
                self._place.bus.warn(f"step '{self._step.name}': its validation was skipped")
            return None, ""
        reason = verdict.reason or f"{verdict.completion:g} % complete, {wanted.threshold:g} % are needed"
        tolerated = "on_incomplete" if handler is not None and not handler.fail_workflow else ""
        return self._failure(f"validation: {reason}"), tolerated

    def _agreed(self, handler: Handler) -> bool:
        if handler.prompt is None:
            return True
        answer = self._place.ask(handler.prompt)
        if answer is None:
            self._place.bus.emit("note", message=f"not asked, as there is no terminal: {handler.prompt}")
            return True
        return answer

    def _complete(
        self, handler: Handler, verdict: Verdict, wanted: Validation, attempt: int
    ) -> StepFailure | None:
        before = self._runner.last_head
        message = verdict.reason or f"{verdict.completion:g} % complete"
        failure = Handling(self._runner).handle(
            handler, self._failure(message), attempt, f"on_incomplete-{attempt}"
        )
        if failure is None and handler.commit_required and self._runner.last_head == before:
            self._runner.note = "the handler made no commit"
        self._runner.scope.set("validation", verdict.names(attempt, wanted.threshold))
        return failure

    def _verdict(self, wanted: Validation, attempt: int) -> Verdict:
        try:
            verdict = self._judged(wanted, attempt)
        except StepError as error:
            verdict = Verdict("failed", 0.0, error.message)
        self._runner.scope.set("validation", verdict.names(attempt, wanted.threshold))
        self._place.bus.emit(
            "validation_completed", completion=verdict.completion, status=verdict.status, attempt=attempt
        )
        return verdict

    def _judged(self, wanted: Validation, attempt: int) -> Verdict:
        place = self._place
        self._place = place.within(wanted.timeout)
        try:
            done = self._run(wanted.steps, f"validate-{attempt}") if wanted.steps else None
        finally:
            self._place = place
        if done is not None and done.failure is not None:
            return Verdict("failed", 0.0, f"its command failed: {done.failure.message}")
        if wanted.result_file is not None:
            return self._from_file(wanted)
        output = done.output if done is not None else ""
        found = _object(output)
        if found is not None and ("completion_percentage" in found or "status" in found):
            return self._checked(found, wanted)
        if wanted.steps and wanted.steps[-1].kind == "claude":
            fenced = _FENCED.findall(output)
            found = _object(fenced[0]) if len(fenced) == 1 else None
            if found is None:
                return Verdict("failed", 0.0, "the answer holds no verdict")
            return self._checked(found, wanted)
        return Verdict("complete", _WHOLE)

    def _from_file(self, wanted: Validation) -> Verdict:
        path = render_plain(str(wanted.result_file), self._runner.scope)
        try:
            data = read_file(self._place, path)
        except StepError as error:
            return Verdict("failed", 0.0, f"result_file: {error.message}")
        if self._runner.result_before == hashlib.sha256(data).hexdigest():
            return Verdict("failed", 0.0, f"result_file {path} is unchanged since before the step")
        found = _object(data.decode(errors="replace"))
        if found is None:
            return Verdict("failed", 0.0, f"result_file {path} is no JSON object")
        return self._checked(found, wanted)

    def _checked(self, found: dict[str, Any], wanted: Validation) -> Verdict:
        if wanted.expected_schema is not None:
            reason = self._against_schema(found, wanted.expected_schema)
            if reason is not None:
                return Verdict("failed", 0.0, f"the result does not fit its schema: {reason}", found)
        status = found.get("status")
        percentage = found.get("completion_percentage")
        if status is not None and status not in _STATUSES:
            return Verdict("failed", 0.0, f"the result has an unknown status {status!r}", found)
        if percentage is None:
            percentage = _WHOLE if status in ("complete", "skipped") else 0.0
        if isinstance(percentage, bool) or not isinstance(percentage, int | float):
            return Verdict("failed", 0.0, "completion_percentage is no number", found)
        if not 0 <= percentage <= _WHOLE:
            return Verdict("failed", 0.0, "completion_percentage is not between 0 and 100", found)
        if status is None:
            status = "complete" if percentage == _WHOLE else "incomplete"
        reason = "the result says it failed" if status == "failed" else ""
        return Verdict(str(status), float(percentage), reason, found)

    def _against_schema(self, found: dict[str, Any], schema: str | dict[str, Any]) -> str | None:
        from jsonschema import Draft202012Validator  # heavy
        from jsonschema.exceptions import SchemaError, best_match

        if isinstance(schema, str):
            loaded = _object(read_file(self._place, schema).decode(errors="replace"))
            if loaded is None:
                raise StepError(ErrorKind.VALIDATION, f"expected_schema {schema} is no JSON object")
            schema = loaded
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise StepError(ErrorKind.VALIDATION, f"expected_schema is no schema: {error.message}") from None
        worst = best_match(Draft202012Validator(schema).iter_errors(found))
        return worst.message if worst else None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
