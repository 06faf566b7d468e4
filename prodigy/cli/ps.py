"""``prodigy ps``: the containers that run now."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.owner import Owner
from prodigy.report.units import clock

app = new_app()


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

    with closing(Records(settings)) as records:
        mine = {record.id for record in records.all()}
        home = str(records.home)
    engine = connect()
    try:
        containers = [one for one in find_leftovers(engine, home) if one.kind == "container"]
    finally:
        engine.close()
    found: list[dict[str, Any]] = []
    for one in containers:
        session = one.labels.get("prodigy.session", "")
        if (session not in mine and not all_repos) or not (one.running or every):
            continue
        owner = Owner.parse(one.labels.get("prodigy.owner", ""))
        age = (datetime.now(UTC) - one.created).total_seconds() if one.created else None
        found.append(
            {
                "session": session,
                "phase": one.labels.get("prodigy.phase", ""),
                "item": one.labels.get("prodigy.item", ""),
                "container": one.name,
                "state": "running" if one.running else "stopped",
                "age": age,
                "owner_pid": owner.pid if owner else None,
                "orphaned": owner is None or not owner.alive(),
            }
        )
    if json:
        print_document("ps", {"containers": found})
        return 0
    rows = [
        (
            one["session"] + (" (orphaned)" if one["orphaned"] else ""),
            one["phase"],
            one["item"],
            one["container"],
            one["state"],
            clock(one["age"]) if one["age"] is not None else "-",
            str(one["owner_pid"] or "-"),
        )
        for one in found
    ]
    print_table(("SESSION", "PHASE", "ITEM", "CONTAINER", "STATE", "AGE", "OWNER PID"), rows, settings)
    return 0
