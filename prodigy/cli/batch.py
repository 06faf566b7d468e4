"""``prodigy batch``: one command for each of many files, each in a container of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.exec import made_plan, step_kind
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.run.plan import Plan

app = new_app()


@command(app)
def batch(
    settings: Settings,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A glob over the base commit's files.")],
    *,
    text: Annotated[str, typer.Option("--command", metavar="C", help="The command; `${item}` is the path.")],
    parallel: Annotated[int, typer.Option(metavar="N", help="Files at a time.")] = 5,
    retry: Annotated[int, typer.Option(metavar="N", help="Total runs of a file while it fails.")] = 1,
    timeout: Annotated[str | None, typer.Option(metavar="D", help="The longest one file may take.")] = None,
    commit_required: Annotated[
        bool, typer.Option("--commit-required", help="The command must make a commit.")
    ] = False,
    uncommitted: Annotated[
        Literal["save", "commit", "fail"], typer.Option(help="What becomes of uncommitted changes.")
    ] = "commit",
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    no_merge: options.NoMerge = False,
    sandbox: options.SandboxChoice = "docker",
    image: options.Image = None,
    network: options.Network = None,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    keep: options.Keep = False,
    json: options.Json = False,
    events: options.Events = None,
) -> int:
    """Run a command for every matching file, in parallel, and merge what they commit."""
    opened = options.Opened(settings)

    def make() -> Plan:
        from prodigy.workflow.globs import match_glob

        files = match_glob((pattern,), (), opened.files())
        if not files:
            raise UsageError(f"{pattern} matches no file of the base commit")
        kind, command_text = step_kind(text)
        step: dict[str, Any] = {kind: command_text}
        step |= {"retry": {"attempts": options.positive("--retry", retry)}} if retry != 1 else {}
        step |= {"commit_required": True} if commit_required else {}
        flow = {
            "name": "batch",
            "mode": "mapreduce",
            "uncommitted": uncommitted,
            "map": {
                "input": {"glob": pattern},
                "max_parallel": options.positive("--parallel", parallel),
                "agent_template": [step],
            },
        }
        if timeout is not None:
            flow["map"]["agent_timeout_secs"] = options.seconds("--timeout", timeout)  # type: ignore[index]
        given = options.overrides(
            yes=yes,
            no_merge=no_merge,
            sandbox=sandbox,
            image=image,
            network=network,
            cpus=cpus,
            memory=memory,
            keep=keep,
        )
        return made_plan(flow, "batch", given)

    return options.run_or_show(make, settings, opened, dry_run=dry_run, as_json=json, events=events)
