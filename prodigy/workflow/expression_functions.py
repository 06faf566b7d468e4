"""The functions of expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import regex

from prodigy.workflow.expression_values import equal, holds_member

if TYPE_CHECKING:
    from collections.abc import Callable

SEARCH_LIMIT = 1.0
"""Seconds a search for a pattern may take."""


class FunctionError(ValueError):
    """Raised when a function cannot give a value."""


def search(text: Any, pattern: Any) -> bool:
    """Return whether a pattern is found anywhere in a text. Raises FunctionError."""
    if not isinstance(text, str) or not isinstance(pattern, str):
        return False
    try:
        return regex.search(pattern, text, timeout=SEARCH_LIMIT) is not None
    except TimeoutError:
        raise FunctionError(f"searching for {pattern!r} took longer than {SEARCH_LIMIT:g} s") from None
    except regex.error as error:
        raise FunctionError(f"not a regular expression: {error}") from None


def starts_with(text: Any, part: Any) -> bool:
    """Return whether a text begins with another."""
    return isinstance(text, str) and isinstance(part, str) and text.startswith(part)


def ends_with(text: Any, part: Any) -> bool:
    """Return whether a text ends with another."""
    return isinstance(text, str) and isinstance(part, str) and text.endswith(part)


def length(value: Any, wanted: Any = None) -> Any:
    """Return how many characters, elements or keys a value has; with a number, whether it has so many."""
    found = len(value) if isinstance(value, str | list | dict) else None
    return found if wanted is None else equal(found, wanted)


def _text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: change(value) if isinstance(value, str) else None


FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "contains": (holds_member, 2, 2),
    "starts_with": (starts_with, 2, 2),
    "ends_with": (ends_with, 2, 2),
    "matches": (search, 2, 2),
    "in": (lambda member, container: holds_member(container, member), 2, 2),
    "is_null": (lambda value: value is None, 1, 1),
    "is_not_null": (lambda value: value is not None, 1, 1),
    "is_number": (lambda value: isinstance(value, int | float) and not isinstance(value, bool), 1, 1),
    "is_string": (lambda value: isinstance(value, str), 1, 1),
    "is_bool": (lambda value: isinstance(value, bool), 1, 1),
    "is_array": (lambda value: isinstance(value, list), 1, 1),
    "is_object": (lambda value: isinstance(value, dict), 1, 1),
    "is_empty": (lambda value: value is None or value in ("", [], {}), 1, 1),
    "exists": (lambda value: value is not None, 1, 1),
    "length": (length, 1, 2),
    "lower": (_text(str.lower), 1, 1),
    "upper": (_text(str.upper), 1, 1),
}
"""Each function with the least and the most arguments it takes."""
ALIASES = {"startswith": "starts_with", "endswith": "ends_with"}


def canonical(name: str) -> str:
    """Return a function's name for any spelling of it."""
    lower = name.lower()
    return ALIASES.get(lower, lower if lower in FUNCTIONS else name)
