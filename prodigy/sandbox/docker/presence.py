"""Whether an engine has been there all along."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure

if TYPE_CHECKING:
    from docker import APIClient

_NO_EVENT = json.dumps({"label": ["prodigy.presence"]})


class Presence:
    """An open request that the engine never answers to the end: it ends when the engine does.

    An engine that is killed and started again answers as before, but its containers are gone or have lost
    their streams, which looks like containers that ended by themselves.
    """

    def __init__(self, api: APIClient) -> None:
        """Ask for events that never come. Raises what the library raises, and SandboxFailure."""
        url = f"{api.base_url}/v{api.api_version}/events"
        self._response = api.get(url, params={"filters": _NO_EVENT}, stream=True, timeout=(10, None))
        if not self._response.ok:
            raise SandboxFailure(f"the container engine tells no events: {self._response.reason}")
        self._socket = socket.socket(fileno=os.dup(self._response.raw.fileno()))

    @property
    def interrupted(self) -> bool:
        """Whether the engine went away since."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Give the connection up. Idempotent."""
        self._socket.close()
        self._response.close()
