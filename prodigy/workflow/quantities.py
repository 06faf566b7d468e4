"""Durations and sizes as people write them, in workflow files and on the command line."""

from __future__ import annotations

import math
import re

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", re.IGNORECASE)
_SIZE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MAX_SECONDS = 10.0 * 365 * 86400
_MAX_BYTES = 1 << 60


def parse_duration(value: object) -> float:
    """Return seconds for a number, a text like ``1h30m`` or ``500ms``, or ``{secs, nanos}``.

    Raises ValueError with a sentence for anything else, and beyond ten years.
    """
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError("must be a duration: seconds, or a text like 500ms, 30s, 5m, 1h30m, 2d")
    if not 0 <= seconds <= _MAX_SECONDS:
        raise ValueError("must be a duration between 0 and ten years")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        return _seconds_of_text(value.strip())
    if isinstance(value, dict) and "secs" in value and set(value) <= {"secs", "nanos"}:
        seconds, nanos = _seconds(value["secs"]), _seconds(value.get("nanos", 0))
        return None if seconds is None or nanos is None else seconds + nanos / 1e9
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) <= _MAX_SECONDS * 1e9 else math.inf
    return None


def _seconds_of_text(text: str) -> float | None:
    if _NUMBER.fullmatch(text):
        return float(text)
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    return None


def parse_size(value: object) -> int:
    """Return bytes for a whole number or a text like ``512m`` or ``4GiB``; units are powers of 1024.

    Raises ValueError with a sentence for anything else, and for zero.
    """
    size: float | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = float(match[1]) * 1024 ** _SIZE_POWERS[match[2].lower()]
    if size is None:
        raise ValueError("must be a size: bytes, or a text like 512k, 200m, 4g")
    if not 1 <= size <= _MAX_BYTES:
        raise ValueError("must be a size of at least one byte")
    return int(size)
