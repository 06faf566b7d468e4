"""``prodigy run``: a workflow file over a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import ask, interactive, print_document, write
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.report.reporter import Reporter
    from prodigy.run.plan import Plan
    from prodigy.workflow.models import Workflow

app = new_app()


@command(app)
def run(
    settings: Settings,
    workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW", help="The workflow file.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; start nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Merge at the end without asking.")] = False,
    no_merge: Annotated[bool, typer.Option("--no-merge", help="Never ask, never merge.")] = False,
    sandbox: Annotated[str, typer.Option(metavar="docker|host", help="Where steps run.")] = "docker",
    image: Annotated[str | None, typer.Option(metavar="REF", help="The containers' image.")] = None,
    network: Annotated[
        str | None, typer.Option(metavar="none|bridge", help="The containers' network.")
    ] = None,
    cpus: Annotated[float | None, typer.Option(metavar="N", help="CPUs for each container.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="Memory for each container.")] = None,
    max_parallel: Annotated[int | None, typer.Option(metavar="N", help="Agents at a time.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = False,
) -> int:
    """Run a workflow: every phase in its own container, your repository untouched until you agree."""
    from prodigy.run.plan import Overrides, make_plan

    if yes and no_merge:
        raise UsageError("-y and --no-merge contradict each other")
    overrides = Overrides(
        sandbox=_choice("--sandbox", sandbox, "docker", "host"),
        image=image,
        network=_choice("--network", network, "none", "bridge") if network is not None else None,
        cpus=_positive("--cpus", cpus),
        memory=_size(memory),
        max_parallel=_positive("--max-parallel", max_parallel),
        merge="yes" if yes else "never" if no_merge else "ask",
    )
    plan = make_plan(_load(workflow), str(workflow), overrides)
    if dry_run:
        return _show(plan, settings, as_json=json)
    return _run(plan, settings, as_json=json)


def _load(path: Path) -> Workflow:
    from prodigy.workflow.loader import load_workflow

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the workflow {path} cannot be read: {error.strerror}") from error
    return load_workflow(data, str(path))


def _run(plan: Plan, settings: Settings, *, as_json: bool) -> int:
    from prodigy.home import data_root
    from prodigy.run.machine import prepare_ahead

    home = data_root()
    # The engine answers while the repository is read and the rest of the program is imported.
    preparing = prepare_ahead(plan, home)
    from prodigy.git.repository import open_repository
    from prodigy.report.document import dumps, run_document
    from prodigy.report.reporter import open_reporter
    from prodigy.report.summary import result_line, summary
    from prodigy.run.start import run_workflow

    try:
        repository = open_repository(settings.directory())
    except BaseException:
        preparing.exception()  # the container in which it looks at an image must not outlive this process
        raise
    reporter = open_reporter(
        stream=sys.stderr,
        verbosity=settings.verbosity,
        quiet=settings.quiet,
        color=settings.colored(sys.stderr),
    )
    try:
        result = run_workflow(plan, repository, home, preparing, reporter, _Asker(reporter))
    finally:
        reporter.close()
    if as_json:
        write(dumps(run_document(result)))
    elif settings.quiet:
        write(result_line(result))
    else:
        write(summary(result, color=settings.colored(sys.stdout)))
    return result.exit_code


class _Asker:
    """Asks at the terminal, where there is one."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def __call__(self, question: str, notes: tuple[str, ...]) -> bool | None:
        if not interactive():
            return None
        self._reporter.pause()
        try:
            return ask("\n".join((*notes, question)))
        finally:
            self._reporter.resume()


def _show(plan: Plan, settings: Settings, *, as_json: bool) -> int:
    from prodigy.git.repository import open_repository
    from prodigy.report.plan import plan_text
    from prodigy.run.dry_run import describe_plan

    described: dict[str, Any] = describe_plan(plan, open_repository(settings.directory()))
    if as_json:
        print_document("plan", described)
    else:
        write(plan_text(described))
    return 0


def _choice(option: str, value: str, *allowed: str) -> Any:
    if value not in allowed:
        raise UsageError(f"{option} is one of {', '.join(allowed)}, not '{value}'")
    return value


def _positive(option: str, value: Any) -> Any:
    if value is not None and value <= 0:
        raise UsageError(f"{option} must be greater than 0, not {value}")
    return value


def _size(text: str | None) -> int | None:
    from prodigy.workflow.quantities import parse_size

    try:
        return parse_size(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"--memory: {error}") from error
