"""Looking at a sandbox from inside, whether it is as sealed as it should be on this engine."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure
from prodigy.sandbox.docker.options import CPU_PERIOD, TMPFS
from prodigy.sandbox.protocol import INPUT, WORKSPACE, Call
from prodigy.sandbox.scripts import script
from prodigy.values import Check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.sandbox.docker.backend import DockerBackend
    from prodigy.sandbox.protocol import SandboxSpec

PROBE_LIMIT = 60.0
"""Seconds the look may take."""
FEW_PROCESSES = 10
"""A container of its own has an init, the main process and the probe."""

_RUNTIME_MOUNTS = ("/proc", "/dev", "/sys")
_RUNTIME_FILES = frozenset(
    {
        "/",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
        "/sbin/docker-init",
        "/usr/sbin/docker-init",
        "/run/podman-init",
        "/run/.containerenv",
        "/run/secrets",
    }
)


def inspect_sandbox(backend: DockerBackend, spec: SandboxSpec) -> list[Check]:
    """Open a container as ``spec`` says, look around in it, and remove it.

    ``spec.mount`` must be a bind mount of an empty directory of the containers' owner; a file stays in it.
    Raises what ``Backend.open`` raises, SandboxFailure when nothing could be looked at.
    """
    with closing(backend.open(spec)) as sandbox:
        outcome = sandbox.run(Call(("sh", INPUT), input=script("inspect").encode(), timeout=PROBE_LIMIT))
    if outcome.kind:
        raise SandboxFailure(f"the probe in the container failed: {outcome.message}")
    lines = [line.partition(" ") for line in outcome.stdout_tail.decode("utf-8", "replace").splitlines()]
    found: dict[str, list[str]] = {}
    for key, _, value in lines:
        found.setdefault(key, []).append(value.strip())
    return [*judge(found, spec), _ownership(backend, spec)]


def judge(found: dict[str, list[str]], spec: SandboxSpec) -> list[Check]:
    """Compare what was seen inside with what must be seen. Pure."""
    capabilities = {*found.get("CapEff", ["?"]), *found.get("CapBnd", ["?"])}
    mounts = [line.split() for line in found.get("mount", ())]
    root = [options for target, _, options in mounts if target == "/"]
    sockets = found.get("socket", [])
    allowed = [line.removesuffix(" allowed") for line in found.get("tried", ()) if line.endswith(" allowed")]
    processes = int(found.get("processes", ["0"])[0])
    own = sorted({target for target, _, _ in mounts if not _of_the_runtime(target)})
    return [
        _check("capabilities", capabilities == {16 * "0"}, "none", f"{', '.join(sorted(capabilities))}"),
        _check("no new privileges", found.get("NoNewPrivs") == ["1"], "set", "not set"),
        _check("system call filter", found.get("Seccomp") == ["2"], "on", "off"),
        _check("root file system", bool(root) and "ro" in root[-1].split(","), "read-only", "writable"),
        _check("mounts", own == [WORKSPACE], f"only {WORKSPACE}", f"{', '.join(own) or 'none'}"),
        _check("engine socket", not sockets, "not there", f"there: {', '.join(sockets)}"),
        _check("processes", processes < FEW_PROCESSES, "only its own", f"{processes} are visible"),
        _check(
            "refusals",
            not allowed,
            f"all {len(found.get('tried', ()))} tried",
            f"allowed: {', '.join(allowed)}",
        ),
        _network(found.get("route", []), spec),
        _limits(found, spec),
    ]


def _network(routes: list[str], spec: SandboxSpec) -> Check:
    if spec.network != "none":
        return Check("network", "warn", f"{spec.network}: open, as asked for")
    return _check("network", not routes, "closed", f"routes: {', '.join(routes)}")


def _limits(found: dict[str, list[str]], spec: SandboxSpec) -> Check:
    wanted = {
        "memory": str(spec.limits.memory),
        "pids": str(spec.limits.pids),
        "cpu": str(int(spec.limits.cpus * CPU_PERIOD)),
    }
    seen = {name: found.get(name, ["unlimited"])[0].split()[0] for name in wanted}
    wrong = [
        f"{name} {seen[name]} instead of {limit}" for name, limit in wanted.items() if seen[name] != limit
    ]
    right = f"{spec.limits.memory >> 20} MiB, {spec.limits.cpus:g} cpus, {spec.limits.pids} processes"
    return _check("limits", not wrong, right, "; ".join(wrong))


def _ownership(backend: DockerBackend, spec: SandboxSpec) -> Check:
    """Compare the owner of a file written inside with the caller's idea of it; no container runs now."""
    wanted = backend.engine.owner
    try:
        status = (spec.mount.source / "written-by-probe").lstat()
    except OSError as error:
        return _check(
            "written files", good=False, right="", wrong=f"not seen on this machine: {error.strerror}"
        )
    owner = status.st_uid, status.st_gid
    text = "{}:{}".format(*owner)
    return _check("written files", owner == wanted, f"belong to {text}", f"belong to {text}, not {wanted}")


def _of_the_runtime(target: str) -> bool:
    inside: Iterable[str] = _RUNTIME_MOUNTS
    return target in _RUNTIME_FILES or target in TMPFS or target.startswith(tuple(inside))


def _check(name: str, good: bool, right: str, wrong: str) -> Check:  # noqa: FBT001 - the verdict itself
    if good:
        return Check(name, "ok", right)
    return Check(name, "fail", wrong, "do not run untrusted work on this engine until this is understood")
