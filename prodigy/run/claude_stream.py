"""What Claude Code says while it works: JSON Lines, read from the step's own log as they are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from prodigy.run.events import Bus

_SHOWN = 300
"""Characters of a tool's input that are shown."""


class ClaudeStream:
    """Follows one run of the program. Used from one thread at a time."""

    def __init__(self, log: Path, bus: Bus, show: Callable[[str, str], None] | None = None) -> None:
        """``show`` takes readable lines as they arrive."""
        self._log = log
        self._bus = bus
        self._show = show
        self._offset = 0
        self._rest = b""
        self.session_id: str | None = None
        self.model: str | None = None
        self.result: dict[str, Any] | None = None
        """The last message: how it ended, the answer, what it cost."""

    def catch_up(self) -> None:
        """Read what has been written since."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)

    def finish(self) -> None:
        """Read to the end."""
        self.catch_up()
        rest, self._rest = self._rest, b""
        self._take(rest)

    def on_line(self, stream: str, line: str) -> None:
        """Take notice of a line as it arrives. Those of stdout are read from the log, whole."""
        if stream == "stdout":
            self.catch_up()
        elif self._show is not None:
            self._show(stream, line)

    def fields(self) -> dict[str, Any]:
        """Return the names of ``${claude.…}`` besides those every command has."""
        try:
            parsed = json.loads(self.answer)
        except (ValueError, RecursionError):
            parsed = None
        about = {"cost_usd": self.usd, "session_id": self.session_id, "model": self.model}
        return about | {"turns": self.turns, "json": parsed} | self.tokens

    @property
    def answer(self) -> str:
        """The text of the answer."""
        return str((self.result or {}).get("result") or "")

    @property
    def usd(self) -> float:
        """What it cost, in US dollars."""
        value = (self.result or {}).get("total_cost_usd")
        return float(value) if isinstance(value, int | float) else 0.0

    @property
    def turns(self) -> int:
        """How many turns it took."""
        value = (self.result or {}).get("num_turns")
        return value if isinstance(value, int) else 0

    @property
    def tokens(self) -> dict[str, int]:
        """The tokens it used."""
        usage = (self.result or {}).get("usage")
        usage = usage if isinstance(usage, dict) else {}
        cached = ("cache_read_input_tokens", "cache_creation_input_tokens")
        return {
            "input_tokens": _count(usage, "input_tokens"),
            "output_tokens": _count(usage, "output_tokens"),
            "cache_tokens": sum(_count(usage, name) for name in cached),
        }

    @property
    def problem(self) -> tuple[bool, str] | None:
        """What went wrong, and whether it was a budget; None where it ended well."""
        if self.result is None:
            return False, "Claude broke off without a result"
        kind = str(self.result.get("subtype", ""))
        if kind == "success" and not self.result.get("is_error"):
            return None
        words = {
            "error_max_turns": f"Claude used up its {self.turns} turns",
            "error_max_budget_usd": f"Claude used up its budget: {self.usd:.4f} USD",
        }
        said = self.answer.strip().partition("\n")[0]
        errors = self.result.get("errors")
        if not said and isinstance(errors, list) and errors:
            said = str(errors[0])
        return kind == "error_max_budget_usd", words.get(kind) or f"Claude failed: {said or kind}"

    def _take(self, line: bytes) -> None:
        message = _message(line)
        if message is None:
            return
        kind = message.get("type")
        if kind == "system" and message.get("subtype") == "init":
            self.session_id, self.model = _text(message, "session_id"), _text(message, "model")
            self._bus.emit("claude_session_started", session_id=self.session_id, model=self.model)
        elif kind == "assistant":
            self._assistant(message)
        elif kind == "result":
            self.result = message
            self._bus.emit("claude_token_usage", **self.tokens, usd=self.usd, turns=self.turns)
        for shown in readable(message):
            if self._show is not None:
                self._show("stdout", shown)

    def _assistant(self, message: dict[str, Any]) -> None:
        for block in _blocks(message):
            if block.get("type") == "tool_use":
                self._bus.emit(
                    "claude_tool_invoked", tool_name=_text(block, "name"), tool_id=_text(block, "id")
                )
            elif block.get("type") == "text":
                self._bus.emit("claude_message", text=str(block.get("text", ""))[:2000])


def readable(message: dict[str, Any]) -> Iterator[str]:
    """Return lines that tell people what a message says."""
    kind = message.get("type")
    if kind == "system" and message.get("subtype") == "init":
        yield f"[{message.get('model')}]"
    elif kind == "assistant":
        for block in _blocks(message):
            if block.get("type") == "text":
                yield from str(block.get("text", "")).splitlines()
            elif block.get("type") == "tool_use":
                given = json.dumps(block.get("input"), ensure_ascii=False)
                yield f"> {block.get('name')} {given[:_SHOWN]}"
    elif kind == "user":
        for block in _blocks(message):
            if block.get("type") == "tool_result" and block.get("is_error"):
                yield f"! {str(block.get('content'))[:_SHOWN]}"
    elif kind == "result":
        usd = message.get("total_cost_usd")
        cost = f", {usd:.4f} USD" if isinstance(usd, int | float) else ""
        yield f"[{message.get('subtype')} after {message.get('num_turns')} turns{cost}]"


def readable_log(data: bytes) -> Iterator[str]:
    """Return a whole stream as lines for people; what is no message stands as it is."""
    for line in data.splitlines():
        message = _message(line)
        if message is None:
            yield line.decode(errors="replace")
        else:
            yield from readable(message)


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    inner = message.get("message")
    content = inner.get("content") if isinstance(inner, dict) else None
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _text(message: dict[str, Any], name: str) -> str | None:
    value = message.get(name)
    return value if isinstance(value, str) else None


def _count(usage: dict[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0
