"""Values that ``setup`` takes from what its steps printed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.errors import ProdigyError
from prodigy.workflow.jsonpath import compile_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.values import StepResult
    from prodigy.workflow.models import CaptureOutput, SetupPhase


class _Missing(ValueError):
    pass


def setup_captures(phase: SetupPhase, results: Sequence[StepResult]) -> dict[str, Any]:
    """Return the values of a finished setup, by name.

    Raises ProdigyError for one that is not there and has no default.
    """
    found: dict[str, Any] = {}
    for name, spec in phase.capture_outputs.items():
        try:
            found[name] = _value(spec, results[spec.command_index])
        except _Missing as error:
            if "default" not in spec.model_fields_set:
                raise ProdigyError(f"setup: the capture '{name}' has no value: {error}") from None
            found[name] = spec.default
    return found


def _value(spec: CaptureOutput, result: StepResult) -> Any:
    text = _source(spec, result)
    if len(text.encode(errors="surrogateescape")) > spec.max_size:
        raise _Missing(f"the output is larger than {spec.max_size} bytes")
    if spec.pattern is not None:
        match = re.search(spec.pattern, text)
        if match is None:
            raise _Missing(f"nothing matches {spec.pattern!r}")
        text = match[1] if match.re.groups else match[0]
        if text is None:
            raise _Missing(f"the group of {spec.pattern!r} is not part of the match")
    if spec.json_path is not None:
        return _query(spec.json_path, text)
    return _lines(spec, text)


def _source(spec: CaptureOutput, result: StepResult) -> str:
    if result.stdout_log is None or result.stderr_log is None:
        raise _Missing("the step printed nothing, as it did not run")
    out, err = (
        Path(log).read_bytes().decode(errors="replace") for log in (result.stdout_log, result.stderr_log)
    )
    if spec.source == "both":
        return f"stdout:\n{out}\nstderr:\n{err}"
    return {"stdout": out, "stderr": err, "combined": out + err}[spec.source].rstrip("\n")


def _query(path: str, text: str) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _Missing(f"the output is not JSON: {error}") from None
    query = compile_query(path)
    nodes = query.find(document).values()
    if not nodes:
        raise _Missing(f"{path} finds nothing")
    return nodes[0] if query.singular_query() else list(nodes)


def _lines(spec: CaptureOutput, text: str) -> Any:
    lines = text.split("\n")
    if spec.multiline == "join":
        return " ".join(line.strip() for line in lines if line.strip())
    if spec.multiline == "array":
        return [line for line in lines if line]
    if spec.multiline == "first_line":
        return lines[0]
    return lines[-1] if spec.multiline == "last_line" else text
