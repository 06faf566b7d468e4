"""Many small agents, against a thread pool that only starts and removes the same containers."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.container import Bare
from benchmarks.finding import Finding
from benchmarks.program import Program
from benchmarks.repository import generate
from benchmarks.rounds import Rounds, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGENTS = 60
PARALLEL = 4
ROUNDS = 4
GOAL = 0.8
WORKFLOW = f"""\
name: many
mode: mapreduce
map:
  input: [{", ".join(str(number) for number in range(AGENTS))}]
  max_parallel: {PARALLEL}
  agent_template:
    - shell: "true"
"""


def measure(place: Path) -> Iterator[Finding]:
    """Time the map phase, and the whole process besides."""
    program = Program(place / "home", generate(place / "repository", 200, commits=50))
    workflow = program.workflow("many", WORKFLOW)
    bare = Bare(place)
    mounted = place / "mounted"
    mounted.mkdir()
    os.chown(mounted, bare.uid, bare.gid)
    map_phases: list[float] = []

    def ours() -> None:
        document = program.run(workflow)
        if document["items"]["successful"] != AGENTS:
            raise SystemExit("an agent failed")
        map_phases.append(next(phase["duration"] for phase in document["phases"] if phase["name"] == "map"))

    def pool() -> None:
        with ThreadPoolExecutor(PARALLEL) as threads:
            list(threads.map(lambda _: bare.by_api(mounted), range(AGENTS)))

    whole = Rounds.of(ours, pool, ROUNDS)
    phase = Rounds(map_phases[1:], whole.baseline)
    yield _finding(f"rate of {AGENTS} agents, {PARALLEL} at once, against bare containers", phase, GOAL)
    yield _finding("the same with the start and the end of the process", whole, None)


def _finding(what: str, rounds: Rounds, goal: float | None) -> Finding:
    rate = 1 / rounds.ratio
    return Finding(what, spread(rounds.ours), spread(rounds.baseline), rate, goal=goal, better="higher")
