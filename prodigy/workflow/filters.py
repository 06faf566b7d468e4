"""Filters of placeholders: ``${list|lines}``, ``${step.files_added:*.md}``."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from prodigy.workflow.globs import match_glob
from prodigy.workflow.plain_values import Paths, as_text, compact

if TYPE_CHECKING:
    from collections.abc import Callable

NAMED = {
    "json": "json",
    "lines": "lines",
    "newline": "lines",
    "csv": "csv",
    "comma": "csv",
    "basename": "basename",
    "length": "length",
    "q": "q",
    "raw": "raw",
    "file": "file",
}
"""Filters by their spellings."""
WITH_ARGUMENT = ("pattern", "default")
MARKERS = frozenset(("q", "raw", "file"))
"""What these do depends on the place in the text, so they are applied where it is written."""
_GLOB = re.compile(r"[^\s|:}]*[*?\[][^\s|:}]*")


class FilterError(ValueError):
    """Raised for a filter that does not exist, or not for a kind of value."""


def read_filter(text: str) -> tuple[str, str]:
    """Return a filter's name and argument, from what stands after its ``|`` or ``:``. Raises FilterError."""
    if text in NAMED:
        return NAMED[text], ""
    name, colon, argument = text.partition(":")
    if colon and name in WITH_ARGUMENT:
        return name, argument
    if _GLOB.fullmatch(text):
        return "pattern", text
    known = ", ".join(sorted({*NAMED.values(), *WITH_ARGUMENT}))
    raise FilterError(f"unknown filter {text!r}; available: {known}, or a glob such as *.py")


def apply_filter(name: str, argument: str, value: Any) -> Any:
    """Return a filtered value. Raises FilterError when it does not apply to such a value."""
    if name == "default":
        return argument if value is None else value
    if name in MARKERS:
        return value
    kinds, change = _CHANGES[name]
    if not isinstance(value, kinds):
        raise FilterError(f"the filter `{name}` does not apply to {_kind(value)}")
    return change(value, argument)


def _basename(value: Any, _argument: str) -> Any:
    if isinstance(value, str):
        return PurePosixPath(value).name
    return Paths(PurePosixPath(path).name for path in _texts("basename", value))


def _matching(value: Any, argument: str) -> Any:
    paths = _texts("pattern", [value] if isinstance(value, str) else value)
    matching = set(match_glob(tuple(part for part in argument.split(",") if part), (), paths))
    return Paths(path for path in paths if path in matching)


def _texts(name: str, values: list[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise FilterError(f"the filter `{name}` does not apply to a list of other things than texts")
    return values


_CHANGES: dict[str, tuple[type | tuple[type, ...], Callable[[Any, str], Any]]] = {
    "json": (object, lambda value, _: compact(value)),
    "length": ((str, list, dict), lambda value, _: len(value)),
    "lines": (list, lambda value, _: "\n".join(map(as_text, value))),
    "csv": (list, lambda value, _: ",".join(map(as_text, value))),
    "basename": ((str, list), _basename),
    "pattern": ((str, list), _matching),
}


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "an object", bool: "a boolean", type(None): "null"}
    return names.get(
        type(value), f"the number {json.dumps(value)}" if isinstance(value, int | float) else "this"
    )
