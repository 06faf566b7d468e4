"""Numbers as people read them."""

from __future__ import annotations

_MINUTE = 60
_HOUR = 3600
_BINARY = 1024


def duration(seconds: float) -> str:
    """``0.4s``, ``12.3s``, ``3m 05s``, ``2h 10m``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m {whole % _MINUTE:02d}s"
    return f"{whole // _HOUR}h {whole % _HOUR // _MINUTE:02d}m"


def clock(seconds: float) -> str:
    """Show a running time: ``0:07``, ``12:40``, ``1:02:03``."""
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, _MINUTE)
    if whole < _HOUR:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // _MINUTE}:{minutes % _MINUTE:02d}:{rest:02d}"


def size(count: float) -> str:
    """Bytes in binary units: ``512 B``, ``1.5 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < _BINARY:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _BINARY
    return f"{count:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """``1 commit``, ``2 commits``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
