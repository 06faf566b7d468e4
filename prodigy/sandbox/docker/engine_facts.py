"""What an engine says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prodigy.sandbox.docker.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself."""

    name: str
    version: str
    api: str
    socket: str
    source: str
    rootless: bool
    podman: bool
    cgroup_version: str
    security: tuple[str, ...]
    missing_limits: tuple[str, ...]
    """Limits this engine cannot enforce."""
    cpus: int
    memory: int
    """Bytes."""


def facts_of(endpoint: Endpoint, version: dict[str, Any], info: dict[str, Any]) -> EngineFacts:
    """Read them from the answers of an engine to questions for its version and state."""
    security = tuple(info.get("SecurityOptions") or ())
    components = " ".join(part.get("Name", "") for part in version.get("Components") or ())
    podman = "podman" in components.lower()
    limits = {"memory": "MemoryLimit", "processes": "PidsLimit", "cpu": "CpuCfsQuota"}
    return EngineFacts(
        name="Podman" if podman else "Docker",
        version=str(version.get("Version", "")),
        api=str(version.get("ApiVersion", "")),
        socket=str(endpoint.socket),
        source=endpoint.source,
        rootless=any("rootless" in option for option in security),
        podman=podman,
        cgroup_version=str(info.get("CgroupVersion", "1")),
        security=security,
        missing_limits=tuple(limit for limit, key in limits.items() if not info.get(key, True)),
        cpus=int(info.get("NCPU", 0)),
        memory=int(info.get("MemTotal", 0)),
    )
