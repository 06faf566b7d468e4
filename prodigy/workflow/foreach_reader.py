"""Reads ``foreach`` in its three shapes into plain data of the model's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain
from prodigy.workflow.placeholder import only_placeholder
from prodigy.workflow.step import Foreach

if TYPE_CHECKING:
    from prodigy.workflow.steps import StepReader

_SOURCES = ("foreach", "input", "items", "command", "glob")
PARALLEL = 10
"""What ``parallel: true`` means."""


class ForeachReader:
    """Reads a loop; its steps are read, and their texts noted, as any others."""

    def __init__(self, steps: StepReader) -> None:
        self.steps = steps
        self.reader = steps.reader
        self.findings = steps.findings

    def loop(self, keys: dict[str, Node], path: str) -> dict[str, Any]:
        """Return the loop of a step with these keys."""
        node, where = keys["foreach"], f"`foreach` of step {path}"
        outer = {key: keys[key] for key in spellings.FOREACH_KEYS if key in keys}
        if isinstance(node, Mapping):
            inner = self.reader.keys(node, spellings.FOREACH, where)
            for key in sorted(inner.keys() & outer.keys()):
                message = f"`{key}` of {where} stands both inside and beside it"
                self.findings.error("P205", inner[key].start, message)
            outer.pop("continue_on_error", None)  # beside the mapping it is the step's own
            found = outer | inner
        else:
            found = outer | {"foreach": node}
        draft = self.source(found, node, where)
        simple = ("continue_on_error", "max_items")
        draft |= self.reader.fields(Foreach, {key: found[key] for key in simple if key in found}, where)
        if "parallel" in found:
            draft["parallel"] = self.parallel(found["parallel"], where)
        if "do" not in found:
            self.findings.error("P203", node.start, f"{where} needs `do`")
            return draft
        return draft | {"do": self.body(found["do"], path, shared=draft.get("parallel", 1) != 1)}

    def body(self, node: Node, path: str, *, shared: bool) -> list[dict[str, Any]]:
        """Return the steps of the loop."""
        self.steps.note_name("enter", node, "foreach")
        self.steps.shared_open += shared
        found = self.steps.phase_steps(node, f"{path}.do")
        self.steps.shared_open -= shared
        self.steps.note_name("leave", node, "foreach")
        return found

    def parallel(self, node: Node, where: str) -> Any:
        """Return how many elements run at a time."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return PARALLEL if node.value else 1
        return self.reader.field(Foreach, "parallel", node, where)

    def source(self, found: dict[str, Node], node: Node, where: str) -> dict[str, Any]:
        """Return where the elements come from."""
        written = [key for key in _SOURCES if key in found]
        if len(written) != 1:
            code = "P205" if written else "P203"
            message = f"{where} needs exactly one of a list, `input`, `items`, `command`, `glob`"
            self.findings.error(code, node.start, message)
            return {"source": "list"}
        (key,) = written
        given = found[key]
        if key == "glob":
            return {"source": "glob", "patterns": self.reader.texts(given, "glob", where)}
        if isinstance(given, Sequence) and key != "command":
            return {"source": "list", "elements": plain(given)}
        if key == "items" or not isinstance(given, Scalar) or not isinstance(given.value, str):
            what = "a list" if key == "items" else "a list, a placeholder or a command"
            self.findings.error("P202", given.start, f"`{key}` of {where} must be {what}")
            return {"source": "list"}
        text = given.value.strip()
        if not text:
            self.findings.error("P203", given.start, f"`{key}` of {where} is empty")
        if key != "command" and only_placeholder(text):
            self.steps.note("plain", given)
            return {"source": "value", "text": text}
        self.steps.note("shell", given)
        return {"source": "command", "text": given.value}
