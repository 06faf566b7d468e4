"""What importing and merging one agent's commits costs, and whether it grows with their number."""

from __future__ import annotations

import contextlib
import io
import shutil
import statistics
from typing import TYPE_CHECKING, BinaryIO

from benchmarks.finding import Finding
from benchmarks.repository import generate, git, unmerged_commits
from benchmarks.rounds import spread, timed
from prodigy.git.importing import import_commits
from prodigy.git.merging import Merged, SessionMerger
from prodigy.git.repository import open_repository
from prodigy.git.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FILES = 1_500
COUNTS = {10: 7, 100: 3, 1_000: 1}
"""Numbers of agents, and how many sessions of each are timed; the longest has rounds enough within."""
GOAL = 1.5


class Said:
    """A pack that a workspace sends, without the workspace."""

    def __init__(self, head: str, pack: bytes) -> None:
        self.stdout: BinaryIO = io.BytesIO(f"{head}\n".encode() + pack)

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 - the protocol's signature
        """The command has ended well."""
        return 0

    def stderr_tail(self) -> bytes:
        """It said nothing."""
        return b""


class Sender:
    """Stands for the sandbox of one agent."""

    def __init__(self, repository: Path, base: str, head: str) -> None:
        self.head = head
        flags = ("--revs", "--thin", "--stdout", "-q", "--delta-base-offset")
        self._pack = git(repository, "pack-objects", *flags, data=f"{head}\n^{base}\n".encode())

    def __call__(
        self,
        argv: tuple[str, ...],  # noqa: ARG002 - the protocol's signature
        *,
        stdin: Iterable[bytes] | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Said]:
        """Send the pack."""
        return contextlib.nullcontext(Said(self.head, self._pack))


def measure(place: Path) -> Iterator[Finding]:
    """Time import and merge in fresh sessions of few and of many agents, one agent after the other."""
    repository = generate(place / "repository", FILES, commits=200)
    base, heads = unmerged_commits(repository, max(COUNTS))
    senders = [Sender(repository, base, head) for head in heads]
    seconds: dict[int, list[float]] = {number: [] for number in COUNTS}
    for turn in range(max(COUNTS.values())):
        for number, turns in COUNTS.items():
            if turn < turns:
                seconds[number].append(_session(place, repository, senders[:number]) / number)
    few = statistics.median(seconds[min(COUNTS)])
    for number, costs in seconds.items():
        if number > min(COUNTS):
            yield Finding(
                f"import and merge, per agent of {number:,}, against one of {min(COUNTS)}",
                spread(costs),
                spread(seconds[min(COUNTS)]),
                statistics.median(costs) / few,
                goal=GOAL if number == max(COUNTS) else None,
            )


def _session(place: Path, repository: Path, senders: list[Sender]) -> float:
    home = place / "home"
    home.mkdir(mode=0o700)
    store = Store.create(home, "session-benchmark", open_repository(repository))
    merger = SessionMerger(store)

    def work() -> None:
        for number, sender in enumerate(senders):
            imported = import_commits(store, sender, store.base, f"agents/{number}-1")
            if not isinstance(merger.merge_agent(str(number), imported.head), Merged):
                raise SystemExit("an agent's commit could not be merged")

    seconds = timed(work)
    shutil.rmtree(home)
    return seconds
