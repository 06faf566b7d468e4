"""``prodigy checkpoints``: the durable points of a run."""

from __future__ import annotations

import json as json_format
from contextlib import closing
from typing import Annotated

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import confirm, print_document, print_table, write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError
from prodigy.report.units import size
from prodigy.text import printable, printable_lines

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
            size(one["size"]),
        )
        for one in found
    ]
    print_table(("SESSION", "WORKFLOW", "PHASE", "LAST STEP", "ITEMS DONE", "SAVED", "SIZE"), rows, settings)
    return 0


command(app, "ls", hidden=True)(list_)


@command(app)
def show(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job, or 'latest'.")],
    *,
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", help="Only this point, with its variables.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="See that nothing of it is damaged.")] = False,
    json: Json = False,
) -> int:
    """Show the numbered durable points of a run: finished steps and items."""
    from prodigy.run.checkpoints import points, problems, variables_at

    with closing(Records(settings)) as records:
        record = records.find(name)
        found = points(records.database, record)
        if version is not None:
            found = [one for one in found if one["number"] == version]
            if not found:
                raise UsageError(f"{record.id} has no point {version}")
            found[0]["variables"] = variables_at(records.database, record, found[0]["path"])
        wrong = problems(records.home, records.database, record) if check else []
    if json:
        print_document("checkpoint", {"points": found, "problems": wrong if check else None})
        return int(bool(wrong))
    rows = [
        (str(one["number"]), one["kind"], one["path"], one["status"], (one["commit"] or "-")[:12])
        for one in found
    ]
    print_table(("NUMBER", "KIND", "PATH", "STATUS", "COMMIT"), rows, settings)
    if version is not None:
        write(printable_lines(json_format.dumps(found[0]["variables"], indent=2, ensure_ascii=False)))
    for text in wrong:
        write(f"damaged: {printable(text)}")
    if check and not wrong:
        write("nothing is damaged")
    return int(bool(wrong))


@command(app)
def clean(
    settings: Settings,
    *,
    workflow_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this session or job.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of every finished session.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Do not ask.")] = False,
) -> int:
    """Drop what finished sessions kept to be resumed; one that can be resumed keeps it."""
    from prodigy.run.configuration import read_configuration
    from prodigy.run.retention import Retention

    if (workflow_id is None) == (not everything):
        raise UsageError("name a session by --workflow-id, or give --all")
    with closing(Records(settings)) as records:
        chosen = [records.find(workflow_id)] if workflow_id else records.all()
        retention = Retention(records.home, records.database, chosen, read_configuration().config)
        found = list(retention.find("state", None, every=True))
        doomed = [one for one in found if not (one.kept or one.never)]
        for one in found:
            write(f"{one.name}: {size(one.size)}" if one in doomed else f"kept: {one.name}: {one.kept}")
        if not doomed:
            write("nothing to remove")
            return 0
        if not confirm(f"Drop the resume data of {len(doomed)} sessions?", yes=force):
            write("nothing removed")
            return 0
        for one in doomed:
            one.remove()
    return 0
