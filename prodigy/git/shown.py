"""Bytes that agents wrote, as text that is safe to show."""

from __future__ import annotations

import os

from prodigy.text import printable, printable_lines


def shown(raw: bytes, limit: int = 500) -> str:
    r"""Return ``raw`` as one safe line of at most ``limit`` characters; undecodable bytes as ``\xNN``."""
    # Escapes take room and vanish, so more than the limit is looked at; the cut bounds the work.
    text = printable(os.fsdecode(raw[: 8 * limit]))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown_lines(raw: bytes, limit: int = 4000) -> str:
    """Return the last ``limit`` bytes of ``raw`` as ``shown`` does, its line ends kept."""
    return printable_lines(os.fsdecode(raw[-limit:]))
