"""The map phase from its input to its results, as the orchestrator sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prodigy.errors import ProdigyError
from prodigy.git.template import get_template
from prodigy.run.guard import guarded
from prodigy.run.inputs import read_items
from prodigy.run.map_outcome import MapOutcome
from prodigy.run.mapping import MapPhaseRunner
from prodigy.run.phase_values import phase_values
from prodigy.run.sharing import collect_shared
from prodigy.values import ItemResult, PhaseResult
from prodigy.workflow.aggregation import aggregate

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.workflow.models import MapPhase
    from prodigy.workflow.pipeline import Selected
    from prodigy.workflow.scope import Scope


@dataclass(slots=True)
class MapWork:
    """One map phase. Afterwards ``outcome`` holds the results, ``error`` why nothing may follow."""

    context: RunContext
    flow: MapPhase
    workspace: SessionWorkspace
    scope: Scope
    leftovers: tuple[bytes, ...]
    """Paths setup left uncommitted: no agent may change them."""
    outcome: MapOutcome | None = None
    error: str | None = None
    empty: bool = False
    skip_reduce: bool = False
    phases: list[PhaseResult] = field(default_factory=list)

    def run(self) -> bool:
        """Run it; tells whether what follows may run."""
        context = self.context
        self.scope.set("setup", self._setup_names())
        context.variables.extra = _arguments(context.plan.arguments)
        with guarded(context, "map"):
            try:
                values = phase_values(context, self.workspace, "map")
                items = self._items(values)
                if items is None:
                    return self.error is None
                if any(item.status == "pending" for item in items):
                    collect_shared(context, self.workspace, self._shared())
            except ProdigyError as error:
                self.error = f"map failed: {error.message}"
                return False
            get_template(context.store, self._base(), context.machine.owner)
            scope = self.scope.overlay(exported=values)
            runner = MapPhaseRunner(
                context, self.flow, scope, frozenset(self.leftovers), self._base(), values
            )
            self.outcome = runner.run(items)
        self.phases.append(self.outcome.result)
        return self._judge(runner.stopped)

    def _setup_names(self) -> dict[str, Any]:
        return {**self.scope.captures(), "steps": self.scope.find("steps") or {}}

    def _shared(self) -> tuple[str, ...]:
        setup = self.context.plan.workflow.setup
        return setup.share if setup else ()

    def _base(self) -> str:
        """The commit agents start from: the same for those of a resumed run."""
        kept = self.context.journal.get("map/base")
        if kept is None:
            kept = self.workspace.head
            self.context.journal.put("map/base", kept)
        return str(kept)

    def _items(self, values: dict[str, str]) -> list[ItemResult] | None:
        """Return the planned items, those of an earlier process where it had planned them; None: none."""
        journal = self.context.journal
        if self.context.resumed and (planned := journal.item_results()):
            return planned
        scope = self.scope.overlay(exported=values)
        selected = read_items(self.context, self.workspace, scope, values)
        bus = self.context.bus.at(phase="map")
        if selected.items and selected.dropped:
            bus.emit("note", message=f"{selected.dropped}: {len(selected.items)} items remain")
        if not selected.items:
            self._empty(selected)
            return None
        planned = [
            ItemResult(item_id=item_id, index=index, item=item, status="pending", attempts=0)
            for index, (item_id, item) in enumerate(selected.items)
        ]
        journal.items(planned)
        return planned

    def _empty(self, selected: Selected) -> None:
        """Deal with a map phase that has nothing to do."""
        why = "the input is empty"
        if selected.notes:
            why = selected.notes[0]
        elif selected.counts.get("input"):
            why = selected.dropped or "nothing is selected"
        self.empty = True
        if self.flow.on_empty == "fail":
            self.error = f"map failed: there are no work items ({why})"
            return
        self.skip_reduce = self.flow.on_empty == "warn"
        tail = "no agent runs, and no reduce" if self.skip_reduce else "no agent runs"
        self.context.bus.at(phase="map").warn(f"there are no work items ({why}): {tail}")
        self.scope.set("map", MapOutcome.of_nothing().variables())

    def _judge(self, stopped: str | None) -> bool:
        outcome = self.outcome
        if outcome is None:
            return False
        self.scope.set("map", outcome.variables())
        if stopped is not None:
            pending = outcome.count("pending")
            self.error = f"map was stopped: {stopped}" + (
                f" ({pending} items are pending)" if pending else ""
            )
        elif outcome.all_failed:
            self.error = f"all {len(outcome.items)} items failed"
        elif outcome.count("pending") and not self.context.stop.requested:
            self.error = "the run's time is over"
        if self.error is None and not self.context.stop.requested:
            self._aggregate(outcome)
        return self.error is None and not self.context.stop.requested

    def _aggregate(self, outcome: MapOutcome) -> None:
        try:
            found = aggregate(self.flow.variables, outcome.entries())
        except ProdigyError as error:
            self.error = f"map.variables: {error.message}"
            return
        variables = {**(self.scope.find("map") or {}), "variables": found}
        self.scope.set("map", variables)
        for name, value in found.items():
            self.scope.capture(name, value)


def _arguments(values: tuple[str, ...]) -> dict[str, str]:
    if not values:
        return {}
    return {"ARG": values[0], **{f"ARG_{number}": value for number, value in enumerate(values, 1)}}
