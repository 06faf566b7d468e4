"""From a command's output to values: the formats of captures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from prodigy.run.streams import Streams
    from prodigy.workflow.step import CaptureFormat, Step

_TRUE = frozenset(("true", "yes", "1"))
_FALSE = frozenset(("false", "no", "0"))


def captured(step: Step, streams: Streams) -> Any:
    """Return the value of a successful step's capture.

    Raises StepError (capture) for what does not parse, is not UTF-8 or is too long: it is never cut.
    """
    text = streams.capture(stdout=step.capture_streams.stdout, stderr=step.capture_streams.stderr)
    return parse(text, step.capture_format, success=streams.outcome.kind is None)


def parse(text: str, form: CaptureFormat, *, success: bool) -> Any:
    """Return a text as a value of a format. Raises StepError (capture)."""
    if form == "json":
        return _json(text)
    if form == "lines":
        return text.split("\n") if text else []
    if form == "number":
        value = _json(text.strip())
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise StepError(ErrorKind.CAPTURE, f"the output is no number: {text[:100]!r}")
        return value
    if form == "boolean":
        word = text.strip().lower()
        return word in _TRUE if word in _TRUE | _FALSE else success
    return text


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StepError(ErrorKind.CAPTURE, f"the output is not JSON: {error}") from error


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def parse_left(text: str) -> dict[str, str]:
    """Return the values a command left in its output file: ``key=value``, or ``key<<END`` up to ``END``.

    Raises StepError (capture) with the line of the fault.
    """
    found: dict[str, str] = {}
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip():
            continue
        key, equals, value = line.partition("=")
        name, marks, end = line.partition("<<")
        if marks and (not equals or len(name) < len(key)):
            begin = number
            while number < len(lines) and lines[number] != end:
                number += 1
            if number == len(lines):
                raise StepError(ErrorKind.CAPTURE, f"PRODIGY_OUTPUT, line {begin}: {end!r} never comes")
            key, value = name, "\n".join(lines[begin:number])
            number += 1
        elif not equals:
            raise StepError(
                ErrorKind.CAPTURE, f"PRODIGY_OUTPUT, line {number}: neither key=value nor key<<END"
            )
        if not (key.isascii() and key.isidentifier()):
            raise StepError(ErrorKind.CAPTURE, f"PRODIGY_OUTPUT, line {number}: {key[:100]!r} is not a name")
        found[key] = value
    return found
