"""Colours for single lines of text."""

from __future__ import annotations

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def paint(text: str, style: str, *, color: bool) -> str:
    """Wrap text in a style (words of bold, dim, red, green, yellow, cyan) if colours are wanted."""
    if not color:
        return text
    return f"\x1b[{';'.join(_CODES[word] for word in style.split())}m{text}\x1b[0m"
