"""Reads the ``map`` block: where items come from and what each agent does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.models import MapInput, MapPhase
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain
from prodigy.workflow.placeholder import only_placeholder

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader
    from prodigy.workflow.steps import StepReader, Use


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
        simple = ("json_path", "max_items", "max_parallel")
        draft = self.reader.fields(MapPhase, {key: keys[key] for key in simple if key in keys}, "`map`")
        if "json_path" in keys and isinstance(path := draft["json_path"], str):
            self.check_json_path(path, keys["json_path"])
        if "on_conflict" in keys and plain(keys["on_conflict"]) != "dlq":
            message = "`on_conflict` of `map`: only `dlq` is available yet"
            self.findings.error("P204", keys["on_conflict"].start, message)
        draft["input"] = self.source(keys, node)
        self.input_uses = self.steps.uses.copy()
        self.steps.uses.clear()
        if "agent_template" not in keys:
            self.findings.error("P203", node.start, "`map` needs `agent_template`")
            return draft
        template = keys["agent_template"]
        if isinstance(template, Mapping):
            inner = self.reader.keys(template, spellings.AGENT, "`agent_template`")
            if "commands" not in inner:
                self.findings.error("P203", template.start, "`agent_template` needs a list of steps")
            template = inner.get("commands", template)
        steps = (
            self.steps.phase_steps(template, "map.agent_template")
            if not isinstance(template, Mapping)
            else []
        )
        return draft | {"agent_template": {"steps": steps}}

    def check_json_path(self, path: str, node: Node) -> None:
        """Report a query that cannot be read."""
        from prodigy.workflow.items import compile_query

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
            self.findings.error("P201", node.start, "`input` from standard input is not available yet")
        else:
            self.findings.error("P203", node.start, "`input` needs one of `file`, `command`, `glob`")
        return {}

    def input_text(self, node: Node, kind: str) -> str:
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
            self.findings.error("P201", node.start, "`input` from standard input is not available yet")
            return {}
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
