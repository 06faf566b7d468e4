"""Reads handlers in any of their spellings into plain data of the model's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from prodigy.workflow import spellings
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence
from prodigy.workflow.step import Handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.workflow.steps import StepReader

_WORDS = ("yes", "no", "on", "off")
_BOUNDS = ("max_attempts", "strategy", "fail_workflow", "commit_required", "timeout", "handler_failure_fatal")
_CLAUDE_CYCLES = 3
_INCOMPLETE_CYCLES = 2

Role = Literal["on_failure", "on_exit_code", "on_incomplete"]


class HandlerReader:
    """Reads handlers; their steps are read, and their texts noted, as any others."""

    def __init__(self, steps: StepReader) -> None:
        self.steps = steps
        self.reader = steps.reader
        self.findings = steps.findings

    def on_failure(self, node: Node, path: str) -> dict[str, Any] | None:
        """Return the handler of any failure, None for false."""
        return self.open(node, path, "on_failure")

    def on_incomplete(self, node: Node, path: str) -> dict[str, Any] | None:
        """Return the handler of an incomplete result, None for false."""
        return self.open(node, path, "on_incomplete")

    def by_code(self, node: Node, path: str) -> dict[int, Any]:
        """Return the handlers of certain exit codes."""
        if not isinstance(node, Mapping) or not node.pairs:
            self.findings.error("P202", node.start, f"{path} must be a mapping of exit codes")
            return {}
        found: dict[int, Any] = {}
        for key, value in node.pairs:
            code = key.value
            if isinstance(code, bool) or not isinstance(code, int) or not 0 <= code <= 255:  # noqa: PLR2004
                message = f"{path}: {key.text!r} is not an exit code from 0 to 255"
                self.findings.error("P204", key.start, message)
                continue
            handler = self.open(value, f"{path}[{code}]", "on_exit_code")
            if handler is not None:
                found[code] = handler
        return found

    def plain_steps(self, node: Node, path: str) -> list[dict[str, Any]]:
        """Return the steps that follow a success; they have no control keys."""
        if isinstance(node, Mapping):
            keys = self.reader.keys(node, spellings.STEP, path)
            found = self.mapped_steps(keys, node, path, refused=False)
        elif isinstance(node, Sequence):
            found = self.handler_items(node, path)
        else:
            step = self.text_step(node, f"{path}[0]")
            found = [step] if step else []
        return found

    def fallback(self, node: Mapping, path: str) -> dict[str, Any] | None:
        """Return the step that replaces one whose retries are used up."""
        inner = {key.text: value for key, value in node.pairs}
        value = inner.get("fallback")
        if value is None or len(inner) != 1:
            self.findings.error("P202", node.start, f"{path}: write {{fallback: {{shell: …}}}}")
            return None
        if isinstance(value, Scalar):
            return self.inside(value, lambda: self.text_step(value, path))
        keys = self.reader.keys(value, spellings.FALLBACK, path)
        return self.inside(value, lambda: self.steps.step_from(keys, value, path)) if keys else None

    def open(self, node: Node, path: str, role: Role) -> dict[str, Any] | None:
        """Return a handler in any of its spellings; what it says is inside a block of its own."""
        return self.inside(node, lambda: self.handler(node, path, role))

    def inside(self, node: Node, read: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
        """Read something whose texts know what failed."""
        self.steps.note_name("enter", node, "handler")
        self.steps.handlers_open += 1
        found = read()
        self.steps.handlers_open -= 1
        self.steps.note_name("leave", node, "handler")
        return found

    def handler(self, node: Node, path: str, role: Role) -> dict[str, Any] | None:
        """Return a handler in any of its spellings, None for false."""
        if isinstance(node, Scalar):
            return self.scalar_handler(node, path, role)
        if isinstance(node, Sequence):
            return self.list_handler(node, path, role)
        if isinstance(node, Mapping) and node.pairs:
            return self.mapping_handler(node, path, role)
        self.findings.error("P203", node.start, f"{path} is empty")
        return None

    def mapping_handler(self, node: Mapping, path: str, role: Role) -> dict[str, Any] | None:
        """Return the handler of a mapping: steps under `commands`, a step's own keys, or controls alone."""
        before = len(self.findings.all)
        if any(key.text in ("commands", "steps") for key, _ in node.pairs):
            keys = self.reader.keys(node, spellings.HANDLER_LIST, path)
            steps = self.handler_items(keys["commands"], path) if "commands" in keys else []
            return self.controlled(steps, keys, path, role)
        keys = self.reader.keys(node, spellings.HANDLER_STEP, path)
        if keys.keys() <= {"fail_workflow", "prompt"}:
            return self.controlled([], keys, path, role)
        controls = {key: keys.pop(key) for key in ("prompt", *spellings.CONTROL_KEYS) if key in keys}
        if isinstance(capture := controls.get("capture"), Scalar):
            keys.setdefault("capture_output", capture)
            del controls["capture"]
        steps = self.mapped_steps(keys, node, path, refused=len(self.findings.all) > before)
        return self.controlled(steps, controls, path, role, mapped=True)

    def scalar_handler(self, node: Scalar, path: str, role: Role) -> dict[str, Any] | None:
        """Return the handler of a boolean or a text."""
        if isinstance(node.value, bool):
            message = "a boolean handler: true tolerates the failure, false means no handler"
            self.findings.warning("W07", node.start, message)
            return {"fail_workflow": False} if node.value else None
        if not isinstance(node.value, str) or not node.value.strip() or node.value in _WORDS:
            hint = ": write true/false" if node.value in _WORDS else ""
            self.findings.error("P202", node.start, f"{path} must be a command, steps or a boolean{hint}")
            return None
        steps = [step] if (step := self.text_step(node, f"{path}[0]")) else []
        return self.controlled(steps, {}, path, role)

    def list_handler(self, node: Sequence, path: str, role: Role) -> dict[str, Any] | None:
        """Return the handler of a list; one single mapping may also hold control keys."""
        if len(node.items) == 1 and isinstance(only := node.items[0], Mapping):
            names = {spellings.HANDLER_STEP.aliases.get(key.text, key.text) for key, _ in only.pairs}
            if names & (spellings.CONTROL_KEYS - {"timeout", "commit_required", "capture"}):
                return self.handler(only, path, role)
        return self.controlled(self.handler_items(node, path), {}, path, role)

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
        if "shell" in keys and "claude" in keys:
            shared = {key: value for key, value in keys.items() if key not in ("shell", "claude")}
            parts = [{kind: keys[kind]} | shared for kind in ("shell", "claude")]
        else:
            parts = [keys]
        steps = [self.steps.step_from(p, node, f"{path}[{i}]", refused=refused) for i, p in enumerate(parts)]
        return [step for step in steps if step is not None]

    def controlled(
        self,
        steps: list[dict[str, Any]],
        keys: dict[str, Node],
        path: str,
        role: Role,
        *,
        mapped: bool = False,
    ) -> dict[str, Any]:
        """Return the handler of these steps and control keys, the defaults of its role filled in."""
        asks_claude = any("claude" in step for step in steps)
        draft = self.reader.fields(Handler, {key: keys[key] for key in _BOUNDS if key in keys}, path)
        strategy = draft.get("strategy", "recovery")
        if strategy != "recovery" and "max_attempts" in draft:
            message = f"`max_attempts` of {path} acts only with the strategy `recovery`"
            self.findings.error("P205", keys["max_attempts"].start, message)
        draft.setdefault("max_attempts", self.cycles(keys, role, strategy, asks_claude=asks_claude))
        draft.setdefault("fail_workflow", role == "on_incomplete" or strategy == "cleanup")
        draft.setdefault("commit_required", mapped and asks_claude and role == "on_failure")
        if "capture" in keys:
            draft["capture"] = self.capture(keys["capture"], path)
        self.prompt(keys, draft, path, role)
        return draft | {"steps": steps}

    def cycles(self, keys: dict[str, Node], role: Role, strategy: Any, *, asks_claude: bool) -> int:
        """Return how often the step is run again, where nothing says so."""
        again = keys.get("retry_original")
        if again is not None:
            self.findings.warning(
                "W01", again.start, "`retry_original` is an old spelling: write `max_attempts`"
            )
            if not isinstance(again, Scalar) or not isinstance(again.value, bool):
                self.findings.error("P202", again.start, "`retry_original` must be true or false")
            elif again.value:
                return 1
        if role == "on_incomplete":
            return _INCOMPLETE_CYCLES
        if strategy != "recovery":
            return 0
        return _CLAUDE_CYCLES if asks_claude else int("strategy" in keys)

    def capture(self, node: Node, path: str) -> dict[str, str]:
        """Return the variables set after a handler; the bare word `handler_output` is its output."""
        if not isinstance(node, Mapping):
            self.findings.error(
                "P202", node.start, f"`capture` of {path} must be a mapping of names to texts"
            )
            return {}
        found = {}
        for key, value in node.pairs:
            text = value.value if isinstance(value, Scalar) else None
            if text == "handler_output":
                text = "${handler.output}"
            elif not isinstance(text, str) or "${" not in text:
                message = f"`capture` of {path}: write a placeholder, as ${{handler.output}}"
                self.findings.error("P204", value.start, message)
                continue
            else:
                self.steps.note("plain", value)
            if key.text in spellings.RESERVED_NAMES or not (key.text.isascii() and key.text.isidentifier()):
                self.findings.error("P305", key.start, f"a capture cannot be named {key.text!r}")
            self.steps.note_name("capture", key, key.text)
            found[key.text] = text
        return found

    def prompt(self, keys: dict[str, Node], draft: dict[str, Any], path: str, role: Role) -> None:
        """Read the question that only an incomplete result can raise."""
        if "prompt" not in keys:
            return
        if role != "on_incomplete":
            message = f"`prompt` in {path} belongs to `on_incomplete`"
            self.findings.error("P208", keys["prompt"].start, message)
            return
        draft["prompt"] = self.reader.field(Handler, "prompt", keys["prompt"], path)
