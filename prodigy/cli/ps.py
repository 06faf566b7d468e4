"""``prodigy ps``: the containers that run now."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.owner import Owner
from prodigy.report.units import clock, size

if TYPE_CHECKING:
    from prodigy.sandbox.docker.leftovers import Leftover
    from prodigy.sandbox.docker.usage import Usage
    from prodigy.state.event_log import EventLog

app = new_app()

_LOOKED_AT = 200
"""The events looked at for the step of a phase."""


@command(app)
def ps(
    settings: Settings,
    *,
    every: Annotated[bool, typer.Option("-a", "--all", help="Also containers that have stopped.")] = False,
    all_repos: Annotated[bool, typer.Option("--all-repos", help="Of every repository.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> int:
    """List the containers of runs."""
    from prodigy.sandbox.docker.engine import connect
    from prodigy.sandbox.docker.leftovers import find_leftovers
    from prodigy.sandbox.docker.usage import usage_of
    from prodigy.state.event_log import EventLog

    with closing(Records(settings)) as records, closing(connect()) as engine:
        mine = {record.id for record in records.all()}
        containers = [
            one
            for one in find_leftovers(engine, str(records.home))
            if one.kind == "container"
            and (all_repos or one.labels.get("prodigy.session", "") in mine)
            and (every or one.running)
        ]
        used = usage_of(engine, [one.id for one in containers if one.running])
        found = [_entry(one, used.get(one.id), EventLog(records.database)) for one in containers]
    if json:
        print_document("ps", {"containers": found})
        return 0
    rows = [
        (
            one["session"] + (" (orphaned)" if one["orphaned"] else ""),
            one["phase"],
            one["item"],
            one["step"] or "-",
            one["container"],
            one["state"] if one["cpu"] is None else f"{one['cpu']:.0%}",
            size(one["memory"]) if one["memory"] is not None else "-",
            clock(one["age"]) if one["age"] is not None else "-",
            str(one["owner_pid"] or "-"),
        )
        for one in found
    ]
    heads = ("SESSION", "PHASE", "ITEM", "STEP", "CONTAINER", "CPU", "MEM", "AGE", "OWNER PID")
    print_table(heads, rows, settings)
    return 0


def _entry(one: Leftover, used: Usage | None, log: EventLog) -> dict[str, Any]:
    owner = Owner.parse(one.labels.get("prodigy.owner", ""))
    session, item = one.labels.get("prodigy.session", ""), one.labels.get("prodigy.item", "")
    phase = one.labels.get("prodigy.phase", "")
    return {
        "session": session,
        "phase": phase,
        "item": item,
        "step": _step(log, session, phase, item) if one.running else None,
        "container": one.name,
        "state": "running" if one.running else "stopped",
        "cpu": used.cpu if used else None,
        "memory": used.memory if used else None,
        "age": (datetime.now(UTC) - one.created).total_seconds() if one.created else None,
        "owner_pid": owner.pid if owner else None,
        "orphaned": owner is None or not owner.alive(),
    }


def _step(log: EventLog, session: str, phase: str, item: str) -> str | None:
    """Return the step that was begun last there."""
    from prodigy.state.event_log import Choice

    for one in reversed(log.newest(Choice(session, "step_started", item or None), _LOOKED_AT)):
        if one.event.phase == phase:
            return one.event.step
    return None
