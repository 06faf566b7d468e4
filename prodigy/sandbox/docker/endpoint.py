"""Finding the container engine: environment, Docker context, the usual sockets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKER_SOCKET = Path("/var/run/docker.sock")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an engine may answer, and who said so."""

    socket: Path
    source: str
    chosen: bool
    """Somebody asked for this one: no other is tried instead."""


def endpoints(environ: Mapping[str, str]) -> list[Endpoint]:
    """Return the places to try, in order.

    ``DOCKER_HOST`` first, then ``DOCKER_CONTEXT`` or the current Docker context, then the sockets of Docker
    and of Podman. Raises EngineUnavailable when a remote engine was asked for.
    """
    if host := environ.get("DOCKER_HOST"):
        return [_chosen(host, "DOCKER_HOST")]
    context = environ.get("DOCKER_CONTEXT") or _current_context()
    if context and context != "default":
        return [_chosen(_context_host(context), f"Docker context {context}")]
    runtime = Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    sockets = {
        "Docker's socket": DOCKER_SOCKET,
        "rootless Docker's socket": runtime / "docker.sock",
        "the user's Podman socket": runtime / "podman/podman.sock",
        "Podman's socket": Path("/run/podman/podman.sock"),
    }
    return [Endpoint(path, source, chosen=False) for source, path in sockets.items()]


def _chosen(host: str, source: str) -> Endpoint:
    scheme, _, rest = host.partition("://")
    if scheme != "unix" or not rest:
        raise EngineUnavailable(
            f"{source} names a remote engine ({host}), which cannot mount directories of this machine",
            help="unset it, or point it at a local socket such as unix:///var/run/docker.sock",
        )
    return Endpoint(Path("/" + rest.lstrip("/")), source, chosen=True)


def _current_context() -> str | None:
    from docker.context.config import get_current_context_name

    try:
        name = get_current_context_name()
    except (OSError, ValueError) as error:
        raise EngineUnavailable(f"the Docker configuration cannot be read: {error}") from error
    return str(name) if name else None


def _context_host(name: str) -> str:
    from docker.context import Context

    try:
        context = Context.load_context(name)
        host = context.Host if context else None
    except Exception as error:  # the library raises bare exceptions for damaged context files
        raise EngineUnavailable(f"the Docker context {name} cannot be read: {error}") from error
    if not host:
        raise EngineUnavailable(f"there is no Docker context {name}", help="docker context ls")
    return str(host)
