"""One attempt of a step: render, execute, capture, check for a commit."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.errors import ImageUnavailable, Interrupted, SandboxFailure, StepError
from prodigy.run.command import claude_environment, render
from prodigy.run.streams import Streams
from prodigy.sandbox.protocol import Call, Outcome
from prodigy.text import printable
from prodigy.values import AttemptRecord, ErrorKind, StepFailure
from prodigy.workflow.render import render_plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prodigy.run.events import Bus
    from prodigy.run.station import Station
    from prodigy.run.stop import Stop
    from prodigy.state.journal import Journal
    from prodigy.workflow.models import Step
    from prodigy.workflow.scope import Scope


_SAID = 200
"""Characters of a failed command's last words that its failure repeats."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list of steps runs, and who is told."""

    station: Station
    bus: Bus
    journal: Journal
    stop: Stop
    logs: Path
    worktree: str
    """The workspace's path on this machine, for people."""
    environment: Mapping[str, str]
    interpreter: str = "auto"
    guarded: str = ""
    """The main repository's path where steps cannot see it: output that names it is explained."""
    deadline: float | None = None
    """Monotonic time at which the phase or the run is over."""
    survey: bool = False
    """Whether the last step is to count what is left uncommitted."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt."""

    record: AttemptRecord
    outcome: Outcome
    streams: Streams | None = None
    output: str = ""
    failure: StepFailure | None = None

    def failed(self, failure: StepFailure) -> Attempt:
        """The same attempt, failed after all."""
        record = self.record.model_copy(update={"error_kind": failure.kind, "error": failure.message})
        return replace(self, record=record, failure=failure)


def attempt(step: Step, number: int, place: Place, scope: Scope, *, survey: bool = False) -> Attempt:
    """Run a step's command once; what went wrong is in the result, never raised.

    On success the scope holds the step's values. Raises Interrupted when the run is stopped before.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    streams: Streams | None = None
    failure: StepFailure | None = None
    outcome, output = Outcome(exit_code=None), ""
    try:
        call = _call(step, number, place, scope, survey=survey)
        outcome = place.station.run(call)
        streams = Streams(outcome, _log(place, step, number, "out"), _log(place, step, number, "err"))
        output = _publish(step, streams, scope)
        if outcome.kind is not None:
            failure = _failure(step, outcome.kind, _reason(outcome), outcome.exit_code)
    except StepError as error:
        failure = _failure(step, error.kind, error.message, outcome.exit_code)
    except Interrupted:
        failure = _failure(step, ErrorKind.CANCELLED, "stopped before it began", None)
    except (SandboxFailure, ImageUnavailable) as error:
        failure = _failure(step, ErrorKind.SANDBOX, error.message, None)
    except OSError as error:
        failure = _failure(
            step, ErrorKind.SANDBOX, f"its output cannot be stored: {error}", outcome.exit_code
        )
    record = AttemptRecord(
        n=number,
        started_at=started,
        duration=time.monotonic() - clock,
        exit_code=outcome.exit_code,
        error_kind=failure.kind if failure else None,
        error=failure.message if failure else None,
    )
    return Attempt(record, outcome, streams, output, failure)


def _failure(step: Step, kind: ErrorKind, message: str, exit_code: int | None) -> StepFailure:
    return StepFailure(kind=kind, message=message, step=step.name, exit_code=exit_code)


def _reason(outcome: Outcome) -> str:
    """Why a command failed: what it said last on stderr tells more than its exit code."""
    said = outcome.stderr_tail.decode(errors="replace").strip().rpartition("\n")[2].strip()
    if outcome.kind is not ErrorKind.COMMAND or not said:
        return outcome.message
    return f"{outcome.message}: {printable(said)[:_SAID]}"


def _log(place: Place, step: Step, number: int, suffix: str) -> Path:
    return place.logs / f"{step.path}.{number}.{suffix}"


def _call(step: Step, number: int, place: Place, scope: Scope, *, survey: bool) -> Call:
    place.logs.mkdir(parents=True, exist_ok=True)
    shell = place.station.sandbox().interpreter if place.interpreter == "auto" else place.interpreter
    exported = dict(place.environment) | {name: render_plain(text, scope) for name, text in step.env.items()}
    local = scope.exporting(exported)
    argv, text = render(step, local, shell)
    exported |= {"PRODIGY_STEP": step.name, "PRODIGY_ATTEMPT": str(number)}
    if step.claude is not None:
        exported |= claude_environment()
    budget = [t for t in (step.timeout, _remaining(place)) if t is not None]
    return Call(
        argv=argv,
        input=text,
        env=exported,
        cwd=render_plain(step.working_dir, local) if step.working_dir else "",
        timeout=min(budget, default=None),
        stdout=_log(place, step, number, "out"),
        stderr=_log(place, step, number, "err"),
        on_line=place.bus.on_line,
        survey=survey,
    )


def _remaining(place: Place) -> float | None:
    if place.deadline is None:
        return None
    left = place.deadline - time.monotonic()
    if left <= 0:
        raise StepError(ErrorKind.TIMEOUT, "the time for this phase or run is over")
    return left


def _publish(step: Step, streams: Streams, scope: Scope) -> str:
    """Make a finished command's values visible to what follows, also to handlers of its failure.

    Gives the command's standard output.
    """
    fields = streams.fields()
    scope.set(step.kind, fields)
    scope.set("last", fields)
    if step.capture_output is not None:
        failed = streams.outcome.kind is not None
        value = fields["stdout"] if failed else streams.capture()
        scope.capture(
            step.capture_output,
            value,
            stderr=fields["stderr"],
            exit_code=fields["exit_code"],
            success=fields["success"],
            duration=fields["duration"],
        )
    return str(fields["stdout"])
