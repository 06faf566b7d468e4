"""``prodigy checkpoints``: the durable points of a run."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings

app = new_app(help="Look at the durable points of runs.", group=True)

Json = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@command(app, "list")
def list_(
    settings: Settings,
    *,
    workflow_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this session or job.")
    ] = None,
    json: Json = False,
) -> int:
    """List what can be resumed, and how far it is."""
    from prodigy.run.checkpoints import overview

    with closing(Records(settings)) as records:
        chosen = [records.find(workflow_id)] if workflow_id else records.all()
        found = [overview(records.database, record) for record in chosen]
    if json:
        print_document("checkpoints", {"checkpoints": found})
        return 0
    rows = [
        (
            one["session"],
            one["workflow"],
            one["phase"] or "-",
            one["last_step"] or "-",
            str(one["items_done"]),
            f"{one['saved'].astimezone():%Y-%m-%d %H:%M:%S}" if one["saved"] else "-",
        )
        for one in found
    ]
    print_table(("SESSION", "WORKFLOW", "PHASE", "LAST STEP", "ITEMS DONE", "SAVED"), rows, settings)
    return 0


command(app, "ls", hidden=True)(list_)


@command(app)
def show(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job, or 'latest'.")],
    *,
    json: Json = False,
) -> int:
    """Show the numbered durable points of a run: finished steps and items."""
    from prodigy.run.checkpoints import points

    with closing(Records(settings)) as records:
        found = points(records.database, records.find(name))
    if json:
        print_document("checkpoint", {"points": found})
        return 0
    rows = [
        (str(one["number"]), one["kind"], one["path"], one["status"], (one["commit"] or "-")[:12])
        for one in found
    ]
    print_table(("NUMBER", "KIND", "PATH", "STATUS", "COMMIT"), rows, settings)
    return 0
