"""The order of items: ``-priority, name ASC NULLS FIRST``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from prodigy.workflow.expressions import reach

_KEY = re.compile(
    r"""\s*(?P<minus>-)?(?P<path>(?!\d)\w(?:\w|-(?=\w))*(?:\.(?:(?!\d)\w(?:\w|-(?=\w))*|\d+)|\[\d{1,9}\])*)
    (?P<words>(?:\s+[A-Za-z]+)*)\s*""",
    re.VERBOSE,
)
_PART = re.compile(r"\.?([\w-]+)|\[(\d+)\]")
_DIRECTIONS = {"asc": False, "ascending": False, "desc": True, "descending": True}


class SortError(ValueError):
    """Raised when an order cannot be read; columns of its text count from 1."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.code, self.column, self.message = "P405", column, message


@dataclass(frozen=True, slots=True)
class _Key:
    path: tuple[str, ...]
    descending: bool
    nulls_first: bool

    def of(self, item: Any) -> Any:
        try:
            return reach(item, self.path)
        except LookupError:
            return None

    def rank(self, value: Any) -> tuple[bool, tuple[int, Any]]:
        """What to sort by, in this key's direction: where the nulls are, then its own place."""
        if value is None:
            return (not self.nulls_first) != self.descending, (0, 0)
        return self.nulls_first != self.descending, sort_key(value)


@dataclass(frozen=True, slots=True)
class SortOrder:
    """A parsed order."""

    keys: tuple[_Key, ...]

    def apply(self, items: list[Any]) -> list[Any]:
        """Return the items in this order; equal ones stay as they were."""
        return [items[i] for i in self.permutation(items)]

    def permutation(self, items: list[Any]) -> list[int]:
        """Return the positions of the items in this order."""
        order = list(range(len(items)))
        for key in reversed(self.keys):  # the last key first: sorting is stable, also in reverse
            ranks = [key.rank(key.of(item)) for item in items]
            order.sort(key=ranks.__getitem__, reverse=key.descending)
        return order


def sort_key(value: Any) -> tuple[int, Any]:
    """Return what orders values: by kind, then numbers by value, texts by code point, the rest by length."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    if isinstance(value, str):
        return 3, value
    return (4 if isinstance(value, list) else 5), len(value)


@lru_cache(maxsize=256)
def parse_sort(text: str) -> SortOrder:
    """Return the parsed order. Raises SortError."""
    keys = []
    position = 0
    while True:
        match = _KEY.match(text, position)
        if match is None:
            raise SortError(position + 1, "the name of a field is expected")
        keys.append(_key(match))
        position = match.end()
        if position == len(text):
            return SortOrder(tuple(keys))
        if text[position] != ",":
            raise SortError(position + 1, f"unexpected {text[position]!r}")
        position += 1


def _key(match: re.Match[str]) -> _Key:
    path = tuple(part[1] or part[2] for part in _PART.finditer(match["path"]))
    path = path[1:] if path[0] == "item" and len(path) > 1 else () if path == ("item",) else path
    words = match["words"].split()
    column = match.start("words") + 1
    descending, nulls_first = match["minus"] is not None, False
    if words and words[0].lower() in _DIRECTIONS:
        if match["minus"]:
            raise SortError(column, f"`-` and {words[0]} both give a direction")
        descending = _DIRECTIONS[words.pop(0).lower()]
    if len(words) > 1 and words[0].lower() == "nulls" and words[1].lower() in ("first", "last"):
        nulls_first = words[1].lower() == "first"
        words = words[2:]
    if words:
        raise SortError(column, f"unexpected {words[0]!r}")
    return _Key(path, descending, nulls_first)
