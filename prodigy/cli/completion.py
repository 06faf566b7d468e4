"""``prodigy completion``: a script that completes the command line."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined] # what typer's own option prints

from prodigy.cli.command import command, new_app
from prodigy.cli.output import write

app = new_app()


@command(app)
def completion(shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(show_default=False)]) -> int:
    """Print a completion script for a shell; load it with: source <(prodigy completion bash)."""
    write(get_completion_script(prog_name="prodigy", complete_var="_PRODIGY_COMPLETE", shell=shell))
    return 0
