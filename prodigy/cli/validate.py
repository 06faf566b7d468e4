"""``prodigy validate``: every error of every file, all at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, write
from prodigy.cli.run_options import machine_memory
from prodigy.cli.settings import Settings
from prodigy.errors import WorkflowInvalid
from prodigy.values import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Sequence

app = new_app()

_INVALID = 2


@command(app)
def validate(
    settings: Settings,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Workflow files.", show_default=False)
    ],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    form: Annotated[
        Literal["text", "json", "github"], typer.Option("--format", help="How diagnostics are printed.")
    ] = "text",
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Check workflow files; needs neither a container engine nor a repository."""
    found = sorted(diagnostic for file in files for diagnostic in _check(file))
    errors = sum(one.severity == "error" or strict for one in found)
    count = _count(len(files), "file") + ", " + _count(errors, "error")
    count += ", " + _count(len(found) - errors, "warning")
    if json or form == "json":
        _print_json(found, files=len(files), errors=errors)
    elif form == "github":
        _print_github(found, count, strict=strict)
    else:
        _print_text(found, count, settings)
    return _INVALID if errors else 0


def _check(file: Path) -> Sequence[Diagnostic]:
    from prodigy.workflow.loader import load_workflow

    try:
        data = file.read_bytes()
    except OSError as error:
        return [Diagnostic(str(file), 1, 1, 1, 1, "error", "P101", f"cannot be read: {error.strerror}")]
    try:
        return load_workflow(data, str(file), environ=os.environ, memory=machine_memory()).warnings
    except WorkflowInvalid as error:
        return error.diagnostics


def _print_text(found: Sequence[Diagnostic], count: str, settings: Settings) -> None:
    from prodigy.report.diagnostics import render_diagnostics

    shown = [one for one in found if one.severity == "error" or not settings.quiet]
    if shown:
        write(render_diagnostics(shown, color=settings.colored(sys.stdout)))
    write(count)


def _print_github(found: Sequence[Diagnostic], count: str, *, strict: bool) -> None:
    from prodigy.report.diagnostics import render_github

    for one in found:
        write(render_github(one, severity="error" if strict else one.severity))
    write(count)


def _print_json(found: Sequence[Diagnostic], *, files: int, errors: int) -> None:
    from prodigy.report.document import diagnostic_record

    data = {"files": files, "errors": errors, "warnings": len(found) - errors}
    print_document("validate", {**data, "diagnostics": [diagnostic_record(one) for one in found]})


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
