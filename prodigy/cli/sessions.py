"""``prodigy sessions``: the records of all runs."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table, write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.cli.worktree import clean as clean_worktrees
from prodigy.errors import UsageError
from prodigy.report.units import duration

if TYPE_CHECKING:
    from prodigy.state.sessions import SessionRecord

app = new_app(
    help="List and show the records of runs; without a command, list them.",
    group=True,
    bare=lambda settings: list_(settings),  # noqa: PLW0108 - it stands below
)

STATUSES = ("running", "success", "partial", "failed", "interrupted", "orphaned")
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@command(app, "ls")
def list_(
    settings: Settings,
    *,
    status: Annotated[str | None, typer.Option(metavar="S", help="Only these.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many, the newest.")] = 20,
    all_repos: Annotated[bool, typer.Option("--all-repos", help="Of every repository.")] = False,
    json: Json = False,
) -> int:
    """List runs, the newest first."""
    if status is not None and status not in STATUSES:
        raise UsageError(f"no status is '{status}': it is one of {', '.join(STATUSES)}")
    options.positive("--limit", limit)
    from prodigy.run.session_view import brief

    with closing(Records(settings)) as records:
        every = records.sessions.all() if all_repos else records.all()
        found = [brief(records.database, record) for record in every]
    found = [one for one in found if status in (None, one["status"])][:limit]
    if json:
        print_document("sessions", {"sessions": found})
        return 0
    rows = [
        (
            one["id"],
            one["workflow"],
            one["mode"],
            one["status"],
            one["progress"],
            f"{one['started_at'].astimezone():%Y-%m-%d %H:%M}",
            duration(one["duration"]) if one["duration"] is not None else "-",
            "yes" if one["merged"] else "no",
            f"{one['cost']['usd']:.2f} USD" if one["cost"] else "-",
        )
        for one in found
    ]
    print_table(
        ("ID", "WORKFLOW", "MODE", "STATUS", "PROGRESS", "STARTED", "TIME", "MERGED", "COST"), rows, settings
    )
    return 0


command(app, "list", hidden=True)(list_)


@command(app)
def show(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job, or 'latest'.")],
    *,
    json: Json = False,
) -> int:
    """Show a run: phases, steps, items, artifacts, and what can be done next."""
    from prodigy.run.session_view import full, full_text

    with closing(Records(settings)) as records:
        record: SessionRecord = records.find(name)
        found: dict[str, Any] = full(records.home, records.database, record)
    if json:
        print_document("session", found)
    else:
        write(full_text(found))
    return 0


command(app, "clean")(clean_worktrees)
