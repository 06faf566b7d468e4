"""What each event is called in a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from prodigy.report.units import duration, plural
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.values import Event

Level = Literal["INFO", "WARN", "ERROR"]
_HASH = 12
_ALARMING = ("sandbox", "not enforced", "warning")
"""Header rows that only a run which gives up some safety has."""


class Line(NamedTuple):
    """One line about an event; ``verbosity`` is the least at which it is shown."""

    level: Level
    text: str
    verbosity: int = 0


def prefix(event: Event) -> str:
    """``[phase/item] `` or nothing: where the event happened."""
    return bracket(event.phase, event.item)


def bracket(phase: str | None, item: str | None) -> str:
    """``[phase/item] ``, or nothing when neither is known."""
    inside = "/".join(printable(part) for part in (phase, item) if part)
    return f"[{inside}] " if inside else ""


def lines(event: Event) -> list[Line]:
    """Return the lines that tell of an event; none for a type without wording."""
    if event.type == "job_started":
        return _header(event.data)
    word = _WORDING.get(event.type)
    if word is None:
        return []
    line = word(event, event.data)
    return [line._replace(text=printable(line.text))]


def _header(data: dict[str, Any]) -> list[Line]:
    rows = data.get("header", ())
    return [
        Line("WARN" if label in _ALARMING else "INFO", printable(f"{label}: {value}"))
        for label, value in rows
    ]


def _step_started(event: Event, data: dict[str, Any]) -> Line:
    step = f"step {data.get('index')}/{data.get('total')} '{data.get('name')}'"
    where = f"phase {event.phase}, {step}, {data.get('place')}"
    return Line("INFO", f"Executing in worktree: {data.get('worktree')} ({where})")


def _step_completed(_: Event, data: dict[str, Any]) -> Line:
    status = str(data.get("status"))
    word = "succeeded" if status == "success" else status
    text = f"step '{data.get('name')}' {word} in {duration(data.get('duration') or 0.0)}"
    if data.get("exit_code"):
        text += f", exit code {data['exit_code']}"
    text += "".join(f": {data[key]}" for key in ("error", "note") if data.get(key))
    level: dict[str, Level] = {"failed": "ERROR", "tolerated": "WARN", "cancelled": "WARN"}
    return Line(level.get(status, "INFO"), text)


def _step_retrying(event: Event, data: dict[str, Any]) -> Line:
    wait = duration(data.get("delay") or 0.0)
    text = f"step {event.step or ''} is tried again in {wait} (attempt {data.get('attempt')})"
    return Line("WARN", f"{text}: {data.get('error')}")


def _phase_completed(_: Event, data: dict[str, Any]) -> Line:
    status = str(data.get("status"))
    word = "completed" if status == "success" else status
    text = f"phase {word} after {duration(data.get('duration') or 0.0)}"
    return Line("INFO" if status in ("success", "skipped") else "ERROR", text)


def _phase_started(event: Event, data: dict[str, Any]) -> Line:
    steps = data.get("steps")
    count = len(steps) if isinstance(steps, list) else int(steps or 0)
    noun = "item" if event.phase == "map" else "step"
    place = f", {data['place']}" if data.get("place") else ""
    return Line("INFO", f"phase started: {plural(count, noun)}{place}")


def _agent_started(_: Event, data: dict[str, Any]) -> Line:
    again = f", attempt {data['attempt']}" if (data.get("attempt") or 1) > 1 else ""
    return Line("INFO", f"agent started{again}, {data.get('place')}, worktree {data.get('worktree')}", 1)


def _agent_completed(_: Event, data: dict[str, Any]) -> Line:
    commits = data.get("commits") or 0
    count = commits if isinstance(commits, int) else len(commits)
    return Line(
        "INFO", f"agent completed in {duration(data.get('duration') or 0.0)}, {plural(count, 'commit')}"
    )


def _agent_failed(_: Event, data: dict[str, Any]) -> Line:
    step = f" in step {data['step']}" if data.get("step") else ""
    return Line("ERROR", f"agent failed{step} ({data.get('kind')}): {data.get('error')}")


def _queue(_: Event, data: dict[str, Any]) -> Line:
    text = f"items: {data.get('completed')}/{data.get('total')} done, {data.get('failed')} failed"
    return Line("INFO", f"{text}, {data.get('active')} running, {data.get('pending')} pending", 1)


def _container_started(_: Event, data: dict[str, Any]) -> Line:
    text = (
        f"container {data.get('container')} started: image {data.get('image')}, network {data.get('network')}"
    )
    return Line("INFO", f"{text}, only mount {data.get('mount')}", 1)


def _merge_conflict(_: Event, data: dict[str, Any]) -> Line:
    ours, theirs = str(data.get("ours"))[:_HASH], str(data.get("theirs"))[:_HASH]
    return Line("ERROR", f"conflict between {ours} and {theirs} in {_files(data)}")


def _uncommitted(_: Event, data: dict[str, Any]) -> Line:
    return Line("WARN", f"uncommitted changes saved to {data.get('patch')}: {_files(data)}")


def _session_merged(_: Event, data: dict[str, Any]) -> Line:
    return Line("INFO", f"{data.get('target')} is now {str(data.get('commit'))[:_HASH]}")


def _files(data: dict[str, Any]) -> str:
    files = data.get("files") or []
    return ", ".join(map(str, files)) if isinstance(files, list | tuple) else plural(files, "file")


_WORDING: dict[str, Callable[[Event, dict[str, Any]], Line]] = {
    "job_completed": lambda _, __: Line("INFO", "run completed"),
    "job_failed": lambda _, data: Line("ERROR", f"run failed: {data.get('error')}"),
    "job_paused": lambda _, __: Line("WARN", "run interrupted"),
    "phase_started": _phase_started,
    "phase_completed": _phase_completed,
    "step_started": _step_started,
    "step_retrying": _step_retrying,
    "step_completed": _step_completed,
    "handler_started": lambda _, data: Line("INFO", f"failure handler of step {data.get('step')} started"),
    "handler_completed": lambda _, data: Line(
        "INFO", f"failure handler of step {data.get('step')} completed"
    ),
    "queue_depth_changed": _queue,
    "agent_started": _agent_started,
    "agent_completed": _agent_completed,
    "agent_failed": _agent_failed,
    "container_started": _container_started,
    "container_stopped": lambda _, data: Line("INFO", f"container stopped: {data.get('reason')}", 1),
    "worktree_created": lambda _, data: Line("INFO", f"worktree created: {data.get('path')}", 1),
    "worktree_merged": lambda _, data: Line("INFO", f"merged as {str(data.get('commit'))[:_HASH]}"),
    "merge_conflict": _merge_conflict,
    "uncommitted_saved": _uncommitted,
    "session_merged": lambda _, data: Line(
        "INFO", f"{data.get('target')} is now {str(data.get('commit'))[:_HASH]}"
    ),
    "note": lambda _, data: Line("INFO", str(data.get("message"))),
    "agent_retrying": lambda _, data: Line(
        "WARN",
        f"the agent is run again in {duration(data.get('backoff') or 0.0)} "
        f"(attempt {data.get('attempt')}): {data.get('error')}",
    ),
    "agent_timeout_near": lambda _, data: Line(
        "WARN", f"most of the agent's {duration(data.get('limit') or 0.0)} are over"
    ),
    "egress_denied": lambda _, data: Line(
        "WARN", f"the gateway refused a connection to {data.get('host')}:{data.get('port')}"
    ),
    "budget_exceeded": lambda _, data: Line(
        "WARN", f"Claude's budget ran out at {data.get('usd') or 0:.4f} USD"
    ),
    "circuit_opened": lambda _, data: Line(
        "WARN", f"the circuit breaker opened after {data.get('failures')} failures in a row"
    ),
    "circuit_half_open": lambda _, __: Line("INFO", "the circuit breaker lets some agents through"),
    "circuit_closed": lambda _, __: Line("INFO", "the circuit breaker closed"),
    "policy_stopped": lambda _, data: Line(
        "ERROR", f"the error policy stopped the map phase: {data.get('rule')}"
    ),
    "validation_completed": lambda _, data: Line(
        "INFO", f"validation: {data.get('status')}, {data.get('completion') or 0:g} % complete"
    ),
    "warning": lambda _, data: Line("WARN", str(data.get("message"))),
    "security_violation": lambda _, data: Line(
        "ERROR", f"security violation: {data.get('message')}: {_files(data)}"
    ),
}
