"""How a command is declared: typer, plus the options every command has."""

from __future__ import annotations

import inspect
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prodigy.cli.settings import Color, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

_GLOBAL_OPTIONS: dict[str, tuple[Any, Any]] = {
    "verbosity": (
        Annotated[
            int,
            typer.Option("-v", "--verbose", count=True, show_default=False, help="Say more: -v, -vv, -vvv."),
        ],
        0,
    ),
    "quiet": (
        Annotated[bool, typer.Option("-q", "--quiet", help="Only errors and the final result line.")],
        False,
    ),
    "color": (Annotated[Color | None, typer.Option("--color", help="When to use colours.")], None),
    "path": (
        Annotated[Path | None, typer.Option("-p", "--path", metavar="DIR", help="The repository to act on.")],
        None,
    ),
}


def new_app(
    *,
    help: str | None = None,  # noqa: A002 - typer's word
    group: bool = False,
    bare: Callable[[Settings], int] | None = None,
) -> typer.Typer:
    """Return the ``app`` of a command module; ``group`` for one with sub-commands.

    ``bare``: what such a one does when none of them is named; it shows its help otherwise.
    """
    app = typer.Typer(
        help=help,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
    )
    if group:
        app.callback(invoke_without_command=True, help=help)(with_settings(_alone(bare)))
    return app


def command(
    app: typer.Typer, name: str | None = None, *, hidden: bool = False
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a function as a command; it returns its exit code.

    A parameter called ``settings`` receives the Settings; their options are added to the command's own.
    """

    def register(function: Callable[..., int]) -> Callable[..., int]:
        app.command(name, hidden=hidden)(with_settings(function))
        return function

    return register


def with_settings(function: Callable[..., int]) -> Callable[..., int]:
    """Wrap a function so that typer sees the options every command has and it sees Settings."""
    signature = inspect.signature(function, eval_str=True)
    own = [parameter for name, parameter in signature.parameters.items() if name not in ("settings", "ctx")]

    @wraps(function)
    def call(ctx: typer.Context, **given: Any) -> int:
        said = {name: given.pop(name) for name in _GLOBAL_OPTIONS}
        ctx.obj = (ctx.obj or Settings()).merged(**said)
        extra = {"settings": ctx.obj, "ctx": ctx}
        return function(**given, **{name: extra[name] for name in extra if name in signature.parameters})

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("ctx", keyword, annotation=typer.Context),
        *(parameter.replace(kind=keyword) for parameter in own),
        *(
            inspect.Parameter(name, keyword, annotation=annotation, default=default)
            for name, (annotation, default) in _GLOBAL_OPTIONS.items()
        ),
    ]
    call.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {
        "return": int
    }
    return call


def _alone(bare: Callable[[Settings], int] | None) -> Callable[..., int]:
    def call(settings: Settings, ctx: typer.Context) -> int:
        if ctx.invoked_subcommand is not None:
            return 0
        if bare is not None:
            return bare(settings)
        typer.echo(ctx.get_help())
        return 0

    return call
