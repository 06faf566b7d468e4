"""The failed items a command is about."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy.cli.records import Records
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.cli.settings import Settings
    from prodigy.run.dead_letters import DeadLetter
    from prodigy.state.sessions import SessionRecord

Job = Annotated[str | None, typer.Option("--job-id", metavar="ID", help="Only of this session or job.")]
Filter = Annotated[
    str | None, typer.Option("--filter", metavar="EXPR", help="Only what the expression takes.")
]


def letters_of(settings: Settings, job: str | None) -> list[DeadLetter]:
    """Return the failed items of a session or job; of every one of the repository where none is named."""
    with closing(Records(settings)) as records:
        chosen = [records.find(job)] if job is not None else records.all()
        return [letter for record in chosen for letter in session_letters(records, record)]


def session_letters(records: Records, record: SessionRecord) -> list[DeadLetter]:
    """Return the failed items of a session."""
    from prodigy.run.dead_letters import DeadLetters

    return DeadLetters(records.database, record).all() if record.mode == "mapreduce" else []


_OLD_KINDS = {
    "Timeout": "timeout",
    "CommandFailed": "command",
    "MergeConflict": "merge_conflict",
    "ValidationFailed": "validation",
    "ResourceExhausted": "oom",
}


def filtered(letters: list[DeadLetter], text: str | None) -> list[DeadLetter]:
    """Return those an expression takes; it may speak of the record or of the item.

    Raises UsageError for what is no expression.
    """
    from prodigy.workflow.expression_nodes import ExpressionError
    from prodigy.workflow.expressions import ItemNames, parse_expression

    if text is None:
        return letters
    for old, new in _OLD_KINDS.items():
        text = text.replace(f"'{old}'", f"'{new}'").replace(f'"{old}"', f'"{new}"')
    try:
        expression = parse_expression(text)
        return [
            one
            for number, one in enumerate(letters)
            if expression.holds(
                ItemNames(one.model_dump(mode="json") | one.last.model_dump(mode="json"), number)
            )
            or expression.holds(ItemNames(one.item, number))
        ]
    except ExpressionError as error:
        raise UsageError(f"--filter, column {error.column}: {error}") from error
