"""From a sandbox's settings to the engine's arguments. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.sandbox.protocol import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.sandbox.docker.gateways import Link
    from prodigy.sandbox.protocol import SandboxSpec
    from prodigy.values import CacheSpec, MountSpec

HOME = "/home/prodigy"
"""$HOME of every step: scratch memory, gone with the container."""
SCRATCH = "/run/prodigy"
"""Where the inputs of steps are kept."""
TMPFS = {"/tmp": ("1g", "1777"), HOME: ("1g", "0755"), "/run": ("64m", "0755")}  # noqa: S108 - in the container
"""Writable places besides the workspace: size and mode. They count as memory."""
CPU_PERIOD = 100_000
"""Microseconds. With period and quota a limit above the machine's count of CPUs is no error."""

ENVIRONMENT = {
    "HOME": HOME,
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": WORKSPACE,
    "GIT_TERMINAL_PROMPT": "0",
}
"""Of every execution, under the call's own."""

MAIN = "read -r _"
"""The main process: it waits on a stdin that the orchestrator holds open, so that it ends with it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a container's processes are."""

    user: str
    """``uid:gid`` in the container."""
    keep_id: bool = False
    """Rootless Podman: map the caller to the same ids inside."""


def container(
    spec: SandboxSpec,
    *,
    name: str,
    image: str,
    identity: Identity,
    mount: MountSpec,
    volumes: tuple[str, ...] = (),
    link: Link | None = None,
) -> dict[str, Any]:
    """Return the body of the engine's create request: the settings of ``docs/isolation.md``.

    ``mount`` has paths as the engine sees them. ``volumes`` are paths the image declares as volumes:
    they become scratch memory, for a volume would be a second mount. ``link``: its way to the gateway.
    """
    limits = spec.limits
    host: dict[str, Any] = {
        "Mounts": [_mount(mount, name, spec.labels), *map(_cache, spec.caches)],
        "Tmpfs": _tmpfs(identity.user, volumes, spec.tmpfs),
        "ReadonlyRootfs": spec.read_only,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Init": True,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "NetworkMode": link.network if link else spec.network,
        "Memory": limits.memory,
        "MemorySwap": limits.memory,
        "CpuPeriod": CPU_PERIOD,
        "CpuQuota": int(limits.cpus * CPU_PERIOD),
        "PidsLimit": limits.pids,
        "ShmSize": limits.shm_size,
        "LogConfig": {"Type": "none"},
    }
    if link and spec.network == "none":
        # Else an older engine forwards questions of names through a resolver of the host (CVE-2024-29018).
        host["Dns"] = [link.gateway_address]
    if spec.runtime is not None:
        host["Runtime"] = spec.runtime
    if spec.gpus is not None:
        host["DeviceRequests"] = [_gpus(spec.gpus)]
    if identity.keep_id:
        host["UsernsMode"] = "keep-id"
    return {
        "Image": image,
        "User": identity.user,
        "Entrypoint": ["sh", "-c", MAIN],
        "Cmd": [],
        "WorkingDir": WORKSPACE,
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "Labels": dict(spec.labels),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host,
    }


def _mount(mount: MountSpec, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    if mount.kind == "bind":
        return {
            "Type": "bind",
            "Source": str(mount.source),
            "Target": WORKSPACE,
            "ReadOnly": mount.read_only,
            "BindOptions": {"Propagation": "rprivate", "NonRecursive": True},
        }
    return {
        "Type": "volume",
        "Source": name,
        "Target": WORKSPACE,
        "ReadOnly": mount.read_only,
        "VolumeOptions": {
            "NoCopy": True,
            "Labels": dict(labels),
            "DriverConfig": {"Name": "local", "Options": _overlay(mount)},
        },
    }


def _cache(cache: CacheSpec) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": cache.volume,
        "Target": cache.path,
        "ReadOnly": cache.read_only,
        "VolumeOptions": {"NoCopy": True},
    }


def _gpus(wanted: str | int | tuple[str, ...]) -> dict[str, Any]:
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    if isinstance(wanted, tuple):
        return request | {"DeviceIDs": list(wanted)}
    return request | {"Count": -1 if wanted == "all" else wanted}


def _overlay(mount: MountSpec) -> dict[str, str]:
    layers = {"lowerdir": mount.lower, "upperdir": mount.upper, "workdir": mount.work}
    paths = ",".join(f"{option}={_escaped(str(path))}" for option, path in layers.items())
    return {"type": "overlay", "device": "overlay", "o": f"nosuid,nodev,{paths},redirect_dir=on"}


def _escaped(path: str) -> str:
    """Escape what overlay's option parser takes for separators."""
    return path.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def _tmpfs(user: str, volumes: tuple[str, ...], more: Mapping[str, int]) -> dict[str, str]:
    uid, _, gid = user.partition(":")
    gid = gid or uid
    places = {**{path: ("1g", "0755") for path in volumes if path != WORKSPACE}, **TMPFS}
    places |= {path: (str(size), "0755") for path, size in more.items()}
    return {
        path: f"rw,exec,nosuid,nodev,size={size},mode={mode},uid={uid},gid={gid}"
        for path, (size, mode) in places.items()
    }
