"""The end of a run, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.report.paint import paint
from prodigy.report.units import duration, plural
from prodigy.text import item_name, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.values import ItemResult, MergeOutcome, RunResult

_STYLES = {
    "success": "bold green",
    "partial": "bold yellow",
    "failed": "bold red",
    "interrupted": "bold yellow",
}
_SHOWN = 10
"""Failed items, leftovers and warnings listed before "and N more"."""
_HASH = 12


def result_line(result: RunResult) -> str:
    """Return the outcome in one line, for ``-q``."""
    text = f"{result.status}: {result.workflow}, session {result.session_id}"
    return printable(f"{text}, {_items(result.items)}" if result.items else text)


def summary(result: RunResult, *, color: bool = False) -> str:
    """Return the outcome in several lines.

    Status, items, what failed, what was tolerated, what is left, the merge, and what to do next.
    """
    status = paint(result.status, _STYLES[result.status], color=color)
    lines = [f"{status}: {printable(result.workflow)}, session {result.session_id}"]
    if result.error:
        lines.append(_row("error", result.error))
    if result.items:
        lines.append(_row("items", _items(result.items)))
    lines += _some([_failed(item) for item in result.results if item.status == "failed"])
    lines += _some([_row("tolerated", _tolerated(one)) for one in result.tolerated])
    lines += _some([_row("leftover", _leftover(one)) for one in result.uncommitted])
    lines += _some([_row("warning", text) for text in result.warnings])
    lines.append(
        _row(
            "commits", f"{result.commits} on {result.branch}, {plural(result.files_changed, 'file')} changed"
        )
    )
    if result.cost:
        lines.append(_row("cost", _cost(result.cost)))
    lines.append(_row("time", duration(result.duration)))
    lines.append(_row("merge", _merge(result.merge, result.target)))
    if result.resume_command:
        lines.append(_row("resume", result.resume_command))
    if result.merge.command:
        lines.append(_row("next", result.merge.command))
    return "\n".join(lines)


def _row(label: str, text: str) -> str:
    return f"  {label + ':':<11}{printable(text)}"


def _some(rows: list[str]) -> Iterable[str]:
    yield from rows[:_SHOWN]
    if len(rows) > _SHOWN:
        yield f"  {'':<11}… and {len(rows) - _SHOWN} more"


def _items(items: dict[str, int]) -> str:
    counts = {state: items.get(state, 0) for state in ("successful", "failed", "skipped", "pending")}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count or state == "successful")


def _cost(cost: dict[str, float]) -> str:
    tokens = ", ".join(
        f"{int(count):,} {name.removesuffix('_tokens')}" for name, count in cost.items() if name != "usd"
    )
    return f"{cost.get('usd', 0):.4f} USD, tokens: {tokens}"


def _failed(item: ItemResult) -> str:
    error = item.error
    name = item_name(item.item_id, item.item)
    text = f"{name} ({error.kind}): {error.message}" if error else name
    if error and error.step:
        text += f" [{error.step}]"
    if item.conflict:
        ours, theirs = (str(item.conflict.get(side))[:_HASH] for side in ("ours", "theirs"))
        if theirs not in text:
            text += f"; {theirs} conflicts with {ours} in {_names(item.conflict.get('files'))}"
    if item.ref:
        text += f"; kept as {item.ref}"
    return _row("failed", text)


def _tolerated(one: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in one.items() if value not in (None, ""))


def _leftover(one: dict[str, Any]) -> str:
    files = _names(one.get("files"))
    return f"uncommitted changes of {one.get('owner')} in {files}, saved as {one.get('patch')}"


def _names(files: Any) -> str:
    if isinstance(files, int):
        return plural(files, "file")
    names = [str(name) for name in files or ()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _merge(merge: MergeOutcome, target: str | None) -> str:
    into = f" into {target}" if target else ""
    words = {
        "merged": f"merged{into} as {str(merge.commit)[:_HASH]}",
        "declined": "no: declined",
        "not_asked": "not asked",
        "disabled": "no: switched off",
        "nothing": "nothing to merge",
        "refused": "refused",
        "failed": "failed",
    }
    return words[merge.status] + (f": {merge.reason}" if merge.reason else "")
