"""The database is made once, however many processes want it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

MAKE = "import sys; from pathlib import Path; from prodigy.state.database import Database; Database(Path(sys.argv[1])).close()"
ROUNDS, PROCESSES = 5, 6


def test_processes_that_make_it_at_once(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        command = [sys.executable, "-c", MAKE, str(tmp_path / f"{number}.db")]
        with ExitStack() as stack:
            makers = [
                stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
                for _ in range(PROCESSES)
            ]
            ended = [(maker.communicate()[1], maker.returncode) for maker in makers]
        assert ended == [("", 0)] * PROCESSES
