"""``prodigy images``: the images prodigy built."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy import home
from prodigy.cli.command import command, new_app
from prodigy.cli.output import confirm, print_document, print_table, write
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError
from prodigy.report.units import plural, size
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.sandbox.images import ImageInfo, Images

app = new_app(help="Build, list and remove the images prodigy made.", group=True)

_SHORT = 19
"""``sha256:`` and twelve digits."""


@command(app, "build")
def build(
    settings: Settings,
    *,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Build every layer anew.")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Look for a newer base image first.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the one with Claude Code, and the gateway.")
    ] = False,
) -> int:
    """Build the built-in image and print its reference and digest."""
    from prodigy.sandbox.builtin import BASE, CLAUDE, EGRESS
    from prodigy.sandbox.images import BuildFailed

    show = None if settings.quiet else _show
    with _images() as images:
        try:
            built = [
                images.build(one, no_cache=no_cache, pull=pull, on_line=show)
                for one in ((BASE, CLAUDE, EGRESS) if everything else (BASE,))
            ]
        except BuildFailed as error:
            if settings.quiet:
                for line in error.lines:
                    _show(line)
            raise
    for info in built:
        write(f"{info.reference} {info.digest or info.id}")
    return 0


@command(app, "ls")
def list_(
    settings: Settings,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> int:
    """List the images prodigy built."""
    with _images() as images:
        found = images.list_images()
    if json:
        print_document("images", {"images": [_record(info) for info in found]})
        return 0
    rows = [
        (
            info.reference,
            (info.digest or info.id)[:_SHORT],
            size(info.size),
            f"{info.created.astimezone():%Y-%m-%d %H:%M}",
            ", ".join(info.used_by),
        )
        for info in found
    ]
    print_table(("REFERENCE", "DIGEST", "SIZE", "CREATED", "USED BY"), rows, settings)
    return 0


@command(app, "prune")
def prune(
    *,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="D", help="Age, as 7d or 12h.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever their age.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Do not ask.")] = False,
) -> int:
    """Remove images prodigy built; never one in use."""
    age = _age(older_than)
    if age is None and not everything:
        raise UsageError("say which images: --older-than D or --all")
    with _images() as images:
        chosen = images.prune(older_than=age, dry_run=True)
        for info in chosen:
            write(f"{info.reference}  {size(info.size)}")
        total = f"{plural(len(chosen), 'image')}, {size(sum(info.size for info in chosen))}"
        if dry_run or not chosen:
            write(f"{total} would be removed" if chosen else "nothing to remove")
        elif confirm(f"Remove {total}?", yes=force):
            removed = images.prune(older_than=age, dry_run=False)
            write(f"{plural(len(removed), 'image')} removed")
        else:
            write("nothing removed")
    return 0


def _show(line: str) -> None:
    sys.stderr.write(printable(line.rstrip()) + "\n")


def _age(text: str | None) -> float | None:
    from prodigy.workflow.quantities import parse_duration

    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from error


@contextmanager
def _images() -> Iterator[Images]:
    from prodigy.sandbox.docker.engine import connect  # the engine's client is heavy
    from prodigy.sandbox.images import Images

    cache = home.data_root() / "images"
    engine = connect()
    try:
        yield Images(engine, cache)
    finally:
        engine.close()


def _record(info: ImageInfo) -> dict[str, object]:
    return {
        "reference": info.reference,
        "digest": info.digest,
        "id": info.id,
        "size": info.size,
        "created": info.created,
        "used_by": list(info.used_by),
    }
