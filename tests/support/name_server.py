"""A name server on the loopback of a network namespace: it knows no name, and writes down what it is asked.

``python -m tests.support.name_server FILE``, in the namespace and as root.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SET_FLAGS, _UP = 0x8914, 1
_NO_SUCH_NAME = 0x8183


def main() -> None:
    """Serve for ever."""
    asked = Path(sys.argv[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        fcntl.ioctl(server, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
        server.bind(("127.0.0.1", 53))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            question, client = server.recvfrom(4096)
            with asked.open("a") as file:
                file.write(_name(question) + "\n")
            server.sendto(
                question[:2] + struct.pack("!H", _NO_SUCH_NAME) + question[4:6] + bytes(6) + question[12:],
                client,
            )


def _name(question: bytes) -> str:
    """The name that a question is about."""
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode(errors="replace"))
        at += 1 + length
    return ".".join(labels)


@contextmanager
def name_server(pid: int, asked: Path) -> Iterator[None]:
    """Serve in the network namespace of a process; ``asked`` gets a line for each question."""
    asked.touch()
    command = [
        "nsenter",
        "--net",
        "--target",
        str(pid),
        sys.executable,
        "-m",
        "tests.support.name_server",
        str(asked),
    ]
    with subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
