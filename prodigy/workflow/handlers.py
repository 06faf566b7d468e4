"""Reads ``on_failure`` in any of its spellings into plain data of the model's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.models import Handler
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from prodigy.workflow.steps import StepReader

_WORDS = ("yes", "no", "on", "off")


class HandlerReader:
    """Reads handlers; their steps are read, and their texts noted, as any others."""

    def __init__(self, steps: StepReader) -> None:
        self.steps = steps
        self.reader = steps.reader
        self.findings = steps.findings

    def handler(self, node: Node, path: str) -> dict[str, Any] | None:
        """Return a handler in any of its spellings, None for false."""
        if isinstance(node, Scalar):
            return self.scalar_handler(node, path)
        if isinstance(node, Sequence):
            return self.list_handler(node, path)
        if isinstance(node, Mapping) and node.pairs:
            return self.mapping_handler(node, path)
        self.findings.error("P203", node.start, f"{path} is empty")
        return None

    def mapping_handler(self, node: Mapping, path: str) -> dict[str, Any]:
        """Return the handler of a mapping: steps under `commands`, a step's own keys, or controls alone."""
        before = len(self.findings.all)
        if any(key.text in ("commands", "steps") for key, _ in node.pairs):
            keys = self.reader.keys(node, spellings.HANDLER_LIST, path)
            steps = self.handler_items(keys["commands"], path) if "commands" in keys else []
            return self.controlled(steps, keys, path, commit_default=False)
        keys = self.reader.keys(node, spellings.HANDLER_STEP, path)
        if keys.keys() <= {"fail_workflow"}:
            return self.reader.fields(Handler, keys, path)
        steps = self.mapped_steps(keys, node, path, refused=len(self.findings.all) > before)
        return self.controlled(steps, keys, path, commit_default=any("claude" in step for step in steps))

    def scalar_handler(self, node: Scalar, path: str) -> dict[str, Any] | None:
        """Return the handler of a boolean or a text."""
        if isinstance(node.value, bool):
            message = "a boolean `on_failure`: true tolerates the failure, false means no handler"
            self.findings.warning("W07", node.start, message)
            return {} if node.value else None
        if not isinstance(node.value, str) or not node.value.strip() or node.value in _WORDS:
            hint = ": write true/false" if node.value in _WORDS else ""
            self.findings.error("P202", node.start, f"{path} must be a command, steps or a boolean{hint}")
            return None
        steps = [step] if (step := self.text_step(node, f"{path}[0]")) else []
        return self.controlled(steps, {}, path, commit_default=False)

    def list_handler(self, node: Sequence, path: str) -> dict[str, Any] | None:
        """Return the handler of a list; one single mapping may also hold control keys."""
        if len(node.items) == 1 and isinstance(only := node.items[0], Mapping):
            names = {spellings.HANDLER_STEP.aliases.get(key.text, key.text) for key, _ in only.pairs}
            if names & {"max_attempts", "fail_workflow"}:
                return self.handler(only, path)
        return self.controlled(self.handler_items(node, path), {}, path, commit_default=False)

    def handler_items(self, node: Node, path: str) -> list[dict[str, Any]]:
        """Return the steps of a handler's list, where a text is a command."""
        if not isinstance(node, Sequence) or not node.items:
            self.findings.error("P203", node.start, f"{path} must be a list of at least one step")
            return []
        steps = []
        for i, item in enumerate(node.items):
            is_text = isinstance(item, Scalar) and isinstance(item.value, str)
            place = f"{path}[{i}]"
            steps.append(self.text_step(item, place) if is_text else self.steps.step(item, place))
        return [step for step in steps if step is not None]

    def text_step(self, node: Node, path: str) -> dict[str, Any] | None:
        """Return the step of a handler's text: a slash command, or a shell command."""
        is_slash = isinstance(node, Scalar) and str(node.value).startswith("/")
        return self.steps.step_from({"claude" if is_slash else "shell": node}, node, path)

    def mapped_steps(
        self, keys: dict[str, Node], node: Node, path: str, *, refused: bool
    ) -> list[dict[str, Any]]:
        """Return the steps of a mapping with step keys: shell before claude where it has both."""
        step_keys = {key: value for key, value in keys.items() if key not in spellings.CONTROL_KEYS}
        for key in ("timeout", "capture_output"):
            if (key == "timeout" and key in step_keys) or isinstance(step_keys.get(key), Mapping):
                message = f"`{key}` in this form of {path} is not available yet"
                advice = "put the step under `commands:` to give it a time of its own"
                self.findings.error("P201", step_keys.pop(key).start, message, advice)
        if "shell" in step_keys and "claude" in step_keys:
            shared = {key: value for key, value in step_keys.items() if key not in ("shell", "claude")}
            parts = [{kind: step_keys[kind]} | shared for kind in ("shell", "claude")]
        else:
            parts = [step_keys]
        steps = [self.steps.step_from(p, node, f"{path}[{i}]", refused=refused) for i, p in enumerate(parts)]
        return [step for step in steps if step is not None]

    def controlled(
        self, steps: list[dict[str, Any]], keys: dict[str, Node], path: str, *, commit_default: bool
    ) -> dict[str, Any]:
        """Return the handler of these steps and control keys."""
        asks_claude = any("claude" in step for step in steps)
        handler = {"max_attempts": 3 if asks_claude else 0, "commit_required": commit_default}
        controls = {key: keys[key] for key in spellings.CONTROL_KEYS if key in keys}
        return handler | self.reader.fields(Handler, controls, path) | {"steps": steps}
