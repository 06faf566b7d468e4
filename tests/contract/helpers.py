"""What the tests of sandboxes share."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prodigy.sandbox.protocol import INPUT, Call, Outcome, Sandbox, SandboxSpec

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from prodigy.sandbox.docker.backend import DockerBackend
    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.host import HostBackend

GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}


def git(directory: Path, *arguments: str) -> str:
    environment = {**os.environ, **GIT_IDENTITY, "GIT_CONFIG_GLOBAL": "/dev/null"}
    command = ["git", "-c", "safe.directory=*", "-C", str(directory), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def make_repository(directory: Path) -> Path:
    directory.mkdir(parents=True)
    git(directory, "init", "-q", "-b", "work")
    (directory / "file").write_text("first\n")
    (directory / "sub").mkdir()
    (directory / "sub" / "deep").write_text("deep\n")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "first")
    return directory


def give(directory: Path, owner: tuple[int, int]) -> None:
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{owner[0]}:{owner[1]}", str(directory)], check=True)


@dataclass
class Bench:
    """One backend, and a worktree to open sandboxes on."""

    name: str
    backend: DockerBackend | HostBackend
    spec: SandboxSpec
    stack: ExitStack
    engine: Engine | None = None

    @property
    def home(self) -> str:
        return self.spec.labels["prodigy.home"]

    def open(self, **changes: object) -> Sandbox:
        sandbox = self.backend.open(replace(self.spec, **changes))
        self.stack.callback(sandbox.close)
        return sandbox


def sh(text: str, **fields: object) -> Call:
    """A call of a shell script that arrives by its input."""
    return Call(("sh", INPUT), input=text.encode(), **fields)


class Running:
    """A call in a thread of its own."""

    def __init__(self, sandbox: Sandbox, call: Call, *, begun: str = "begun") -> None:
        self._begun = threading.Event()
        self._marker = begun
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, args=(sandbox, replace(call, on_line=self._line)))
        self._thread.start()

    def _run(self, sandbox: Sandbox, call: Call) -> None:
        self._outcome = sandbox.run(call)
        self._begun.set()

    def _line(self, _: str, line: str) -> None:
        if line == self._marker:
            self._begun.set()

    def wait_begun(self) -> Running:
        assert self._begun.wait(60)
        return self

    def result(self) -> Outcome:
        self._thread.join(60)
        assert self._outcome is not None
        return self._outcome
