"""Values computed over the results of a map phase: counts, sums, lists, groups."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Literal

from pydantic import AliasChoices, Field

from prodigy.errors import InputError
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expression_values import equal_exactly
from prodigy.workflow.expressions import ItemNames, parse_expression, reach
from prodigy.workflow.fields import Model
from prodigy.workflow.plain_values import as_text
from prodigy.workflow.sorting import sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind = Literal[
    "count", "sum", "min", "max", "average", "median", "variance", "stddev", "unique", "concat", "merge",
    "flatten", "collect", "sort", "group_by",
]  # fmt: skip
NUMERIC = frozenset(("sum", "average", "median", "variance", "stddev"))
_SHOWN = 10


class Variable(Model):
    """A value computed over all successful results."""

    type: Kind
    """How it is computed."""
    source: str | None = Field(default=None, validation_alias=AliasChoices("from", "source"))
    """The place in a result entry that counts, as `output.lines`."""
    initial: Any = None
    """An extra first value."""
    filter: str | None = None
    """An expression over the result entry; others do not count."""
    separator: str = ""
    """What stands between texts, for `concat`."""
    order: Literal["asc", "desc"] = "asc"
    """The order of `sort`."""
    key: str | None = None
    """The place by which `group_by` groups."""
    wins: Literal["first", "last"] = "first"
    """Which value of a key `merge` keeps."""
    sample: bool = False
    """Whether `variance` and `stddev` are those of a sample."""


class _Wrong(ValueError):
    pass


def aggregate(variables: Mapping[str, Variable], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return each variable's value over the successful results.

    Raises InputError that names every value of a wrong type at once.
    """
    good = [result for result in results if result["status"] == "success"]
    found: dict[str, Any] = {}
    wrong: list[str] = []
    for name, variable in variables.items():
        try:
            found[name] = _value(variable, good)
        except (_Wrong, ExpressionError) as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise InputError("; ".join(wrong))
    return found


def _value(variable: Variable, results: list[Mapping[str, Any]]) -> Any:
    chosen = [result for index, result in enumerate(results) if _wanted(variable, result, index)]
    entries = [(str(result["item_id"]), _at(variable.source, result)) for result in chosen]
    values = [(name, value) for name, value in entries if value is not None or variable.source is None]
    if variable.type == "count":
        return len(values) + (variable.initial if isinstance(variable.initial, int) else 0)
    if variable.initial is not None:
        values.insert(0, ("initial", variable.initial))
    if variable.type == "group_by":
        return _groups(variable, chosen)
    _check(variable, values)
    return _REDUCE[variable.type]([value for _, value in values], variable)


def _wanted(variable: Variable, result: Mapping[str, Any], index: int) -> bool:
    return variable.filter is None or parse_expression(variable.filter).holds(ItemNames(result, index))


def _at(path: str | None, result: Mapping[str, Any]) -> Any:
    if path is None:
        return result
    try:
        return reach(result, parse_expression(path).references[0].path)
    except LookupError:
        return None


def _check(variable: Variable, values: list[tuple[str, Any]]) -> None:
    kind = variable.type
    bad: list[str] = []
    for name, value in values:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = (
            (kind not in NUMERIC or number)
            and (kind not in ("min", "max") or number or isinstance(value, str))
            and (kind != "merge" or isinstance(value, dict))
            and (kind != "concat" or not isinstance(value, list | dict))
        )
        if not fits:
            bad.append(f"{name} gives {type(value).__name__}")
    if kind in ("min", "max") and len({isinstance(value, str) for _, value in values}) > 1:
        bad.append("numbers and texts are mixed")
    if bad:
        more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise _Wrong(f"`{kind}` cannot take {', '.join(bad[:_SHOWN])}{more}")


def _groups(variable: Variable, results: list[Mapping[str, Any]]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for name, members in variable.initial.items() if isinstance(variable.initial, dict) else ():
        groups[name] = list(members) if isinstance(members, list) else [members]
    for result in results:
        key, value = _at(variable.key, result), _at(variable.source or "output", result)
        if key is not None and value is not None:
            groups.setdefault(as_text(key), []).append(value)
    return groups


def _unique(values: list[Any], _: Variable) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if not any(equal_exactly(value, other) for other in found):
            found.append(value)
    return found


def _merged(values: list[Any], variable: Variable) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        found = {**found, **value} if variable.wins == "last" else {**value, **found}
    return found


def _flattened(values: list[Any], _: Variable) -> list[Any]:
    return [inner for value in values for inner in (value if isinstance(value, list) else [value])]


def _spread(values: list[Any], variable: Variable) -> float | None:
    if variable.sample:
        return statistics.variance(values) if len(values) > 1 else None
    return statistics.pvariance(values) if values else None


def _deviation(values: list[Any], variable: Variable) -> float | None:
    spread = _spread(values, variable)
    return None if spread is None else spread**0.5


def _sorted(values: list[Any], variable: Variable) -> list[Any]:
    return sorted(values, key=sort_key, reverse=variable.order == "desc")


_REDUCE: dict[str, Callable[[list[Any], Variable], Any]] = {
    "sum": lambda values, _: sum(values),
    "min": lambda values, _: min(values, default=None),
    "max": lambda values, _: max(values, default=None),
    "average": lambda values, _: statistics.fmean(values) if values else None,
    "median": lambda values, _: statistics.median(values) if values else None,
    "variance": _spread,
    "stddev": _deviation,
    "unique": _unique,
    "concat": lambda values, variable: variable.separator.join(map(as_text, values)),
    "merge": _merged,
    "flatten": _flattened,
    "collect": lambda values, _: values,
    "sort": _sorted,
}
