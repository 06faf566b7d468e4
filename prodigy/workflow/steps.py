"""Reads step lists into plain data of the models' shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.env_reader import EnvReader
from prodigy.workflow.foreach_reader import ForeachReader
from prodigy.workflow.handlers import HandlerReader
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence
from prodigy.workflow.output_reader import OutputReader
from prodigy.workflow.retry_reader import RetryReader
from prodigy.workflow.step import Step, WriteFile
from prodigy.workflow.use import Use, UseKind
from prodigy.workflow.validate_reader import ValidateReader

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

MAX_STEPS = 5000
_SHOWN_NAME = 40
_SIMPLE = (
    "name",
    "timeout",
    "working_dir",
    "clear_env",
    "commit_required",
    "auto_commit",
    "continue_on_error",
    "skip_validation",
    "validation_timeout",
    "ignore_validation_failure",
    "output_file",
)
_ONLY_LOOPS = ("do", "max_items", "parallel")
_RETRIED = ("shell", "claude", "test")


class StepReader:
    """Reads one phase's steps; ``uses`` then holds its texts and captures in order."""

    def __init__(self, reader: Reader, retry_defaults: dict[str, Node] | None = None) -> None:
        self.reader = reader
        self.findings = reader.findings
        self.retry_defaults = retry_defaults
        self.uses: list[Use] = []
        self.count = 0
        self.handlers_open = 0
        self.shared_open = 0
        """Loops around this place whose elements run at the same time."""

    def phase_steps(self, node: Node, path: str) -> list[dict[str, Any]]:
        """Return the steps of a list, which must not be empty."""
        if not isinstance(node, Sequence):
            self.findings.error("P202", node.start, f"{path} must be a list of steps")
            return []
        if not node.items:
            self.findings.error("P203", node.start, f"{path} has no steps")
        drafts = (self.step(item, f"{path}[{i}]") for i, item in enumerate(node.items))
        return [draft for draft in drafts if draft is not None]

    def step(self, node: Node, path: str) -> dict[str, Any] | None:
        """Return one step."""
        self.count += 1
        if self.count == MAX_STEPS + 1:
            self.findings.error("P104", node.start, f"more than {MAX_STEPS} steps")
        where = f"step {path}"
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value.strip():
            if not node.value.startswith("/") and " " in node.value:
                message = "a bare text is a prompt for Claude; write `shell:` or `claude:`"
                self.findings.warning("W02", node.start, message)
            self.note("prompt", node)
            return self.finish({"claude": node.value}, path, {"claude": node})
        if not isinstance(node, Mapping):
            self.findings.error("P202", node.start, f"{where} must be a mapping or a text")
            return None
        before = len(self.findings.all)
        keys = self.reader.keys(node, spellings.STEP, where)
        return self.step_from(keys, node, path, refused=len(self.findings.all) > before)

    def step_from(
        self, keys: dict[str, Node], node: Node, path: str, *, refused: bool = False
    ) -> dict[str, Any] | None:
        """Return the step that already canonical keys describe."""
        where = f"step {path}"
        kinds = [kind for kind in spellings.STEP_KINDS if kind in keys]
        if len(kinds) != 1:
            if kinds or not refused:
                what = " and ".join(kinds) or "none of them"
                kinds_text = "exactly one of shell, claude, write_file, foreach, test"
                self.findings.error("P206", node.start, f"{where} must have {kinds_text}; it has {what}")
            return None
        (kind,) = kinds
        self.refuse_misplaced(kind, keys, where)
        shared = ("continue_on_error",) if kind == "foreach" and not isinstance(keys[kind], Mapping) else ()
        simple = {key: keys[key] for key in _SIMPLE if key in keys and key not in shared}
        draft = self.reader.fields(Step, simple, where)
        self.when(draft, keys, where)
        if "env" in keys:
            draft["env"] = EnvReader(self.reader, self.note_env).block(keys["env"], where)
        self.kind_text(kind, keys, draft, path)
        return self.finish(draft, path, keys)

    def refuse_misplaced(self, kind: str, keys: dict[str, Node], where: str) -> None:
        """Report fields that cannot act on a kind, or not here."""
        if kind != "foreach":
            for key in _ONLY_LOOPS:
                if key in keys:
                    code = "P207" if key == "parallel" else "P208"
                    advice = ": removed on a step; use `foreach` or `map`" if key == "parallel" else ""
                    message = f"`{key}` in {where} belongs to `foreach`{advice}"
                    self.findings.error(code, keys[key].start, message)
        if kind == "write_file" and "clear_env" in keys:
            message = f"`clear_env` cannot act on the `write_file` of {where}"
            self.findings.error("P208", keys["clear_env"].start, message)
        for key in ("commit_required", "auto_commit", "commit_config"):
            if self.shared_open and key in keys:
                message = f"`{key}` in {where}: commits cannot be told apart in a `foreach` with `parallel`"
                self.findings.error("P208", keys[key].start, message)

    def when(self, draft: dict[str, Any], keys: dict[str, Node], where: str) -> None:
        """Read the condition, which YAML may have taken for a boolean."""
        node = keys.get("when")
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            draft["when"] = "true" if node.value else "false"
        elif node is not None:
            draft["when"] = self.reader.field(Step, "when", node, where)
            self.note("expression", node)

    def kind_text(self, kind: str, keys: dict[str, Node], draft: dict[str, Any], path: str) -> None:
        """Read the value of the kind key."""
        node, where = keys[kind], f"step {path}"
        if kind == "foreach":
            draft[kind] = ForeachReader(self).loop(keys, path)
        elif kind == "write_file":
            self.write_file(node, draft, where)
        elif kind == "test":
            self.test(keys, draft, where)
        else:
            if kind == "claude" and isinstance(node, Mapping):
                node = self.claude(node, draft, where)
            without_prompt = kind == "claude" and isinstance(node, Mapping)
            draft[kind] = "" if without_prompt else self.text(kind, node, where)
            self.note("shell" if kind == "shell" else "prompt", node)

    def text(self, kind: str, node: Node, where: str) -> Any:
        """Return a command or prompt, which must not be empty."""
        value = self.reader.field(Step, kind, node, where)
        if isinstance(value, str) and isinstance(node, Scalar) and not value.strip():
            self.findings.error("P203", node.start, f"`{kind}` of {where} is empty")
        return value

    def write_file(self, node: Node, draft: dict[str, Any], where: str) -> None:
        """Read a file to write."""
        keys = self.reader.keys(node, spellings.WRITE_FILE, f"`write_file` of {where}")
        draft["write_file"] = self.reader.fields(WriteFile, keys, f"`write_file` of {where}")
        missing = {"path", "content"} - keys.keys() if isinstance(node, Mapping) else set()
        for name in sorted(missing):
            self.findings.error("P203", node.start, f"`write_file` of {where} needs `{name}`")
        for name in ("path", "content"):
            if name in keys:
                self.note("plain", keys[name])

    def test(self, keys: dict[str, Node], draft: dict[str, Any], where: str) -> None:
        """Read a test; a handler inside its mapping is the step's own."""
        node = keys["test"]
        self.findings.warning("W01", node.start, f"`test` in {where} is an old spelling: write `shell`")
        if isinstance(node, Mapping):
            inner = self.reader.keys(node, spellings.TEST, f"`test` of {where}")
            if "command" not in inner:
                self.findings.error("P203", node.start, f"`test` of {where} needs `command`")
            if "on_failure" in inner and "on_failure" in keys:
                message = f"`on_failure` stands twice in {where}"
                self.findings.error("P205", inner["on_failure"].start, message)
            elif "on_failure" in inner:
                keys["on_failure"] = inner["on_failure"]
            node = inner.get("command", node)
        draft["test"] = "" if isinstance(node, Mapping) else self.text("test", node, where)
        self.note("shell", node)

    def claude(self, node: Mapping, draft: dict[str, Any], where: str) -> Node:
        """Read the settings of one run of Claude; gives the prompt's node."""
        keys = self.reader.keys(node, spellings.CLAUDE_STEP, f"`claude` of {where}")
        if "prompt" not in keys:
            self.findings.error("P203", node.start, f"`claude` of {where} needs `prompt`")
        prompt = keys.pop("prompt", node)
        draft["claude_options"] = self.reader.fields(ClaudeSettings, keys, f"`claude` of {where}")
        return prompt

    def finish(self, draft: dict[str, Any], path: str, keys: dict[str, Node]) -> dict[str, Any]:
        """Add what depends on the rest: name, results, retry, handlers, checks."""
        draft["path"] = path
        draft.setdefault("name", _shown_name(draft))
        for key in ("working_dir", "output_file"):
            if key in keys:
                self.note("plain", keys[key])
        OutputReader(self).read(draft, keys, path)
        self.retry(draft, keys, path)
        handlers = HandlerReader(self)
        if "on_exit_code" in keys:
            draft["on_exit_code"] = handlers.by_code(keys["on_exit_code"], f"{path}.on_exit_code")
        if "on_failure" in keys:
            draft["on_failure"] = handlers.on_failure(keys["on_failure"], f"{path}.on_failure")
        checks = ValidateReader(self)
        if "step_validate" in keys:
            draft["step_validate"] = checks.checks(keys["step_validate"], f"step {path}")
        if "validate" in keys:
            draft["validation"] = checks.validation(keys["validate"], f"{path}.validate")
        if "on_success" in keys:
            draft["on_success"] = handlers.plain_steps(keys["on_success"], f"{path}.on_success")
        return draft

    def retry(self, draft: dict[str, Any], keys: dict[str, Node], path: str) -> None:
        """Read the retry rule, the file's defaults under it; a fallback is a step."""
        reader, where = RetryReader(self.reader), f"`retry` of step {path}"
        node = keys.get("retry")
        if isinstance(node, Scalar) and node.value is False:
            return
        takes_defaults = self.retry_defaults is not None and not self.handlers_open
        defaults = (self.retry_defaults or {}) if takes_defaults and any(k in draft for k in _RETRIED) else {}
        if node is None and not defaults:
            return
        own = defaults | (reader.keys(node, where) if node is not None else {})
        draft["retry"] = reader.rule(own, where)
        ending = own.get("on_failure")
        if isinstance(ending, Mapping):
            draft["fallback"] = HandlerReader(self).fallback(ending, f"{path}.fallback")

    def note(self, kind: UseKind, node: Node) -> None:
        """Note a text that may hold placeholders."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            self.uses.append(Use(kind, node, node.value, bool(self.handlers_open)))

    def note_name(self, kind: UseKind, node: Node, name: str) -> None:
        """Note a name that later texts may use, or the bounds of a block."""
        self.uses.append(Use(kind, node, name, bool(self.handlers_open)))

    def note_env(self, kind: UseKind, node: Node, text: str) -> None:
        """Note a variable's text or name."""
        self.uses.append(Use(kind, node, text, bool(self.handlers_open)))


def _shown_name(draft: dict[str, Any]) -> str:
    written, loop = draft.get("write_file"), draft.get("foreach")
    text = written.get("path") if isinstance(written, dict) else None
    if isinstance(loop, dict):
        text = loop.get("text") or "foreach"
    text = text or draft.get("shell") or draft.get("test") or draft.get("claude")
    return " ".join(str(text or "step").split())[:_SHOWN_NAME] or "step"
