"""Turns nodes into plain data of the models' shape, reporting what does not fit, key by key."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import TypeAdapter, ValidationError

from prodigy.workflow.fields import Model, Resolvable
from prodigy.workflow.findings import Findings, suggestion
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain

if TYPE_CHECKING:
    from collections.abc import Mapping as Names

    from prodigy.workflow.spellings import Place

_ONE_NAME = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_RANGE_ERRORS = ("greater_than", "less_than", "literal_error", "string_pattern", "too_short", "too_long")
_WORDS = ("yes", "no", "on", "off")


class Reader:
    """Reads mappings and their fields; problems go to ``findings``."""

    def __init__(self, findings: Findings, environ: Names[str, str]) -> None:
        self.findings = findings
        self.environ = dict(environ)
        """What a ``$NAME`` in a setting stands for: the caller's environment under the workflow's."""

    def keys(self, node: Node, place: Place, where: str) -> dict[str, Node]:
        """Return the values by canonical key; everything else is reported."""
        if not isinstance(node, Mapping):
            self.findings.error("P202", node.start, f"{where} must be a mapping")
            return {}
        found: dict[str, Node] = {}
        spelt: dict[str, str] = {}
        for key, value in node.pairs:
            name = place.aliases.get(key.text, key.text)
            if name not in place.keys:
                self.refuse_key(key, place, where)
            elif name in found:
                message = f"{spelt[name]!r} and {key.text!r} in {where} mean the same; write one"
                self.findings.error("P205", key.start, message, width=len(key.text))
            else:
                found[name], spelt[name] = value, key.text
        return found

    def refuse_key(self, key: Scalar, place: Place, where: str) -> None:
        """Report a key that is gone, not available yet, or unknown."""
        name, width = key.text, len(key.text)
        if name in place.removed:
            self.findings.error("P207", key.start, f"{name!r} in {where}: {place.removed[name]}", width=width)
        elif name in place.later:
            message = f"key {name!r} in {where} is not available yet in this version of prodigy"
            self.findings.error("P201", key.start, message, width=width)
        else:
            hint = suggestion(name, (place.keys | place.aliases.keys() | place.later))
            self.findings.error("P201", key.start, f"unknown key {name!r} in {where}{hint}", width=width)

    def fields(self, model: type[Model], nodes: dict[str, Node], where: str) -> dict[str, Any]:
        """Return the checked plain values of fields that need no reading of their own."""
        return {name: self.field(model, name, node, where) for name, node in nodes.items()}

    def field(self, model: type[Model], name: str, node: Node, where: str) -> Any:
        """Return one field's plain value, reporting what the model does not accept."""
        value = plain(node)
        if isinstance(value, str) and _resolvable(model, name) and (match := _ONE_NAME.fullmatch(value)):
            value = self.resolve(match[1] or match[2], name, node, where)
            if value is None:
                return None
        elif value is None:
            self.findings.error("P202", node.start, f"`{name}` of {where} has no value")
            return None
        try:
            adapter = _adapter(model, name)
            if isinstance(value, list | dict):
                adapter.validate_json(json.dumps(value), strict=True)
            else:
                adapter.validate_python(value, strict=True)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_context=False):
                self.report(detail, name, node, where)
        return value

    def resolve(self, variable: str, name: str, node: Node, where: str) -> Any:
        """Return the value of a ``$NAME`` that stands for a whole setting."""
        text = self.environ.get(variable)
        if text is None:
            message = f"`{name}` of {where}: the variable {variable} is not set"
            self.findings.error("P204", node.start, message)
            return None
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else text

    def report(self, detail: Any, name: str, node: Node, where: str) -> None:
        """Turn one complaint of the model into a finding at the value it is about."""
        kind = detail["type"]
        at = _child(node, detail["loc"])
        given = at.value if isinstance(at, Scalar) else None
        message = detail["msg"].replace("Input should be", "must be").replace("Input should", "must")
        message = message.removeprefix("Value error, ").replace("String ", "the text ").rstrip(".")
        if kind == "bool_type" and given in _WORDS:
            message = "must be true or false, which YAML spells only so: write true/false"
        elif kind == "string_type" and isinstance(given, int | float):
            message = "must be a text: quote the mode" if name == "mode" else "must be a text: quote it"
        out_of_range = kind.startswith(_RANGE_ERRORS) or (
            kind == "value_error" and isinstance(given, str | int)
        )
        self.findings.error("P204" if out_of_range else "P202", at.start, f"`{name}` of {where}: {message}")

    def texts(self, node: Node, name: str, where: str) -> list[str]:
        """Return a list of texts that may also be written as one text."""
        nodes = node.items if isinstance(node, Sequence) else [node]
        found = [item.value for item in nodes if isinstance(item, Scalar) and isinstance(item.value, str)]
        if len(found) != len(nodes) or not found or not all(found):
            self.findings.error("P202", node.start, f"`{name}` of {where} must be a text or a list of texts")
        return found


def _child(node: Node, path: tuple[int | str, ...]) -> Node:
    """Return the deepest node a model's error location leads to."""
    for part in path:
        if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        elif isinstance(node, Mapping):
            node = next((value for key, value in node.pairs if key.text == part), node)
    return node


@cache
def _adapter(model: type[Model], name: str) -> TypeAdapter[Any]:
    declared = model.model_fields[name]
    annotation: Any = declared.annotation
    for extra in declared.metadata:
        annotation = Annotated[annotation, extra]
    return TypeAdapter(annotation)


@cache
def _resolvable(model: type[Model], name: str) -> bool:
    return any(isinstance(extra, Resolvable) for extra in model.model_fields[name].metadata)
