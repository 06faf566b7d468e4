"""Which items of an input an agent is run for: filter, order, distinct, offset, limit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from prodigy.errors import InputError
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import ItemNames, parse_expression, reach
from prodigy.workflow.sorting import parse_sort

if TYPE_CHECKING:
    from prodigy.workflow.expression_nodes import Names
    from prodigy.workflow.models import MapPhase


@dataclass(frozen=True, slots=True)
class Selected:
    """The items that agents are run for, and what was left out on the way."""

    items: list[tuple[str, Any]]
    counts: dict[str, int] = field(default_factory=dict)
    """How many items were left after each stage that is in use, from ``input`` on."""
    notes: tuple[str, ...] = ()

    @property
    def dropped(self) -> str:
        """Say what was left out, in words; empty where nothing was."""
        stages = list(self.counts.items())
        parts = [
            f"{name} leaves out {before - count}"
            for (_, before), (name, count) in pairwise(stages)
            if count < before
        ]
        return ", ".join(parts)


def select_items(numbered: list[tuple[str, Any]], flow: MapPhase, variables: Names | None = None) -> Selected:
    """Return the items that remain. Ids are given before, so that no stage renames an item.

    Raises InputError when the filter fails on an item.
    """
    items = numbered
    counts = {"input": len(items)}
    if flow.filter is not None:
        items = _filtered(items, flow.filter, variables)
        counts["filter"] = len(items)
    if flow.sort_by is not None:
        order = parse_sort(flow.sort_by).permutation([item for _, item in items])
        items = [items[i] for i in order]
    if flow.distinct is not None:
        items = _distinct(items, flow.distinct)
        counts["distinct"] = len(items)
    if flow.offset:
        items = items[flow.offset :]
        counts["offset"] = len(items)
    if flow.max_items is not None:
        items = items[: flow.max_items]
        counts["max_items"] = len(items)
    return Selected(items, counts)


def _filtered(items: list[tuple[str, Any]], text: str, variables: Names | None) -> list[tuple[str, Any]]:
    expression = parse_expression(text)
    try:
        return [
            one for index, one in enumerate(items) if expression.holds(ItemNames(one[1], index, variables))
        ]
    except ExpressionError as error:
        raise InputError(f"filter, column {error.column}: {error}") from None


def _distinct(items: list[tuple[str, Any]], path: str) -> list[tuple[str, Any]]:
    reference = parse_expression(path).references[0].path
    if reference[0] == "item":
        reference = reference[1:]
    seen: set[str] = set()
    kept = []
    for name, item in items:
        try:
            value = reach(item, reference)
        except LookupError:
            value = None
        key = _key(value)
        if key not in seen:
            seen.add(key)
            kept.append((name, item))
    return kept


def _key(value: Any) -> str:
    """Return a text that two values share exactly if they are the same JSON value."""
    return json.dumps(_canonical(value), sort_keys=True)


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(element) for element in value]
    return {key: _canonical(inner) for key, inner in value.items()} if isinstance(value, dict) else value
