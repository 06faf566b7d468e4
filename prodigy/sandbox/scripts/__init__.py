"""The shell programs that run inside a sandbox, as text."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources


@lru_cache
def script(name: str) -> str:
    """Return the text of ``step``, ``pipe`` or ``reaper``, without its comment lines."""
    text = resources.files(__name__).joinpath(f"{name}.sh").read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
