"""Steps as ordinary processes of this machine: asked for explicitly, and sealed by nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING

from prodigy.errors import SandboxFailure
from prodigy.sandbox.channel import CHUNK, Channel, Chunk
from prodigy.sandbox.classify import Evidence
from prodigy.sandbox.runner import Runner
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prodigy.sandbox.flight import Flight, Stoppable
    from prodigy.sandbox.protocol import Call, Outcome, SandboxSpec, StreamName

KEPT_VARIABLES = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "TERM")
"""Of the caller's environment. PWD and OLDPWD name its directory, GIT_* would move git elsewhere."""
_PIPE_SIZE = 1 << 20
"""The most a pipe holds."""
REAP_LIMIT = 5.0
"""Seconds to wait for a killed process to be gone."""


class HostBackend:
    """Opens plain directories."""

    NOT_ENFORCED = (
        "image",
        "network",
        "cpus",
        "memory",
        "pids",
        "shm_size",
        "tmpfs",
        "user",
        "read_only",
        "the file system outside the worktree",
        "processes that leave their step's session and environment",
    )
    """What a container would guarantee and this cannot."""

    def answers(self) -> bool:
        """Say yes: sandboxes are directories of this machine."""
        return True

    def close(self) -> None:
        """There is nothing that sandboxes share."""

    def open(self, spec: SandboxSpec) -> HostSandbox:
        """Take a worktree. Raises SandboxFailure for one that is not a plain directory."""
        return HostSandbox(spec)


class HostSandbox(Runner):
    """A worktree on this machine in which processes are started."""

    cgroup = "/nonexistent"
    owns_processes = False
    place = "this machine"

    def __init__(self, spec: SandboxSpec) -> None:
        super().__init__(spec.stop_grace)
        if spec.mount.kind != "bind" or spec.mount.source.is_symlink() or not spec.mount.source.is_dir():
            raise SandboxFailure(f"{spec.mount.source} is not a plain directory: the host backend needs one")
        self._worktree = spec.mount.source.resolve()
        self._identity = _identity(self._worktree)
        # Where the step has removed .git, git must not find a repository further up.
        self._git_variables = {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CEILING_DIRECTORIES": str(self._worktree.parent),
        }
        self._channels: set[ProcessChannel] = set()
        self.scratch = tempfile.mkdtemp(prefix="prodigy-")
        self.interpreter = "bash" if shutil.which("bash") else "sh"

    @property
    def root(self) -> str:
        """The worktree itself."""
        return str(self._worktree)

    def start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> ProcessChannel:
        """Start a process in a session of its own. Raises SandboxFailure."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        merged = {**kept, **self._git_variables, **environment}
        try:
            process = subprocess.Popen(
                arguments,
                cwd="/",
                env=merged,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            raise SandboxFailure(f"the step could not be started: {error}") from error
        channel = ProcessChannel(process, self._channels.discard)
        self._channels.add(channel)
        return channel

    def run(self, call: Call) -> Outcome:
        """Execute, wait, and classify; the worktree must be the same directory before and after."""
        outcome = super().run(call)
        violation = self._violation(call.cwd)
        if violation is None or outcome.kind is ErrorKind.WORKING_DIR or self._ended:
            return outcome
        return dataclasses.replace(
            outcome, kind=ErrorKind.SANDBOX, message=f"security violation: {violation}"
        )

    def interact(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
        """Run a program at the caller's terminal, in the worktree; return its exit code."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        merged = {**kept, **self._git_variables, **environment}
        return subprocess.run(argv, cwd=self._worktree, env=merged, check=False).returncode

    def alive(self) -> bool:
        """Whether another call can be made."""
        return self._unusable() is None

    def _end(self, flights: tuple[Stoppable, ...]) -> None:
        self._ended = True
        for flight in flights:
            with contextlib.suppress(SandboxFailure, OSError):
                self._climb(flight, 0.0, since="-")
        for channel in tuple(self._channels):
            channel.kill()

    def close(self) -> None:
        """Remove the inputs of steps. Idempotent."""
        self._ended = True
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _unusable(self) -> str | None:
        if self._ended:
            return "the sandbox has ended"
        violation = self._violation("")
        return violation and f"security violation: {violation}"

    def _violation(self, cwd: str) -> str | None:
        """Say how the place of a call is not the worktree that was opened."""
        if _identity(self._worktree) != self._identity:
            return f"the worktree {self._worktree} was moved or replaced"
        if not (self._worktree / cwd).resolve().is_relative_to(self._worktree):
            return f"{cwd} leads outside the worktree {self._worktree}"
        return None

    def _evidence(self, flight: Flight) -> Evidence:
        channel = flight.channel
        code = channel.exit_code() if isinstance(channel, ProcessChannel) else None
        return Evidence(running=True, exit_code=code, began=flight.begin is not None)


class ProcessChannel(Channel):
    """One process of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], on_close: Callable[[ProcessChannel], None]) -> None:
        self._process = process
        self._on_close = on_close
        pipes: dict[StreamName, IO[bytes] | None] = {"stdout": process.stdout, "stderr": process.stderr}
        self._open: dict[int, StreamName] = {pipe.fileno(): name for name, pipe in pipes.items() if pipe}
        self._end = os.pidfd_open(process.pid)
        super().__init__([*self._open, self._end])

    def send(self, data: bytes) -> None:
        """Write to standard input. Raises OSError when the process has closed it."""
        stdin = self._process.stdin
        view = memoryview(data)
        while stdin and view:
            view = view[stdin.write(view) :]

    def finish(self) -> None:
        """Close standard input."""
        if self._process.stdin:
            self._process.stdin.close()

    def close(self) -> None:
        """Let go of the process; one that has ended is collected, another goes on without its pipes."""
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()
        self.exit_code()
        self._on_close(self)
        self._release()
        os.close(self._end)

    def kill(self) -> None:
        """Kill the process and its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def exit_code(self) -> int | None:
        """Wait a moment for the process to end; return its exit code."""
        try:
            return self._process.wait(REAP_LIMIT)
        except subprocess.TimeoutExpired:
            return None

    @property
    def ended(self) -> bool:
        """Whether both streams are at their end."""
        return not self._open

    def _read(self, descriptor: int) -> list[Chunk]:
        if descriptor == self._end:
            return self._read_rest()
        if descriptor not in self._open:
            return []  # dropped with the rest, by an event of the same round
        data = os.read(descriptor, CHUNK)
        if data:
            return [(self._open[descriptor], data)]
        self._poll.unregister(descriptor)
        del self._open[descriptor]
        return []

    def _read_rest(self) -> list[Chunk]:
        """Read what the ended process had written; its children may hold the pipes open for ever."""
        chunks: list[Chunk] = []
        for descriptor, name in self._open.items():
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):
                chunks.append((name, os.read(descriptor, _PIPE_SIZE)))
        self._open.clear()
        return chunks


def _identity(directory: Path) -> tuple[int, int] | None:
    """Tell a directory from another one that took its place."""
    try:
        found = directory.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_dev, found.st_ino
