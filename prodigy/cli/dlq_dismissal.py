"""``prodigy dlq purge`` and ``clear``: failed items that nobody will look at any more."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy.cli import run_options as options
from prodigy.cli.letters import Job, letters_of
from prodigy.cli.output import confirm, write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings  # noqa: TC001 - typer reads it

if TYPE_CHECKING:
    from prodigy.run.dead_letters import DeadLetter


def purge(
    settings: Settings,
    *,
    older_than_days: Annotated[float, typer.Option(metavar="N", help="The least age in days.")],
    job_id: Job = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Dismiss failed items of a certain age; what they did stays with their session."""
    options.positive("--older-than-days", older_than_days)
    before = datetime.now(UTC) - timedelta(days=older_than_days)
    letters = [
        one
        for one in letters_of(settings, job_id)
        if one.last_attempt is not None and one.last_attempt < before
    ]
    return _dismiss(settings, letters, yes=yes)


def clear(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Dismiss all failed items of a job; what they did stays with their session."""
    return _dismiss(settings, letters_of(settings, name), yes=yes)


def _dismiss(settings: Settings, letters: list[DeadLetter], *, yes: bool) -> int:
    from prodigy.run.dead_letters import DeadLetters

    if not letters:
        write("nothing to remove")
        return 0
    if not confirm(f"Dismiss {len(letters)} failed items?", yes=yes):
        write("nothing removed")
        return 0
    with closing(Records(settings)) as records:
        for session in {one.session_id for one in letters}:
            items = [one.item_id for one in letters if one.session_id == session]
            DeadLetters(records.database, records.find(session)).dismiss(items, "dlq_items_evicted")
    write(f"{len(letters)} items dismissed")
    return 0
