"""Reads step lists, handlers and retries into plain data of the models' shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from prodigy.workflow import spellings
from prodigy.workflow.handlers import HandlerReader
from prodigy.workflow.models import Retry, Step, WriteFile
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

MAX_STEPS = 5000
_SHOWN_NAME = 40
_MAX_ENV_VALUE = 100 * 1024
_WORDS = ("yes", "no", "on", "off")


@dataclass(frozen=True)
class Use:
    """A text with placeholders, or a name that later texts may use, in the order things happen."""

    kind: Literal["plain", "shell", "prompt", "capture", "env"]
    node: Node
    text: str
    """The text; for captures and env the name."""
    in_handler: bool = False


class StepReader:
    """Reads one phase's steps; ``uses`` then holds its texts and captures in order."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings = reader.findings
        self.uses: list[Use] = []
        self.count = 0
        self.handlers_open = 0

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
                kinds_text = "exactly one of shell, claude, write_file"
                self.findings.error("P206", node.start, f"{where} must have {kinds_text}; it has {what}")
            return None
        draft: dict[str, Any] = {}
        simple = ("name", "timeout", "working_dir", "commit_required")
        draft |= self.reader.fields(Step, {key: keys[key] for key in simple if key in keys}, where)
        if "env" in keys:
            draft["env"] = self.env(keys["env"], where)
        self.kind_text(kinds[0], keys[kinds[0]], draft, where)
        return self.finish(draft, path, keys)

    def kind_text(self, kind: str, node: Node, draft: dict[str, Any], where: str) -> None:
        """Read the value of the kind key."""
        if kind == "write_file":
            keys = self.reader.keys(node, spellings.WRITE_FILE, f"`write_file` of {where}")
            draft[kind] = self.reader.fields(WriteFile, keys, f"`write_file` of {where}")
            missing = {"path", "content"} - keys.keys() if isinstance(node, Mapping) else set()
            for name in sorted(missing):
                self.findings.error("P203", node.start, f"`write_file` of {where} needs `{name}`")
            return
        if kind == "claude" and isinstance(node, Mapping):
            keys = self.reader.keys(node, spellings.CLAUDE_STEP, f"`claude` of {where}")
            if "prompt" not in keys:
                self.findings.error("P203", node.start, f"`claude` of {where} needs `prompt`")
            node = keys.get("prompt", node)
        without_prompt = kind == "claude" and isinstance(node, Mapping)
        value = draft[kind] = "" if without_prompt else self.reader.field(Step, kind, node, where)
        if isinstance(value, str) and isinstance(node, Scalar) and not value.strip():
            self.findings.error("P203", node.start, f"`{kind}` of {where} is empty")

    def finish(self, draft: dict[str, Any], path: str, keys: dict[str, Node]) -> dict[str, Any]:
        """Add what depends on the rest: name, captures, retry, handler; and note the texts."""
        draft["path"] = path
        draft.setdefault("name", _shown_name(draft))
        self.note_texts(draft, keys)
        if "capture_output" in keys:
            draft["capture_output"] = self.capture(keys["capture_output"], f"step {path}")
        if "retry" in keys:
            draft["retry"] = self.retry(keys["retry"], f"step {path}")
        if "on_failure" in keys:
            self.handlers_open += 1
            draft["on_failure"] = HandlerReader(self).handler(keys["on_failure"], f"{path}.on_failure")
            self.handlers_open -= 1
        return draft

    def note_texts(self, draft: dict[str, Any], keys: dict[str, Node]) -> None:
        """Note every text of a step that may hold placeholders, in the order they are rendered."""
        if "env" in keys and isinstance(keys["env"], Mapping):
            for key, value in keys["env"].pairs:
                self.note("plain", value)
                self.uses.append(Use("env", key, key.text, bool(self.handlers_open)))
        if "working_dir" in keys:
            self.note("plain", keys["working_dir"])
        for kind, how in (("shell", "shell"), ("claude", "prompt")):
            if kind in draft and kind in keys:
                text = keys[kind]
                if isinstance(text, Mapping):
                    text = next((value for key, value in text.pairs if key.text == "prompt"), text)
                self.note(how, text)
        if "write_file" in keys and isinstance(keys["write_file"], Mapping):
            for key, value in keys["write_file"].pairs:
                if key.text in ("path", "content"):
                    self.note("plain", value)

    def note(self, kind: Any, node: Node) -> None:
        """Note one text."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            self.uses.append(Use(kind, node, node.value, bool(self.handlers_open)))

    def env(self, node: Node, where: str) -> dict[str, str]:
        """Return static variables: texts, numbers as written, ``true``/``false``."""
        if not isinstance(node, Mapping):
            self.findings.error("P202", node.start, f"`env` of {where} must be a mapping")
            return {}
        found: dict[str, str] = {}
        for key, value in node.pairs:
            name = key.text
            if not (name.isascii() and name.isidentifier()):
                self.findings.error("P204", key.start, f"{name!r} is not a variable name", width=len(name))
            elif name.startswith("PRODIGY_"):
                self.findings.error("P305", key.start, f"{name!r} is reserved for prodigy", width=len(name))
            elif not isinstance(value, Scalar) or value.value is None:
                message = f"variable {name!r} must be a text, a number or a boolean"
                advice = "computed, secret and per-profile values are not available yet"
                self.findings.error("P202", value.start, message, advice)
            else:
                found[name] = self.env_value(name, value)
        return found

    def env_value(self, name: str, value: Scalar) -> str:
        """Return one variable's text."""
        text = value.text.lower() if isinstance(value.value, bool) else value.text
        if len(text.encode()) > _MAX_ENV_VALUE:
            self.findings.error("P204", value.start, f"variable {name!r} is longer than 100 KiB")
        if "\0" in text:
            self.findings.error("P204", value.start, f"variable {name!r} holds a NUL character")
        return text

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
        if name in spellings.RESERVED_NAMES or name.startswith("PRODIGY_"):
            self.findings.error("P305", node.start, f"a capture cannot be named {name!r}: it is reserved")
        self.uses.append(Use("capture", node, name, bool(self.handlers_open)))
        return name

    def retry(self, node: Node, where: str) -> dict[str, Any] | None:
        """Return the retry rule, None for false."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return {} if node.value else None
        if isinstance(node, Scalar):
            return {"attempts": self.reader.field(Retry, "attempts", node, f"`retry` of {where}")}
        keys = self.reader.keys(node, spellings.RETRY, f"`retry` of {where}")
        if isinstance(keys.get("backoff"), Mapping):
            message = (
                f"`backoff` of {where}: only a name is available yet (fixed, linear, exponential, fibonacci)"
            )
            self.findings.error("P202", keys.pop("backoff").start, message)
        return self.reader.fields(Retry, keys, f"`retry` of {where}")


def _shown_name(draft: dict[str, Any]) -> str:
    written = draft.get("write_file")
    text = written.get("path") if isinstance(written, dict) else draft.get("shell") or draft.get("claude")
    return " ".join(str(text or "step").split())[:_SHOWN_NAME] or "step"
