"""The look from inside, on this machine's engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prodigy.sandbox.docker import backend as backend_module
from prodigy.sandbox.docker.options import container
from prodigy.sandbox.selfcheck import inspect_sandbox

from .helpers import Bench

pytestmark = pytest.mark.docker


def test_a_container_is_sealed(bind_bench: Bench) -> None:
    checks = {check.id: check for check in inspect_sandbox(bind_bench.backend, bind_bench.spec)}
    assert [check for check in checks.values() if check.status != "ok"] == []
    assert checks["mounts"].detail == "only /workspace"
    assert checks["limits"].detail == "4096 MiB, 2 cpus, 1024 processes"
    # Fewer would mean that a program the probe tries things with was not in the image.
    assert checks["refusals"].detail == "all 8 tried"


def test_a_container_that_is_not_sealed_is_told(bind_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def loosened(*args: object, **kwargs: object) -> dict:
        body = container(*args, **kwargs)
        host = body["HostConfig"]
        host |= {
            "ReadonlyRootfs": False,
            "CapDrop": [],
            "SecurityOpt": ["seccomp=unconfined"],
            "Memory": 1 << 30,
        }
        host["Mounts"].append({"Type": "bind", "Source": "/tmp", "Target": "/other"})
        host["NetworkMode"] = "bridge"
        return {**body, "User": "0:0"}

    monkeypatch.setattr(backend_module, "container", loosened)
    checks = inspect_sandbox(bind_bench.backend, replace(bind_bench.spec))
    assert {check.id for check in checks if check.status == "fail"} == {
        "capabilities",
        "no new privileges",
        "system call filter",
        "root file system",
        "mounts",
        "refusals",
        "network",
        "limits",
        "written files",
    }
