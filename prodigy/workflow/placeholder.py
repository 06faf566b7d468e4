"""Finds placeholders in a text: ``${item.name}``, ``${map.results|json}``, ``${x:-default}``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from prodigy.workflow.filters import FilterError, read_filter

NAMESPACES = frozenset(
    {"item", "item_index", "item_total", "item_id", "item_json", "map", "setup", "merge", "workflow", "env"}
    | {"shell", "claude", "write_file", "last", "handler", "error", "step", "steps", "test", "foreach"}
    | {"validation", "param", "git", "worker", "agent"}
)
"""Names that are prodigy's in every text, wherever they have a value."""

COMPUTED = ("file", "cmd", "json", "date")
"""Forms whose value is worked out from what follows their colon."""

_MAX_NESTED = 50
_HEAD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PART = re.compile(r"\.([\w-]+)|\[(\d{1,9})\]")
_FILTER = re.compile(r"[|:]((?:pattern|default):[^|}]*|[^|:}]+)")
_DOLLAR_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*|[1-9])")
_JSON = re.compile(r".+:from:[A-Za-z_][\w.-]*", re.DOTALL)
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
    filters: tuple[tuple[str, str], ...] = ()
    """Names and arguments, in the order they are applied."""
    default: str | None = None
    argument: str | None = None
    """What a computed form is worked out from."""

    @property
    def head(self) -> str:
        """The name before any dot or bracket."""
        return self.path[0]

    @property
    def is_bare(self) -> bool:
        """Whether it is only a name in braces, as the shell writes it too."""
        return len(self.path) == 1 and not (self.filters or self.is_computed) and self.default is None

    @property
    def is_computed(self) -> bool:
        """Whether its value is worked out, not looked up."""
        return self.argument is not None

    def has_filter(self, name: str) -> bool:
        """Whether a filter is among its filters."""
        return any(found == name for found, _ in self.filters)

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
    if head is not None:
        return _read_braced(text, start, head, names, in_shell=in_shell)
    if in_shell:
        return None
    raise PlaceholderError("P303", start, "malformed placeholder", "write `$${` for a literal `${`")


def _read_braced(
    text: str, start: int, head: re.Match[str], names: Names, *, in_shell: bool
) -> Placeholder | None:
    name, position = head[0], head.end()
    ours = name in NAMESPACES or names.has(name)
    if not ours and (name == "uuid" or _COMPUTED.match(text, start + 2)):
        return _read_computed(text, start, position, name)
    if in_shell and not ours and not text.startswith(".", position):
        return None
    if in_shell and names.is_exported(name) and name not in NAMESPACES and not text.startswith("}", position):
        return None
    return _read_rest(text, start, position, name)


def _read_computed(text: str, start: int, position: int, name: str) -> Placeholder:
    end = _closing_brace(text, position)
    if end < 0:
        raise PlaceholderError("P303", start, "the placeholder has no closing brace")
    argument = text[position + 1 : end - 1]
    if name == "uuid" and text[position] != "}":
        raise PlaceholderError("P303", start, "`${uuid}` takes nothing more")
    if name == "json" and not _JSON.fullmatch(argument):
        raise PlaceholderError("P303", start, "write `${json:PATH:from:NAME}`")
    return Placeholder(start, text[start:end], (name,), argument="" if name == "uuid" else argument)


def _read_rest(text: str, start: int, position: int, name: str) -> Placeholder:
    path = [name]
    while match := _PART.match(text, position):
        path.append(match[1] or match[2])
        position = match.end()
    filters = []
    while not text.startswith(":-", position) and (match := _FILTER.match(text, position)):
        try:
            filters.append(read_filter(match[1]))
        except FilterError as error:
            raise PlaceholderError("P304", start, str(error), _advice(path)) from None
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
        code = "P304" if text[position] in "%#/^,:@+=?-|" else "P303"
        raise PlaceholderError(
            code, start, f"`{text[position]}` cannot follow `${{{'.'.join(path)}`", _advice(path)
        )
    return Placeholder(start, text[start : position + 1], tuple(path), tuple(filters), default)


def _advice(path: list[str]) -> str:
    return f"assign it first (`x=${{{'.'.join(path)}}}`), then use the shell's operators on `x`"


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
