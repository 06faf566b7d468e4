"""One step from its condition to its end: attempts, handlers, checks."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prodigy.errors import SandboxFailure, StepError
from prodigy.run.attempt import Attempt, CommandAttempt
from prodigy.run.computing import read_file
from prodigy.run.handling import Handling
from prodigy.run.judging import Judge
from prodigy.run.looping import Loop
from prodigy.run.names import ScopeNames, step_names
from prodigy.run.retry import with_retry
from prodigy.values import AttemptRecord, ErrorKind, StepFailure, StepResult
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import parse_expression
from prodigy.workflow.render import render_plain

if TYPE_CHECKING:
    from prodigy.run.place import Place
    from prodigy.run.steps import ListResult
    from prodigy.run.tracker import Snapshot
    from prodigy.values import StepStatus
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Step


class StepRunner:
    """Runs one step to its end. The handlers, checks and loops of the step work on this."""

    def __init__(self, step: Step, place: Place, scope: Scope, *, survey: bool = False) -> None:
        self.step = step
        self.place = replace(
            place,
            bus=place.bus.at(step=step.name),
            ledger=place.ledger.below(step.path),
            environment=place.environment,
        )
        self.scope = scope
        self.survey = survey
        self.attempts: list[Attempt] = []
        self.start_head: str | None = None
        self.before: Snapshot | None = None
        self.linear = True
        self.last_head: str | None = None
        self.dirty: int | None = None
        self.output = ""
        self.result_before = ""
        """Hash of the validation's result file before the step; empty where it was not there."""
        self.note: str | None = None
        self.tolerated_by: str | None = None
        self._earlier: list[AttemptRecord] = []
        """Attempts of a process that was cut off in this step."""
        self._loop: Loop | None = None

    @property
    def number(self) -> int:
        """How many attempts there have been."""
        return len(self._earlier) + len(self.attempts)

    def run(self, index: int = 0, total: int = 1) -> StepResult:
        """The step's result."""
        clock = time.monotonic()
        try:
            if not self._wanted():
                return self._skipped(index, total)
        except (ExpressionError, StepError) as error:
            kind = error.kind if isinstance(error, StepError) else ErrorKind.INTERPOLATION
            unclear = StepFailure(kind=kind, message=f"`when`: {error}", step=self.step.name)
            return self._ended("failed", unclear, clock)
        self._announce(index, total)
        self.scope.set("step", step_names(self.step, index, self.place.tracker))
        status, failure = self._body()
        self.place.tracker.finish(self.before)
        self._name_result(status)
        return self._ended(status, failure, clock)

    def _wanted(self) -> bool:
        if self.step.when is None:
            return True
        return parse_expression(self.step.when).holds(ScopeNames(self.scope))

    def _body(self) -> tuple[StepStatus, StepFailure | None]:
        try:
            self._restore()
            self.before = self.place.tracker.begin(needed=self._needs_snapshot())
        except StepError as error:
            return "failed", StepFailure(kind=error.kind, message=error.message, step=self.step.name)
        self.start_head = self.place.ledger.get("start_head")
        self.result_before = self._result_before()
        last = with_retry(
            self.step.retry, self.place.stop, self.attempt, self._announce_retry, done=len(self._earlier)
        )
        status, failure = self._after(last)
        if status == "failed" and self.step.continue_on_error:
            self.tolerated_by = "continue_on_error"
            status = "tolerated"
        return status, failure

    def _after(self, last: Attempt) -> tuple[StepStatus, StepFailure | None]:
        """What follows the attempts: handlers of a failure, then the checks of a success."""
        status: StepStatus = "success"
        failure = last.failure
        if failure is not None and self._loop and self._loop.partly and self.step.on_failure is None:
            self.tolerated_by = "foreach"
            return "tolerated", failure
        if failure is not None:
            status, failure = Handling(self).recover(last)
        if status not in ("success", "recovered"):
            return status, failure
        judged, failure = Judge(self).judge()
        if judged != "success":
            return judged, failure
        failure = Handling(self).succeed()
        if failure is None:
            return status, None
        cancelled = failure.kind is ErrorKind.CANCELLED
        return ("cancelled" if cancelled else "failed"), failure

    def _result_before(self) -> str:
        wanted = self.step.validation
        if wanted is None or wanted.result_file is None or self.step.skip_validation:
            return ""
        kept = self.place.ledger.get("result_file")
        if kept is not None:
            return str(kept)
        try:
            data = read_file(self.place, render_plain(wanted.result_file, self.scope))
            found = hashlib.sha256(data).hexdigest()
        except (StepError, SandboxFailure):
            found = ""
        self.place.ledger.put("result_file", found)
        return found

    def _needs_snapshot(self) -> bool:
        config = self.step.commit_config
        asks = bool(self.step.outputs) or (config is not None and "step." in config.message_template)
        return asks and not self.place.tracker.follows

    def _restore(self) -> None:
        """Take up the attempts that an earlier process made of this very step."""
        self._earlier = [AttemptRecord.model_validate(one) for one in self.place.ledger.get("attempts") or ()]
        if self._earlier:
            self.note = "taken up after it was cut off"

    def attempt(self, _number: int = 0) -> Attempt:
        """Run the command, or the loop, once more."""
        number = self.number + 1
        once = self._command_attempt if self.step.foreach is None else self._loop_attempt
        tried = once(number)
        self.attempts.append(tried)
        records = [*self._earlier, *(one.record for one in self.attempts)]
        if tried.failure is not None and tried.failure.kind is not ErrorKind.CANCELLED:
            self.place.ledger.put("attempts", [one.model_dump(mode="json") for one in records])
        return tried

    def _command_attempt(self, number: int) -> Attempt:
        runner = CommandAttempt(self.step, number, self.place, self.scope, survey=self.survey)
        tried = runner.run(self.before, self.start_head)
        outcome = tried.outcome
        self.note_head(outcome.head_before, runner.head or outcome.head_after, descends=outcome.descends)
        self.dirty = runner.dirty
        self.output = tried.output
        return self._owed(tried)

    def _loop_attempt(self, number: int) -> Attempt:
        self._loop = self._loop or Loop(self)
        tried = self._loop.run(number)
        self.output = tried.output
        return self._owed(tried)

    def _owed(self, tried: Attempt) -> Attempt:
        if tried.failure is None and self.step.commit_required and not self.committed():
            return tried.failed(self._no_commit())
        return tried

    def absorb(self, done: ListResult) -> None:
        """Take note of where steps inside this one left the workspace."""
        if done.results:
            first = next((one.head_before for one in done.results if one.head_before), None)
            self.note_head(first, done.head, descends=done.linear)
            self.dirty = done.dirty

    def note_head(self, before: str | None, after: str | None, *, descends: bool) -> None:
        """Take note of where a command found HEAD and left it."""
        if self.start_head is None and before is not None:
            self.start_head = before
            if self.place.ledger.durable and self.step.commit_required:
                self.place.ledger.put("start_head", before)
        self.linear = self.linear and descends
        self.last_head = after

    def committed(self) -> bool:
        """Whether the step has made a commit on top of what it found."""
        return self.linear and self.last_head is not None and self.last_head != self.start_head

    def _no_commit(self) -> StepFailure:
        why = "HEAD did not move" if self.last_head == self.start_head else "HEAD left its own history"
        return StepFailure(
            kind=ErrorKind.COMMIT_REQUIRED,
            message=f"step '{self.step.name}' must create a commit and did not: {why}",
            step=self.step.name,
        )

    def _name_result(self, status: StepStatus) -> None:
        """Set the names by which later steps know this one."""
        if self.step.id is None:
            return
        last = self.scope.find("last") or {}
        record: dict[str, Any] = {
            "output": last.get("output", ""),
            "stderr": last.get("stderr", ""),
            "exit_code": last.get("exit_code"),
            "success": status in ("success", "recovered"),
            "duration": last.get("duration", 0.0),
            "status": status,
            "outputs": self.scope.find("outputs") or {},
        }
        self.scope.set_step(self.step.id, record)

    def _skipped(self, index: int, total: int) -> StepResult:
        self._announce(index, total, quiet=True)
        if self.step.id is not None:
            nothing = dict.fromkeys(("output", "stderr"), "")
            record = {**nothing, "exit_code": None, "success": False, "duration": 0.0, "status": "skipped"}
            self.scope.set_step(self.step.id, {**record, "outputs": {}})
        return self._ended("skipped", None, time.monotonic())

    def _announce(self, index: int, total: int, *, quiet: bool = False) -> None:
        place = self.place
        where = "not started"
        if not quiet:
            try:
                where = place.station.sandbox().place
            except Exception:  # noqa: BLE001 - the attempt meets the same failure and reports it
                where = "no sandbox"
        place.bus.emit(
            "step_started",
            name=self.step.name,
            kind=self.step.kind,
            path=self.step.path,
            place=where,
            worktree=place.worktree,
            index=index + 1,
            total=total,
        )

    def _announce_retry(self, number: int, delay: float, failed: Attempt) -> None:
        error = failed.failure.message if failed.failure else ""
        self.place.bus.emit("step_retrying", attempt=number, delay=delay, error=error)

    def _guarded_note(self) -> str | None:
        guarded = self.place.guarded.encode(errors="surrogateescape")
        tails = b"".join(a.outcome.stdout_tail + a.outcome.stderr_tail for a in self.attempts[-1:])
        if not guarded or guarded not in tails:
            return self.note
        return (
            f"the output names {self.place.guarded}, the repository itself: it does not exist inside the "
            "sandbox; work on the files of the working directory instead"
        )

    def _ended(self, status: StepStatus, failure: StepFailure | None, clock: float) -> StepResult:
        last = self.attempts[-1] if self.attempts else None
        if status == "failed" and self.step.foreach is None:
            self.place.ledger.forget()
        note = self._guarded_note()
        heard = [one.claude for one in self.attempts if one.claude is not None and one.claude.result]
        result = StepResult(
            path=self.step.path,
            id=self.step.id,
            name=self.step.name,
            kind=self.step.kind,
            status=status,
            exit_code=last.exit_code if last else None,
            attempts=(*self._earlier, *(a.record for a in self.attempts)),
            duration=time.monotonic() - clock,
            stdout_log=str(last.streams.stdout) if last and last.streams else None,
            stderr_log=str(last.streams.stderr) if last and last.streams else None,
            head_before=self.start_head,
            head_after=self.last_head,
            error=failure,
            tolerated_by=self.tolerated_by if status == "tolerated" else None,
            note=note,
            cost_usd=sum(one.usd for one in heard) if heard else None,
            tokens={name: sum(one.tokens[name] for one in heard) for name in heard[0].tokens}
            if heard
            else None,
            claude_session_id=heard[-1].session_id if heard else None,
        )
        self.place.bus.emit(
            "step_completed",
            name=self.step.name,
            path=self.step.path,
            status=status,
            exit_code=result.exit_code,
            duration=result.duration,
            error=failure.message if failure else None,
            kind=failure.kind if failure else None,
            note=note,
        )
        return result
