"""How fast many items are planned, and how fast a long workflow is checked."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.program import PYTHON, Program
from benchmarks.repository import generate, git
from benchmarks.rounds import Rounds, spread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ITEMS = 100_000
ROUNDS = 3
MOST_MEMORY = 600
"""MB"""
MOST_SECONDS = 0.5
"""How much longer than an empty file one of 2,000 lines may take to be checked."""
WORKFLOW = """\
name: planned
mode: mapreduce
map:
  input: items.json
  json_path: $.items[*]
  filter: size > 10 && starts_with(name, 'part')
  sort_by: kind ASC, size DESC
  distinct: name
  offset: 100
  max_items: 50000
  agent_template:
    - shell: echo ${item.name}
"""
LONG = "".join(
    f"- name: step {number}\n  shell: \"echo '${{workflow.name}}' {number}\"\n"
    "  timeout: 5m\n  retry: {attempts: 2}\n"
    for number in range(500)
)


def measure(place: Path) -> Iterator[Finding]:
    """Plan with ``--dry-run``, which reads, selects and numbers the items and starts nothing."""
    repository = generate(place / "repository", 5)
    rows = [
        {"id": f"n{index}", "name": f"part-{index % 90_000}", "kind": index % 7, "size": index % 1000}
        for index in range(ITEMS)
    ]
    (repository / "items.json").write_text(json.dumps({"items": rows}), encoding="utf-8")
    git(repository, "add", "items.json")
    git(repository, "commit", "-qm", "items")
    program = Program(place / "home", repository)
    yield from _planned(program)
    yield _checked(program, place)


def _planned(program: Program) -> Iterator[Finding]:
    workflow = program.workflow("planned", WORKFLOW)
    peak = 0

    def plan() -> None:
        nonlocal peak
        document, peak = program.peak(workflow, "--dry-run")
        if not any(phase["name"] == "map" for phase in document["phases"]):
            raise SystemExit("nothing was planned")

    def load() -> None:
        script = "import json; json.load(open('items.json'))['items'].sort(key=lambda row: row['size'])"
        subprocess.run([PYTHON, "-c", script], cwd=program.repository, check=True)

    rounds = Rounds.of(plan, load, ROUNDS)
    seconds = sorted(rounds.ours)[len(rounds.ours) // 2]
    yield Finding(
        f"{ITEMS:,} items planned (path, filter, sort, distinct, offset, limit, ids: "
        f"{ITEMS / seconds:,.0f} a second), against an interpreter that reads and sorts the file",
        spread(rounds.ours),
        spread(rounds.baseline),
        rounds.ratio,
    )
    what = f"most resident memory while {ITEMS:,} items are planned"
    yield Finding(what, "", "", peak / 1e6, unit="MB", goal=MOST_MEMORY)


def _checked(program: Program, place: Path) -> Finding:
    long, short = program.workflow("long", LONG), program.workflow("short", "- shell: 'true'\n")

    def check(file: Path) -> None:
        subprocess.run([PYTHON, "-m", "prodigy", "-q", "validate", str(file)], cwd=place, check=True)

    rounds = Rounds.of(lambda: check(long), lambda: check(short), 9)
    more = sorted(a - b for a, b in zip(rounds.ours, rounds.baseline, strict=True))[len(rounds.ours) // 2]
    return Finding(
        f"`prodigy validate` of {LONG.count(chr(10)):,} lines, against one step",
        spread(rounds.ours),
        spread(rounds.baseline),
        more,
        unit="s more",
        goal=MOST_SECONDS,
    )
