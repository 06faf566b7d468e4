"""``prodigy run``: a workflow file over a repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.run.plan import Pass, Plan
    from prodigy.workflow.models import Workflow

app = new_app()


@command(app)
def run(
    settings: Settings,
    workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW", help="The workflow file.")],
    *,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    no_merge: options.NoMerge = False,
    max_iterations: Annotated[
        int | None,
        typer.Option("-n", "--max-iterations", metavar="N", help="Repeat the commands while they commit."),
    ] = None,
    pattern: Annotated[
        list[str] | None, typer.Option("--map", metavar="GLOB", help="One pass for each matching file.")
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Option("--args", metavar="VALUE", help="One pass for each value.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failed pass.")] = False,
    sandbox: options.SandboxChoice = "docker",
    image: options.Image = None,
    network: options.Network = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    max_parallel: Annotated[int | None, typer.Option(metavar="N", help="Agents at a time.")] = None,
    timeout: options.Timeout = None,
    keep: options.Keep = False,
    json: options.Json = False,
    events: options.Events = None,
) -> int:
    """Run a workflow: every phase in its own container, your repository untouched until you agree."""
    opened = options.Opened(settings)

    def make() -> Plan:
        from prodigy.run.configuration import read_configuration
        from prodigy.run.plan import make_plan
        from prodigy.run.policy import read_policy

        flow = _load(workflow)
        given = options.overrides(
            yes=yes,
            no_merge=no_merge,
            sandbox=sandbox,
            image=image,
            network=network,
            cpus=cpus,
            memory=memory,
            timeout=timeout,
            max_parallel=options.positive("--max-parallel", max_parallel),
            fail_fast=fail_fast,
            keep=keep,
            arguments=tuple(arguments or ()) if flow.mode == "mapreduce" else (),
        )
        passes = _passes(flow, opened, max_iterations, pattern or [], arguments or [])
        reads = flow.map is not None and flow.map.input.kind == "stdin"
        stdin = options.read_stdin() if reads else None
        config = read_configuration(opened.committed).config
        opened.log_level = config.log_level
        return make_plan(
            flow,
            str(workflow.absolute()),
            given,
            read_policy(),
            config=config,
            passes=passes,
            stdin=stdin,
        )

    return options.run_or_show(make, settings, opened, dry_run=dry_run, as_json=json, events=events)


def _passes(
    flow: Workflow, opened: options.Opened, iterations: int | None, patterns: list[str], arguments: list[str]
) -> tuple[Pass, ...]:
    """Return the passes of a standard run. Raises UsageError for what a mapreduce run does not have."""
    from prodigy.run.passes import plan_passes
    from prodigy.run.plan import Pass

    options.positive("--max-iterations", iterations)
    if flow.mode == "mapreduce":
        if iterations is not None:
            raise UsageError("--max-iterations is for standard workflows: a mapreduce run has no iterations")
        if patterns:
            raise UsageError("--map is for standard workflows: use `map.input` in a mapreduce one")
        return (Pass(),)
    files = opened.files() if patterns else []
    return plan_passes(arguments, patterns, files, iterations or flow.max_iterations)


def _load(path: Path) -> Workflow:
    import os

    from prodigy.workflow.loader import load_workflow

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the workflow {path} cannot be read: {error.strerror}") from error
    return load_workflow(data, str(path), environ=os.environ, memory=options.machine_memory())
