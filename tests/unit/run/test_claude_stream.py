"""Reading what Claude Code says, however it is cut, and whatever stands there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.run.claude_stream import ClaudeStream, readable_log
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from tests.unit.state.records import session_record

RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 2,
    "result": '{"a": 1}',
    "total_cost_usd": 0.5,
    "usage": {
        "input_tokens": 3,
        "output_tokens": 2,
        "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 1,
    },
}
MESSAGES: list[dict[str, Any]] = [
    {"type": "system", "subtype": "init", "session_id": "s", "model": "m"},
    {"type": "assistant", "message": {"content": [{"type": "text", "text": "Hello.\nWorld"}]}},
    {
        "type": "assistant",
        "message": {"content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {"c": 1}}]},
    },
    {"type": "user", "message": {"content": [{"type": "tool_result", "is_error": True, "content": "no"}]}},
    RESULT,
]


class Heard:
    """Takes the place of a bus: keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, kind: str, /, **data: Any) -> None:
        self.events.append((kind, data))


def stream(path: Path, heard: Heard, shown: list[str] | None = None) -> ClaudeStream:
    return ClaudeStream(path, heard, None if shown is None else lambda _, line: shown.append(line))  # type: ignore[arg-type]


def lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in messages)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_cut_anywhere(tmp_path: Path, size: int) -> None:
    log, heard, shown = tmp_path / "log", Heard(), list[str]()
    log.touch()
    claude, data = stream(log, heard, shown), lines(*MESSAGES).rstrip(b"\n")
    for at in range(0, len(data), size):
        with log.open("ab") as file:
            file.write(data[at : at + size])
        claude.on_line("stdout", "")
    claude.finish()
    assert [kind for kind, _ in heard.events] == [
        "claude_session_started",
        "claude_message",
        "claude_tool_invoked",
        "claude_token_usage",
    ]
    assert shown == [
        "[m]",
        "Hello.",
        "World",
        '> Bash {"c": 1}',
        "! no",
        "[success after 2 turns, 0.5000 USD]",
    ]
    assert list(readable_log(data)) == shown
    assert claude.problem is None
    assert claude.fields() == {
        "cost_usd": 0.5,
        "session_id": "s",
        "model": "m",
        "turns": 2,
        "json": {"a": 1},
        "input_tokens": 3,
        "output_tokens": 2,
        "cache_tokens": 5,
    }


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"subtype": "error_max_turns", "is_error": True}, (False, "Claude used up its 2 turns")),
        ({"subtype": "error_max_budget_usd"}, (True, "Claude used up its budget: 0.5000 USD")),
        ({"is_error": True, "result": "API Error: 401\nmore"}, (False, "Claude failed: API Error: 401")),
        ({"subtype": "error_during_execution", "result": None, "errors": ["e"]}, (False, "Claude failed: e")),
        ({"type": "other"}, (False, "Claude broke off without a result")),
    ],
)
def test_how_it_ends(tmp_path: Path, change: dict[str, Any], problem: tuple[bool, str]) -> None:
    log = tmp_path / "log"
    log.write_bytes(lines(RESULT | change))
    claude = stream(log, Heard())
    claude.finish()
    assert claude.problem == problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "message", "content", "subtype", "usage", "num_turns", "result", "text"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)
KINDS = st.sampled_from(["system", "assistant", "user", "result"])


@given(
    st.lists(
        st.builds(
            lambda kind, rest: {**rest, "type": kind}, KINDS, st.dictionaries(st.text(max_size=8), JSON)
        )
        | JSON
    )
)
def test_any_json_is_taken(tmp_path_factory: pytest.TempPathFactory, messages: list[Any]) -> None:
    log = tmp_path_factory.mktemp("stream") / "log"
    log.write_bytes(lines(*messages) + b"{no json\n\xff\n")
    claude = stream(log, Heard())
    claude.finish()
    assert isinstance(claude.fields(), dict)
    assert list(readable_log(log.read_bytes())) is not None


def test_what_is_spent_is_durable(tmp_path: Path) -> None:
    from prodigy.errors import StepError
    from prodigy.run.spending import Spending, SpendingPart
    from prodigy.state.sessions import Sessions

    with Database(tmp_path / "prodigy.db") as database:
        session = session_record("session-20261127-000000-aaaaaa")
        Sessions(database).create(session)
        journal = Journal(database, session.id)
        whole = Spending(journal, 1.0)
        assert whole.ceiling(None) == 1.0
        part = SpendingPart(whole)
        part.add(0.75, {"input_tokens": 3})
        whole.add(0.125, {"input_tokens": 1})
        assert part.total == {"usd": 0.75, "input_tokens": 3}
        assert Spending(journal, None).total == {"usd": 0.875, "input_tokens": 4}
        assert Spending(journal, 1.0).ceiling(0.5) == 0.125
        whole.add(0.2, {})
        with pytest.raises(StepError, match="budget of 1 USD is spent"):
            part.ceiling(0.5)
