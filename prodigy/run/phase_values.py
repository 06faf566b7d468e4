"""The variables of one phase: those that commands compute are computed in a sandbox of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import ProdigyError
from prodigy.sandbox.protocol import INPUT, Call
from prodigy.workflow.scope import Scope
from prodigy.workflow.shell_text import render_shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.run.context import RunContext
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.run.station import Station
    from prodigy.workflow.env_value import EnvValue

_LIMIT = 300.0
"""Seconds a value's command may take."""
_CACHED = "variables"


def phase_values(context: RunContext, workspace: SessionWorkspace, phase: str) -> dict[str, str]:
    """Return all variables of a phase, secrets apart. Raises ProdigyError when a command fails."""
    variables = context.variables
    if not variables.computes:
        return variables.values()
    variables.remember(context.journal.get(_CACHED) or {})
    with workspace.read_only(phase) as station:
        computing = _Computing(context, station, phase)
        values = variables.values(computing.value)
    context.journal.put(_CACHED, variables.computed)
    return values


class _Computing:
    def __init__(self, context: RunContext, station: Station, phase: str) -> None:
        self._context = context
        self._station = station
        self._phase = phase

    def value(self, name: str, value: EnvValue, known: Mapping[str, str]) -> str:
        """Return what the command of a variable prints."""
        context, sandbox = self._context, self._station.sandbox()
        logs = context.directory / "logs" / f"{self._phase}-variables"
        logs.mkdir(parents=True, exist_ok=True)
        environment = context.environment(self._phase, sandbox.root, values=known)
        script = render_shell(str(value.command), Scope(exported=environment))
        outcome = self._station.run(
            Call(
                argv=(sandbox.interpreter, INPUT),
                input=script.encode(errors="surrogateescape"),
                env=environment | context.variables.shown_to_all,
                timeout=_LIMIT,
                stdout=logs / f"{name}.out",
                stderr=logs / f"{name}.err",
                masker=context.variables.masker or None,
            )
        )
        if outcome.kind is not None:
            said = outcome.stderr_tail.decode(errors="replace").strip()[-500:]
            raise ProdigyError(
                f"the command of variable {name} failed: {outcome.message}: {said}".rstrip(": ")
            )
        return (logs / f"{name}.out").read_bytes().decode(errors="replace").rstrip("\n")
