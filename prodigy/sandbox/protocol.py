"""What every sandbox backend offers: executions, byte streams, and an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from prodigy.masking import Masker
    from prodigy.sandbox.egress import Egress
    from prodigy.values import CacheSpec, ErrorKind, MountSpec

OUTPUT = "PRODIGY_OUTPUT"
"""The variable that names a file to leave values in; the sandbox chooses the file."""

INPUT = "{input}"
"""An argument equal to this is replaced by the path of the file that holds the call's input."""

WORKSPACE = "/workspace"
"""Where a container has its worktree."""

StreamName = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one container may use. Memory and shm in bytes; swap equals memory, so none is added."""

    cpus: float = 2.0
    memory: int = 4 << 30
    pids: int = 1024
    shm_size: int = 256 << 20


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """All a backend needs to open one sandbox."""

    name: str
    mount: MountSpec
    labels: Mapping[str, str]
    image: str = ""
    network: Literal["none", "bridge"] = "none"
    egress: Egress | None = None
    """What is reached through the gateway; nothing else is, unless there is a network besides."""
    on_denied: Callable[[str, int], None] | None = None
    """Called with host and port of each connection that the gateway refuses. From another thread."""
    limits: Limits = field(default_factory=Limits)
    stop_grace: float = 10.0
    """Seconds between TERM and KILL."""
    disk: int | None = None
    """Bytes the workspace may hold."""
    tmpfs: Mapping[str, int] = field(default_factory=dict)
    """Further places of scratch memory: their sizes in bytes."""
    user: str | None = None
    """``uid:gid``, or ``root``; None: the caller."""
    read_only: bool = True
    """Whether the root file system is."""
    runtime: str | None = None
    gpus: str | int | tuple[str, ...] | None = None
    caches: tuple[CacheSpec, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every execution, under the call's own."""


@dataclass(frozen=True, slots=True)
class Call:
    """One execution in a sandbox.

    ``input`` reaches the sandbox over the execution's own stdin, is kept there in a file, and that
    file's path replaces the argument ``INPUT``; the command itself reads an empty stdin. So texts of
    any size, with any bytes, never stand on an argument list.
    """

    argv: tuple[str, ...]
    input: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = ""
    """Relative to the workspace; it must exist and resolve inside it."""
    timeout: float | None = None
    stdout: Path | None = None
    """Host file that receives the whole stream; None: only the tail is kept."""
    stderr: Path | None = None
    on_line: Callable[[StreamName, str], None] | None = None
    """Called for each line as it arrives (undecodable bytes replaced, long lines cut)."""
    survey: bool = False
    """Also report how many paths are left uncommitted when the command has ended."""
    masker: Masker | None = None
    """Hides secrets in both streams before anything of them is kept or passed on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call. ``kind`` is None for exit code 0.

    The HEAD fields are what the sandbox claims: good for "did it move", never proof of content.
    """

    exit_code: int | None
    kind: ErrorKind | None = None
    message: str = ""
    head_before: str | None = None
    head_after: str | None = None
    descends: bool = False
    """head_after is a descendant of (or equal to) head_before."""
    dirty: int | None = None
    """Uncommitted paths, when the call asked for a survey."""
    output_file: str | None = None
    """The file in the sandbox in which the command left values; None when it left none."""
    stdout_tail: bytes = b""
    stderr_tail: bytes = b""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    duration: float = 0.0


class Pipe(Protocol):
    """A running command whose stdout is read as it comes. Closing it kills the command."""

    stdout: BinaryIO

    def wait(self, timeout: float | None = None) -> int:
        """Drain, wait for the end and return the exit code.

        Raises SandboxFailure when the sandbox died or the time (seconds) ran out.
        """

    def stderr_tail(self) -> bytes:
        """Return the last bytes of stderr, for messages."""


class Sandbox(Protocol):
    """One open sandbox. ``run`` and ``pipe`` may be called from several threads."""

    @property
    def place(self) -> str:
        """Where commands run, for logs: ``container prodigy-… (1a2b3c)`` or ``this machine``."""

    @property
    def root(self) -> str:
        """The worktree's path as commands see it."""

    @property
    def scratch(self) -> str:
        """A directory that only the step's user can write, as commands see it; gone with the sandbox."""

    @property
    def interpreter(self) -> str:
        """The shell that ``auto`` means here: bash where it exists, else sh."""

    def run(self, call: Call) -> Outcome:
        """Execute, wait, and classify. Never raises for what the command did.

        A dead sandbox or engine is an Outcome of kind ``sandbox`` (``oom`` when memory ended it).
        """

    def pipe(
        self, argv: tuple[str, ...], *, stdin: Iterable[bytes] | None = None, timeout: float | None = None
    ) -> AbstractContextManager[Pipe]:
        """Start a command in the worktree and stream its stdout (raw bytes)."""

    def interact(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
        """Run a program at the caller's terminal, in the worktree, and return its exit code.

        Raises SandboxFailure when it cannot be started.
        """

    def alive(self) -> bool:
        """Whether another call can be made."""

    def cancel(self) -> None:
        """Stop the calls that run (TERM, grace, KILL), and start none any more. From any thread.

        Callers of ``run`` get kind ``cancelled``. Pipes go on: what was done can still be fetched.
        """

    def kill(self) -> None:
        """End the sandbox at once. From any thread."""

    def close(self) -> None:
        """Remove everything the sandbox put on the machine, besides its workspace. Idempotent."""


class Backend(Protocol):
    """Opens sandboxes."""

    def answers(self) -> bool:
        """Whether sandboxes can be had at all now: an engine that died has taken them all with it."""

    def close(self) -> None:
        """Give up what sandboxes shared; none may be open. Idempotent."""

    def open(self, spec: SandboxSpec) -> Sandbox:
        """Start a sandbox.

        Raises SandboxFailure when the engine refused or died, ImageUnavailable when the image is gone.
        """
