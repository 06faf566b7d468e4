"""``prodigy --version`` against an interpreter that imports pydantic."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.program import PYTHON
from benchmarks.rounds import Rounds, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS = 25
GOAL = 2.5


def measure(place: Path) -> Iterator[Finding]:
    """Time both from start to exit."""

    def run(*arguments: str) -> None:
        subprocess.run([PYTHON, *arguments], cwd=place, check=True, stdout=subprocess.DEVNULL)

    rounds = Rounds.of(
        lambda: run("-m", "prodigy", "--version"), lambda: run("-c", "import pydantic"), ROUNDS
    )
    yield Finding(
        "`prodigy --version`, against `python -c 'import pydantic'`",
        spread(rounds.ours),
        spread(rounds.baseline),
        rounds.ratio,
        goal=GOAL,
    )
