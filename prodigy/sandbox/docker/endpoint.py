"""Finding the container engine: environment, Docker context, the usual sockets."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    context = environ.get("DOCKER_CONTEXT") or _current_context(environ)
    if context and context != "default":
        return [_chosen(_context_host(context, environ), f"Docker context {context}")]
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


def _settings(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()


def _current_context(environ: Mapping[str, str]) -> str | None:
    name = _read(_settings(environ) / "config.json").get("currentContext")
    return str(name) if name else None


def _context_host(name: str, environ: Mapping[str, str]) -> str:
    # Docker keeps a context's file under the hash of its name.
    key = hashlib.sha256(name.encode()).hexdigest()
    context = _read(_settings(environ) / "contexts" / "meta" / key / "meta.json")
    if not context:
        raise EngineUnavailable(f"there is no Docker context {name}", help="docker context ls")
    try:
        return str(context["Endpoints"]["docker"]["Host"])
    except (KeyError, TypeError) as error:
        raise EngineUnavailable(f"the Docker context {name} names no engine") from error


def _read(file: Path) -> dict[str, Any]:
    """Return a JSON object of Docker's configuration; {} where there is no such file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise EngineUnavailable(f"Docker's configuration {file} cannot be read: {error}") from error
    return found if isinstance(found, dict) else {}
