"""Which commits, and so which files, each step of a list made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import GitFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.git.importing import Imported
    from prodigy.git.store import Store
    from prodigy.values import StepResult

_MOST_FILES = 1000


def attribute(store: Store, results: Sequence[StepResult], imported: Imported) -> tuple[StepResult, ...]:
    """Return the results with the commits of each step, as far as HEAD tells them apart.

    The commits are in the store: what a sandbox claims of HEAD is only used to share them out.
    """
    known = {commit: number for number, commit in enumerate(imported.commits)}
    movers = [one for one in results if one.head_after != one.head_before and one.head_after in known]
    found = []
    for one in results:
        if one not in movers:
            found.append(one)
            continue
        first = known.get(one.head_before or "", -1) + 1
        commits = imported.commits[first : known[str(one.head_after)] + 1]
        alone = len(movers) == 1
        files = [change.path for change in imported.files] if alone else _files(store, one)
        names = tuple(path.decode(errors="replace") for path in files[:_MOST_FILES])
        found.append(one.model_copy(update={"commits": commits, "files_changed": names}))
    return tuple(found)


def _files(store: Store, one: StepResult) -> list[bytes]:
    try:
        return [change.path for change in store.changes(str(one.head_before), str(one.head_after))]
    except GitFailed:
        return []
