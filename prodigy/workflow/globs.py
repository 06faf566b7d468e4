"""Git-style globs over paths."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SET = re.compile(r"\[([!^]?)(\]?[^\]/]*)\]")


def match_glob(patterns: Sequence[str], exclude: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Return the paths that any pattern matches and no excluded one does, once each, by code point.

    ``**`` crosses directories; a pattern without a slash matches base names at any depth.
    """
    wanted = [_compile(pattern) for pattern in patterns]
    unwanted = [_compile(pattern) for pattern in exclude]
    return sorted(
        path
        for path in set(paths)
        if any(regex.fullmatch(path) for regex in wanted)
        and not any(regex.fullmatch(path) for regex in unwanted)
    )


@lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    pattern = pattern.removeprefix("./")
    anchored = pattern.removeprefix("/")
    regex = "" if "/" in pattern else "(?:.*/)?"
    if anchored.endswith("/"):
        anchored += "**"
    position = 0
    while position < len(anchored):
        taken, piece = _translate(anchored, position)
        regex += piece
        position += taken
    return re.compile(regex, re.DOTALL)


def _translate(pattern: str, at: int) -> tuple[int, str]:
    """Return how many characters were read and the regular expression they mean."""
    starts_part = at == 0 or pattern[at - 1] == "/"
    if starts_part and pattern.startswith("**/", at):
        return 3, "(?:[^/]+/)*+"
    if starts_part and pattern[at:] == "**":
        return 2, ".*"
    if pattern[at] == "*":
        stars = len(pattern[at:]) - len(pattern[at:].lstrip("*"))
        return stars, "[^/]*"
    return _translate_one(pattern, at)


def _translate_one(pattern: str, at: int) -> tuple[int, str]:
    """Translate what stands for exactly one character."""
    if pattern[at] == "?":
        return 1, "[^/]"
    if pattern[at] == "\\" and at + 1 < len(pattern):
        return 2, re.escape(pattern[at + 1])
    if (match := _SET.match(pattern, at)) and match[2]:
        inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", match[2])
        return match.end() - at, f"(?!/)[{'^' if match[1] else ''}{inner}]"
    return 1, re.escape(pattern[at])
