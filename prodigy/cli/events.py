"""``prodigy events``: what happened, asked afterwards or followed."""

from __future__ import annotations

import csv
import io
import json as json_format
import re
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.event_source import Envelope, EventSource
from prodigy.cli.output import confirm, print_document, print_table, write
from prodigy.cli.run_options import positive, seconds, size
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError, UsageError
from prodigy.text import printable

app = new_app(help="Look at, follow and export the events of runs.", group=True)

Job = Annotated[str | None, typer.Option("--job-id", metavar="ID", help="Session or job; the newest.")]
Kind = Annotated[str | None, typer.Option("--event-type", metavar="T", help="Only this type.")]
Agent = Annotated[str | None, typer.Option("--agent-id", metavar="A", help="Only this item.")]
Since = Annotated[str | None, typer.Option(metavar="D", help="Only the last so many minutes, or 2h, 3d.")]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="EXPR", help="Only what the expression takes.")
]
Limit = Annotated[int, typer.Option(metavar="N", help="At most so many, the newest.")]
AllJobs = Annotated[bool, typer.Option("--all-jobs", help="Of every session of this repository.")]
Source = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="An exported file instead.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@command(app, "ls")
def list_(
    settings: Settings,
    *,
    job_id: Job = None,
    event_type: Kind = None,
    agent_id: Agent = None,
    since: Since = None,
    filter_: Filter = None,
    limit: Limit = 100,
    all_jobs: AllJobs = False,
    file: Source = None,
    json: Json = False,
) -> int:
    """List events, the oldest first."""
    positive("--limit", limit)
    with closing(EventSource(settings, job_id, file, every=all_jobs)) as events:
        found = events.newest(event_type, agent_id, _moment(since), filter_, limit)
    if json:
        print_document("events", {"events": found})
    else:
        print_table(("TIME", "TYPE", "ITEM", "SUMMARY"), map(_row, found), settings)
    return 0


command(app, "list", hidden=True)(list_)


@command(app)
def stats(
    settings: Settings,
    *,
    group_by: Annotated[
        Literal["event_type", "job_id", "agent_id"], typer.Option("--group-by", help="What is counted.")
    ] = "event_type",
    job_id: Job = None,
    all_jobs: AllJobs = False,
    file: Source = None,
    json: Json = False,
) -> int:
    """Count events."""
    with closing(EventSource(settings, job_id, file, every=all_jobs)) as events:
        rows = events.counts(group_by)
    if json:
        names = ("value", "count", "first", "last")
        print_document("event-stats", {"groups": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        cells = [(value, str(number), first[:19], last[:19]) for value, number, first, last in rows]
        print_table(("VALUE", "COUNT", "FIRST", "LAST"), cells, settings)
    return 0


@command(app)
def search(
    settings: Settings,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A regular expression.")],
    *,
    fields: Annotated[
        str | None, typer.Option(metavar="a,b", help="Only in these fields of the event.")
    ] = None,
    limit: Limit = 100,
    job_id: Job = None,
    all_jobs: AllJobs = False,
    file: Source = None,
    json: Json = False,
) -> int:
    """Find events whose record matches."""
    try:
        regex = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"not a regular expression: {error}") from error
    names = fields.split(",") if fields else None
    with closing(EventSource(settings, job_id, file, every=all_jobs)) as events:
        found = [one for one in events.every() if regex.search(_searched(one, names))][-limit:]
    if json:
        print_document("events", {"events": found})
    else:
        print_table(("TIME", "TYPE", "ITEM", "SUMMARY"), map(_row, found), settings)
    return 0


@command(app)
def follow(
    settings: Settings,
    *,
    job_id: Job = None,
    event_type: Kind = None,
    filter_: Filter = None,
    json: Json = False,
) -> int:
    """Show events as they happen, until the session ends."""
    with closing(EventSource(settings, job_id, None, every=False)) as events:
        for one in events.follow(event_type, filter_):
            write(json_format.dumps(one) if json else "  ".join(map(printable, _row(one))))
    return 0


@command(app)
def export(
    settings: Settings,
    *,
    form: Annotated[
        Literal["json", "jsonl", "csv", "markdown"], typer.Option("--format", help="How it is written.")
    ] = "json",
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a file.")] = None,
    job_id: Job = None,
    all_jobs: AllJobs = False,
    file: Source = None,
) -> int:
    """Write all events of a session."""
    with closing(EventSource(settings, job_id, file, every=all_jobs)) as events:
        text = _written(list(events.every()), form)
    if output is None:
        write(text)
        return 0
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ProdigyError(f"{output} cannot be written: {error.strerror}") from error
    return 0


@command(app)
def clean(
    settings: Settings,
    *,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="D", help="Only older ones.")
    ] = None,
    max_events: Annotated[
        int | None, typer.Option("--max-events", metavar="N", help="Keep the newest so many of a session.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", metavar="S", help="Keep the newest so many bytes of a session."),
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive", help="Write them to a file before, one a line.")
    ] = False,
    archive_path: Annotated[
        Path | None,
        typer.Option("--archive-path", metavar="DIR", help="Where; else in the data root."),
    ] = None,
    job_id: Job = None,
    all_jobs: AllJobs = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Do not ask.")] = False,
) -> int:
    """Delete old events of sessions that do not run."""
    if older_than is None and max_events is None and max_size is None:
        raise UsageError("say which events: --older-than D, --max-events N or --max-size S")
    if archive_path is not None and not archive:
        raise UsageError("--archive-path goes with --archive")
    age = seconds("--older-than", older_than)
    before = datetime.now(UTC) - timedelta(seconds=age) if age is not None else None
    keep, most = positive("--max-events", max_events), size("--max-size", max_size)
    with closing(EventSource(settings, job_id, None, every=all_jobs)) as events:
        chosen = [record for record in events.records if record.status != "running"]
        count = sum(events.log.count(r.id, before=before, keep=keep, size=most)[0] for r in chosen)
        if dry_run or not count:
            write(f"{count} events would be removed" if count else "nothing to remove")
            return 0
        if not confirm(f"Remove {count} events of {len(chosen)} sessions?", yes=force):
            write("nothing removed")
            return 0
        for record in chosen:
            if archive:
                events.archive(record, archive_path, before=before, keep=keep, size=most)
            events.log.delete(record.id, before=before, keep=keep, size=most)
    write(f"{count} events {'archived and ' if archive else ''}removed")
    return 0


def _moment(text: str | None) -> datetime | None:
    """Return the time so long ago; a bare number is minutes."""
    if text is None:
        return None
    ago = seconds("--since", f"{text}m" if text.isdigit() else text)
    return datetime.now(UTC) - timedelta(seconds=ago or 0)


def _searched(one: Envelope, names: list[str] | None) -> str:
    if names is None:
        return json_format.dumps(one, ensure_ascii=False)
    return "\n".join(json_format.dumps(one["event"].get(name), ensure_ascii=False) for name in names)


_PLAIN = ("event_type", "job_id", "item_id", "phase", "header")


def _row(one: Envelope) -> tuple[str, str, str, str]:
    event = one["event"]
    facts = {
        name: value for name, value in event.items() if name not in _PLAIN and value not in (None, "", [])
    }
    shown = ", ".join(
        f"{name} {value if isinstance(value, str) else json_format.dumps(value)}"
        for name, value in facts.items()
    )
    moment = datetime.fromisoformat(one["timestamp"]).astimezone()
    where = str(event.get("item_id") or event.get("phase") or "")
    return f"{moment:%H:%M:%S}", str(event["event_type"]), where, shown[:200]


def _written(events: list[Envelope], form: str) -> str:
    if form == "json":
        return json_format.dumps({"schema": "prodigy.events/1", "events": events}, indent=2)
    if form == "jsonl":
        return "\n".join(json_format.dumps(one) for one in events)
    rows = [_row(one) for one in events]
    if form == "csv":
        out = io.StringIO()
        csv.writer(out).writerows([("time", "type", "item", "summary"), *rows])
        return out.getvalue().rstrip("\n")
    lines = ["| Time | Type | Item | Summary |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(printable(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
