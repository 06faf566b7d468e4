"""``prodigy init``: make a repository ready."""

from __future__ import annotations

import subprocess
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prodigy.cli.command import command, new_app
from prodigy.cli.output import write
from prodigy.cli.settings import Settings
from prodigy.errors import EnvironmentUnavailable, RepositoryUnusable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

app = new_app()

COMMANDS = ("code-review", "implement-spec", "lint", "product-enhance", "cleanup-tech-debt", "merge-worktree")


@command(app)
def init(
    settings: Settings,
    *,
    force: Annotated[bool, typer.Option("-f", "--force", help="Overwrite files that are there.")] = False,
    commands: Annotated[
        str | None, typer.Option("-c", "--commands", metavar="A,B", help=f"Of {', '.join(COMMANDS)}.")
    ] = None,
    git: Annotated[bool, typer.Option("--git", help="Make a repository where there is none.")] = False,
    ci: Annotated[Literal["github"] | None, typer.Option(help="Also a pipeline.")] = None,
) -> int:
    """Write slash commands for Claude and a first workflow into the repository; existing files are kept."""
    chosen = COMMANDS if commands is None else tuple(name.strip() for name in commands.split(","))
    if unknown := [name for name in chosen if name not in COMMANDS]:
        raise UsageError(
            f"no command is called {', '.join(unknown)}", help=f"there are {', '.join(COMMANDS)}"
        )
    root = _root(settings.directory(), make=git)
    for name, target in _files(chosen, ci):
        write(f"{_place(name, root / target, force=force)} {target}")
    return 0


def _files(commands: tuple[str, ...], ci: str | None) -> Iterator[tuple[str, str]]:
    for name in commands:
        yield f"prodigy-{name}.md", f".claude/commands/prodigy-{name}.md"
    yield "example.yml", "workflows/example.yml"
    if ci is not None:
        yield f"{ci}.yml", ".github/workflows/prodigy.yml"


def _root(directory: Path, *, make: bool) -> Path:
    from prodigy.git.repository import open_repository

    try:
        return open_repository(directory).root
    except RepositoryUnusable:
        inside = subprocess.run(
            ["git", "-C", str(directory), "rev-parse", "--show-toplevel"],
            capture_output=True,
            text=True,
            check=False,
        )
        if inside.returncode == 0 and inside.stdout.strip():
            return Path(inside.stdout.rstrip("\n"))  # a repository without a commit yet
        if not make:
            raise
    made = subprocess.run(["git", "init", "-q", str(directory)], capture_output=True, text=True, check=False)
    if made.returncode:
        raise EnvironmentUnavailable(f"git init failed: {made.stderr.strip()}")
    return directory


def _place(name: str, target: Path, *, force: bool) -> str:
    """Write one file; say what became of it."""
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise UsageError(f"{target} is no plain file")
    there = target.exists()
    if there and not force:
        return "kept"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((files("prodigy") / "starter" / name).read_bytes())
    except OSError as error:
        raise EnvironmentUnavailable(f"{target} cannot be written: {error.strerror}") from error
    return "overwritten" if there else "created"
