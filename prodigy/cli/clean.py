"""``prodigy clean``: remove what is no longer needed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.output import confirm, print_document, write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError, UsageError
from prodigy.report.units import size

if TYPE_CHECKING:
    from prodigy.run.retention import Candidate

app = new_app()


@command(app)
def clean(
    settings: Settings,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="What to remove; `all` for everything.")],
    *,
    older_than: Annotated[str | None, typer.Option(metavar="D", help="Only older things, as 30d.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever their age.")] = False,
    all_repos: Annotated[bool, typer.Option("--all-repos", help="Of every repository.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="Do not ask, and take unmerged and unfinished work too.")
    ] = False,
    json: options.Json = False,
) -> int:
    """Remove old worktrees, sessions, logs, state, events, dlq, artifacts, containers, images or caches.

    Without an age, what the configuration says counts. What runs is never touched.
    """
    from prodigy.run.configuration import read_configuration
    from prodigy.run.retention import AGED, KINDS, Retention

    if kind not in ("all", *KINDS):
        raise UsageError(f"no kind is '{kind}'", help=f"there are all, {', '.join(KINDS)}")
    if older_than and everything:
        raise UsageError("--older-than and --all contradict each other")
    age = options.seconds("--older-than", older_than)
    aged = age is not None or everything
    if not aged and kind not in ("all", *AGED):
        raise UsageError(f"say which {kind}: --older-than D or --all")
    kinds = KINDS if kind == "all" else (kind,)
    with closing(Records(settings)) as records:
        chosen = records.sessions.all() if all_repos else records.all()
        retention = Retention(records.home, records.database, chosen, read_configuration().config)
        found = [
            one
            for name in kinds
            if aged or name in AGED
            for one in retention.find(name, age, every=everything)
        ]
        return _remove(found, dry_run=dry_run, force=force, json=json)


def _remove(found: list[Candidate], *, dry_run: bool, force: bool, json: bool) -> int:
    """Show what goes, ask, and do it."""
    kept = [one for one in found if one.never or (one.kept and not force)]
    doomed = [one for one in found if one not in kept]
    if not json:
        for one in doomed:
            write(f"{one.kind:<11}{one.name}, {size(one.size)}")
        for one in kept:
            write(f"kept: {one.kind:<11}{one.name}: {one.kept}")
    gone: list[Candidate] = []
    failures: list[str] = []
    if doomed and not dry_run:
        total = size(sum(one.size for one in doomed))
        if not confirm(f"Remove {len(doomed)} things, {total}?", yes=force):
            write("nothing removed")
            return 0
        for one in doomed:
            try:
                one.remove()
                gone.append(one)
            except (ProdigyError, OSError) as error:
                failures.append(f"{one.kind} {one.name} could not be removed: {error}")
    _tell(doomed if dry_run else gone, kept, failures, json=json)
    return 1 if failures else 0


def _tell(gone: list[Candidate], kept: list[Candidate], failures: list[str], *, json: bool) -> None:
    if json:
        reasons = [{"name": f"{one.kind} {one.name}", "reason": one.kept} for one in kept]
        reasons += [{"name": text.partition(" could")[0], "reason": text} for text in failures]
        print_document(
            "clean",
            {
                "removed": [f"{one.kind} {one.name}" for one in gone],
                "kept": reasons,
                "bytes": sum(one.size for one in gone),
            },
        )
        return
    for text in failures:
        write(text)
    if not gone and not failures:
        write("nothing to remove")
