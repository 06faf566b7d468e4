"""One attempt of a step: render, execute, take its results, commit for it, check for a commit."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prodigy.errors import ImageUnavailable, Interrupted, SandboxFailure, StepError
from prodigy.run.captures import captured, parse_left
from prodigy.run.claude_stream import ClaudeStream
from prodigy.run.command import render
from prodigy.run.committing import auto_commit
from prodigy.run.computing import StepComputer
from prodigy.run.files import find_outputs, write_output
from prodigy.run.streams import Streams
from prodigy.sandbox.protocol import Call, Outcome
from prodigy.text import printable
from prodigy.values import AttemptRecord, ErrorKind, StepFailure
from prodigy.workflow.render import render_plain

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.run.place import Place
    from prodigy.run.tracker import Snapshot
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Step


_SAID = 200
"""Characters of a failed command's last words that its failure repeats."""
_LEFT_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt."""

    record: AttemptRecord
    outcome: Outcome
    streams: Streams | None = None
    output: str = ""
    failure: StepFailure | None = None
    claude: ClaudeStream | None = None
    """What Claude said, where it ran."""

    def failed(self, failure: StepFailure) -> Attempt:
        """The same attempt, failed after all."""
        record = self.record.model_copy(update={"error_kind": failure.kind, "error": failure.message})
        return replace(self, record=record, failure=failure)

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, or the one its failure stands for."""
        return self.outcome.exit_code if self.outcome.exit_code is not None else self.record.exit_code


class CommandAttempt:
    """Runs a step's command once; what went wrong is in the result, never raised."""

    def __init__(self, step: Step, number: int, place: Place, scope: Scope, *, survey: bool = False) -> None:
        self._step = step
        self._number = number
        self._place = place
        self._scope = scope
        self._survey = survey
        self._streams: Streams | None = None
        self._outcome = Outcome(exit_code=None)
        self._output = ""
        self._claude: ClaudeStream | None = None
        self.head: str | None = None
        """Where HEAD stands after it, when prodigy moved it itself."""
        self.dirty: int | None = None

    def run(self, before: Snapshot | None, start_head: str | None) -> Attempt:
        """Execute; the scope then holds the step's values. ``before``: the state the step began with."""
        started, clock = datetime.now(UTC), time.monotonic()
        failure: StepFailure | None = None
        try:
            self._execute()
            if self._outcome.kind is not None:
                failure = self._failure(self._outcome.kind, _reason(self._outcome))
            else:
                self._results(before, start_head)
        except StepError as error:
            failure = self._failure(error.kind, error.message + (f" ({error.help})" if error.help else ""))
        except Interrupted:
            failure = self._failure(ErrorKind.CANCELLED, "stopped before it began")
        except (SandboxFailure, ImageUnavailable) as error:
            failure = self._failure(ErrorKind.SANDBOX, error.message)
        except OSError as error:
            failure = self._failure(ErrorKind.SANDBOX, f"its output cannot be stored: {error}")
        record = AttemptRecord(
            n=self._number,
            started_at=started,
            duration=time.monotonic() - clock,
            exit_code=self._outcome.exit_code,
            error_kind=failure.kind if failure else None,
            error=failure.message if failure else None,
        )
        return Attempt(record, self._outcome, self._streams, self._output, failure, self._claude)

    def _failure(self, kind: ErrorKind, message: str) -> StepFailure:
        mask = self._place.masker or str
        return StepFailure(
            kind=kind, message=mask(message), step=self._step.name, exit_code=self._outcome.exit_code
        )

    def _execute(self) -> None:
        call = self._call()
        self._outcome = self._place.station.run(call)
        if self._claude is not None:
            self._outcome = self._heard(self._claude)
        self.dirty = self._outcome.dirty
        self._streams = Streams(self._outcome, self._log("out"), self._log("err"))
        fields = self._streams.fields()
        own = fields | (self._claude.fields() if self._claude else {})
        self._scope.set(self._step.kind, own)
        self._scope.set("last", fields)
        if self._step.kind == "test":
            self._scope.set("shell", fields)
        self._output = str(fields["stdout"])
        if self._outcome.kind is not None and self._step.capture_output is not None:
            self._capture(fields["stdout"], fields)

    def _heard(self, claude: ClaudeStream) -> Outcome:
        """Take what Claude said: the answer becomes the step's output, and a bad end its failure."""
        claude.finish()
        self._log("out").write_text(claude.answer, encoding="utf-8", errors="replace")
        if self._place.claude is not None and claude.result is not None:
            self._place.claude.spending.add(claude.usd, claude.tokens)
        if self._outcome.kind not in (None, ErrorKind.COMMAND) or claude.problem is None:
            return self._outcome
        is_budget, message = claude.problem
        if claude.result is None and self._outcome.kind is not None:
            return self._outcome  # it never came to speak: what it said on stderr tells more
        if is_budget:
            self._place.bus.emit("budget_exceeded", usd=claude.usd)
        return replace(
            self._outcome,
            kind=ErrorKind.BUDGET if is_budget else ErrorKind.COMMAND,
            message=printable(message)[:_SAID],
            stderr_tail=b"",
        )

    def _results(self, before: Snapshot | None, start_head: str | None) -> None:
        """Take the values of a command that went well, then commit for it. Raises StepError."""
        step, place, streams = self._step, self._place, self._streams
        if streams is None:
            return
        if step.capture_output is not None:
            self._capture(captured(step, streams), streams.fields())
        if step.output_file is not None:
            path = render_plain(step.output_file, self._scope)
            write_output(place, path, streams.stdout.read_bytes())
        left = self._left()
        for name, text in left.items():
            self._scope.capture(name, text)
        outputs: dict[str, Any] = dict(left)
        if step.outputs and before is not None:
            facts, _ = place.tracker.since(before)
            outputs |= find_outputs(step.outputs, facts)
        self._scope.set("outputs", outputs)
        if step.auto_commit or step.commit_config is not None:
            committed = auto_commit(step, place, self._scope, start_head, before)
            if committed is not None:
                self.head, self.dirty = committed.head, committed.dirty

    def _capture(self, value: Any, fields: dict[str, Any]) -> None:
        wanted = self._step.capture_streams
        about = {name: fields[name] for name in ("exit_code", "success", "duration") if getattr(wanted, name)}
        self._scope.capture(str(self._step.capture_output), value, stderr=fields["stderr"], **about)

    def _left(self) -> dict[str, str]:
        """Return the values the command left in its output file."""
        file = self._outcome.output_file
        if file is None:
            return {}
        argv = ("sh", "-c", 'cat -- "$1" && rm -f -- "$1"', "sh", file)
        with self._place.station.sandbox().pipe(argv, timeout=60) as pipe:
            data = pipe.stdout.read(_LEFT_LIMIT + 1)
            pipe.wait()
        if len(data) > _LEFT_LIMIT:
            raise StepError(ErrorKind.CAPTURE, f"PRODIGY_OUTPUT holds more than {_LEFT_LIMIT >> 20} MiB")
        masker = self._place.masker
        try:
            return parse_left((masker.data(data) if masker else data).decode())
        except UnicodeDecodeError as error:
            raise StepError(ErrorKind.CAPTURE, f"PRODIGY_OUTPUT is not UTF-8: {error}") from error

    def _log(self, suffix: str) -> Path:
        return self._place.logs / f"{self._step.path}.{self._number}.{suffix}"

    def _call(self) -> Call:
        step, place = self._step, self._place
        place.logs.mkdir(parents=True, exist_ok=True)
        exported = step_environment(step, place, self._scope, self._number)
        secrets = dict(place.secrets) | step_secrets(step, place)
        stdout, on_line = self._log("out"), place.bus.on_line
        if step.claude is not None and place.claude is not None:
            secrets |= place.claude.environment(step)
            stdout = self._log("claude")
            self._claude = ClaudeStream(stdout, place.bus, on_line)
            on_line = self._claude.on_line
        local = self._scope.exporting(exported).with_environment(exported)
        cwd = render_plain(step.working_dir, local) if step.working_dir else ""
        computer = StepComputer(place, exported | secrets, cwd)
        argv, text, notes = render(step, local.computing(computer), place.shell, computer, place.claude)
        for note in notes:
            place.bus.emit("note", message=note)
        if step.clear_env:
            kept = (
                *(name for name, value in step.env.items() if not value.secret),
                *step_secrets(step, place),
            )
            secrets = step_secrets(step, place)
            exported = {n: v for n, v in exported.items() if n in kept or n.startswith("PRODIGY_")}
            argv = ("sh", "-c", CLEAR, "sh", " ".join(kept), *argv)
        limits = (step.timeout, place.command_limits(step), place.remaining())
        return Call(
            argv=argv,
            input=text,
            env=exported | secrets,
            cwd=cwd,
            timeout=min((limit for limit in limits if limit is not None), default=None),
            stdout=stdout,
            stderr=self._log("err"),
            on_line=on_line,
            survey=self._survey,
            masker=place.masker,
        )


CLEAR = r"""
keep=" PATH HOME LANG $1 "; shift
for name in $(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in PRODIGY_*) continue ;; esac
    case $keep in *" $name "*) ;; *) unset "$name" 2>/dev/null ;; esac
done
exec "$@"
"""
"""Drops every variable but a few; values never stand on an argument list."""


def step_environment(step: Step, place: Place, scope: Scope, number: int) -> dict[str, str]:
    """Return the variables of a step's processes, secrets aside. Raises StepError."""
    own = {
        name: render_plain(value.text, scope) for name, value in step.env.items() if value.text is not None
    }
    exported = dict(place.environment) | own
    exported |= {"PRODIGY_STEP": step.name, "PRODIGY_ATTEMPT": str(number)}
    if step.kind == "test":
        exported["TEST_ATTEMPT"] = str(number)
    return exported


def step_secrets(step: Step, place: Place) -> dict[str, str]:
    """Return the secrets among a step's own variables. Raises StepError."""
    read = place.read_secret
    return {
        name: read(value.secret.provider, value.secret.key)
        for name, value in step.env.items()
        if value.secret is not None and read is not None
    }


def _reason(outcome: Outcome) -> str:
    """Why a command failed: what it said last on stderr tells more than its exit code."""
    said = outcome.stderr_tail.decode(errors="replace").strip().rpartition("\n")[2].strip()
    if outcome.kind is not ErrorKind.COMMAND or not said:
        return outcome.message
    return f"{outcome.message}: {printable(said)[:_SAID]}"
