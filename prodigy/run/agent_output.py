"""What an agent gives to reduce: what its workflow says, or what its last command printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from prodigy.errors import StepError
from prodigy.run.computing import read_file
from prodigy.run.streams import CAPTURE_LIMIT
from prodigy.values import ErrorKind
from prodigy.workflow.render import render_plain

if TYPE_CHECKING:
    from prodigy.run.place import Place
    from prodigy.run.steps import ListResult
    from prodigy.workflow.models import AgentOutput
    from prodigy.workflow.scope import Scope


def agent_output(spec: AgentOutput | None, place: Place, scope: Scope, steps: ListResult) -> Any:
    """Return an agent's output. Raises StepError when it has none, or one that is too large."""
    if spec is None:
        return _bounded(as_value(steps.output))
    if spec.file is not None:
        path = render_plain(spec.file, scope)
        try:
            text = read_file(place, path, CAPTURE_LIMIT).decode()
        except UnicodeDecodeError as error:
            raise StepError(ErrorKind.CAPTURE, f"the output file {path} is not UTF-8 text") from error
        return _parsed(text, spec.format, path)
    if spec.fields is not None:
        return _bounded({name: as_value(render_plain(text, scope)) for name, text in spec.fields.items()})
    return _bounded(as_value(render_plain(spec.text or "", scope)))


def as_value(text: str) -> Any:
    """Return the object or array that a text is, else the text without one trailing newline."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return text.removesuffix("\n")


def _parsed(text: str, form: str, path: str) -> Any:
    try:
        if form == "json":
            return json.loads(text)
        if form == "yaml":
            return json.loads(json.dumps(yaml.safe_load(text)))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise StepError(ErrorKind.CAPTURE, f"the output file {path} is not {form}: {error}") from error
    return text.removesuffix("\n")


def _bounded(value: Any) -> Any:
    size = len(value) if isinstance(value, str) else len(json.dumps(value))
    if size > CAPTURE_LIMIT:
        raise StepError(
            ErrorKind.CAPTURE, f"the agent's output has {size} characters, more than {CAPTURE_LIMIT}"
        )
    return value
