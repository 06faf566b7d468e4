"""``prodigy exec``: one command over a repository, with all that a run has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError

if TYPE_CHECKING:
    from prodigy.run.plan import Plan

app = new_app()

Uncommitted = Literal["save", "commit", "fail"]


@command(app, "exec")
def exec_(
    settings: Settings,
    text: Annotated[str, typer.Argument(metavar="COMMAND", help="`shell: …`, `claude: …`, or a command.")],
    *,
    retry: Annotated[int, typer.Option(metavar="N", help="Total runs while it fails.")] = 1,
    timeout: options.Timeout = None,
    commit_required: Annotated[
        bool, typer.Option("--commit-required", help="The command must make a commit.")
    ] = False,
    uncommitted: Annotated[Uncommitted, typer.Option(help="What becomes of uncommitted changes.")] = "commit",
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
    """Run one command in a container over the repository."""
    opened = options.Opened(settings)

    def make() -> Plan:
        step: dict[str, Any] = {step_kind(text)[0]: step_kind(text)[1]}
        step |= {"retry": {"attempts": options.positive("--retry", retry)}} if retry != 1 else {}
        step |= {"timeout": options.seconds("--timeout", timeout)} if timeout is not None else {}
        step |= {"commit_required": True} if commit_required else {}
        flow = {"name": "exec", "uncommitted": uncommitted, "commands": [step]}
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
        return made_plan(flow, "exec", given)

    return options.run_or_show(
        make, settings, opened, dry_run=dry_run, as_json=json, events=events, output=not json
    )


def step_kind(text: str) -> tuple[str, str]:
    """Return the kind of a command and its text: `claude: …`, `shell: …`, a slash command, or shell."""
    stripped = text.strip()
    kind, colon, rest = stripped.partition(":")
    if colon and kind in ("claude", "shell"):
        stripped = rest.strip()
    else:
        kind = "claude" if stripped.startswith("/") else "shell"
    if not stripped:
        raise UsageError("the command is empty")
    return kind, stripped


def made_plan(flow: dict[str, Any], name: str, given: Any) -> Plan:
    """Return the plan of a workflow that the command line describes. Raises WorkflowInvalid."""
    import json
    import os

    from prodigy.run.plan import make_plan
    from prodigy.run.policy import read_policy
    from prodigy.workflow.loader import load_workflow

    loaded = load_workflow(json.dumps(flow).encode(), f"<{name}>", environ=os.environ)
    return make_plan(loaded, f"<{name}>", given, read_policy())
