"""``prodigy worktree``: the workspaces of earlier runs."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import ask, confirm, interactive, print_document, print_table, write
from prodigy.cli.records import Records
from prodigy.cli.run_options import network_of
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.state.sessions import SessionRecord

app = new_app(help="Look at, merge and remove the workspaces of earlier runs.", group=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A session id, a prefix of one, or 'latest'.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Session ids.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")]
Force = Annotated[bool, typer.Option("-f", "--force", help="Do not ask; remove unmerged work too.")]


@command(app, "ls")
def list_(
    settings: Settings,
    *,
    detailed: Annotated[bool, typer.Option("-d", "--detailed", help="Show more columns.")] = False,
    json: Json = False,
) -> int:
    """List the workspaces of this repository's runs."""
    from prodigy.run.overview import overview

    with closing(Records(settings)) as records:
        rows = [
            overview(records.home, record) for record in records.all() if record.workspace_state != "none"
        ]
    if json:
        print_document("worktrees", {"worktrees": [row.model_dump(mode="json") for row in rows]})
        return 0
    headers = ["NAME", "BRANCH", "STATUS", "CREATED", "AHEAD", "SIZE"]
    more = ["WORKFLOW", "BASE", "TARGET", "FILES", "STATE", "AGENTS"] if detailed else []
    cells = [row.cells() + (row.more_cells() if detailed else []) for row in rows]
    print_table(headers + more, cells, settings)
    return 0


command(app, "list", hidden=True)(list_)


@command(app)
def show(settings: Settings, name: Name, *, json: Json = False) -> int:
    """Show what a session holds: commits, changed files, leftovers, kept work, and how to go on."""
    from prodigy.run.overview import details, details_text

    with closing(Records(settings)) as records:
        found = details(records.home, records.database, records.find(name))
    if json:
        print_document("worktree", found)
    else:
        write(details_text(found))
    return 0


@command(app)
def diff(
    settings: Settings,
    name: Name,
    *,
    stat: Annotated[bool, typer.Option("--stat", help="Only counts for each file.")] = False,
    name_only: Annotated[bool, typer.Option("--name-only", help="Only the names of changed files.")] = False,
    item: Annotated[str | None, typer.Option(metavar="ID", help="What the agent of this item did.")] = None,
    uncommitted: Annotated[bool, typer.Option("--uncommitted", help="What was left uncommitted.")] = False,
) -> int:
    """Show what a session changed since its base commit."""
    from prodigy.run.overview import changes, patch, patch_of_leftovers

    with closing(Records(settings)) as records:
        record = records.find(name)
        if uncommitted:
            chunks = patch_of_leftovers(records.database, record, item)
        elif stat or name_only:
            lines = changes(records.home, records.database, record, item, counts=stat)
            chunks = iter([line + "\n" for line in lines])
        else:
            chunks = patch(records.home, records.database, record, item)
        for chunk in chunks:
            sys.stdout.write(chunk)
    return 0


@command(app)
def shell(
    settings: Settings,
    name: Name,
    *,
    image: Annotated[str | None, typer.Option(metavar="REF", help="The container's image.")] = None,
    network: Annotated[str | None, typer.Option(metavar="none|bridge|HOST,…", help="The network.")] = None,
) -> int:
    """Open a shell in a container with the session's workspace; commits made there count."""
    from prodigy.report.reporter import open_reporter
    from prodigy.run.visit import visit

    if not (interactive() and sys.stdout.isatty()):
        raise UsageError("a shell needs a terminal")
    chosen = network_of(network)
    with closing(Records(settings)) as records:
        record = records.find(name)
        reporter = open_reporter(stream=sys.stderr, verbosity=0, quiet=True, color=False)
        return visit(records.home, record, reporter, image=image, network=chosen)


@command(app)
def merge(
    settings: Settings,
    names: Names = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Every session that is not merged yet.")] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    into: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Merge into this branch instead.")
    ] = None,
    json: Json = False,
) -> int:
    """Fast-forward your branch to what a session made."""
    with closing(Records(settings)) as records:
        chosen = _chosen(records, names, every=all_)
        if not yes and not interactive():
            raise UsageError("nothing was done: there is no terminal to ask at", help="-y answers yes")
        outcomes = [_merge_one(records.home, record, settings, yes=yes, into=into) for record in chosen]
    if json:
        print_document("merges", {"merges": outcomes})
    else:
        for one in outcomes:
            detail = one["commit"] or one["reason"] or ""
            write(f"{one['session']}: {one['status']}{f' ({detail})' if detail else ''}")
    return 1 if any(one["status"] in ("refused", "failed") for one in outcomes) else 0


def _merge_one(
    home: Path, record: SessionRecord, settings: Settings, *, yes: bool, into: str | None
) -> dict[str, Any]:
    from prodigy.report.reporter import open_reporter
    from prodigy.run.worktrees import merge_session
    from prodigy.values import MergeOutcome

    reporter = open_reporter(
        stream=sys.stderr, verbosity=settings.verbosity, quiet=settings.quiet, color=False
    )

    def approve(question: str, notes: tuple[str, ...]) -> bool:
        return yes or ask("\n".join((*notes, question)))

    try:
        outcome = merge_session(home, record, reporter, approve, into=into)
    except ProdigyError as error:
        outcome = MergeOutcome(status="failed", reason=error.message)
    finally:
        reporter.close()
    return {"session": record.id, **outcome.model_dump(mode="json")}


def _chosen(records: Records, names: list[str] | None, *, every: bool) -> list[SessionRecord]:
    if bool(names) == every:
        raise UsageError("name the sessions, or give --all", help="'prodigy worktree ls' lists them")
    if names:
        return [records.find(name) for name in names]
    return [r for r in records.all() if r.workspace_state != "none" and r.status != "running"]


@command(app)
def clean(
    settings: Settings,
    names: Names = None,
    *,
    all_: Annotated[bool, typer.Option("-a", "--all", help="Every session of this repository.")] = False,
    force: Force = False,
    merged_only: Annotated[bool, typer.Option("--merged-only", help="Only merged sessions.")] = False,
    mapreduce: Annotated[bool, typer.Option("--mapreduce", help="Only mapreduce sessions.")] = False,
    older_than: Annotated[str | None, typer.Option(metavar="DURATION", help="Only older ones.")] = None,
    job_id: Annotated[str | None, typer.Option(metavar="ID", help="The session of this job.")] = None,
    dry_run: DryRun = False,
) -> int:
    """Remove workspaces, stores and records of finished sessions."""
    from prodigy.run.cleanup import delete_session
    from prodigy.run.overview import overview

    with closing(Records(settings)) as records:
        wanted = [*(names or []), *([job_id] if job_id else [])]
        if not (wanted or all_ or merged_only or mapreduce or older_than):
            raise UsageError("name the sessions to remove, or give --all, --merged-only or --older-than")
        chosen = [records.find(name) for name in wanted] or records.all()
        chosen = [
            r for r in chosen if _fits(r, merged_only=merged_only, mapreduce=mapreduce, older_than=older_than)
        ]
        views = [overview(records.home, record) for record in chosen]
        for view in views:
            write(f"{view.name}: {view.status}, {view.ahead} commits not merged, {view.size} bytes")
        running = [view.name for view in views if view.status == "running"]
        if running:
            raise ProdigyError(f"nothing removed: {', '.join(running)} is running")
        if dry_run or not chosen:
            return 0
        unmerged = [view.name for view in views if view.ahead]
        if unmerged and not force:
            raise ProdigyError(
                f"nothing removed: {', '.join(unmerged)} hold unmerged commits", help="-f removes them"
            )
        if not confirm(f"Remove {len(chosen)} sessions?", yes=force):
            write("nothing removed")
            return 0
        for record in chosen:
            delete_session(records.home, records.sessions, record)
    return 0


def _fits(record: SessionRecord, *, merged_only: bool, mapreduce: bool, older_than: str | None) -> bool:
    from prodigy.workflow.quantities import parse_duration

    try:
        age = timedelta(seconds=parse_duration(older_than)) if older_than else timedelta(0)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from error
    merged = record.merge is not None and record.merge.status == "merged"
    return (
        (merged or not merged_only)
        and (record.mode == "mapreduce" or not mapreduce)
        and datetime.now(UTC) - record.created_at >= age
    )


@command(app, "clean-orphaned")
def clean_orphaned(
    settings: Settings,
    name: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Only what belongs to this session.")
    ] = None,
    *,
    dry_run: DryRun = False,
    force: Force = False,
) -> int:
    """Remove what runs that were killed left behind: containers, volumes, networks, agents' workspaces."""
    from prodigy.home import data_root
    from prodigy.report.reporter import open_reporter
    from prodigy.run.cleanup import Orphans
    from prodigy.run.worktrees import clean_orphans
    from prodigy.state.database import Database

    home = data_root()
    with Database(home / "prodigy.db") as database:
        orphans = Orphans(home, database)
        found = orphans.find(name)
        for orphan in found:
            write(f"{orphan.kind} {orphan.name} ({orphan.session})")
        if not found:
            write("nothing is orphaned")
        if dry_run or not found:
            return 0
        if not confirm(f"Remove {len(found)} orphans? Session workspaces and their commits stay.", yes=force):
            write("nothing removed")
            return 0
        reporter = open_reporter(stream=sys.stderr, verbosity=settings.verbosity, quiet=True, color=False)
        problems = clean_orphans(home, orphans, found, reporter)
        for problem in problems:
            write(f"not removed: {problem}")
    return 1 if problems else 0
