"""The reference page of the workflow language, written from its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow.schema import policy_schema, workflow_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_HEAD = """\
# Keys of workflow files and machine policies

Written by `prodigy schema --reference`; do not edit. Every key that a file may hold, with its type, its
default and what it does. `prodigy schema` prints the same as a JSON Schema, for editors.
"""
_TITLES = {"of_phase": "of one phase"}


def reference() -> str:
    """Return the page as Markdown."""
    schema = workflow_schema()
    parts = [_HEAD, *_section("The file", schema["anyOf"][0])]
    for name, found in schema["$defs"].items():
        for option in found.get("anyOf", [found]):
            if option.get("type") == "object" and option.get("properties"):
                parts += _section(f"`{name}`", option)
    parts += _section("The machine policy", policy_schema())
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {title}\n"
    if schema.get("description"):
        yield f"{schema['description']}\n"
    yield "| Key | Value | Default | Meaning |"
    yield "|---|---|---|---|"
    for key, value in schema["properties"].items():
        default = f"`{value['default']}`" if "default" in value else ""
        meaning = str(value.get("description", "")).replace("|", "\\|")
        yield f"| `{key}` | {_type(value)} | {default} | {meaning} |"


def _type(schema: Mapping[str, Any]) -> str:
    """Return a value's type in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(option) for option in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    kinds = schema.get("type", "any")
    words = {"string": "text", "object": "mapping", "array": "list", "integer": "whole number"}
    named = [words.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(named)
