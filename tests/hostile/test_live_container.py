"""Rows 10, 15 and 16: a live agent's container, from outside and from inside, on every kind of workspace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.arena import GATE, Arena, inside
from tests.hostile.plain import UID, open_arena
from tests.support.engine import docker
from tests.support.ground import Live

pytestmark = [pytest.mark.docker, pytest.mark.root]

WANTED = ["--memory", "600m", "--cpus", "1"]
REFUSED = {
    "mount": "mount -t tmpfs x /mnt",
    "bind-mount": "mount --bind / /mnt",
    "unshare-mount": "unshare -m true",
    "unshare-user": "unshare -U -r true",
    "sysrq": "echo h >/proc/sysrq-trigger",
    "core-pattern": "echo x >/proc/sys/kernel/core_pattern",
    "device": "mknod /tmp/disk b 254 0",
    "owner": "cp /bin/sh /tmp/s; chown 0 /tmp/s",
    "engine": "test -e /var/run/docker.sock -o -e /run/docker.sock -o -e /run/containerd",
    "memory-of-others": "cat /proc/kcore | head -c 1 | grep -q .",
    "route-out": "python3 -c 'import socket; socket.create_connection((\"1.1.1.1\", 53), 3)'",
    "other-interface": "ls /sys/class/net | grep -v '^lo$'",
    "raw-socket": "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
    "packet-socket": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    "keyctl": "python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(250, 0, 0, 0) < 0)'",
    "bpf": "python3 -c 'import ctypes; exit(ctypes.CDLL(None).syscall(321, 0, 0, 0) < 0)'",
}
"""What no step may do; each command succeeds exactly if the container allows it."""
BENCHMARK: dict[str, Any] = {
    "5.4 capabilities": lambda c: c["HostConfig"]["CapDrop"] == ["ALL"] and not c["HostConfig"]["CapAdd"],
    "5.5 privileged": lambda c: c["HostConfig"]["Privileged"] is False,
    "5.6 host directories": lambda c: [m["Destination"] for m in c["Mounts"]] == ["/workspace"],
    "5.7 sshd": lambda c: c["Config"]["Entrypoint"] == ["sh", "-c", "read -r _"],
    "5.8/5.9/5.14 ports": lambda c: not c["NetworkSettings"]["Ports"] and not c["HostConfig"]["PortBindings"],
    "5.10 network": lambda c: c["HostConfig"]["NetworkMode"] == "none",
    "5.11 memory": lambda c: c["HostConfig"]["Memory"] == c["HostConfig"]["MemorySwap"] == 600 << 20,
    "5.13 read-only": lambda c: c["HostConfig"]["ReadonlyRootfs"] is True,
    "5.15 restart": lambda c: c["HostConfig"]["RestartPolicy"]["Name"] in ("", "no"),
    "5.16 pid": lambda c: c["HostConfig"]["PidMode"] == "",
    "5.17 ipc": lambda c: c["HostConfig"]["IpcMode"] == "private",
    "5.18 devices": lambda c: not c["HostConfig"]["Devices"] and not c["HostConfig"]["DeviceRequests"],
    "5.19 ulimits": lambda c: not c["HostConfig"]["Ulimits"],
    "5.20 propagation": lambda c: all(
        m.get("Propagation") in ("rprivate", "private", "") for m in c["Mounts"]
    ),
    "5.21 uts": lambda c: c["HostConfig"]["UTSMode"] == "",
    "5.22 seccomp": lambda c: c["HostConfig"]["SecurityOpt"] == ["no-new-privileges"],
    "5.24 user": lambda c: c["Config"]["User"] not in ("", "0", "root", "0:0"),
    "5.25 cgroup": lambda c: c["HostConfig"]["CgroupParent"] == "" and not c["HostConfig"]["Cgroup"],
    "5.26 privileges": lambda c: "no-new-privileges" in c["HostConfig"]["SecurityOpt"],
    "5.29 pids": lambda c: c["HostConfig"]["PidsLimit"] == 1024,
    "5.31 user namespace": lambda c: c["HostConfig"]["UsernsMode"] == "",
    "5.32 engine socket": lambda c: (
        "docker.sock" not in json.dumps(c["Mounts"]) + json.dumps(c["HostConfig"])
    ),
}
ON_PURPOSE = {"5.12", "5.27"}
"""Points that are not met; `docs/isolation.md` says why."""


@dataclass
class Held:
    """A run whose agent waits, and its container."""

    kind: str
    arena: Arena
    container: str
    facts: dict[str, Any]

    def run(self, script: str) -> str:
        return inside(self.container, script)


@pytest.fixture(scope="module", params=["root-copy", "root-overlay", "plain-overlay"])
def held(request: pytest.FixtureRequest) -> Iterator[Held]:
    with open_arena(request.param) as arena:
        main = arena.repository.fingerprint()
        flow = arena.flow([{"shell": GATE, "env": {"TOLD": "secret-of-the-step"}}], [{"id": "held"}])
        live = Live(arena.prodigy.start("run", flow, "--json", *WANTED))
        try:
            live.wait_until(lambda lines: any("Executing in worktree" in line for line in lines))
            container = arena.container("held")
            inside(container, "until [ -p /tmp/gate ]; do sleep 0.05; done")
            yield Held(request.param, arena, container, json.loads(docker("inspect", container))[0])
            arena.release("held")
        except BaseException:
            live.process.kill()
            raise
        finally:
            done = live.finish()
        assert done.code == 0, done
        assert arena.repository.fingerprint() == main


def test_exactly_one_mount(held: Held) -> None:
    (mount,) = held.facts["Mounts"]
    assert (mount["Destination"], mount["RW"]) == ("/workspace", True)
    assert mount["Type"] == ("volume" if held.kind == "plain-overlay" else "bind")
    assert held.facts["HostConfig"]["Binds"] is None
    kinds = [line.split() for line in held.run("cat /proc/mounts").splitlines()]
    real = [
        (place, kind)
        for _, place, kind, *_ in kinds
        if kind not in ("proc", "sysfs", "tmpfs", "devpts", "cgroup", "cgroup2", "mqueue")
    ]
    runtime = {
        "/",
        "/workspace",
        "/etc/resolv.conf",
        "/etc/hostname",
        "/etc/hosts",
        "/sbin/docker-init",
        "/usr/sbin/docker-init",
    }
    assert {place for place, _ in real} <= runtime, real
    writable = held.run(
        "while read -r _ p _; do [ -d $p ] && [ -w $p ] && echo $p; done </proc/mounts; true"
    ).split()
    assert set(writable) == {"/workspace", "/tmp", "/run", "/home/prodigy", "/dev/shm", "/dev/mqueue"}


def test_the_main_repository_is_not_there(held: Held) -> None:
    main = str(held.arena.repository.path)
    assert held.run(f"test -e {main} || echo absent") == "absent\n"
    assert held.run(f"test -e {held.arena.place} || echo absent") == "absent\n"
    assert main not in held.run("cat /proc/mounts; cat /proc/1/environ; env; cat .git/config; git remote -v")
    assert main not in json.dumps({**held.facts, "Mounts": [], "HostConfig": [], "GraphDriver": []})
    assert held.run("git for-each-ref --format='%(refname)'").split() == [
        "refs/heads/prodigy-base",
        "refs/heads/work",
    ]


def test_no_inode_is_shared(held: Held) -> None:
    """Row 5: a file with a second name outside could be rewritten in place."""
    assert held.run("find /workspace -xdev -type f -links +1") == ""


@pytest.mark.parametrize("point", BENCHMARK)
def test_the_benchmark_of_the_center_for_internet_security(held: Held, point: str) -> None:
    assert BENCHMARK[point](held.facts), point


def test_every_point_of_the_benchmark_is_tested_or_explained() -> None:
    document = Path(__file__).parents[2].joinpath("docs/isolation.md").read_text()
    rows = dict(re.findall(r"^\| (5\.\d+) [^|]*\| ([^|]*) \|", document, re.MULTILINE))
    assert len(rows) == 32
    passing = {number for number, state in rows.items() if state.startswith("passes")}
    tested = {number for key in BENCHMARK for number in re.findall(r"5\.\d+", key)}
    assert passing - tested <= {"5.2", "5.23", "5.30"}  # the engine's own, an execution's, and 5.10 again
    assert {number for number, state in rows.items() if state.startswith("not met")} == ON_PURPOSE


def test_the_step_itself_is_unprivileged(held: Held) -> None:
    """The step's own process, not another execution: what the engine gave to it."""
    status = held.run(
        "for p in /proc/[0-9]*; do tr '\\0' '\\n' <$p/environ 2>/dev/null | grep -q ^TOLD= || continue;"
        " cat $p/status; break; done"
    )
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {found[key].strip() for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
    user = UID if held.kind.startswith("plain") else 1000
    assert found["Uid"].split() == found["Gid"].split() == [str(user)] * 4
    assert "secret-of-the-step" not in json.dumps(held.facts)


def test_no_process_of_the_host_is_seen(held: Held) -> None:
    names = held.run("cat /proc/[0-9]*/comm").split()
    assert len(names) < 15
    assert not {"dockerd", "systemd", "containerd", "python", "pytest"} & set(names)


@pytest.fixture(scope="module")
def answers(held: Held) -> dict[str, str]:
    """What became of each command inside, tried by the step's user."""
    tries = (
        f"({command}) >/dev/null 2>&1 && echo {name} allowed || echo {name} refused"
        for name, command in REFUSED.items()
    )
    return dict(line.split() for line in held.run("\n".join(tries)).splitlines())


@pytest.mark.parametrize("name", REFUSED)
def test_refused(answers: dict[str, str], name: str) -> None:
    assert answers[name] == "refused"


def test_limits_are_seen(held: Held) -> None:
    where = "cat /sys/fs/cgroup/{}/{} 2>/dev/null || cat /sys/fs/cgroup/{}"
    assert held.run(where.format("memory", "memory.limit_in_bytes", "memory.max")).strip() == str(600 << 20)
    assert held.run(where.format("pids", "pids.max", "pids.max")).strip() == "1024"
    quota = held.run(
        "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max"
    )
    assert quota.strip() == "100000"


BURN = """
import time
end = time.monotonic() + 1
while time.monotonic() < end:
    pass
print(time.process_time())
"""
FORK = """
import os, signal, time
made = []
try:
    while len(made) < 1200:
        made.append(os.fork() or time.sleep(60))
except OSError as error:
    print("refused", error.errno)
for pid in made:
    os.kill(pid, signal.SIGKILL)
"""


def test_the_processor_limit_is_effective(held: Held) -> None:
    used = held.run(f"for n in 1 2 3; do python3 -c '{BURN}' & done; wait").split()
    assert sum(map(float, used)) < 1.6


def test_the_process_limit_is_effective(held: Held) -> None:
    assert held.run(f"python3 -c '{FORK}'") == "refused 11\n"


def test_the_memory_limit_is_effective(held: Held) -> None:
    assert held.run("python3 -c 'bytearray(700 << 20)'; echo $?").strip() == "137"
