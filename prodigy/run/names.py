"""The names prodigy itself sets for texts: the current step, and a scope as expressions see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prodigy.run.tracker import Tracker
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Step


class ScopeNames:
    """A scope's names for an expression: what is missing is null there."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def lookup(self, path: tuple[str, ...], *, braced: bool) -> Any:  # noqa: ARG002 - the same in a scope
        """Return a name's value. Raises LookupError where it has none."""
        return self._scope.follow(path)


def step_names(step: Step, index: int, tracker: Tracker) -> dict[str, Any]:
    """Return the ``step`` namespace while a step runs: its own name, the facts of the one before."""
    return {"name": step.name, "id": step.id or "", "index": index, "attempt": 1, **tracker.last.fields()}
