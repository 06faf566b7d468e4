"""An execution's raw connection: frames of stdout and stderr on one socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from prodigy.sandbox.channel import CHUNK, Channel, Chunk

if TYPE_CHECKING:
    from prodigy.sandbox.protocol import StreamName

SEND_LIMIT = 600.0
"""Seconds the sandbox may take to accept one piece of input."""
_HEADER = 8
_STREAMS: dict[int, StreamName] = {1: "stdout", 2: "stderr"}


class Frames:
    """Takes apart ``stream, 0, 0, 0, size (4 bytes), payload``, however it is cut; keeps no payload."""

    def __init__(self) -> None:
        self._header = b""
        self._stream: StreamName = "stdout"
        self._left = 0

    def split(self, data: bytes) -> list[Chunk]:
        """Return the pieces of payload in ``data``."""
        chunks: list[Chunk] = []
        position = 0
        while position < len(data):
            if self._left:
                part = data[position : position + self._left]
                position += len(part)
                self._left -= len(part)
                chunks.append((self._stream, part))
                continue
            part = data[position : position + _HEADER - len(self._header)]
            position += len(part)
            self._header += part
            if len(self._header) == _HEADER:
                self._stream = _STREAMS.get(self._header[0], "stdout")
                self._left = int.from_bytes(self._header[4:], "big")
                self._header = b""
        return chunks


class SocketChannel(Channel):
    """One execution in a container."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__([connection.fileno()])
        connection.settimeout(SEND_LIMIT)
        self._connection = connection
        self._frames = Frames()
        self._eof = False

    def send(self, data: bytes) -> None:
        """Write to standard input. Raises OSError (also when it is not accepted in time)."""
        self._connection.sendall(data)

    def finish(self) -> None:
        """Close standard input: the other half of the connection stays."""
        self._connection.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the execution, without ending it."""
        self._connection.close()
        self._release()

    @property
    def ended(self) -> bool:
        """Whether the engine has closed the connection."""
        return self._eof

    def _read(self, descriptor: int) -> list[Chunk]:  # noqa: ARG002 - there is only one
        try:
            data = self._connection.recv(CHUNK)
        except OSError:
            data = b""
        self._eof = not data
        return self._frames.split(data)
