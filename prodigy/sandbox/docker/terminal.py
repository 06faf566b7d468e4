"""A person's terminal, connected to a program in a container."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import sys
import termios
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prodigy.sandbox.docker.engine import hijack
from prodigy.sandbox.protocol import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from prodigy.sandbox.docker.engine import Engine

_CHUNK = 64 << 10

# The program starts when it is told to: what it says at once would be lost with the HTTP answer's buffer.
_WAIT = 'IFS= read -r _; stty echo; exec "$@"'
_SILENT = 'stty -echo; exec sh -c "$0" sh "$@"'


def interact(engine: Engine, container: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> int:
    """Run a program at the caller's terminal; gives its exit code.

    Raises EngineRefused or SandboxFailure when it cannot be started.
    """
    variables = {"TERM": os.environ.get("TERM", "dumb"), **environment}
    execution = engine.ask(
        engine.api.exec_create,
        container,
        ["sh", "-c", _SILENT, _WAIT, *argv],
        stdin=True,
        tty=True,
        workdir=WORKSPACE,
        environment=[f"{name}={value}" for name, value in variables.items()],
    )["Id"]
    connection = hijack(engine.ask(engine.api.exec_start, execution, tty=True, socket=True))

    def resize() -> None:
        size = shutil.get_terminal_size()
        engine.ask(engine.api.exec_resize, execution, height=size.lines, width=size.columns)

    with connection, _raw(sys.stdin.fileno()), _on_resize(resize):
        resize()
        connection.sendall(b"\n")
        _copy(connection, sys.stdin.fileno(), sys.stdout.fileno())
    code: int = engine.ask(engine.api.exec_inspect, execution)["ExitCode"]
    return code


def _copy(connection: socket.socket, stdin: int, stdout: int) -> None:
    """Pass bytes both ways until the program's side closes."""
    sources: list[int | socket.socket] = [connection, stdin]
    while True:
        ready, _, _ = select.select(sources, (), ())
        if stdin in ready:
            typed = os.read(stdin, _CHUNK)
            if typed:
                connection.sendall(typed)
            else:
                sources.remove(stdin)
                connection.shutdown(socket.SHUT_WR)
        if connection in ready:
            said = connection.recv(_CHUNK)
            if not said:
                return
            os.write(stdout, said)


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Hand every key to the program, Ctrl-C included, while the block runs."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def _on_resize(resize: Callable[[], None]) -> Iterator[None]:
    def handler(_number: int, _frame: FrameType | None) -> None:
        resize()

    before = signal.signal(signal.SIGWINCH, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
