"""``prodigy config``: what is in force, and where it comes from."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError, RepositoryUnusable, UsageError, WorkflowInvalid

if TYPE_CHECKING:
    from prodigy.run.configuration import Configuration

app = new_app(help="Show the configuration, and where each value comes from.", group=True)

Key = Annotated[str | None, typer.Argument(metavar="[KEY]", help="One key or block, as sandbox.memory.")]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON document.")]


@command(app)
def show(settings: Settings, key: Key = None, *, json: Json = False) -> int:
    """Show the values in force."""
    values = _chosen(_read(settings).values(), key)
    if json:
        print_document("config", {"values": values})
    else:
        print_table(("KEY", "VALUE"), [(name, _shown(value)) for name, value in values.items()], settings)
    return 0


@command(app)
def trace(
    settings: Settings,
    key: Key = None,
    *,
    overrides: Annotated[
        bool, typer.Option("--overrides", help="Only keys that are set more than once.")
    ] = False,
    diagnose: Annotated[bool, typer.Option("--diagnose", help="Only say what is wrong.")] = False,
    json: Json = False,
) -> int:
    """Show every source of every value, the winner first."""
    if diagnose:
        return _diagnose(settings, as_json=json)
    traced = _chosen(_read(settings).trace(), key)
    traced = {name: found for name, found in traced.items() if len(found) > 1 or not overrides}
    if json:
        print_document(
            "config-trace",
            {"keys": {name: [_record(one) for one in found] for name, found in traced.items()}},
        )
        return 0
    rows = [
        (name if number == 0 else "", _shown(one.value), one.source)
        for name, found in traced.items()
        for number, one in enumerate(found)
    ]
    print_table(("KEY", "VALUE", "SOURCE"), rows, settings)
    return 0


def _diagnose(settings: Settings, *, as_json: bool) -> int:
    """Say what is wrong with the configuration, the policy's objections included."""
    from prodigy.run.policy import policy_problems, read_policy

    problems: list[str] = []
    try:
        policy = read_policy()
        problems += policy_problems(_read(settings).config.sandbox, policy)
    except WorkflowInvalid as error:
        problems += [f"{one.file}:{one.line}:{one.column}: {one.message}" for one in error.diagnostics]
    except ProdigyError as error:
        problems.append(error.message)
    if as_json:
        print_document("config-problems", {"problems": problems})
    else:
        print_table(("PROBLEM",), [(problem,) for problem in problems] or [("none",)], settings)
    return 1 if problems else 0


def _read(settings: Settings) -> Configuration:
    from prodigy.git.committed import Committed
    from prodigy.git.repository import open_repository
    from prodigy.run.configuration import read_configuration

    try:
        repository = open_repository(settings.directory())
    except RepositoryUnusable:
        return read_configuration()
    return read_configuration(lambda: Committed.head(repository))


def _chosen(values: dict[str, Any], key: str | None) -> dict[str, Any]:
    from prodigy.workflow.config import is_key

    if key is None:
        return values
    if not is_key(key):
        raise UsageError(f"the configuration has no key '{key}'")
    return {name: value for name, value in values.items() if name == key or name.startswith(f"{key}.")}


def _record(one: Any) -> dict[str, Any]:
    return {"value": one.value, "source": one.source}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json_format.dumps(value)
