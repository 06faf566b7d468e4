"""What ``run --dry-run`` shows, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.report.units import duration, plural, size
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SHOWN_ITEMS = 20
_TEXT = 100


def plan_text(plan: Mapping[str, Any], *, every: bool = False) -> str:
    """Render the document ``prodigy.plan/1``. ``every``: all items, not the first twenty."""
    lines = [f"{printable(plan['workflow'])} ({plan['mode']}): nothing is started"]
    lines += [f"  {label:<12} {printable(value)}" for label, value in plan["settings"]]
    for phase in plan["phases"]:
        lines += _phase(phase)
    if plan["items"] is not None:
        lines += _items(plan["items"], None if every else _SHOWN_ITEMS)
    peak = plan["peak"]
    lines.append(
        f"peak: {plural(peak['containers'], 'container')} with up to {size(peak['memory'])} of this "
        f"machine's {size(peak['machine_memory'])}; {plural(plan['claude_steps'], 'Claude step')}"
    )
    lines.append(f"merge: {plan['merge']}")
    return "\n".join(lines)


def _phase(phase: Mapping[str, Any]) -> Iterator[str]:
    limit = f", at most {duration(phase['timeout'])}" if phase["timeout"] else ""
    yield f"{phase['name']}: {plural(len(phase['steps']), 'step')}{limit}"
    if phase["limits"]:
        limits = phase["limits"]
        yield (
            f"  container    {phase['image']}, network {phase['network']}, user {phase['user']}, "
            f"{limits['cpus']:g} CPUs, {size(limits['memory'])} memory, {size(limits['disk'])} disk"
        )
    for mount in phase["mounts"]:
        yield f"  mounts       {mount['path']} ({mount['mode']}): {mount['what']}"
    if phase["environment"]:
        yield f"  environment  {', '.join(phase['environment'])}"
    for step in phase["steps"]:
        yield from _step(step, "  ")


def _step(step: Mapping[str, Any], indent: str) -> Iterator[str]:
    notes = []
    if step["when"]:
        notes.append(f"when {step['when']}")
    if step["timeout"]:
        notes.append(f"at most {duration(step['timeout'])}")
    if step["commit_required"]:
        notes.append("must commit")
    if step["continue_on_error"]:
        notes.append("failures tolerated")
    if step["retry"]:
        notes.append(f"up to {step['retry']['attempts']} attempts")
    text = printable(step["text"])
    shown = text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
    yield f"{indent}{step['path']} {step['kind']}: {shown}" + (
        f" ({printable(', '.join(notes))})" if notes else ""
    )
    for inner in step["steps"]:
        yield from _step(inner, indent + "  ")
    for name, handler in step["handlers"].items():
        ending = "fails" if handler["fail_workflow"] else "is tolerated"
        yield f"{indent}  {name}: {handler['strategy']}, {handler['max_attempts']} re-runs, then {ending}"
        for inner in handler["steps"]:
            yield from _step(inner, indent + "    ")


def _items(items: Mapping[str, Any], most: int | None) -> Iterator[str]:
    if not items["known"]:
        yield f"items: decided at run time by {items['kind']}: {printable(items['source'])}"
        return
    note = " in the base commit; setup may change them" if items["may_change"] else ""
    yield f"items: {items['selected']} of {items['input']}{note}"
    stages = items.get("stages") or {}
    if len(stages) > 1:
        yield "  " + ", ".join(f"{name}: {count}" for name, count in stages.items())
    for one in items["items"][:most]:
        yield f"  {one['id']}: {printable(str(one['item']))}"
    if most is not None and items["selected"] > most:
        yield f"  and {items['selected'] - most} more"
