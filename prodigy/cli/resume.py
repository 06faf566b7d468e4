"""``prodigy resume``: a run taken up where it ended."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.output import write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.run.resume import ResumeOptions
    from prodigy.state.sessions import SessionRecord
    from prodigy.workflow.models import Workflow

app = new_app()

MaxRetries = Annotated[
    int, typer.Option("--max-retries", metavar="N", help="How often a failed item may be tried again.")
]


@command(app)
def resume(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="Session or job; the only one.")] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although the workflow file changed, or changes are lost.")
    ] = False,
    include_dlq: Annotated[bool, typer.Option("--include-dlq", help="Run failed items again.")] = False,
    max_retries: MaxRetries = 3,
    from_checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help="Go on after this finished step: its path or number in `checkpoints show`."
        ),
    ] = None,
    steal_lock: Annotated[
        bool, typer.Option("--steal-lock", help="Take over a session of another host.")
    ] = False,
    max_parallel: Annotated[int | None, typer.Option(metavar="N", help="Agents at a time.")] = None,
    timeout: options.Timeout = None,
    yes: options.Yes = False,
    no_merge: options.NoMerge = False,
    json: options.Json = False,
    events: options.Events = None,
) -> int:
    """Go on with a run that was interrupted, failed or killed: what is finished is not done again."""
    from prodigy.run.resume import ResumeOptions

    merge = options.merge_answer(yes=yes, no_merge=no_merge)
    with closing(Records(settings)) as records:
        record = _chosen(records, name, include_failed=include_dlq)
        home = records.home
    given = ResumeOptions(
        force=force,
        include_failed=include_dlq,
        max_retries=options.positive("--max-retries", max_retries),
        from_checkpoint=from_checkpoint,
        steal_lock=steal_lock,
        max_parallel=options.positive("--max-parallel", max_parallel),
        timeout=options.seconds("--timeout", timeout),
        merge=merge,
    )
    return go_on(home, record, _workflow(record), given, settings, as_json=json, events=events)


def go_on(
    home: Path,
    record: SessionRecord,
    flow: Workflow | None,
    given: ResumeOptions,
    settings: Settings,
    *,
    as_json: bool,
    events: str | None = None,
) -> int:
    """Go on with a session and print its result; gives the exit code."""
    from prodigy.report.document import dumps, run_document
    from prodigy.report.summary import result_line, summary
    from prodigy.run.resume import resume_session

    reporter = options.open_watching(settings, events, as_json=as_json, is_job=record.mode == "mapreduce")
    try:
        result = resume_session(home, record, flow, given, reporter, options.Asker(reporter))
    finally:
        reporter.close()
    if events == "-":
        return result.exit_code
    if as_json:
        write(dumps(run_document(result)))
    elif settings.quiet:
        write(result_line(result))
    else:
        write(summary(result, color=settings.colored(sys.stdout)))
    return result.exit_code


def _workflow(record: SessionRecord) -> Workflow | None:
    """Return the workflow as its file has it now; None where the command line was the workflow."""
    from prodigy.workflow.loader import load_workflow

    if record.workflow_file.startswith("<"):
        return None
    try:
        data = Path(record.workflow_file).read_bytes()
    except FileNotFoundError:
        return None  # it was read once; what it said is in the session
    except OSError as error:
        raise UsageError(f"the workflow {record.workflow_file} cannot be read: {error.strerror}") from error
    return load_workflow(data, record.workflow_file, environ=os.environ)


def _chosen(records: Records, name: str | None, *, include_failed: bool) -> SessionRecord:
    from prodigy.run.resume import resumable
    from prodigy.state.journal import Journal

    if name is not None:
        return records.find(name)

    def can(record: SessionRecord) -> bool:
        items = Journal(records.database, record.id).item_results()
        pending = sum(item.status == "pending" for item in items)
        return resumable(record, pending, include_failed=include_failed)

    found = [record for record in records.all() if can(record)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(record.id for record in found[:10])
    if not found:
        raise UsageError("no session of this repository can be resumed")
    raise UsageError(f"{len(found)} sessions can be resumed: name one", help=names)
