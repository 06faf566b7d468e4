"""A repository, a data root and the program together: what one run needs."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import remove_all
from tests.support.program import LIMIT, Finished, Program
from tests.support.repositories import Repository


@dataclass(frozen=True)
class Ground:
    """Runs workflows over one repository."""

    repository: Repository
    program: Program
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def home(self) -> Path:
        return self.program.home

    def flow(self, text: str) -> str:
        """Write a workflow beside the repository; gives its path."""
        path = self.repository.path.parent / f"flow-{next(self._numbers)}.yml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def run(self, text: str, *options: str, code: int | None = None, **more: Any) -> Finished:
        """Run a workflow to its end."""
        return self.program("run", self.flow(text), *options, code=code, **more)

    def killed(self, text: str, point: int, *options: str) -> int:
        """Run a workflow until it is killed at a durable point; to its end where there are fewer."""
        command = [sys.executable, "-m", "tests.support.dying", str(point), "-p", str(self.repository.path)]
        done = subprocess.run(
            [*command, "run", self.flow(text), *options],
            cwd=Path(__file__).parents[2],
            env=self.program.environment,
            capture_output=True,
            check=False,
            timeout=LIMIT,
        )
        return done.returncode

    def start(self, text: str, *options: str, **more: Any) -> Live:
        """Start a run that shows its steps' output."""
        return Live(self.program.start("run", self.flow(text), "-v", *options, **more))

    def session(self, name: str = "latest") -> dict[str, Any]:
        """The document about a session."""
        found: dict[str, Any] = self.program("worktree", "show", name, "--json", code=0).json
        return found

    @property
    def workspace(self) -> Path:
        """Where the latest session's workspace is."""
        return Path(self.session()["path"])


class Live:
    """A program at work: its lines as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._out = ""
        self._news = threading.Condition()
        self._ended = False
        self._threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_out)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_out(self) -> None:
        assert self.process.stdout
        self._out = self.process.stdout.read()

    def wait_for(self, text: str, count: int = 1) -> list[str]:
        """Wait until that many lines end with a text; gives them."""
        with self._news:
            self._news.wait_for(lambda: self._ended or len(self._matching(text)) >= count, LIMIT)
            found = self._matching(text)
        assert len(found) >= count, f"{text!r} never came:\n" + "\n".join(self.lines)
        return found

    def wait_until(self, told: Callable[[list[str]], bool], limit: float = LIMIT) -> None:
        """Wait until the lines so far tell something. ``limit``: seconds."""
        with self._news:
            self._news.wait_for(lambda: self._ended or told(self.lines), limit)
        assert told(self.lines), "it never came:\n" + "\n".join(self.lines)

    def _matching(self, text: str) -> list[str]:
        return [line for line in self.lines if line.endswith(text)]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def finish(self, code: int | None = None) -> Finished:
        """Wait for the end."""
        self.process.wait(LIMIT)
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        finished = Finished(self.process.returncode, self._out, "\n".join(self.lines))
        assert "Traceback" not in finished.err, finished
        if code is not None:
            assert finished.code == code, finished
        return finished


@contextmanager
def prepared(top: Path, files: dict[str, str] | None = None) -> Iterator[Ground]:
    """A ground below a directory; at the end nothing of it may be left at the engine."""
    ground = Ground(Repository.create(top / "project", files), Program(top / "home", top / "project"))
    yield ground
    left = remove_all(ground.home)
    assert not left, f"the test left {left} behind"


@contextmanager
def watched(repository: Repository) -> Iterator[None]:
    """Hash every byte of a repository over and over; it may never differ while the block runs."""
    before = repository.fingerprint()
    stop = threading.Event()
    seen: list[dict[str, str]] = []

    def watch() -> None:
        while not stop.wait(0.02):  # not all the time: the run needs a processor too
            now = repository.fingerprint()
            if now != before:
                seen.append(now)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    after = repository.fingerprint()
    assert after == before
    for now in seen:
        pytest.fail(f"changed for a while: {sorted(set(now.items()) ^ set(before.items()))}")
