"""From settings to the engine's arguments."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from prodigy.sandbox.docker.options import Identity, container
from prodigy.sandbox.protocol import Limits, SandboxSpec
from prodigy.values import MountSpec


def body(mount: MountSpec, **fields: object) -> dict:
    identity = Identity("12:34", keep_id=bool(fields.pop("keep_id", False)))
    spec = SandboxSpec("name", mount, {"prodigy.home": "/home"}, **fields)
    return container(
        spec, name="unique", image="sha256:0", identity=identity, mount=mount, volumes=("/data",)
    )


BIND = MountSpec("bind", Path("/tree"))


def test_nothing_of_the_environment_is_in_the_container_s_record() -> None:
    assert "Env" not in body(BIND)


def test_swap_adds_nothing_to_memory() -> None:
    host = body(BIND, limits=Limits(cpus=1.5, memory=123 << 20, pids=7, shm_size=5))["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (123 << 20, 123 << 20)
    assert host["CpuQuota"] / host["CpuPeriod"] == 1.5
    assert (host["PidsLimit"], host["ShmSize"]) == (7, 5)


def test_declared_volumes_become_scratch_memory_of_the_user() -> None:
    host = body(BIND)["HostConfig"]
    assert host["Tmpfs"]["/data"] == "rw,exec,nosuid,nodev,size=1g,mode=0755,uid=12,gid=34"
    assert set(host["Tmpfs"]) == {"/tmp", "/run", "/home/prodigy", "/data"}


def test_rootless_podman_keeps_ids() -> None:
    assert body(BIND, keep_id=True)["HostConfig"]["UsernsMode"] == "keep-id"
    assert "UsernsMode" not in body(BIND)["HostConfig"]


def split_as_the_kernel_does(options: str) -> list[str]:
    parts, current, escaped = [], "", False
    for character in options:
        if escaped:
            current, escaped = current + "\\" + character, False
        elif character == "\\":
            escaped = True
        elif character == ",":
            parts, current = [*parts, current], ""
        else:
            current += character
    return [*parts, current]


@given(st.text(st.sampled_from("ab,:\\ "), min_size=1))
def test_overlay_paths_cannot_add_options(name: str) -> None:
    place = Path("/x") / name
    mount = MountSpec("overlay", place, lower=place, upper=place / "u", work=place / "w")
    options = body(mount)["HostConfig"]["Mounts"][0]["VolumeOptions"]["DriverConfig"]["Options"]["o"]
    keys = [part.partition("=")[0] for part in split_as_the_kernel_does(options)]
    assert keys == ["nosuid", "nodev", "lowerdir", "upperdir", "workdir", "redirect_dir"]
