"""Making the workspace of an agent in a large repository, against ``git worktree add``."""

from __future__ import annotations

import os
import shutil
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.repository import generate, git
from benchmarks.rounds import Rounds, spread
from prodigy.git.recovery import recover_session
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.template import get_template
from prodigy.git.workspace import Workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prodigy.git.workspace import Backend

FILES = 60_000
ROUNDS = 3
GOALS: dict[Backend, float] = {"overlay": 1 / 20, "copy": 1.2}


def measure(place: Path) -> Iterator[Finding]:
    """Time creation alone; the template is there already, as for every agent but a session's first."""
    repository = generate(place / "repository", FILES)
    home = place / "home"
    home.mkdir(mode=0o700)
    store = Store.create(home, "session-benchmark", open_repository(repository))
    owner = (os.geteuid(), os.getegid())
    template = get_template(store, store.base, owner)
    for backend, goal in GOALS.items():
        workspaces = Workspaces(store, owner, backend=backend)
        numbers = count()

        def ours(made: Workspaces = workspaces, numbers: count[int] = numbers) -> None:
            made.agent(f"{next(numbers)}-1", template)

        def worktree(numbers: count[int] = numbers) -> None:
            git(repository, "worktree", "add", "-q", "--detach", str(place / f"tree-{next(numbers)}"))

        rounds = Rounds.of(ours, worktree, ROUNDS)
        _clear(repository, store)
        yield Finding(
            f"workspace of {FILES:,} files by {backend}, against `git worktree add`",
            spread(rounds.ours),
            spread(rounds.baseline),
            rounds.ratio,
            goal=goal,
        )


def _clear(repository: Path, store: Store) -> None:
    """Remove what the rounds made; what is mounted is unmounted first."""
    recover_session(store.home, store.session_id)
    for tree in repository.parent.glob("tree-*"):
        shutil.rmtree(tree)
    git(repository, "worktree", "prune")
