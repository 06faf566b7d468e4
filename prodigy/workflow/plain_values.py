"""Values as plain text."""

from __future__ import annotations

import json
from typing import Any


class Paths(list[str]):
    """Names that stand in a text with one space between them."""


def as_text(value: Any) -> str:
    """Return a value as plain text: texts as they are, null as nothing, the rest as compact JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Paths):
        return " ".join(value)
    return "" if value is None else compact(value)


def single_quoted(text: str) -> str:
    """Return the text as one shell word that is nothing but data."""
    return "'" + text.replace("'", "'\\''") + "'"


def compact(value: Any) -> str:
    """Return compact JSON with key order and number types kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
