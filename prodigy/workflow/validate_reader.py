"""Reads ``validate`` and ``step_validate`` in any of their spellings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.handlers import HandlerReader
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain
from prodigy.workflow.step import Check, StepChecks, Validation

if TYPE_CHECKING:
    from prodigy.workflow.steps import StepReader


class ValidateReader:
    """Reads checks; their steps are read, and their texts noted, as any others."""

    def __init__(self, steps: StepReader) -> None:
        self.steps = steps
        self.reader = steps.reader
        self.findings = steps.findings

    def validation(self, node: Node, path: str) -> dict[str, Any]:
        """Return how the work is judged, and completed."""
        if isinstance(node, Sequence):
            return {"steps": self.judges(node, path)}
        keys = self.reader.keys(node, spellings.VALIDATE, path)
        if isinstance(node, Mapping) and any(key.text == "command" for key, _ in node.pairs):
            self.findings.warning("W01", node.start, f"`command` in {path} is an old spelling: write `shell`")
        sources = [key for key in ("shell", "claude", "commands") if key in keys]
        if len(sources) > 1:
            self.findings.error("P205", node.start, f"{path} has several sources: {', '.join(sources)}")
        if not sources and "result_file" not in keys and isinstance(node, Mapping):
            message = f"{path} needs one of `shell`, `claude`, `commands`, `result_file`"
            self.findings.error("P203", node.start, message)
        simple = ("result_file", "threshold", "timeout")
        draft = self.reader.fields(Validation, {key: keys[key] for key in simple if key in keys}, path)
        if "result_file" in keys:
            self.steps.note("plain", keys["result_file"])
        if "expected_schema" in keys:
            draft["expected_schema"] = self.schema(keys["expected_schema"], path)
        self.steps.note_name("enter", node, "validate")
        if "commands" in keys:
            draft["steps"] = self.judges(keys["commands"], path)
        elif sources:
            step = self.judge({sources[0]: keys[sources[0]]}, keys[sources[0]], f"{path}[0]")
            draft["steps"] = [step] if step else []
        self.steps.note_name("leave", node, "validate")
        if "on_incomplete" in keys:
            handlers = HandlerReader(self.steps)
            draft["on_incomplete"] = handlers.on_incomplete(keys["on_incomplete"], f"{path}.on_incomplete")
        return draft

    def judges(self, node: Node, path: str) -> list[dict[str, Any]]:
        """Return the steps of a list; retry defaults are not for them."""
        before, self.steps.retry_defaults = self.steps.retry_defaults, None
        found = self.steps.phase_steps(node, path)
        self.steps.retry_defaults = before
        return found

    def judge(self, keys: dict[str, Node], node: Node, path: str) -> dict[str, Any] | None:
        """Return the one step that judges."""
        before, self.steps.retry_defaults = self.steps.retry_defaults, None
        found = self.steps.step_from(keys, node, path)
        self.steps.retry_defaults = before
        return found

    def schema(self, node: Node, path: str) -> Any:
        """Return a schema written out, which must be one, or the path of its file."""
        if isinstance(node, Scalar):
            return self.reader.field(Validation, "expected_schema", node, path)
        found = plain(node)
        from jsonschema import Draft202012Validator  # heavy
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(found)
        except SchemaError as error:
            self.findings.error("P204", node.start, f"`expected_schema` of {path}: {error.message}")
        return found

    def checks(self, node: Node, where: str) -> dict[str, Any]:
        """Return the checks after a step: a text, a list of texts, or a mapping."""
        place = f"`step_validate` of {where}"
        if not isinstance(node, Mapping):
            return {"commands": self.check_list(node, place)}
        keys = self.reader.keys(node, spellings.STEP_VALIDATE, place)
        if "commands" not in keys:
            self.findings.error("P203", node.start, f"{place} needs `commands`")
        simple = ("max_attempts", "retry_delay")
        draft = self.reader.fields(StepChecks, {key: keys[key] for key in simple if key in keys}, place)
        if "commands" in keys:
            draft["commands"] = self.check_list(keys["commands"], place)
        if "success_criteria" in keys:
            draft |= self.criteria(keys["success_criteria"], len(draft.get("commands", ())), place)
        return draft

    def criteria(self, node: Node, count: int, place: str) -> dict[str, Any]:
        """Return how many checks must be met."""
        if isinstance(node, Mapping):
            pairs = {key.text.replace("atleast", "at_least"): value for key, value in node.pairs}
            if pairs.keys() != {"at_least"}:
                self.findings.error(
                    "P204", node.start, f"`success_criteria` of {place} must be {{at_least: N}}"
                )
                return {}
            number = self.reader.field(StepChecks, "at_least", pairs["at_least"], place)
            if isinstance(number, int) and number > count:
                message = f"`success_criteria` of {place} wants {number} of {count} checks"
                self.findings.error("P204", node.start, message)
            return {"success_criteria": "at_least", "at_least": number}
        return self.reader.fields(StepChecks, {"success_criteria": node}, place)

    def check_list(self, node: Node, place: str) -> list[dict[str, Any]]:
        """Return one or more checks."""
        nodes = node.items if isinstance(node, Sequence) else [node]
        if not nodes:
            self.findings.error("P203", node.start, f"{place} has no checks")
        return [self.check(item, place) for item in nodes]

    def check(self, node: Node, place: str) -> dict[str, Any]:
        """Return one check; a text may say who runs it."""
        if isinstance(node, Mapping):
            keys = self.reader.keys(node, spellings.CHECK, f"a check in {place}")
            if "command" not in keys:
                self.findings.error("P203", node.start, f"a check in {place} needs `command`")
            draft = self.reader.fields(Check, keys, f"a check in {place}")
            if "command" in keys:
                is_claude = draft.get("command_type") == "claude"
                self.steps.note("prompt" if is_claude else "shell", keys["command"])
            return draft
        text = self.reader.field(Check, "command", node, place)
        kind, colon, rest = str(text).partition(":")
        if colon and kind in ("shell", "claude"):
            self.steps.note("prompt" if kind == "claude" else "shell", node)
            return {"command": rest.strip(), "command_type": kind}
        self.steps.note("shell", node)
        return {"command": text}
