"""The options that every command has that runs a workflow, and the run itself."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prodigy.cli.output import ask, interactive, print_document, write
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.cli.settings import Settings
    from prodigy.git.committed import Committed
    from prodigy.git.repository import UserRepository
    from prodigy.report.reporter import Reporter
    from prodigy.run.plan import Overrides, Plan
    from prodigy.values import RunResult

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; start nothing.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", help="Merge at the end without asking.")]
NoMerge = Annotated[bool, typer.Option("--no-merge", help="Never ask, never merge.")]
SandboxChoice = Annotated[str, typer.Option("--sandbox", metavar="docker|host", help="Where steps run.")]
Image = Annotated[str | None, typer.Option(metavar="REF", help="The containers' image.")]
Events = Annotated[
    str | None, typer.Option("--events", metavar="FILE", help="Write events there as they happen; -: stdout.")
]
Network = Annotated[
    str | None,
    typer.Option(metavar="none|bridge|HOST,…", help="The containers' network, or all names they may reach."),
]
Cpus = Annotated[float | None, typer.Option(metavar="N", help="CPUs for each container.")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="Memory for each container.")]
Timeout = Annotated[str | None, typer.Option(metavar="D", help="The longest the whole run may take.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Keep = Annotated[bool, typer.Option("--keep", help="Keep agents' workspaces and the session after a merge.")]

STDIN_LIMIT = 64 << 20


def overrides(
    *,
    yes: bool,
    no_merge: bool,
    sandbox: str,
    image: str | None,
    network: str | None,
    cpus: float | None,
    memory: str | None,
    timeout: str | None = None,
    **more: Any,
) -> Overrides:
    """Return the settings of the command line. Raises UsageError for those that cannot be."""
    from prodigy.run.plan import Overrides

    return Overrides(
        sandbox=choice("--sandbox", sandbox, "docker", "host"),
        image=image,
        network=network_of(network),
        cpus=positive("--cpus", cpus),
        memory=size("--memory", memory),
        timeout=seconds("--timeout", timeout),
        merge=merge_answer(yes=yes, no_merge=no_merge) or "ask",
        **more,
    )


def machine_memory() -> int:
    """Return the memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def choice(option: str, value: str, *allowed: str) -> Any:
    """Return one of the allowed values. Raises UsageError."""
    if value not in allowed:
        raise UsageError(f"{option} is one of {', '.join(allowed)}, not '{value}'")
    return value


def network_of(text: str | None) -> Any:
    """Return a network: one of two names, or a list of hosts. Raises UsageError."""
    if text in (None, "none", "bridge"):
        return text
    from prodigy.egress_rule import EgressRule

    if "." not in str(text):  # `host`, and slips of the keyboard: no name of the outside has no dot
        raise UsageError(f"--network is none, bridge, or hosts such as pypi.org, not '{text}'")
    try:
        return {"egress": [str(EgressRule.parse(host.strip())) for host in str(text).split(",")]}
    except ValueError as error:
        raise UsageError(f"--network is none, bridge, or a list of hosts: {error}") from None


def merge_answer(*, yes: bool, no_merge: bool) -> Literal["yes", "never"] | None:
    """Return what the options say of the merge at the end. Raises UsageError where that is both."""
    if yes and no_merge:
        raise UsageError("-y and --no-merge contradict each other")
    return "yes" if yes else "never" if no_merge else None


def positive(option: str, value: Any) -> Any:
    """Return a number that is greater than 0, or None. Raises UsageError."""
    if value is not None and value <= 0:
        raise UsageError(f"{option} must be greater than 0, not {value}")
    return value


def size(option: str, text: str | None) -> int | None:
    """Return bytes. Raises UsageError."""
    from prodigy.workflow.quantities import parse_size

    try:
        return parse_size(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def seconds(option: str, text: str | None) -> float | None:
    """Return seconds, more than 0. Raises UsageError."""
    from prodigy.workflow.quantities import parse_duration

    if text is None:
        return None
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    if found <= 0:
        raise UsageError(f"{option} must be longer than 0")
    return found


def read_stdin() -> str:
    """Return standard input, for a workflow that takes its items from it. Raises UsageError."""
    if sys.stdin.isatty():
        raise UsageError("the workflow reads its items from standard input, which is a terminal")
    data = sys.stdin.buffer.read(STDIN_LIMIT + 1)
    if len(data) > STDIN_LIMIT:
        raise UsageError(f"standard input is larger than {STDIN_LIMIT >> 20} MiB")
    return data.decode(errors="surrogateescape")


class Opened:
    """The repository a command acts on, opened once, when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: UserRepository | None = None
        self.log_level = "info"
        """What the configuration says of how much to say."""

    def repository(self) -> UserRepository:
        """Return the repository. Raises RepositoryUnusable."""
        from prodigy.git.repository import open_repository

        if self._found is None:
            self._found = open_repository(self._settings.directory())
        return self._found

    def committed(self) -> Committed:
        """Return its base commit."""
        from prodigy.git.committed import Committed

        return Committed.head(self.repository())

    def files(self) -> list[str]:
        """Return the files of the base commit."""
        return [path.decode(errors="surrogateescape") for path in self.committed().files()]


def open_watching(settings: Settings, events: str | None, *, as_json: bool, is_job: bool) -> Reporter:
    """Return what follows a run. Raises UsageError when events cannot go where they are wanted."""
    from pathlib import Path

    from prodigy.report.event_file import EventFile
    from prodigy.report.reporter import open_reporter

    if events == "-" and as_json:
        raise UsageError("--events - and --json both want standard output")
    reporter = open_reporter(
        stream=sys.stderr,
        verbosity=settings.verbosity,
        quiet=settings.quiet,
        color=settings.colored(sys.stderr),
    )
    if events is None:
        return reporter
    target = None if events == "-" else Path(events).expanduser()
    return EventFile(reporter, target, is_job=is_job)


def execute(
    plan: Plan,
    settings: Settings,
    opened: Opened,
    *,
    as_json: bool,
    output: bool = False,
    events: str | None = None,
    then: Callable[[RunResult], None] | None = None,
) -> int:
    """Run a plan and print its result.

    ``output``: print what its only step printed instead. ``then`` is called with the result.
    """
    from prodigy.home import data_root
    from prodigy.run.machine import prepare_ahead

    home = data_root()
    reporter = open_watching(settings, events, as_json=as_json, is_job=plan.workflow.mode == "mapreduce")
    # The engine answers while the repository is read and the rest of the program is imported.
    preparing = prepare_ahead(plan, home, opened.committed)
    from prodigy.report.document import dumps, run_document
    from prodigy.report.summary import result_line, summary
    from prodigy.run.start import run_workflow

    try:
        repository = opened.repository()
    except BaseException:
        preparing.exception()  # the container in which it looks at an image must not outlive this process
        raise
    try:
        result = run_workflow(plan, repository, home, preparing, reporter, Asker(reporter))
    finally:
        reporter.close()
    if then is not None:
        then(result)
    if events == "-":
        return result.exit_code
    if as_json:
        write(dumps(run_document(result)))
    elif output:
        _print_output(result.steps[0].stdout_log if result.steps else None)
        sys.stderr.write(summary(result, color=settings.colored(sys.stderr)) + "\n")
    elif settings.quiet:
        write(result_line(result))
    else:
        write(summary(result, color=settings.colored(sys.stdout)))
    return result.exit_code


def _print_output(log: str | None) -> None:
    if log is not None:
        with open(log, "rb") as file:  # noqa: PTH123 - a path of ours, as text
            while data := file.read(1 << 20):
                sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


class Asker:
    """Asks at the terminal, where there is one."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def __call__(self, question: str, notes: tuple[str, ...] = ()) -> bool | None:
        """Return the answer, None where nobody can be asked."""
        if not interactive():
            return None
        self._reporter.pause()
        try:
            return ask("\n".join((*notes, question)))
        finally:
            self._reporter.resume()


def show(plan: Plan, settings: Settings, opened: Opened, *, as_json: bool) -> int:
    """Print what a plan would do."""
    from prodigy.report.plan import plan_text
    from prodigy.run.dry_run import describe_plan

    described: dict[str, Any] = describe_plan(plan, opened.repository())
    if as_json:
        print_document("plan", described)
    else:
        write(plan_text(described, every=settings.verbosity > 0))
    return 0


def run_or_show(
    make: Callable[[], Plan],
    settings: Settings,
    opened: Opened,
    *,
    dry_run: bool,
    as_json: bool,
    output: bool = False,
    events: str | None = None,
) -> int:
    """Run a plan, or only show it."""
    plan = make()
    settings = settings.at_level(opened.log_level)
    if dry_run:
        return show(plan, settings, opened, as_json=as_json)
    return execute(plan, settings, opened, as_json=as_json, output=output, events=events)
