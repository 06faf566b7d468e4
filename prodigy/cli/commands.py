"""The table of commands: each one's module is imported only when it is asked for."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from prodigy import __version__
from prodigy.cli.command import new_app, with_settings
from prodigy.errors import UsageError

COMMANDS = {
    "run": "prodigy.cli.run",
    "exec": "prodigy.cli.exec",
    "batch": "prodigy.cli.batch",
    "resume": "prodigy.cli.resume",
    "init": "prodigy.cli.init",
    "validate": "prodigy.cli.validate",
    "config": "prodigy.cli.config",
    "schema": "prodigy.cli.schema",
    "sessions": "prodigy.cli.sessions",
    "logs": "prodigy.cli.logs",
    "progress": "prodigy.cli.progress",
    "ps": "prodigy.cli.ps",
    "dlq": "prodigy.cli.dlq",
    "events": "prodigy.cli.events",
    "checkpoints": "prodigy.cli.checkpoints",
    "worktree": "prodigy.cli.worktree",
    "images": "prodigy.cli.images",
    "clean": "prodigy.cli.clean",
    "doctor": "prodigy.cli.doctor",
    "completion": "prodigy.cli.completion",
}

ALIASES = {"resume-job": "resume"}
"""Other names of commands."""

NOT_AVAILABLE = (*("template", "report"),)
"""Commands that are planned; naming one says so."""

REMOVED = {
    "changelog": "'changelog' was removed",
    "migrate-yaml": "'migrate-yaml' was removed: 'prodigy validate' reports every old spelling",
    "cook": "'cook' was replaced by 'prodigy run FILE'",
    "compose": "'compose' was replaced by 'prodigy run FILE' and 'prodigy validate --show-composition FILE'",
    "analytics": "'analytics' was replaced by 'prodigy report'",
}


class CommandTable(typer.core.TyperGroup):
    """The root command; finds the others in the table."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """All names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return a command. Raises UsageError, naming the nearest one, for an unknown name."""
        if cmd_name.startswith("-"):
            return super().get_command(ctx, cmd_name)
        cmd_name = ALIASES.get(cmd_name, cmd_name)
        if cmd_name in COMMANDS:
            found = typer.main.get_command(import_module(COMMANDS[cmd_name]).app)
            found.name = cmd_name
            return found
        if ctx.resilient_parsing:
            return None  # a shell asks for completions while the name is being typed
        raise _unknown(cmd_name)


def _unknown(name: str) -> UsageError:
    if name in REMOVED:
        return UsageError(REMOVED[name])
    if name in NOT_AVAILABLE:
        return UsageError(f"'{name}' is not available in this version", help="'prodigy --help' lists what is")
    near = get_close_matches(name, [*COMMANDS, *NOT_AVAILABLE], n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return UsageError(f"no command '{name}'{hint}", help="'prodigy --help' lists the commands")


def root() -> Any:
    """Build the program's command; call its ``main``."""
    app = new_app(
        help="Run agent and shell workflows over a git repository, every phase in its own container."
    )
    app.callback(
        cls=CommandTable,
        invoke_without_command=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )(with_settings(_root))
    return typer.main.get_command(app)


def _version(value: bool) -> None:  # noqa: FBT001 - a typer callback
    if value:
        typer.echo(f"prodigy {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> int:
    """Run agent and shell workflows over a git repository, every phase sealed in its own container."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
    return 0
