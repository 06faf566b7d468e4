"""The connection to one container engine."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import requests
import tenacity
from docker import APIClient
from docker.errors import APIError, DockerException

from prodigy.errors import EngineUnavailable, PolicyViolation, SandboxFailure
from prodigy.sandbox.classify import Trouble, refusal
from prodigy.sandbox.docker.endpoint import Endpoint, endpoints
from prodigy.sandbox.docker.engine_facts import EngineFacts, facts_of
from prodigy.sandbox.docker.paths import HostPaths
from prodigy.sandbox.docker.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MINIMUM_API = (1, 41)
REQUEST_TIMEOUT = 120
"""Seconds for one answer of the engine; streams have none."""
POOL_SIZE = 64
"""Connections kept for reuse by the threads of a run."""
ROOT_CALLERS_USER = 1000
"""Who a container's processes are when the caller is root."""

_TRANSIT = (requests.ConnectionError, requests.Timeout, OSError)
_T = TypeVar("_T")


class EngineRefused(SandboxFailure):
    """Raised when the engine answered a request with an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.trouble = refusal(message)


class Engine:
    """An engine that answers. Safe for use by several threads."""

    def __init__(self, api: APIClient, facts: EngineFacts) -> None:
        self.api = api
        self.facts = facts
        self._paths = HostPaths(self)
        self._presence: Presence | None = None
        self._lock = threading.Lock()

    @property
    def owner(self) -> tuple[int, int]:
        """User and group id, as the host has them, of what a container's processes write."""
        uid, gid = os.getuid(), os.getgid()
        if uid == 0 and not self.facts.rootless:
            return ROOT_CALLERS_USER, ROOT_CALLERS_USER
        return uid, gid

    @property
    def user(self) -> str:
        """The user of a container's processes, as the engine wants it.

        A rootless Docker maps the caller to the container's root; a rootless Podman keeps the caller's ids.
        """
        if self.facts.rootless and not self.facts.podman:
            return "0:0"
        return "{}:{}".format(*self.owner)

    def host_path(self, path: Path) -> Path:
        """Return a directory's path as the engine sees it. Raises EngineUnavailable when it does not."""
        return self._paths.translate(path)

    @property
    def sees_our_mounts(self) -> bool:
        """Whether what prodigy mounts is there for the engine too: not when it runs in a container."""
        return not self._paths.translated

    def require_local(self, directory: Path) -> None:
        """Make sure the engine can bind-mount ``directory``; creates nothing.

        Raises EngineUnavailable when it cannot: it is remote, in a virtual machine, or in another container.
        """
        self._paths.require(directory)

    def require_limits(self) -> None:
        """Raise PolicyViolation when the engine cannot enforce the limits every container has."""
        if self.facts.missing_limits:
            limits = " and ".join(self.facts.missing_limits)
            raise PolicyViolation(
                f"{self.facts.name} on this machine cannot limit {limits} of a container",
                help="enable the cgroup controllers (a rootless engine needs cgroup v2 with delegation)",
            )

    def ask(self, request: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
        """Make a request that may be repeated, and repeat it when it was lost in transit.

        Raises EngineRefused for an error of the engine, SandboxFailure when it does not answer.
        """
        try:
            return _retrying(request, *args, **kwargs)
        except APIError as error:
            raise _refused(error) from error
        except (*_TRANSIT, DockerException) as error:
            raise SandboxFailure(f"the container engine does not answer: {error}") from error

    def execute(
        self, container: str, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> socket.socket:
        """Start an execution, never twice, and return its raw connection (multiplexed).

        Raises EngineRefused or SandboxFailure.
        """
        variables = [f"{name}={value}" for name, value in environment.items()]
        execution = self.ask(
            self.api.exec_create, container, list(arguments), stdin=True, environment=variables
        )
        try:
            return hijack(self.api.exec_start(execution["Id"], socket=True))
        except APIError as error:
            raise _refused(error) from error
        except (*_TRANSIT, DockerException) as error:
            raise SandboxFailure(f"the container engine does not answer: {error}") from error

    def attach(self, container: str) -> socket.socket:
        """Return the connection that is the standard input of a container's main process."""
        stream = self.ask(self.api.attach_socket, container, params={"stdin": 1, "stdout": 1, "stream": 1})
        return hijack(stream)

    def keep_watch(self) -> None:
        """From now on notice when the engine goes away, also where it comes back. Raises SandboxFailure."""
        with self._lock:
            if self._presence is None:
                self._presence = self.ask(Presence, self.api)

    def uninterrupted(self) -> bool:
        """Whether the engine answers, and has not gone away since it is watched."""
        if self._presence is not None and self._presence.interrupted:
            return False
        try:
            return bool(self.ask(self.api.ping))
        except SandboxFailure:
            return False

    def close(self) -> None:
        """Give up the connections."""
        if self._presence is not None:
            self._presence.close()
        self.api.close()


def hijack(stream: Any) -> socket.socket:
    """Return the bare socket of an upgraded connection, independent of the HTTP library's objects.

    Only for programs that say nothing before they were told something: what the HTTP library had read
    beyond the header would be lost.
    """
    bare = socket.socket(fileno=os.dup(stream.fileno()))
    bare.settimeout(None)
    stream._response.close()  # noqa: SLF001 - the library leaves the response there so that it lives on
    return bare


def connect(environ: Mapping[str, str] | None = None) -> Engine:
    """Connect to the engine this user's environment names, else to the first that answers.

    Raises EngineUnavailable: none answers, it is remote, or too old.
    """
    reasons = []
    for endpoint in endpoints(os.environ if environ is None else environ):
        try:
            return _connect(endpoint)
        except (*_TRANSIT, DockerException) as error:
            reasons.append(_reason(endpoint, error))
            if endpoint.chosen:
                break
    raise EngineUnavailable(
        "no container engine answers: " + "; ".join(reasons),
        help="start Docker or Podman, set DOCKER_HOST, or run the steps unsealed with --sandbox host",
    )


def _connect(endpoint: Endpoint) -> Engine:
    # The library would leave a socket open for every place where nobody listens.
    with socket.socket(socket.AF_UNIX) as trial:
        trial.connect(str(endpoint.socket))
    api = APIClient(
        base_url=f"unix://{endpoint.socket}",
        version=".".join(map(str, MINIMUM_API)),
        timeout=REQUEST_TIMEOUT,
        max_pool_size=POOL_SIZE,
    )
    # A socket of this machine has neither proxies nor passwords: they are not looked up for each request.
    api.trust_env = False
    version = api.version(api_version=False)
    offered = str(version.get("ApiVersion", "0.0"))
    if tuple(int(part) for part in offered.split(".")[:2]) < MINIMUM_API:
        raise EngineUnavailable(
            f"the engine at {endpoint.socket} speaks API {offered}; prodigy needs 1.41 or newer"
        )
    return Engine(api, facts_of(endpoint, version, api.info()))


def _reason(endpoint: Endpoint, error: Exception) -> str:
    place = f"{endpoint.source} ({endpoint.socket})"
    match error:
        case FileNotFoundError():
            return f"{place} does not exist"
        case PermissionError():
            return f"{place} may not be opened by this user"
        case ConnectionRefusedError():
            return f"nobody listens at {place}"
        case _:
            return f"{place}: {error}"


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.ConnectionError),
    wait=tenacity.wait_exponential(0.05, max=0.5),
    stop=tenacity.stop_after_attempt(4),
    reraise=True,
)
def _retrying(request: Callable[..., _T], *args: Any, **kwargs: Any) -> _T:
    return request(*args, **kwargs)


def _refused(error: APIError) -> EngineRefused:
    return EngineRefused(str(error.explanation or error), int(error.status_code or 0))


__all__ = ["Engine", "EngineFacts", "EngineRefused", "Trouble", "connect"]
