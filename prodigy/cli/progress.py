"""``prodigy progress``: how far a run is."""

from __future__ import annotations

import csv
import io
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prodigy.cli.command import command, new_app
from prodigy.cli.output import write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError
from prodigy.report.document import document, dumps
from prodigy.report.units import duration
from prodigy.state.journal import Journal
from prodigy.text import printable

if TYPE_CHECKING:
    from prodigy.state.sessions import SessionRecord

app = new_app()

_POLL = 1.0
_WIDTH = 140
"""Characters of a line in the HTML file."""


@command(app)
def progress(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job, or 'latest'.")] = "latest",
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the run ends.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the last state, items included.")
    ] = None,
    form: Annotated[Literal["json", "csv", "html"], typer.Option("--format", help="How.")] = "json",
    json: Annotated[bool, typer.Option("--json", help="Print JSON documents.")] = False,
) -> int:
    """Show how far a run is, how fast it goes, and when it may end."""
    with closing(Records(settings)) as records:
        record = records.find(name)
        while True:
            found = _state(records, record, items=json or export is not None)
            write(dumps(document("progress", found)) if json else _line(found))
            if not follow or found["status"] != "running":
                break
            time.sleep(_POLL)
    if export is not None:
        try:
            export.write_text(_FORMATS[form](found), encoding="utf-8")
        except OSError as error:
            raise ProdigyError(f"{export} cannot be written: {error.strerror}") from error
    return 0


def _state(records: Records, record: SessionRecord, *, items: bool) -> dict[str, Any]:
    from prodigy.run.session_view import brief

    found = brief(records.database, records.sessions.get(record.id))
    end = found["finished_at"] or datetime.now(UTC)
    elapsed = (end - found["started_at"]).total_seconds()
    counts = found["items"] or {}
    done = sum(number for status, number in counts.items() if status != "pending")
    rate = done / elapsed if done and elapsed > 0 else None
    left = counts.get("pending", 0) / rate if rate and found["status"] == "running" else None
    state = {**found, "elapsed": elapsed, "items_per_second": rate, "eta": left}
    return state | {"results": _items(records, record)} if items else state


def _items(records: Records, record: SessionRecord) -> list[dict[str, Any]]:
    return [
        {
            "item_id": item.item_id,
            "item": item.item,
            "status": item.status,
            "attempts": item.attempts,
            "duration": item.duration,
            "error": item.error.message if item.error else None,
        }
        for item in Journal(records.database, record.id).item_results()
    ]


def _line(found: dict[str, Any]) -> str:
    parts = [found["id"], found["status"], found["progress"], f"after {duration(found['elapsed'])}"]
    if found["phase"]:
        parts.insert(2, f"phase {found['phase']}")
    if found["eta"] is not None:
        parts.append(f"about {duration(found['eta'])} left")
    return ", ".join(parts)


_COLUMNS = ("item_id", "item", "status", "attempts", "duration", "error")


def _rows(found: dict[str, Any]) -> list[list[str]]:
    return [[_cell(item[name]) for name in _COLUMNS] for item in found["results"]]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else dumps(value)
    return printable(text)


def _csv(found: dict[str, Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([_COLUMNS, *_rows(found)])
    return out.getvalue()


def _html(found: dict[str, Any]) -> str:
    table = Table(title=escape(_line(found)))
    for name in _COLUMNS:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in _rows(found):
        table.add_row(*map(escape, row))
    console = Console(record=True, file=io.StringIO(), width=_WIDTH)
    console.print(table)
    return console.export_html()


_FORMATS = {"json": lambda found: dumps(document("progress", found)) + "\n", "csv": _csv, "html": _html}
