"""``prodigy schema``: what files may hold, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import write
from prodigy.errors import UsageError

app = new_app()

KINDS = ("workflow", "policy")


@command(app)
def schema(
    kind: Annotated[
        str, typer.Argument(metavar="[workflow|policy]", help="Which kind of file.")
    ] = "workflow",
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write a file.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="The reference page for people, as Markdown.")
    ] = False,
) -> int:
    """Print the JSON Schema of workflow files or machine policies."""
    from prodigy.workflow import schema as schemas
    from prodigy.workflow.reference import reference as page

    if kind not in KINDS:
        raise UsageError(f"there is no schema of '{kind}': it is one of {', '.join(KINDS)}")
    if reference:
        text = page().rstrip("\n")
    else:
        found = schemas.workflow_schema() if kind == "workflow" else schemas.policy_schema()
        text = json.dumps(found, indent=2)
    if output is None:
        write(text)
        return 0
    try:
        output.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from error
    return 0
