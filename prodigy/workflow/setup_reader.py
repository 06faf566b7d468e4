"""Reads what only ``setup`` has: values taken from its output, and paths shared with agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.jsonpath import compile_query
from prodigy.workflow.models import CaptureOutput
from prodigy.workflow.nodes import Mapping, Node, Scalar
from prodigy.workflow.use import Use

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader


class SetupReader:
    """Reads ``capture_outputs`` and ``share``; notes the names they set."""

    def __init__(self, reader: Reader, uses: list[Use]) -> None:
        self.reader = reader
        self.findings = reader.findings
        self.uses = uses

    def read(self, keys: dict[str, Node], draft: dict[str, Any]) -> None:
        """Add both to a phase."""
        if "share" in keys:
            draft["share"] = self.share(keys["share"])
        if "capture_outputs" in keys:
            steps = draft.get("steps", ())
            draft["capture_outputs"] = self.captures(keys["capture_outputs"], len(steps))

    def share(self, node: Node) -> list[str]:
        """Return the shared paths, which lie inside the workspace."""
        paths = self.reader.texts(node, "share", "`setup`")
        for path in paths:
            parts = path.rstrip("/").split("/")
            if path.startswith("/") or ".." in parts or ".git" in parts or path.strip("/") in ("", "."):
                message = f"`share` of `setup`: {path!r} must be a path inside the workspace"
                self.findings.error("P204", node.start, message)
        return [path.rstrip("/") for path in paths]

    def captures(self, node: Node, steps: int) -> dict[str, Any]:
        """Return the values taken from what steps printed."""
        if not isinstance(node, Mapping) or not node.pairs:
            self.findings.error("P202", node.start, "`capture_outputs` of `setup` must be a mapping of names")
            return {}
        found = {}
        for key, value in node.pairs:
            where = f"capture {key.text!r} of `setup`"
            name = key.text
            if name in spellings.RESERVED_NAMES or not (name.isascii() and name.isidentifier()):
                self.findings.error("P305", key.start, f"a capture cannot be named {name!r}")
            found[name] = self.capture(value, where)
            index = found[name].get("command_index")
            if isinstance(index, int) and index >= steps:
                message = f"{where}: there is no step {index}, the last one is {steps - 1}"
                self.findings.error("P204", value.start, message)
            self.uses.append(Use("capture", key, name))
        return found

    def capture(self, node: Node, where: str) -> dict[str, Any]:
        """Return one such value: the number of a step, or a mapping."""
        if isinstance(node, Scalar):
            return {"command_index": self.reader.field(CaptureOutput, "command_index", node, where)}
        keys = self.reader.keys(node, spellings.CAPTURE_OUTPUTS, where)
        if "command_index" not in keys:
            self.findings.error("P203", node.start, f"{where} needs `command_index`")
        draft = self.reader.fields(CaptureOutput, keys, where)
        if isinstance(path := draft.get("json_path"), str):
            try:
                compile_query(path)
            except ValueError as error:
                self.findings.error("P404", keys["json_path"].start, f"`json_path` of {where}: {error}")
        return draft
