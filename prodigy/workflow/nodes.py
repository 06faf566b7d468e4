"""The values of a YAML document, each with its place, and how plain scalars are read.

Scalars follow the YAML 1.2 core schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import yaml

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
TAG = "tag:yaml.org,2002:"
"""How the standard tags begin."""


class Mark(NamedTuple):
    """A place in the file; line and column count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """One value and its place."""

    start: Mark
    end: Mark
    size: int = 1
    """Nodes below and including this one, aliases counted as copies."""
    height: int = 1
    """Levels below and including this one."""


@dataclass(slots=True)
class Scalar(Node):
    """A text, number, boolean or null."""

    value: Any = None
    text: str = ""
    """As written, without quotes."""
    style: str | None = None


@dataclass(slots=True)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    """Keys and values, in their order. Keys are texts."""

    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)


def plain(node: Node) -> Any:
    """Return the node's value as JSON-like data."""
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.pairs}
    return node.value if isinstance(node, Scalar) else None


class TreeError(Exception):
    """Raised when a document cannot become a tree."""

    def __init__(self, code: str, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.code, self.mark, self.message = code, mark, message


def read_scalar(event: yaml.ScalarEvent) -> Scalar:
    """Return the scalar of a parser event. Raises TreeError for what is not supported."""
    mark = mark_of(event.start_mark)
    tag = event.tag
    if tag is None and event.implicit[0]:
        value = _core_value(event.value, mark)
    elif tag in (None, "!", TAG + "str"):
        value = event.value
    elif tag in {TAG + name for name in ("null", "bool", "int", "float")}:
        value = _core_value(event.value, mark)
        name = str(tag).removeprefix(TAG)
        if type(value).__name__ != ("NoneType" if name == "null" else name):
            raise TreeError("P105", mark, f"{event.value!r} is not of the type {name}")
    else:
        raise TreeError("P105", mark, f"tag {tag} is not supported")
    return Scalar(mark, mark_of(event.end_mark), value=value, text=event.value, style=event.style)


def _core_value(text: str, mark: Mark) -> Any:
    """Resolve a plain scalar by the YAML 1.2 core schema; ``.inf`` and ``.nan`` stay texts."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if len(text) > 1000 and (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):  # noqa: PLR2004 - see below
        # Python converts digits in quadratic time and refuses long ones altogether.
        raise TreeError("P204", mark, "a number of more than 1000 digits")
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise TreeError("P204", mark, "a number beyond all bounds")
        return number
    return text


def mark_of(mark: Any) -> Mark:
    """Return the place a parser's mark stands for."""
    return Mark(mark.line + 1, mark.column + 1)
