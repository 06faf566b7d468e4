"""Which fields prodigy's own names have, and where."""

from __future__ import annotations

ANY = frozenset("*")
"""The fields depend on the data."""

PHASES = ("commands", "setup", "input", "map", "reduce", "merge")
"""In their order; ``input`` is where the items of a map come from."""

LATER = frozenset(("step", "steps", "test", "foreach", "validation", "param", "git", "worker", "agent"))
"""Namespaces of the language that have no values in this version."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTHING: frozenset[str] = frozenset()
_RESULTS = _names(
    "total successful failed skipped success_rate failure_rate results outputs errors success_count "
    "failure_count results_json results_array"
)

_EVERYWHERE = {
    "shell": _names("output stdout stderr exit_code success duration"),
    "claude": _names("output exit_code success duration"),
    "write_file": _names("output exit_code success"),
    "last": _names("output exit_code success"),
    "workflow": _names("name id mode"),
    "env": ANY,
}
_IN_HANDLERS = {
    "error": _names("message kind exit_code step attempt timestamp"),
    "handler": _names("output attempt"),
}
_IN_PHASES = {
    "map": {
        "item": ANY,
        "item_index": _NOTHING,
        "item_total": _NOTHING,
        "item_id": _NOTHING,
        "item_json": _NOTHING,
        "map": _names("item total"),
        "setup": _NOTHING,
    },
    "input": {"setup": _NOTHING},
    "reduce": {"map": _RESULTS, "setup": _NOTHING},
    "merge": {
        "map": _RESULTS,
        "setup": _NOTHING,
        "merge": _names("worktree session_id source_branch target_branch"),
    },
}


def fields_of(name: str, phase: str, *, in_handler: bool) -> frozenset[str] | None:
    """Return a namespace's fields in a phase, none for a plain value; None where it does not exist."""
    if name in _EVERYWHERE:
        return _EVERYWHERE[name]
    if in_handler and name in _IN_HANDLERS:
        return _IN_HANDLERS[name]
    return _IN_PHASES.get(phase, {}).get(name)


def phases_with(name: str) -> str:
    """Return where a namespace exists, for messages."""
    if name in _IN_HANDLERS:
        return "in `on_failure`"
    return "in " + ", ".join(phase for phase, names in _IN_PHASES.items() if name in names)
