"""Reads the ``map`` block: where items come from and what each agent does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.aggregation_reader import AggregationReader
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import parse_expression
from prodigy.workflow.models import AgentOutput, MapInput, MapPhase
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain
from prodigy.workflow.placeholder import only_placeholder
from prodigy.workflow.policy_reader import PolicyReader
from prodigy.workflow.positions import place_in
from prodigy.workflow.sorting import SortError, parse_sort

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader
    from prodigy.workflow.steps import StepReader
    from prodigy.workflow.use import Use, UseKind

_SIMPLE = (
    "json_path",
    "filter",
    "sort_by",
    "distinct",
    "offset",
    "max_items",
    "max_parallel",
    "merge_order",
    "on_conflict",
    "on_empty",
    "uncommitted",
)


class MapReader:
    """Reads the block; ``input_uses`` then holds the texts of the input, the step reader the agents'."""

    def __init__(self, reader: Reader, steps: StepReader) -> None:
        self.reader = reader
        self.findings = reader.findings
        self.steps = steps
        self.input_uses: list[Use] = []

    def read(self, node: Node) -> dict[str, Any]:
        """Return the block's plain data."""
        keys = self.reader.keys(node, spellings.MAP, "`map`")
        draft = self.reader.fields(MapPhase, {key: keys[key] for key in _SIMPLE if key in keys}, "`map`")
        if "json_path" in keys and isinstance(path := draft["json_path"], str):
            self.check_json_path(path, keys["json_path"])
        self.check_selection(keys, draft)
        timeouts = PolicyReader(self.reader).timeouts(keys)
        if timeouts is not None:
            draft["timeouts"] = timeouts
        draft["input"] = self.source(keys, node)
        self.input_uses = self.steps.uses.copy()
        self.steps.uses.clear()
        if "agent_template" not in keys:
            self.findings.error("P203", node.start, "`map` needs `agent_template`")
            return draft
        draft["agent_template"] = {"steps": self.template(keys["agent_template"])}
        if "variables" in keys:
            draft["variables"] = AggregationReader(self.reader).variables(keys["variables"])
        if "output" in keys:
            draft["output"] = self.output(keys["output"])
        return draft

    def template(self, node: Node) -> list[dict[str, Any]]:
        """Return the agents' steps, which may be wrapped in a mapping."""
        if isinstance(node, Mapping):
            self.findings.warning(
                "W01", node.start, "`agent_template` is an old spelling with `commands`: write the list"
            )
            inner = self.reader.keys(node, spellings.AGENT, "`agent_template`")
            if "commands" not in inner:
                self.findings.error("P203", node.start, "`agent_template` needs a list of steps")
                return []
            node = inner["commands"]
        return self.steps.phase_steps(node, "map.agent_template")

    def check_selection(self, keys: dict[str, Node], draft: dict[str, Any]) -> None:
        """Report a filter, an order or a path that cannot be read."""
        for key, parse in (("filter", _filter), ("sort_by", _order), ("distinct", _path)):
            if key not in keys or not isinstance(text := draft.get(key), str):
                continue
            node = keys[key]
            try:
                parse(text)
            except (ExpressionError, SortError) as error:
                mark = (
                    place_in(self.findings, node, error.column - 1)
                    if isinstance(node, Scalar)
                    else node.start
                )
                self.findings.error(error.code, mark, f"`{key}` of `map`: {error}")

    def output(self, node: Node) -> dict[str, Any]:
        """Return what an agent gives: a text, an object of texts, or a file."""
        if isinstance(node, Scalar):
            self.steps.note("plain", node)
            return {"text": self.reader.field(AgentOutput, "text", node, "`output` of `map`")}
        written = {key.text for key, _ in node.pairs} if isinstance(node, Mapping) else set()
        if "file" in written and written <= {"file", "format"}:
            keys = self.reader.keys(node, spellings.AGENT_OUTPUT, "`output` of `map`")
            self.steps.note("plain", keys["file"])
            return self.reader.fields(AgentOutput, keys, "`output` of `map`")
        for _, value in node.pairs if isinstance(node, Mapping) else ():
            self.steps.note("plain", value)
        return {"fields": self.reader.field(AgentOutput, "fields", node, "`output` of `map`")}

    def check_json_path(self, path: str, node: Node) -> None:
        """Report a query that cannot be read."""
        from prodigy.workflow.jsonpath import compile_query

        try:
            compile_query(path)
        except ValueError as error:
            self.findings.error("P404", node.start, f"`json_path`: {error}")

    def source(self, keys: dict[str, Node], node: Node) -> dict[str, Any]:
        """Return the input, from whichever of its two keys is written."""
        if "input" in keys and "items" in keys:
            self.findings.error(
                "P205", keys["items"].start, "`input` and `items` of `map` exclude each other"
            )
            return {}
        given = keys.get("input", keys.get("items"))
        if given is None:
            self.findings.error("P203", node.start, "`map` needs `input`")
            return {}
        if isinstance(given, Sequence):
            return {"kind": "inline", "document": plain(given)}
        if "items" in keys:
            self.findings.error("P202", given.start, "`items` of `map` must be a list")
            return {}
        return self.mapping(given) if isinstance(given, Mapping) else self.text(given)

    def mapping(self, node: Mapping) -> dict[str, Any]:
        """Return an input written as a mapping."""
        written = {key.text for key, _ in node.pairs}
        if "glob" in written:
            keys = self.reader.keys(node, spellings.INPUT_GLOB, "`input`")
            draft: dict[str, Any] = {"kind": "glob"}
            for key, name in (("glob", "patterns"), ("exclude", "exclude")):
                if key in keys and not (key == "exclude" and plain(keys[key]) == []):
                    draft[name] = self.reader.texts(keys[key], key, "`input`")
            return draft
        if "file" in written:
            keys = self.reader.keys(node, spellings.INPUT_FILE, "`input`")
            draft = self.reader.fields(MapInput, {k: keys[k] for k in ("format",) if k in keys}, "`input`")
            return draft | {"kind": "file", "text": self.input_text(keys["file"], "plain")}
        if "command" in written:
            keys = self.reader.keys(node, spellings.INPUT_COMMAND, "`input`")
            draft = self.reader.fields(MapInput, {k: keys[k] for k in ("timeout",) if k in keys}, "`input`")
            return draft | {"kind": "command", "text": self.input_text(keys["command"], "shell")}
        if "stdin" in written:
            keys = self.reader.keys(node, spellings.INPUT_STDIN, "`input`")
            if plain(keys["stdin"]) is not True:
                self.findings.error("P204", keys["stdin"].start, "`stdin` of `input` must be true")
            draft = self.reader.fields(MapInput, {k: keys[k] for k in ("format",) if k in keys}, "`input`")
            return draft | {"kind": "stdin"}
        self.findings.error("P203", node.start, "`input` needs one of `file`, `command`, `glob`, `stdin`")
        return {}

    def input_text(self, node: Node, kind: UseKind) -> str:
        """Return a path or command that may hold placeholders."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            self.findings.error("P202", node.start, "a path or command of `input` must be a text")
            return ""
        self.steps.note(kind, node)
        return node.value

    def text(self, node: Node) -> dict[str, Any]:
        """Return an input written as one text."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value.strip():
            self.findings.error("P202", node.start, "`input` of `map` must be a text, a list or a mapping")
            return {}
        text = node.value.strip()
        if text == "-":
            return {"kind": "stdin"}
        if text.startswith(("[", "{")):
            return self.inline_json(text, node)
        if text.startswith("shell:"):
            self.steps.note("shell", node)
            return {"kind": "command", "text": text.removeprefix("shell:").strip()}
        if only_placeholder(text):
            self.steps.note("plain", node)
            return {"kind": "value", "text": text}
        self.steps.note("shell", node)
        return {"kind": "text", "text": text}

    def inline_json(self, text: str, node: Node) -> dict[str, Any]:
        """Return an input that is a JSON text itself."""
        try:
            return {"kind": "inline", "document": json.loads(text)}
        except (ValueError, RecursionError) as error:
            self.findings.error("P202", node.start, f"`input` of `map` begins like JSON but is none: {error}")
            return {}


def _filter(text: str) -> None:
    parse_expression(text)


def _order(text: str) -> None:
    parse_sort(text)


def _path(text: str) -> None:
    if any(reference.path == () for reference in parse_expression(text).references):
        raise ExpressionError("P401", 1, "not a path")
