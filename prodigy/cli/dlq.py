"""``prodigy dlq``: failed items, to understand them and to run them again."""

from __future__ import annotations

import csv
import io
import json as json_format
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.dlq_dismissal import clear, purge
from prodigy.cli.dlq_retry import retry
from prodigy.cli.letters import Filter, Job, filtered, letters_of
from prodigy.cli.output import print_document, print_table, write
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError
from prodigy.text import item_name, printable, printable_lines

if TYPE_CHECKING:
    from prodigy.run.dead_letters import DeadLetter

app = new_app(help="Look at failed items and run them again.", group=True)

Json = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@command(app, "list")
def list_(
    settings: Settings,
    *,
    job_id: Job = None,
    eligible: Annotated[bool, typer.Option("--eligible", help="Only those a retry may mend.")] = False,
    filter_: Filter = None,
    limit: Annotated[int, typer.Option(metavar="N", help="At most so many.")] = 50,
    json: Json = False,
) -> int:
    """List failed items."""
    options.positive("--limit", limit)
    found = [one for one in filtered(letters_of(settings, job_id), filter_) if one.eligible or not eligible]
    if json:
        letters = [one.model_dump(mode="json") for one in found[:limit]]
        print_document("dlq", {"items": letters, "total": len(found)})
        return 0
    rows = [
        (
            item_name(one.item_id, one.item),
            one.job_id or one.session_id,
            one.last.kind,
            one.last.step,
            str(one.failure_count),
            f"{one.last_attempt.astimezone():%Y-%m-%d %H:%M}" if one.last_attempt else "-",
            "yes" if one.eligible else "no",
            one.last.message[:80],
        )
        for one in found[:limit]
    ]
    print_table(("ITEM", "JOB", "KIND", "STEP", "ATTEMPTS", "LAST", "ELIGIBLE", "MESSAGE"), rows, settings)
    if len(found) > limit:
        write(f"{limit} of {len(found)} shown")
    return 0


command(app, "ls", hidden=True)(list_)


@command(app)
def inspect(
    settings: Settings,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="The item's id.")],
    *,
    job_id: Job = None,
    json: Json = False,
) -> int:
    """Show all that is known of a failed item."""
    found = [one for one in letters_of(settings, job_id) if one.item_id == item]
    if not found:
        raise UsageError(f"no failed item has the id '{item}'", help="'prodigy dlq list' lists them")
    if len(found) > 1:
        jobs = ", ".join(str(one.job_id or one.session_id) for one in found)
        raise UsageError(f"several jobs hold the item '{item}': name one with --job-id", help=jobs)
    if json:
        print_document("dlq-item", found[0].model_dump(mode="json"))
    else:
        write(_shown(found[0]))
    return 0


command(app, "show", hidden=True)(inspect)


@command(app)
def analyze(
    settings: Settings,
    *,
    job_id: Job = None,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the JSON document too.")] = None,
    json: Json = False,
) -> int:
    """Group failed items by what went wrong."""
    from prodigy.run.dead_letters import groups

    letters = letters_of(settings, job_id)
    found = groups(letters)
    kinds = Counter(one.last.kind for one in letters)
    steps = Counter(one.last.step or "-" for one in letters)
    hours = Counter(f"{one.last_attempt:%Y-%m-%dT%H}:00Z" for one in letters if one.last_attempt)
    document = {"groups": found, "kinds": kinds, "steps": steps, "hours": hours, "total": len(letters)}
    if export is not None:
        _save(
            export, json_format.dumps({"schema": "prodigy.dlq-analysis/1", **document}, indent=2), force=False
        )
    if json:
        print_document("dlq-analysis", document)
        return 0
    rows = [
        (one["signature"], str(one["count"]), one["kind"], one["step"], one["sample"][:80], one["suggestion"])
        for one in found
    ]
    print_table(("SIGNATURE", "COUNT", "KIND", "STEP", "SAMPLE", "SUGGESTION"), rows, settings)
    return 0


@command(app)
def export(
    settings: Settings,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write.")],
    *,
    job_id: Job = None,
    form: Annotated[Literal["json", "jsonl", "csv"], typer.Option("--format", help="How.")] = "json",
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace an existing file.")] = False,
) -> int:
    """Write failed items to a file."""
    letters = [one.model_dump(mode="json") for one in letters_of(settings, job_id)]
    if form == "json":
        text = json_format.dumps({"schema": "prodigy.dlq/1", "items": letters}, indent=2)
    elif form == "jsonl":
        text = "\n".join(json_format.dumps(one) for one in letters)
    else:
        out = io.StringIO()
        names = ("item_id", "job_id", "kind", "step", "failure_count", "eligible", "signature", "message")
        rows = [[(one | one["history"][-1]).get(name) for name in names] for one in letters]
        csv.writer(out).writerows([names, *rows])
        text = out.getvalue().rstrip("\n")
    _save(output, text, force=force)
    write(f"{len(letters)} items written to {printable(str(output))}")
    return 0


command(app)(retry)


@command(app)
def stats(
    settings: Settings,
    *,
    workflow_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this session or job.")
    ] = None,
    json: Json = False,
) -> int:
    """Count failed items."""
    letters = letters_of(settings, workflow_id)
    kinds = Counter(one.last.kind for one in letters)
    times = [one.last_attempt for one in letters if one.last_attempt is not None]
    document: dict[str, Any] = {
        "total_items": len(letters),
        "eligible_for_reprocess": sum(one.eligible for one in letters),
        "requiring_manual_review": sum(one.manual_review for one in letters),
        "oldest_item": min(times, default=None),
        "newest_item": max(times, default=None),
        "error_categories": kinds,
    }
    if json:
        print_document("dlq-stats", document)
    else:
        rows = [(name.replace("_", " "), str(value)) for name, value in document.items()]
        print_table(("WHAT", "VALUE"), rows, settings)
    return 0


command(app)(purge)
command(app)(clear)


def _shown(letter: DeadLetter) -> str:
    lines = [
        f"item       {item_name(letter.item_id, letter.item)}",
        f"job        {letter.job_id} ({letter.session_id})",
        f"eligible   {'yes' if letter.eligible else 'no: look at it first, then retry it with --force'}",
        f"signature  {letter.signature}",
    ]
    lines += [f"{name:<10} {value}" for name, value in letter.artifacts.items() if value]
    for one in letter.history:
        lines.append(f"attempt {one.attempt}: {one.kind} in step '{one.step}': {one.message}")
        lines.append(f"  log {one.log}")
        if one.conflict:
            lines.append(f"  conflicts with {one.conflict['ours']} in {', '.join(one.conflict['files'])}")
        if one.stderr_tail.strip():
            lines += [f"  | {line}" for line in one.stderr_tail.strip().splitlines()[-10:]]
    return printable_lines("\n".join(lines))


def _save(file: Path, text: str, *, force: bool) -> None:
    if file.exists() and not force:
        raise UsageError(f"{file} exists already", help="-f replaces it")
    try:
        file.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
