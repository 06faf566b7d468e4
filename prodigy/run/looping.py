"""Loops: a step's own steps, run once for each element of a list, in one workspace."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prodigy.errors import ProdigyError, StepError
from prodigy.run.attempt import Attempt, step_environment, step_secrets
from prodigy.sandbox.protocol import INPUT, Call, Outcome
from prodigy.values import AttemptRecord, ErrorKind, StepFailure
from prodigy.workflow.globs import match_glob
from prodigy.workflow.shell_text import render_shell

if TYPE_CHECKING:
    from prodigy.run.place import Place
    from prodigy.run.step_runner import StepRunner
    from prodigy.run.steps import ListResult
    from prodigy.workflow.step import Foreach

_LIST_FILES = (
    "git",
    "-c",
    "core.fsmonitor=false",
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
)
_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class ElementResult:
    """What became of one element."""

    item: Any
    status: str
    output: str = ""
    error: str | None = None
    exit_code: int | None = None
    kind: ErrorKind | None = None

    def names(self) -> dict[str, Any]:
        """Return an entry of ``foreach.results``."""
        return {"item": self.item, "status": self.status, "output": self.output, "error": self.error}


class Loop:
    """The loop of one step; another attempt of the step repeats only what did not succeed."""

    def __init__(self, runner: StepRunner) -> None:
        loop = runner.step.foreach
        if loop is None:
            raise TypeError(runner.step.path)
        self._runner = runner
        self._loop: Foreach = loop
        self._place: Place = runner.place
        self._elements: list[Any] | None = None
        self._results: dict[int, ElementResult] = {}

    def run(self, number: int) -> Attempt:
        """Run every element that has not succeeded yet."""
        started, clock = datetime.now(UTC), time.monotonic()
        failure: StepFailure | None = None
        try:
            if self._elements is None:
                self._elements = self._kept_elements(number)
            self._run_all(self._elements)
            failure = self._verdict()
        except StepError as error:
            failure = StepFailure(kind=error.kind, message=error.message, step=self._runner.step.name)
        except ProdigyError as error:
            failure = StepFailure(kind=ErrorKind.SANDBOX, message=error.message, step=self._runner.step.name)
        output = self._publish(failure)
        record = AttemptRecord(
            n=number,
            started_at=started,
            duration=time.monotonic() - clock,
            exit_code=failure.exit_code if failure else 0,
            error_kind=failure.kind if failure else None,
            error=failure.message if failure else None,
        )
        return Attempt(record, Outcome(exit_code=record.exit_code), output=output, failure=failure)

    def _kept_elements(self, number: int) -> list[Any]:
        """Return the elements, those of an earlier process where it had found them."""
        kept = self._place.ledger.get("elements")
        if kept is None:
            kept = self._find(number)
            self._place.ledger.put("elements", kept)
        most = self._loop.max_items
        if most is not None and len(kept) > most:
            left = len(kept) - most
            self._place.bus.emit(
                "note", message=f"step '{self._runner.step.name}': max_items leaves out {left} elements"
            )
        return list(kept[:most])

    def _find(self, number: int) -> list[Any]:
        loop, scope = self._loop, self._runner.scope
        if loop.source == "list":
            return list(loop.elements)
        if loop.source == "value":
            value = scope.value(loop.text)
            if isinstance(value, list):
                return list(value)
            return _lines(value) if isinstance(value, str) else [value]
        if loop.source == "glob":
            listed = self._pipe(_LIST_FILES).split(b"\0")[:-1]
            return match_glob(loop.patterns, (), [path.decode("utf-8", "surrogateescape") for path in listed])
        return _lines(self._command(number))

    def _command(self, number: int) -> str:
        step, place = self._runner.step, self._place
        place.logs.mkdir(parents=True, exist_ok=True)
        log = place.logs / f"{step.path}.{number}.out"
        environment = step_environment(step, place, self._runner.scope, number)
        scope = self._runner.scope.exporting(environment).with_environment(environment)
        outcome = place.station.run(
            Call(
                argv=(place.shell, INPUT),
                input=render_shell(self._loop.text, scope).encode(errors="surrogateescape"),
                env=environment | dict(place.secrets),
                cwd=step.working_dir or "",
                timeout=place.within(step.timeout).remaining(),
                stdout=log,
                stderr=place.logs / f"{step.path}.{number}.err",
                on_line=place.bus.on_line,
                masker=place.masker,
            )
        )
        if outcome.kind is not None:
            said = outcome.stderr_tail.decode(errors="replace").strip()[-500:]
            raise StepError(outcome.kind, f"the command for the elements failed: {outcome.message}: {said}")
        if log.stat().st_size > _LIMIT:
            raise StepError(ErrorKind.COMMAND, f"the elements are larger than {_LIMIT >> 20} MiB")
        return log.read_bytes().decode(errors="replace")

    def _pipe(self, argv: tuple[str, ...]) -> bytes:
        with self._place.station.sandbox().pipe(argv, timeout=300) as pipe:
            data = pipe.stdout.read(_LIMIT + 1)
            if len(data) > _LIMIT or pipe.wait():
                raise StepError(ErrorKind.COMMAND, "the files of the workspace cannot be listed")
        return data

    def _run_all(self, elements: list[Any]) -> None:
        place = self._place.within(self._runner.step.timeout)
        todo = [i for i in range(len(elements)) if not self._succeeded(i)]
        with ThreadPoolExecutor(self._loop.parallel, thread_name_prefix="foreach") as threads:
            running: set[Future[None]] = set()
            while todo or running:
                while todo and len(running) < self._loop.parallel and not self._stopping():
                    running.add(threads.submit(self._element, todo.pop(0), elements, place))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()

    def _stopping(self) -> bool:
        failed = any(one.status == "failed" for one in self._results.values() if one.status)
        return self._place.stop.requested or (failed and not self._loop.continue_on_error)

    def _succeeded(self, index: int) -> bool:
        found = self._results.get(index)
        if found is not None and found.status != "success":
            del self._results[index]
            return False
        if found is None and (kept := self._place.ledger.get(f"element:{index}")) is not None:
            self._results[index] = ElementResult(kept["item"], "success", kept["output"])
        return index in self._results

    def _element(self, index: int, elements: list[Any], place: Place) -> None:
        from prodigy.run.steps import run_steps

        item = elements[index]
        scope = self._runner.scope.child()
        scope.set_item(item, is_path=self._loop.source == "glob")
        about = {"item": item, "index": index, "total": len(elements)}
        for name in ("index", "total"):
            scope.set(name, about[name])
        scope.set("foreach", about)
        inner = replace(
            place,
            logs=place.logs / f"{self._runner.step.path}.{index}",
            ledger=place.ledger.below(f"element-{index}"),
            environment={**place.environment, **step_environment(self._runner.step, place, scope, 1)},
            secrets={**place.secrets, **step_secrets(self._runner.step, place)},
            survey=self._runner.survey,
        )
        done = run_steps(self._loop.do, inner, scope)
        self._take(index, item, done)

    def _take(self, index: int, item: Any, done: ListResult) -> None:
        failure = done.failure
        status = "success" if failure is None else "failed"
        if failure is not None and failure.kind is ErrorKind.CANCELLED:
            status = "cancelled"
        result = ElementResult(
            item,
            status,
            done.output,
            failure.message if failure else None,
            failure.exit_code if failure else 0,
            failure.kind if failure else None,
        )
        self._results[index] = result
        self._runner.absorb(done)
        if status == "success":
            self._place.ledger.put(f"element:{index}", {"item": item, "output": done.output})

    def _verdict(self) -> StepFailure | None:
        results = self._results.values()
        failed = [one for one in results if one.status == "failed"]
        name = self._runner.step.name
        if self._place.stop.requested or any(one.status == "cancelled" for one in results):
            return StepFailure(kind=ErrorKind.CANCELLED, message="stopped", step=name)
        if not failed:
            return None
        first = failed[0]
        message = f"{len(failed)} of {len(self._elements or ())} elements failed, first: {first.error}"
        return StepFailure(
            kind=first.kind or ErrorKind.COMMAND, message=message, step=name, exit_code=first.exit_code
        )

    @property
    def partly(self) -> bool:
        """Whether some elements succeeded although failures are to be tolerated."""
        some = any(one.status == "success" for one in self._results.values())
        return self._loop.continue_on_error and some

    def _publish(self, failure: StepFailure | None) -> str:
        ordered = [self._results[i].names() for i in sorted(self._results)]
        succeeded = sum(one["status"] == "success" for one in ordered)
        output = "\n".join(one["output"] for one in ordered if one["output"])
        fields = {
            "output": output,
            "exit_code": failure.exit_code if failure else 0,
            "success": failure is None,
        }
        scope, step = self._runner.scope, self._runner.step
        more = {"results": ordered, "succeeded": succeeded, "failed": len(ordered) - succeeded}
        scope.set("foreach", {**fields, **more})
        scope.set("last", fields)
        if step.capture_output is not None:
            from prodigy.run.captures import parse

            value: Any = ordered if step.capture_format == "json" else output
            if step.capture_format not in ("json", "string"):
                value = parse(output, step.capture_format, success=failure is None)
            scope.capture(step.capture_output, value, exit_code=fields["exit_code"], success=failure is None)
        return output


def _lines(text: str) -> list[Any]:
    return [line for line in text.splitlines() if line.strip()]
