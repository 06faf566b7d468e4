"""``prodigy progress``: how far a run is."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.report.document import document, dumps
from prodigy.report.units import duration

if TYPE_CHECKING:
    from prodigy.state.sessions import SessionRecord

app = new_app()

_POLL = 1.0


@command(app)
def progress(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job, or 'latest'.")] = "latest",
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the run ends.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON documents.")] = False,
) -> int:
    """Show how far a run is, how fast it goes, and when it may end."""
    with closing(Records(settings)) as records:
        record = records.find(name)
        while True:
            found = _state(records, record)
            write(dumps(document("progress", found)) if json else _line(found))
            if not follow or found["status"] != "running":
                return 0
            time.sleep(_POLL)


def _state(records: Records, record: SessionRecord) -> dict[str, Any]:
    from prodigy.run.session_view import brief

    found = brief(records.database, records.sessions.get(record.id))
    end = found["finished_at"] or datetime.now(UTC)
    elapsed = (end - found["started_at"]).total_seconds()
    counts = found["items"] or {}
    done = sum(number for status, number in counts.items() if status != "pending")
    rate = done / elapsed if done and elapsed > 0 else None
    left = counts.get("pending", 0) / rate if rate and found["status"] == "running" else None
    return {**found, "elapsed": elapsed, "items_per_second": rate, "eta": left}


def _line(found: dict[str, Any]) -> str:
    parts = [found["id"], found["status"], found["progress"], f"after {duration(found['elapsed'])}"]
    if found["phase"]:
        parts.insert(2, f"phase {found['phase']}")
    if found["eta"] is not None:
        parts.append(f"about {duration(found['eta'])} left")
    return ", ".join(parts)
