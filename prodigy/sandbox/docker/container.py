"""One open container."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException

from prodigy.errors import SandboxFailure
from prodigy.sandbox.classify import Evidence, Trouble
from prodigy.sandbox.docker.engine import EngineRefused
from prodigy.sandbox.docker.options import ENVIRONMENT, SCRATCH
from prodigy.sandbox.docker.stream import SocketChannel
from prodigy.sandbox.protocol import WORKSPACE
from prodigy.sandbox.runner import Runner
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.docker.gateways import Link
    from prodigy.sandbox.flight import Flight, Stoppable

_REMOVALS = 5
"""How often a container that ends just then is removed again."""
ANSWER_LIMIT = 5
"""Seconds to wait for what only serves a better message."""
_COUNT_OOM = """
for events in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
    [ -r "$events" ] && while read -r key value; do [ "$key" = oom_kill ] && echo "$value"; done <"$events"
done
"""


class Container(Runner):
    """A container whose main process waits on ``lifeline``: when that closes, the container ends."""

    scratch = SCRATCH
    cgroup = "/sys/fs/cgroup"
    owns_processes = True

    def __init__(
        self,
        engine: Engine,
        *,
        name: str,
        identifier: str,
        lifeline: socket.socket,
        volume: str | None,
        interpreter: str,
        stop_grace: float,
        environment: Mapping[str, str],
        disk: int | None,
        link: Link | None = None,
    ) -> None:
        super().__init__(stop_grace, disk)
        self._environment = {**ENVIRONMENT, **environment}
        self.name = name
        self.identifier = identifier
        self.interpreter = interpreter
        self._engine = engine
        self._lifeline = lifeline
        self._volume = volume
        self._link = link
        self._killed = False
        self._closing = threading.Lock()
        self._removed = False

    @property
    def place(self) -> str:
        """The container, for logs."""
        return f"container {self.name} ({self.identifier[:12]})"

    @property
    def root(self) -> str:
        """The worktree's path in the container."""
        return WORKSPACE

    def start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> SocketChannel:
        """Start a program in the container. Raises SandboxFailure."""
        merged = {**self._environment, **environment}
        try:
            return SocketChannel(self._engine.execute(self.identifier, arguments, merged))
        except EngineRefused as error:
            if error.trouble is not Trouble.ENDED:
                raise
            detail = ""
            with contextlib.suppress(SandboxFailure):
                detail = f" ({_words(self._inspected())})"
            raise SandboxFailure(f"the container has ended{detail}") from error

    def interact(self, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
        """Run a program at the caller's terminal; return its exit code. Raises SandboxFailure."""
        from prodigy.sandbox.docker.terminal import interact

        return interact(self._engine, self.identifier, argv, {**self._environment, **environment})

    def alive(self) -> bool:
        """Whether another call can be made: the engine closes the lifeline when the container ends."""
        if self._ended or self._killed:
            return False
        return not self._closed_within(0)

    def _end(self, flights: tuple[Stoppable, ...]) -> None:  # noqa: ARG002 - all end with the container
        self._killed = True
        # It may have ended by itself, or be removed already.
        with contextlib.suppress(SandboxFailure):
            self._engine.ask(self._engine.api.kill, self.identifier)

    def close(self) -> None:
        """Remove the container and its volume. Raises SandboxFailure when that is not possible now."""
        with self._closing:
            if self._removed:
                return
            self._ended = True
            self._lifeline.close()
            remove(self._engine, self.identifier, self._volume)
            if self._link:
                self._link.close()
            self._removed = True

    def _closed_within(self, seconds: float) -> bool:
        """Whether the engine closes, or has closed, the lifeline: it does when the container has ended."""
        poll = select.poll()
        try:
            poll.register(self._lifeline, select.POLLIN)
            return bool(poll.poll(seconds * 1000)) and self._lifeline.recv(1, socket.MSG_PEEK) == b""
        except (OSError, ValueError):
            return True

    def _evidence(self, flight: Flight) -> Evidence:
        began = flight.begin is not None
        try:
            kills = self._oom_kills() if self._inspected().get("Running") else None
            if kills is not None:
                said = flight.recorders["stdout"].tail[-2048:].decode("utf-8", "replace")
                before = flight.begin.oom_kills if flight.begin else 0
                return Evidence(running=True, oom_kills=kills - before, began=began, said=said)
            return self._evidence_dead(flight)
        except EngineRefused:
            return Evidence(running=False, state="it was removed", began=began)
        except SandboxFailure:
            return Evidence(running=None)

    def _evidence_dead(self, flight: Flight) -> Evidence:
        if self._closed_within(1):
            # The engine's connections close before it notes the end.
            with contextlib.suppress(OSError, DockerException):
                self._engine.api.wait(self.identifier, timeout=ANSWER_LIMIT)
            words = _words(self._inspected())
        else:
            # It runs, but nothing can be executed in it, as when scratch files have eaten its memory.
            self._destroy(ErrorKind.SANDBOX, "the container was killed: nothing could be run in it")
            words = "no more commands could be run in it"
        oom = int(self._oom_event(flight))
        return Evidence(running=False, state=words, oom_kills=oom, began=flight.begin is not None)

    def _oom_event(self, flight: Flight) -> bool:
        """Whether the engine saw, or sees within a second, the kernel kill a process here for memory."""
        now = time.time()
        since, until = now - (time.monotonic() - flight.started_at), now + 1
        chosen = {"container": self.identifier, "event": "oom"}
        events: Any = self._engine.api.events
        try:
            with closing(events(f"{since:.9f}", f"{until:.9f}", filters=chosen, decode=True)) as stream:
                return any(True for _ in stream)
        except (OSError, DockerException):
            return False

    def _oom_kills(self) -> int | None:
        """Ask the cgroup how many processes were killed for memory; None when it cannot be asked."""
        answer = b""
        try:
            channel = self.start(("sh", "-c", "read -r _;" + _COUNT_OOM), {})
            try:
                channel.send(b"\n")
                while chunks := channel.receive(ANSWER_LIMIT):
                    answer += b"".join(data for name, data in chunks if name == "stdout")
            finally:
                channel.close()
        except (SandboxFailure, OSError):
            return None
        return int(answer) if answer.strip().isdigit() else None

    def _inspected(self) -> dict[str, Any]:
        found: dict[str, Any] = self._engine.ask(self._engine.api.inspect_container, self.identifier)
        return dict(found["State"])


def _words(state: dict[str, Any]) -> str:
    words = [f"{state.get('Status', 'gone')}, exit code {state.get('ExitCode')}"]
    if state.get("OOMKilled"):
        words.append("out of memory")
    if state.get("Error"):
        words.append(str(state["Error"]))
    return ", ".join(words)


def remove(engine: Engine, container: str, volume: str | None) -> None:
    """Remove a container, running or not, and then its volume; what is gone already is fine.

    Raises SandboxFailure.
    """
    if volume:
        clear_work(engine, container)
    with contextlib.suppress(_Gone):
        _remove(engine, container)
    if volume:
        with contextlib.suppress(_Gone):
            _unless_gone(engine, engine.api.remove_volume, volume)


def _remove(engine: Engine, container: str) -> None:
    """Remove a container. Where it ends while it is being killed, the engine gives up: once more."""
    for left in reversed(range(_REMOVALS)):
        try:
            _unless_gone(engine, engine.api.remove_container, container, force=True, v=True)
        except EngineRefused as error:
            if not left or "is not running" not in error.message:
                raise
        else:
            return


def clear_work(engine: Engine, container: str) -> None:
    """Have the kernel empty the work directory of the overlay that a container has as its volume.

    It leaves a whiteout there that belongs to root, so that a plain user could not delete the workspace.
    The next mount removes what an earlier one left; the workspace is not written, so nothing new comes.
    """
    with contextlib.suppress(SandboxFailure):
        engine.ask(engine.api.restart, container, timeout=0)


class _Gone(Exception):
    pass


def _unless_gone(engine: Engine, request: Any, *args: Any, **kwargs: Any) -> None:
    try:
        engine.ask(request, *args, **kwargs)
    except EngineRefused as error:
        if error.status == 404 or "already in progress" in error.message:  # noqa: PLR2004 - HTTP
            raise _Gone from error
        raise
