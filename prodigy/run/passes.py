"""The passes of a standard run: the commands, repeated for arguments and as long as they commit something."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from prodigy.errors import UsageError
from prodigy.run.guard import guarded
from prodigy.run.phase import PhaseTask, run_phase
from prodigy.run.plan import Pass
from prodigy.values import ErrorKind
from prodigy.workflow.globs import match_glob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.run.context import RunContext
    from prodigy.run.phase import PhaseOutcome
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.workflow.models import Phase
    from prodigy.workflow.scope import Scope

_NUMBERED = re.compile(r"([0-9]+)-.*")


@dataclass(slots=True)
class Passes:
    """Runs the passes of one run, one after the other."""

    context: RunContext
    workspace: SessionWorkspace
    scope: Scope
    outcomes: list[PhaseOutcome] = field(default_factory=list)
    iterations: list[dict[str, object]] = field(default_factory=list)
    """What became of each time through the commands."""
    failed: int = 0

    def run(self, phase: Phase) -> bool:
        """Run all passes; tells whether every one went well."""
        passes = self.context.plan.passes
        for number, one in enumerate(passes):
            if self.context.stop.requested:
                return False
            last = number == len(passes) - 1
            if not self._pass(phase, one, number, last=last):
                self.failed += 1
                if self.context.plan.fail_fast or self.context.stop.requested:
                    return False
        return self.failed == 0

    def _pass(self, phase: Phase, one: Pass, number: int, *, last: bool) -> bool:
        for iteration in range(1, one.iterations + 1):
            many = len(self.context.plan.passes) > 1 or one.iterations > 1
            key = f"commands-{number + 1}-{iteration}" if many else ""
            before = self.workspace.head
            outcome = self._once(phase, one, iteration, key, final=last and iteration == one.iterations)
            self.iterations.append(
                {
                    "pass": number + 1,
                    "iteration": iteration,
                    "argument": one.name or None,
                    "status": outcome.result.status,
                }
            )
            if outcome.failure is not None:
                if outcome.failure.kind is not ErrorKind.CANCELLED and not last:
                    what = f" ({one.name})" if one.name else ""
                    self.context.bus.warn(f"pass {number + 1}{what} failed: {outcome.failure.message}")
                return False
            if self.workspace.head == before and one.iterations > 1:
                if iteration < one.iterations:
                    self.context.bus.emit(
                        "note", message=f"iteration {iteration} made no commit: it was the last"
                    )
                break
        return True

    def _once(self, phase: Phase, one: Pass, iteration: int, key: str, *, final: bool) -> PhaseOutcome:
        context = self.context
        context.variables.extra = {**one.variables, "ITERATION": str(iteration)}
        workflow = dict(self.scope.find("workflow") or {})
        self.scope.set("workflow", {**workflow, "iteration": iteration})
        several = len(context.plan.passes) > 1
        task = PhaseTask("commands", phase, key=key, final=final, reset=several)
        with guarded(context, "commands"):
            outcome = run_phase(context, task, self.workspace, self.scope)
        self.outcomes.append(outcome)
        return outcome


def plan_passes(
    arguments: Sequence[str], patterns: Sequence[str], files: Sequence[str], iterations: int
) -> tuple[Pass, ...]:
    """Return the passes of a command line: one for each argument, or file that a pattern matches.

    ``files``: those of the base commit. Raises UsageError where a pattern matches nothing, or two files
    would have one argument.
    """
    if not arguments and not patterns:
        return (Pass(iterations=iterations),)
    found = [Pass(variables={"ARG": value}, iterations=iterations) for value in arguments]
    paths: dict[str, None] = {}
    for pattern in patterns:
        matching = match_glob((pattern,), (), files)
        if not matching:
            raise UsageError(f"--map {pattern} matches no file of the base commit")
        paths.update(dict.fromkeys(matching))
    names: dict[str, str] = {}
    for path in paths:
        name = _argument(path)
        if name in names:
            raise UsageError(f"--map: {names[name]} and {path} would both be the argument {name}")
        names[name] = path
        found.append(Pass(variables={"ARG": name, "ARG_FILE": path}, iterations=iterations))
    return tuple(found)


def _argument(path: str) -> str:
    stem = PurePosixPath(path).stem
    match = _NUMBERED.fullmatch(stem)
    return match[1] if match else stem
