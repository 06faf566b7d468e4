"""What ``run --dry-run`` shows, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.report.units import duration, plural
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN_ITEMS = 20
_TEXT = 100


def plan_text(plan: Mapping[str, Any]) -> str:
    """Render the document ``prodigy.plan/1``."""
    lines = [f"{printable(plan['workflow'])} ({plan['mode']}): nothing is started"]
    lines += [f"  {label:<12} {printable(value)}" for label, value in plan["settings"]]
    for phase in plan["phases"]:
        limit = f", at most {duration(phase['timeout'])}" if phase["timeout"] else ""
        lines.append(f"{phase['name']}: {plural(len(phase['steps']), 'step')}{limit}")
        lines += [f"  mounts       {m['path']} ({m['mode']}): {m['what']}" for m in phase["mounts"]]
        if phase["environment"]:
            lines.append(f"  environment  {', '.join(phase['environment'])}")
        for step in phase["steps"]:
            lines += _step(step, "  ")
    if plan["items"] is not None:
        lines += _items(plan["items"])
    lines.append(f"merge: {plan['merge']}")
    return "\n".join(lines)


def _step(step: Mapping[str, Any], indent: str) -> Iterator[str]:
    notes = []
    if step["timeout"]:
        notes.append(f"at most {duration(step['timeout'])}")
    if step["commit_required"]:
        notes.append("must commit")
    if step["retry"]:
        notes.append(f"up to {step['retry']['attempts']} attempts")
    text = printable(step["text"])
    shown = text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
    yield f"{indent}{step['path']} {step['kind']}: {shown}" + (f" ({', '.join(notes)})" if notes else "")
    for handler in step["on_failure"] or ():
        yield from _step(handler, indent + "  ")


def _items(items: Mapping[str, Any]) -> Iterator[str]:
    if not items["known"]:
        yield f"items: decided at run time by {items['kind']}: {printable(items['source'])}"
        return
    note = " in the base commit; setup may change them" if items["may_change"] else ""
    yield f"items: {items['selected']} of {items['input']}{note}"
    for one in items["items"][:_SHOWN_ITEMS]:
        yield f"  {one['id']}: {printable(str(one['item']))}"
    if items["selected"] > _SHOWN_ITEMS:
        yield f"  and {items['selected'] - _SHOWN_ITEMS} more"
