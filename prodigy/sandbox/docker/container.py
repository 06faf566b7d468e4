"""One open container."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

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
    from prodigy.sandbox.flight import Flight

ANSWER_LIMIT = 5.0
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
    ) -> None:
        super().__init__(stop_grace)
        self.name = name
        self.identifier = identifier
        self.interpreter = interpreter
        self._engine = engine
        self._lifeline = lifeline
        self._volume = volume
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
        merged = {**ENVIRONMENT, **environment}
        try:
            return SocketChannel(self._engine.execute(self.identifier, arguments, merged))
        except EngineRefused as error:
            if error.trouble is not Trouble.ENDED:
                raise
            detail = ""
            with contextlib.suppress(SandboxFailure):
                detail = f" ({_words(self._final_state())})"
            raise SandboxFailure(f"the container has ended{detail}") from error

    def alive(self) -> bool:
        """Whether another call can be made: the engine closes the lifeline when the container ends."""
        if self._ended or self._killed:
            return False
        try:
            return self._lifeline.recv(1, _PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def kill(self) -> None:
        """End the container at once. From any thread."""
        self._killed = True
        for flight in tuple(self._flights):
            flight.request_stop(ErrorKind.CANCELLED, "the container was killed")
        # It may have ended by itself, or be removed already.
        with contextlib.suppress(SandboxFailure):
            self._engine.ask(self._engine.api.kill, self.identifier)
        for flight in tuple(self._flights):
            flight.stopped()

    def close(self) -> None:
        """Remove the container and its volume. Raises SandboxFailure when that is not possible now."""
        with self._closing:
            if self._removed:
                return
            self._ended = True
            self._lifeline.close()
            remove(self._engine, self.identifier, self._volume)
            self._removed = True

    def _evidence(self, flight: Flight) -> Evidence:
        began = flight.begin is not None
        before = flight.begin.oom_kills if flight.begin else 0
        said = flight.recorders["stdout"].tail[-2048:].decode("utf-8", "replace")
        try:
            state = self._inspected()
            kills = self._oom_kills() if state.get("Running") and self.alive() else None
            if kills is not None:
                return Evidence(running=True, oom_kills=kills - before, began=began, said=said)
            state = self._final_state()
        except EngineRefused:
            return Evidence(running=False, state="it was removed", began=began)
        except SandboxFailure:
            return Evidence(running=None)
        oom = int(bool(state.get("OOMKilled")))
        return Evidence(running=False, state=_words(state), oom_kills=oom, began=began)

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

    def _final_state(self) -> dict[str, Any]:
        """Wait for the engine to notice a container's end; its connections close before."""
        with contextlib.suppress(SandboxFailure):
            self._engine.ask(self._engine.api.wait, self.identifier, timeout=ANSWER_LIMIT)
        return self._inspected()


_PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT
"""Look whether the connection is closed, without taking anything and without waiting."""


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
    with contextlib.suppress(_Gone):
        _unless_gone(engine, engine.api.remove_container, container, force=True, v=True)
    if volume:
        with contextlib.suppress(_Gone):
            _unless_gone(engine, engine.api.remove_volume, volume)


class _Gone(Exception):  # noqa: N818 - never leaves this module
    pass


def _unless_gone(engine: Engine, request: Any, *args: Any, **kwargs: Any) -> None:
    try:
        engine.ask(request, *args, **kwargs)
    except EngineRefused as error:
        if error.status == 404 or "already in progress" in error.message:  # noqa: PLR2004 - HTTP
            raise _Gone from error
        raise
