"""Reads what a step leaves for others: its id, captures, files, and the commit prodigy makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.nodes import Mapping, Node, Scalar, plain
from prodigy.workflow.step import CaptureStreams, CommitConfig, OutputSpec, Step

if TYPE_CHECKING:
    from prodigy.workflow.steps import StepReader

_WORDS = ("yes", "no", "on", "off")
_STREAMS = {
    "stdout": {"stdout": True, "stderr": False},
    "stderr": {"stdout": False, "stderr": True},
    "both": {"stdout": True, "stderr": True},
}


class OutputReader:
    """Reads the keys that name results."""

    def __init__(self, steps: StepReader) -> None:
        self.steps = steps
        self.reader = steps.reader
        self.findings = steps.findings

    def read(self, draft: dict[str, Any], keys: dict[str, Node], path: str) -> None:
        """Add everything of a step that names results."""
        where = f"step {path}"
        if "commit_config" in keys:
            draft["commit_config"] = self.commit_config(keys["commit_config"], where)
        if "capture_output" in keys:
            draft["capture_output"] = self.capture(keys["capture_output"], where)
        if "capture_format" in keys:
            draft |= self.reader.fields(Step, {"capture_format": keys["capture_format"]}, where)
        if "capture_streams" in keys:
            draft["capture_streams"] = self.streams(keys["capture_streams"], where)
        for key in ("capture_format", "capture_streams"):
            if key in keys and draft.get("capture_output") is None:
                message = f"`{key}` of {where} acts only with `capture_output`"
                self.findings.error("P203", keys[key].start, message)
        if "id" in keys:
            draft["id"] = self.identifier(keys["id"], where)
        if "outputs" in keys:
            draft["outputs"] = self.outputs(keys["outputs"], where)
            if "id" not in keys:
                message = f"`outputs` of {where} needs an `id`, by which they are found"
                self.findings.error("P203", keys["outputs"].start, message)

    def identifier(self, node: Node, where: str) -> Any:
        """Return the step's id."""
        name = self.reader.field(Step, "id", node, where)
        if not isinstance(name, str):
            return None
        if name in spellings.RESERVED_IDS:
            self.findings.error("P305", node.start, f"a step's id cannot be {name!r}: it is reserved")
        self.steps.note_name("id", node, name)
        return name

    def capture(self, node: Node, where: str) -> str | None:
        """Return the capture's name, None for false."""
        name: Any = "output"
        if not isinstance(node, Scalar) or not isinstance(node.value, bool):
            name = self.reader.field(Step, "capture_output", node, where)
        elif not node.value:
            return None
        if not isinstance(name, str):
            return None
        if name in _WORDS:
            self.findings.error("P202", node.start, "write true or false, or another name for the capture")
        self.note_capture(node, name)
        return name

    def note_capture(self, node: Node, name: str) -> None:
        """Note a name that is set from here on; report one that cannot be."""
        if name in spellings.RESERVED_NAMES or name.startswith("PRODIGY_"):
            self.findings.error("P305", node.start, f"a capture cannot be named {name!r}: it is reserved")
        self.steps.note_name("capture", node, name)

    def streams(self, node: Node, where: str) -> dict[str, Any]:
        """Return which output becomes the value."""
        if isinstance(node, Scalar):
            if node.value not in _STREAMS:
                message = f"`capture_streams` of {where} must be stdout, stderr or both"
                self.findings.error("P204", node.start, message)
            return dict(_STREAMS.get(node.value, {}))
        keys = self.reader.keys(node, spellings.CAPTURE_STREAMS, f"`capture_streams` of {where}")
        draft = self.reader.fields(CaptureStreams, keys, f"`capture_streams` of {where}")
        if draft.get("stdout") is False and not draft.get("stderr"):
            message = f"`capture_streams` of {where} leaves nothing to capture"
            self.findings.error("P204", node.start, message)
        return draft

    def outputs(self, node: Node, where: str) -> dict[str, Any]:
        """Return the files a step is to make."""
        if not isinstance(node, Mapping) or not node.pairs:
            self.findings.error("P202", node.start, f"`outputs` of {where} must be a mapping of names")
            return {}
        found = {}
        for key, value in node.pairs:
            place = f"output {key.text!r} of {where}"
            if not (key.text.isascii() and key.text.isidentifier()):
                self.findings.error("P204", key.start, f"{key.text!r} is not a name", width=len(key.text))
            keys = self.reader.keys(value, spellings.OUTPUT_SPEC, place)
            if "file_pattern" not in keys and isinstance(value, Mapping):
                self.findings.error("P203", value.start, f"{place} needs `file_pattern`")
            found[key.text] = self.reader.fields(OutputSpec, keys, place)
        return found

    def commit_config(self, node: Node, where: str) -> dict[str, Any]:
        """Return how prodigy commits."""
        place = f"`commit_config` of {where}"
        keys = self.reader.keys(node, spellings.COMMIT_CONFIG, place)
        for key in ("include_files", "exclude_files"):
            if key in keys and plain(keys[key]) == []:
                del keys[key]
        lists = {key: keys.pop(key) for key in ("include_files", "exclude_files") if key in keys}
        if "message_template" in keys:
            self.steps.note("plain", keys["message_template"])
        draft = self.reader.fields(CommitConfig, keys, place)
        return draft | {key: self.reader.texts(value, key, place) for key, value in lists.items()}
