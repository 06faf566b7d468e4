"""Which fields prodigy's own names have, and where."""

from __future__ import annotations

ANY = frozenset("*")
"""The fields depend on the data."""

PHASES = ("env", "commands", "setup", "input", "map", "reduce", "merge")
"""In their order; ``env`` is the file's variables, ``input`` where the items of a map come from."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTHING: frozenset[str] = frozenset()
_CHANGES = _names(
    "files_added files_modified files_deleted files_changed commits commit_count insertions deletions"
)
_RESULTS = _names(
    "total successful failed skipped success_rate failure_rate duration average_duration_secs "
    "total_duration_secs results outputs errors variables success_count failure_count results_json "
    "results_array"
)
_SHELL = _names("output stdout stderr exit_code success duration truncated")
_EVERYWHERE = {
    "shell": _SHELL,
    "test": _SHELL,
    "claude": _names(
        "output exit_code success duration cost_usd session_id model turns input_tokens output_tokens "
        "cache_tokens json"
    ),
    "write_file": _names("output exit_code success"),
    "last": _names("output exit_code success"),
    "step": _names("name id index attempt") | _CHANGES,
    "steps": ANY,
    "validation": ANY,
    "workflow": _names("name id iteration duration mode") | _CHANGES,
    "git": _names("branch commit modified_files staged_files unstaged_files"),
    "env": ANY,
}
_IN_BLOCKS = {
    "handler": {
        "error": _names("message kind exit_code step attempt timestamp"),
        "handler": _names("output attempt"),
    },
    "foreach": {"item": ANY, "foreach": _names("item index total"), "item_json": _NOTHING},
}
_RESULT_OF_LOOP = _names("results succeeded failed output exit_code success")
_IN_PHASES = {
    "map": {
        "item": ANY,
        "item_index": _NOTHING,
        "item_total": _NOTHING,
        "item_id": _NOTHING,
        "item_json": _NOTHING,
        "map": _names("item total job_id"),
        "setup": _NOTHING,
        "worker": _names("id"),
        "agent": _names("id"),
    },
    "input": {"setup": _NOTHING},
    "reduce": {"map": _RESULTS, "setup": _NOTHING},
    "merge": {
        "map": _RESULTS,
        "setup": _NOTHING,
        "merge": _names(
            "worktree session_id source_branch target_branch commits commit_count commit_ids modified_files "
            "file_count file_list conflicts truncated"
        ),
    },
}
STEP_FIELDS = _names("output stderr exit_code success duration status outputs")
"""What is known of a finished step by its id."""
UNSUPPORTED = _names("param")
"""Namespaces of the language that have no values in this version."""


def fields_of(name: str, phase: str, blocks: frozenset[str] = frozenset()) -> frozenset[str] | None:
    """Return a namespace's fields in a phase, none for a plain value; None where it does not exist.

    ``blocks``: those around the text, ``handler`` and ``foreach``.
    """
    if phase == "env":
        return {"env": ANY, "git": _names("branch")}.get(name)
    for block in blocks:
        if name in _IN_BLOCKS.get(block, {}):
            return _IN_BLOCKS[block][name]
    if name in _EVERYWHERE:
        return _EVERYWHERE[name]
    if name == "foreach":
        return _RESULT_OF_LOOP
    return _IN_PHASES.get(phase, {}).get(name)


def phases_with(name: str) -> str:
    """Return where a namespace exists, for messages."""
    if name in _IN_BLOCKS["handler"]:
        return "in handlers"
    found = [phase for phase, names in _IN_PHASES.items() if name in names]
    if name in _IN_BLOCKS["foreach"]:
        found.append("the steps of a `foreach`")
    return "in " + ", ".join(found)
