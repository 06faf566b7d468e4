"""How much memory the orchestrator needs for many items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.program import Program
from benchmarks.repository import generate
from benchmarks.rounds import timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ITEMS = 5_000
GOAL = 200
"""MB"""
WORKFLOW = f"""\
name: items
mode: mapreduce
map:
  input: [{", ".join(str(number) for number in range(ITEMS))}]
  max_parallel: 4
  agent_template:
    - shell: "true"
"""


def measure(place: Path) -> Iterator[Finding]:
    """Run every item on the host backend, which needs the same orchestrator and no containers."""
    program = Program(place / "home", generate(place / "repository", 5))
    workflow = program.workflow("items", WORKFLOW)
    peak = 0

    def run() -> None:
        nonlocal peak
        document, peak = program.peak(workflow, "--sandbox", "host")
        if document["items"]["successful"] != ITEMS:
            raise SystemExit("an agent failed")

    seconds = timed(run)
    what = f"most resident memory of a run of {ITEMS:,} items"
    yield Finding(what, f"in {seconds:.0f} s", "", peak / 1e6, unit="MB", goal=GOAL)
