"""How fast what happened is recorded, and answered for."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from benchmarks.finding import Finding
from benchmarks.program import PYTHON, Program
from benchmarks.repository import generate
from benchmarks.rounds import Rounds, spread, timed
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from prodigy.state.sessions import Sessions
from prodigy.values import ErrorKind, Event, ItemResult, StepFailure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ITEMS = 10_000
FAILED = 200
EVENTS = 200_000
MOST_MILLISECONDS = 3.0
MOST_SECONDS = 1.0
QUESTIONS = (
    ("events ls", "events", "ls"),
    ("sessions show", "sessions", "show", "latest"),
    ("dlq list", "dlq", "list"),
)


def measure(place: Path) -> Iterator[Finding]:
    """Run once, then fill the session's records up, and ask."""
    program = Program(place / "home", generate(place / "repository", 5))
    flow = program.workflow("one", "mode: mapreduce\nmap: {input: [1], agent_template: [{shell: 'true'}]}\n")
    program.run(flow, "--sandbox", "host")
    with Database(place / "home" / "prodigy.db") as database:
        session = Sessions(database).all()[0].id
        yield _recorded(Journal(database, session), session)
    for name, *arguments in QUESTIONS:
        yield _asked(program, name, arguments)


def _recorded(journal: Journal, session: str) -> Finding:
    error = StepFailure(kind=ErrorKind.COMMAND, message="exit code 1", step="a step", exit_code=1)
    journal.items(
        [
            ItemResult(
                item_id=f"i{number}",
                index=number,
                item={"id": f"i{number}"},
                status="failed" if number <= FAILED else "success",
                error=error if number <= FAILED else None,
            )
            for number in range(1, ITEMS + 1)
        ]
    )

    def record() -> None:
        for number in range(EVENTS):
            journal.event(
                Event(
                    type="step_completed",
                    at=datetime.now(UTC),
                    session=session,
                    phase="map",
                    item=f"i{number % ITEMS}",
                    step="a step",
                    data={"status": "success", "exit_code": 0, "duration": 0.25},
                )
            )
            if number % 10 == 0:
                journal.flush()

    def bare() -> None:
        for number in range(EVENTS):
            json.dumps({"n": number})

    seconds, least = timed(record), timed(bare)
    what = f"{EVENTS:,} events recorded, every tenth durable at once, against their JSON alone"
    each = 1000 * seconds / EVENTS
    return Finding(what, f"{seconds:.1f} s", f"{least:.2f} s", each, unit="ms each", goal=MOST_MILLISECONDS)


def _asked(program: Program, name: str, arguments: list[str]) -> Finding:
    def ask() -> None:
        command = [PYTHON, "-m", "prodigy", *arguments, "--json"]
        environment = program.environment()
        subprocess.run(
            command, cwd=program.repository, env=environment, check=True, stdout=subprocess.DEVNULL
        )

    def start() -> None:
        subprocess.run([PYTHON, "-c", "import pydantic"], check=True)

    rounds = Rounds.of(ask, start, 5)
    seconds = sorted(rounds.ours)[2]
    what = f"`prodigy {name}` of {ITEMS:,} items and {EVENTS:,} events, against an interpreter with pydantic"
    return Finding(what, spread(rounds.ours), spread(rounds.baseline), seconds, unit="s", goal=MOST_SECONDS)
