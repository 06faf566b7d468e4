"""Finds placeholders in a text: ``${item.name}``, ``${map.results|json}``, ``${x:-default}``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

NAMESPACES = frozenset(
    {"item", "item_index", "item_total", "item_id", "item_json", "map", "setup", "merge", "workflow", "env"}
    | {"shell", "claude", "write_file", "last", "handler", "error", "step", "steps", "test", "foreach"}
    | {"validation", "param", "git", "worker", "agent"}
)
"""Names that are prodigy's in every text, wherever they have a value."""

FILTERS = {"json": "json", "length": "length", "lines": "lines", "newline": "lines"}
"""Filters by their spellings."""

_MAX_NESTED = 50
_HEAD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"\.([\w-]+)|\[(\d{1,9})\]")
_FILTER = re.compile(r"[|:]([A-Za-z_]+)")
_DOLLAR_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|[1-9])")
_COMPUTED = re.compile(r"(file|cmd|json|date):[^-+=?0-9 ]")


class Names(Protocol):
    """What is known about names when a text is scanned."""

    def has(self, name: str) -> bool:
        """Whether a bare name is a variable of prodigy."""

    def is_exported(self, name: str) -> bool:
        """Whether processes see it in their environment."""


class PlaceholderError(ValueError):
    """Raised when a placeholder cannot be read; ``offset`` is where it begins in its text."""

    def __init__(self, code: str, offset: int, message: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.code, self.offset, self.message, self.help = code, offset, message, help


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One placeholder as written."""

    offset: int
    text: str
    path: tuple[str, ...]
    """The name and what follows it; list indexes are digits."""
    filters: tuple[str, ...] = ()
    default: str | None = None

    @property
    def head(self) -> str:
        """The name before any dot or bracket."""
        return self.path[0]

    @property
    def is_bare(self) -> bool:
        """Whether it is only a name in braces, as the shell writes it too."""
        return len(self.path) == 1 and not self.filters and self.default is None

    @property
    def dotted(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)


Pieces = list["str | Placeholder"]


def scan(text: str, names: Names, *, in_shell: bool) -> Pieces:
    """Return the text cut into literal parts and placeholders; ``$${x}`` becomes a literal ``${x}``.

    In shell text, what is not prodigy's is left to the shell; in plain text ``$NAME`` of a variable counts
    too. Raises PlaceholderError for what is prodigy's, or must be, and cannot be read.
    """
    pieces: Pieces = []
    literal = position = 0
    while (position := text.find("$", position)) >= 0:
        if text.startswith("$${", position):
            end = _closing_brace(text, position + 3)
            if end < 0:
                raise PlaceholderError("P303", position, "`$${` has no closing brace")
            pieces.append(text[literal:position])
            literal, position = position + 1, end
            continue
        found = _read(text, position, names, in_shell=in_shell)
        if found is None:
            position += 1
            continue
        pieces += [text[literal:position], found]
        literal = position = position + len(found.text)
    return [piece for piece in [*pieces, text[literal:]] if piece != ""]


def only_placeholder(text: str) -> bool:
    """Return whether the text is one placeholder and nothing else."""
    if not text.startswith("${") or _closing_brace(text, 2) != len(text):
        return False
    return _HEAD.match(text, 2) is not None


def _read(text: str, start: int, names: Names, *, in_shell: bool) -> Placeholder | None:
    if not text.startswith("${", start):
        match = None if in_shell else _DOLLAR_NAME.match(text, start)
        if match and names.has(match[1]) and match[1] not in NAMESPACES - {"item"}:
            return Placeholder(start, match[0], (match[1],))
        return None
    head = _HEAD.match(text, start + 2)
    if head is None:
        if in_shell:
            return None
        raise PlaceholderError("P303", start, "malformed placeholder", "write `$${` for a literal `${`")
    name, position = head[0], head.end()
    ours = name in NAMESPACES or names.has(name)
    if not ours and _COMPUTED.match(text, start + 2):
        raise PlaceholderError(
            "P303", start, f"`${{{name}:…}}` is not available yet in this version of prodigy"
        )
    if in_shell and not ours and not text.startswith(".", position):
        return None
    if in_shell and names.is_exported(name) and name not in NAMESPACES and not text.startswith("}", position):
        return None
    return _read_rest(text, start, position, name)


def _read_rest(text: str, start: int, position: int, name: str) -> Placeholder:
    path = [name]
    while match := _PART.match(text, position):
        path.append(match[1] or match[2])
        position = match.end()
    filters = []
    while not text.startswith(":-", position) and (match := _FILTER.match(text, position)):
        if match[1] not in FILTERS:
            message = f"unknown filter {match[1]!r}; available: {', '.join(sorted(set(FILTERS.values())))}"
            raise PlaceholderError("P304", start, message)
        filters.append(FILTERS[match[1]])
        position = match.end()
    default = None
    if text.startswith(":-", position):
        end = _closing_brace(text, position + 2)
        if end < 0:
            raise PlaceholderError("P303", start, "the placeholder has no closing brace")
        default, position = text[position + 2 : end - 1], end - 1
        if default.count("${") > _MAX_NESTED:
            raise PlaceholderError("P303", start, "defaults are nested too deeply")
    if position >= len(text):
        raise PlaceholderError("P303", start, "the placeholder has no closing brace")
    if text[position] != "}":
        advice = f"assign it first (`x=${{{'.'.join(path)}}}`), then use the shell's operators on `x`"
        code = "P304" if text[position] in "%#/^,:@+=?-|" else "P303"
        raise PlaceholderError(code, start, f"`{text[position]}` cannot follow `${{{'.'.join(path)}`", advice)
    return Placeholder(start, text[start : position + 1], tuple(path), tuple(filters), default)


def _closing_brace(text: str, position: int) -> int:
    """Return the index after the brace that closes an already open one, or -1."""
    depth = 1
    for index in range(position, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index + 1
    return -1
