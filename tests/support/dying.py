"""prodigy as a process that is killed at a chosen durable point: ``python -m tests.support.dying N ARGUMENTS…``.

The kill comes right after the N-th transaction of the database has been committed, as if power were cut there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prodigy.cli.boundary import guarded
from prodigy.state.database import Database


def main() -> int:
    """Run the program until its time has come."""
    left = int(sys.argv[1])
    whole = Database.transaction

    @contextmanager
    def transaction(database: Database) -> Iterator[Any]:
        nonlocal left
        with whole(database) as connection:
            yield connection
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    Database.transaction = transaction  # type: ignore[method-assign]
    return guarded(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
