"""How the values of expressions are compared, and what counts as true."""

from __future__ import annotations

import json
import re
from typing import Any

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def truth(value: Any) -> bool:
    """Return whether a value counts as true: not null, false, 0, empty, ``"0"`` or ``"false"``."""
    if isinstance(value, str):
        return value.lower() not in {"", "0", "false"}
    return bool(value)


def equal(a: Any, b: Any) -> bool:
    """Return whether two values are equal: numbers by value, texts that spell a number or boolean too."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal_exactly, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal_exactly(a[key], b[key]) for key in a)
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    if isinstance(a, bool) or isinstance(b, bool):
        return _same_boolean(a, b)
    numbers = as_number(a), as_number(b)
    if numbers[0] is not None and numbers[1] is not None:
        return numbers[0] == numbers[1]
    return a is None and b is None


def equal_exactly(a: Any, b: Any) -> bool:
    """Return whether two JSON values are the same; 1 and 1.0 are, ``"1"`` is not."""
    if isinstance(a, list | dict):
        return equal(a, b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, int | float) and isinstance(b, int | float):
        return a == b
    return type(a) is type(b) and bool(a == b)


def _same_boolean(a: Any, b: Any) -> bool:
    if isinstance(a, bool) and isinstance(b, bool):
        return a == b
    flag, other = (a, b) if isinstance(a, bool) else (b, a)
    return isinstance(other, str) and other == ("true" if flag else "false")


def as_number(value: Any) -> int | float | None:
    """Return a number, or a text that is a JSON number, as a number; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and len(value) <= 400 and _NUMBER.fullmatch(value):  # noqa: PLR2004 - no number
        number: int | float = json.loads(value)
        return number
    return None


def less(a: Any, b: Any) -> bool:
    """Return whether a value is smaller: numbers by value, texts by code point; nothing else compares."""
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    numbers = as_number(a), as_number(b)
    if numbers[0] is None or numbers[1] is None:
        return False
    return numbers[0] < numbers[1]


def ordered(a: Any, b: Any) -> bool:
    """Return whether two values can be compared by size at all."""
    if isinstance(a, str) and isinstance(b, str):
        return True
    return as_number(a) is not None and as_number(b) is not None


def holds_member(container: Any, member: Any) -> bool:
    """Return whether a list has an element, a text a part, or an object a key."""
    if isinstance(container, list):
        return any(equal(member, element) for element in container)
    if isinstance(container, str):
        return isinstance(member, str) and member in container
    return isinstance(container, dict) and isinstance(member, str) and member in container
