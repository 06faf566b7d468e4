"""``prodigy dlq retry``: failed items run again."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli import run_options as options
from prodigy.cli.letters import Filter, filtered, session_letters
from prodigy.cli.output import write
from prodigy.cli.records import Records
from prodigy.cli.resume import MaxRetries  # noqa: TC001 - typer reads it
from prodigy.cli.settings import Settings  # noqa: TC001 - typer reads it
from prodigy.errors import UsageError
from prodigy.text import item_name

if TYPE_CHECKING:
    from prodigy.state.sessions import SessionRecord
    from prodigy.values import RunResult


def retry(
    settings: Settings,
    name: Annotated[str, typer.Argument(metavar="ID", help="Session or job.")],
    *,
    filter_: Filter = None,
    item: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this item.")] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", "--max-parallel", metavar="N", help="Agents at a time.")
    ] = None,
    max_retries: MaxRetries = 3,
    force: Annotated[bool, typer.Option("--force", help="Also items that need a look first.")] = False,
    reduce: Annotated[bool, typer.Option("--reduce", help="Run reduce again too.")] = False,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    no_merge: options.NoMerge = False,
    json: options.Json = False,
    events: options.Events = None,
) -> int:
    """Run failed items again, from the newest commit of their session."""
    from prodigy.cli.resume import go_on
    from prodigy.run.resume import ResumeOptions
    from prodigy.run.retrying import is_closed, retry_plan

    merge = options.merge_answer(yes=yes, no_merge=no_merge)
    with closing(Records(settings)) as records:
        record = records.find(name)
        letters = [
            one for one in filtered(session_letters(records, record), filter_) if one.eligible or force
        ]
        home = records.home
    wanted = set(item or ())
    unknown = wanted - {one.item_id for one in letters}
    if unknown:
        raise UsageError(
            f"not among the items to retry: {', '.join(sorted(unknown))}", help="--force takes all"
        )
    chosen = [one for one in letters if not wanted or one.item_id in wanted]
    if not chosen or dry_run:
        write("\n".join(item_name(one.item_id, one.item) for one in chosen) or "nothing to retry")
        return 0
    if is_closed(home, record):
        plan = retry_plan(
            record,
            [one.item for one in chosen],
            reduce=reduce,
            max_parallel=options.positive("--parallel", parallel),
            merge=merge or "ask",
        )
        then = partial(_dismiss_retried, settings, record, {one.item_id: one.item for one in chosen})
        opened = options.Opened(settings)
        return options.execute(plan, settings, opened, as_json=json, events=events, then=then)
    given = ResumeOptions(
        include_failed=True,
        items=tuple(one.item_id for one in chosen),
        max_retries=options.positive("--max-retries", max_retries),
        again_reduce=reduce,
        max_parallel=options.positive("--parallel", parallel),
        merge=merge,
    )
    return go_on(home, record, None, given, settings, as_json=json, events=events)


def _dismiss_retried(
    settings: Settings, record: SessionRecord, items: dict[str, Any], result: RunResult
) -> None:
    """Let those items be dead letters no longer that went well in another session."""
    from prodigy.run.dead_letters import DeadLetters

    good = [one.item for one in result.results if one.success]
    with closing(Records(settings)) as records:
        done = [item_id for item_id, item in items.items() if item in good]
        DeadLetters(records.database, record).dismiss(done, "dlq_item_removed")
