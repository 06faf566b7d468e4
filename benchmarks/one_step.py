"""A whole run of one step, against the two commands a person would type instead."""

from __future__ import annotations

import shutil
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.container import Bare
from benchmarks.finding import Finding
from benchmarks.program import Program
from benchmarks.repository import generate, git
from benchmarks.rounds import Rounds, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 11
GOAL = 1.6
SIZES = ((200, None), (1_500, GOAL))
"""Files in the repository. The goal is for one of ordinary size; the other shows the fixed costs."""
WORKFLOW = 'name: one\ncommands:\n  - shell: "true"\n'


def measure(place: Path) -> Iterator[Finding]:
    """Time ``prodigy run`` from start to exit, image and template being there already."""
    for files, goal in SIZES:
        rounds = _race(place / str(files), files)
        yield Finding(
            f"one-step run, {files:,} files, against `docker run` and `git worktree add`",
            spread(rounds.ours),
            spread(rounds.baseline),
            rounds.ratio,
            goal=goal,
        )


def _race(place: Path, files: int) -> Rounds:
    repository = generate(place / "repository", files, commits=200)
    program = Program(place / "home", repository)
    workflow = program.workflow("one", WORKFLOW)
    bare = Bare(place)
    numbers = count()

    def by_hand() -> None:
        tree = place / f"tree-{next(numbers)}"
        git(repository, "worktree", "add", "-q", "--detach", str(tree))
        bare.by_command_line(tree)

    rounds = Rounds.of(lambda: program.run(workflow), by_hand, ROUNDS)
    shutil.rmtree(place)
    return rounds
