"""What only containers promise: limits, one mount, nothing left, and a name for every way to die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prodigy.errors import ImageUnavailable, OverlayUnavailable, SandboxFailure
from prodigy.sandbox.docker.leftovers import find_leftovers, remove_leftovers
from prodigy.sandbox.protocol import Call, Limits
from prodigy.values import ErrorKind, MountSpec

from .helpers import Bench, Running, sh

pytestmark = pytest.mark.docker

HELD_OPEN = """
import sys, threading
from pathlib import Path
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.engine import connect
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call, SandboxSpec
from prodigy.values import MountSpec

tree, cache, image, home = sys.argv[1:]
engine = connect()
spec = SandboxSpec("prodigy-test", MountSpec("bind", Path(tree)), {"prodigy.home": home}, image=image)
sandbox = DockerBackend(engine, Images(engine, Path(cache))).open(spec)
print(sandbox.identifier, flush=True)
sandbox.run(Call(("sh", "-c", "trap '' TERM; sleep 600")))
"""


def inspect(bench: Bench, identifier: str) -> dict:
    return bench.engine.api.inspect_container(identifier)


def test_exactly_one_mount(docker_bench: Bench) -> None:
    sandbox = docker_bench.open()
    (mount,) = inspect(docker_bench, sandbox.identifier)["Mounts"]
    assert mount["Destination"] == "/workspace"
    if docker_bench.name == "bind":
        assert (mount["Type"], mount["Source"]) == ("bind", str(docker_bench.spec.mount.source))
    else:
        assert mount["Type"] == "volume"


def test_an_overlay_leaves_its_lower_layer_alone(make_bench) -> None:
    bench = make_bench("overlay")
    sandbox = bench.open()
    outcome = sandbox.run(sh("echo changed >file; rm -r sub; git mv file moved; mkdir d; mv d e; ls"))
    assert outcome.stdout_tail == b"e\nmoved\n"
    sandbox.close()
    assert (bench.spec.mount.lower / "file").read_text() == "first\n"
    assert (bench.spec.mount.lower / "sub" / "deep").exists()
    assert bench.open().run(Call(("ls",))).stdout_tail == b"e\nmoved\n"


@pytest.mark.parametrize("name", ["plain", "with,comma:and\\backslash and blank"])
def test_overlay_layers_may_have_any_name(make_bench, tmp_path: Path, name: str) -> None:
    bench = make_bench("overlay")
    place = tmp_path / name
    bench.spec.mount.source.rename(place)
    mount = MountSpec("overlay", place, lower=place / "tree", upper=place / "upper", work=place / "work")
    assert bench.open(mount=mount).run(Call(("cat", "file"))).stdout_tail == b"first\n"


def test_an_overlay_that_cannot_be_mounted_has_an_error_of_its_own(make_bench) -> None:
    bench = make_bench("overlay")
    with pytest.raises(OverlayUnavailable):
        bench.open(mount=replace(bench.spec.mount, lower=Path("/nowhere/at/all")))
    assert find_leftovers(bench.engine, bench.home) == []


def test_a_read_only_mount(bind_bench: Bench) -> None:
    sandbox = bind_bench.open(mount=replace(bind_bench.spec.mount, read_only=True))
    outcome = sandbox.run(sh("cat file; touch new"))
    assert outcome.exit_code == 1
    assert b"Read-only file system" in outcome.stderr_tail


def test_what_fails_to_open_leaves_nothing(bind_bench: Bench) -> None:
    with pytest.raises(SandboxFailure, match="bind source path"):
        bind_bench.open(mount=MountSpec("bind", Path("/nowhere/at/all")))
    with pytest.raises(SandboxFailure, match="memory"):
        bind_bench.open(limits=Limits(memory=1))
    with pytest.raises(ImageUnavailable):
        bind_bench.open(image="sha256:" + 64 * "0")
    assert find_leftovers(bind_bench.engine, bind_bench.home) == []


def test_an_interrupt_between_create_and_start_leaves_nothing(
    docker_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(docker_bench.engine, "attach", interrupted)
    with pytest.raises(KeyboardInterrupt):
        docker_bench.open()
    assert find_leftovers(docker_bench.engine, docker_bench.home) == []


def test_more_cpus_than_the_machine_has_are_no_error(bind_bench: Bench) -> None:
    assert bind_bench.open(limits=Limits(cpus=1000)).run(Call(("true",))).exit_code == 0


def test_environment_and_input_stand_in_no_record(bind_bench: Bench) -> None:
    sandbox = bind_bench.open()
    call = sh("echo begun; : secret-in-script; sleep 600", env={"NAME": "secret-in-env"})
    running = Running(sandbox, call).wait_begun()
    record = inspect(bind_bench, sandbox.identifier)
    executions = [bind_bench.engine.api.exec_inspect(each) for each in record["ExecIDs"]]
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    sandbox.cancel()
    assert running.result().kind is ErrorKind.CANCELLED
    assert executions
    for text in (json.dumps(record), json.dumps(executions), listed):
        assert "secret-in-script" not in text
        assert "secret-in-env" not in text


def test_home_and_scratch_are_writable_and_executable(bind_bench: Bench) -> None:
    outcome = bind_bench.open().run(
        sh('for d in "$HOME" /tmp /run; do printf "#!/bin/sh\\necho $d" >$d/x; chmod +x $d/x; $d/x; done')
    )
    assert outcome.stdout_tail == b"/home/prodigy\n/tmp\n/run\n"


def test_files_belong_to_the_workspaces_owner(docker_bench: Bench) -> None:
    docker_bench.open().run(sh("touch mine"))
    place = docker_bench.spec.mount.upper or docker_bench.spec.mount.source
    found = (place / "mine").stat()
    assert (found.st_uid, found.st_gid) == docker_bench.engine.owner


def test_the_memory_limit_is_called_oom(bind_bench: Bench) -> None:
    sandbox = bind_bench.open(limits=Limits(memory=64 << 20))
    hungry = "python3 -c 'b = bytearray(200 << 20); print(len(b))'"
    outcome = sandbox.run(sh(hungry))
    assert (outcome.exit_code, outcome.kind) == (137, ErrorKind.OOM)
    assert sandbox.run(sh(f"{hungry} || true")).kind is None
    assert sandbox.run(sh("exit 1")).kind is ErrorKind.COMMAND


def test_the_step_s_own_shell_killed_for_memory_is_oom(bind_bench: Bench) -> None:
    sandbox = bind_bench.open(limits=Limits(memory=64 << 20))
    # The kernel takes the process that is asked for most; here all of the step dies with it.
    outcome = sandbox.run(sh("python3 -c 'b = bytearray(200 << 20)'; kill -9 $PPID"))
    assert outcome.kind is ErrorKind.OOM


def test_scratch_counts_as_memory(bind_bench: Bench) -> None:
    sandbox = bind_bench.open(limits=Limits(memory=64 << 20))
    outcome = sandbox.run(sh("head -c 200000000 /dev/zero >/tmp/big"))
    assert outcome.kind is ErrorKind.OOM


def test_a_process_bomb_ends_with_its_timeout(bind_bench: Bench) -> None:
    sandbox = bind_bench.open(limits=Limits(pids=64))
    bomb = "trap '' TERM; echo begun; while :; do (trap '' TERM; sleep 600) & done"
    outcome = sandbox.run(Call(("bash", "-c", bomb), timeout=2))
    assert (outcome.exit_code, outcome.kind) == (124, ErrorKind.TIMEOUT)
    if sandbox.alive():
        assert sandbox.run(sh("ls -d /proc/[0-9]* | wc -l")).stdout_tail.strip() in {b"5", b"6", b"7"}


def test_a_container_killed_from_outside_is_no_failed_command(bind_bench: Bench) -> None:
    sandbox = bind_bench.open()
    running = Running(sandbox, sh("echo begun; sleep 600")).wait_begun()
    subprocess.run(["docker", "kill", sandbox.identifier], check=True, capture_output=True)
    outcome = running.result()
    assert (outcome.exit_code, outcome.kind) == (None, ErrorKind.SANDBOX)
    assert "exited, exit code 137" in outcome.message
    assert not sandbox.alive()
    assert sandbox.run(Call(("true",))).kind is ErrorKind.SANDBOX


def test_a_container_removed_from_outside(bind_bench: Bench) -> None:
    sandbox = bind_bench.open()
    running = Running(sandbox, sh("echo begun; sleep 600")).wait_begun()
    subprocess.run(["docker", "rm", "-f", sandbox.identifier], check=True, capture_output=True)
    assert running.result().kind is ErrorKind.SANDBOX
    sandbox.close()


def test_a_step_that_ends_the_container(bind_bench: Bench) -> None:
    outcome = bind_bench.open().run(Call(("sh", "-c", "kill -9 -1"), timeout=30))
    assert outcome.kind is ErrorKind.SANDBOX
    assert outcome.exit_code is None


def test_the_container_ends_with_a_killed_orchestrator(bind_bench: Bench, tmp_path: Path) -> None:
    arguments = [str(bind_bench.spec.mount.source), str(tmp_path), bind_bench.spec.image, bind_bench.home]
    child = subprocess.Popen([sys.executable, "-c", HELD_OPEN, *arguments], stdout=subprocess.PIPE, text=True)
    with child:
        identifier = child.stdout.readline().strip()
        assert inspect(bind_bench, identifier)["State"]["Running"]
        os.kill(child.pid, signal.SIGKILL)
    bind_bench.engine.api.wait(identifier, timeout=30)
    (left,) = find_leftovers(bind_bench.engine, bind_bench.home)
    assert (left.kind, left.id, left.running) == ("container", identifier, False)
    assert remove_leftovers(bind_bench.engine, [left]) == []
    assert remove_leftovers(bind_bench.engine, [left]) == []


def test_leftovers_are_found_by_data_root(make_bench) -> None:
    bench = make_bench("overlay")
    bench.open()
    found = find_leftovers(bench.engine, bench.home)
    assert [(left.kind, left.labels["prodigy.session"]) for left in found] == [
        ("container", "test"),
        ("volume", "test"),
    ]
    assert found[0].running
    assert find_leftovers(bench.engine, bench.home + "-other") == []
    assert remove_leftovers(bench.engine, found) == []
    assert find_leftovers(bench.engine, bench.home) == []


def test_an_image_that_declares_volumes_still_has_one_mount(bind_bench: Bench, tmp_path: Path) -> None:
    dockerfile = f'FROM {bind_bench.spec.image}\nVOLUME /data\nENTRYPOINT ["/bin/false"]\nUSER 33\n'
    (tmp_path / "Dockerfile").write_text(dockerfile + "HEALTHCHECK CMD touch /workspace/checked\n")
    tag = f"prodigy-test-volumes:{os.getpid()}"
    bind_bench.engine.api.build(str(tmp_path), tag=tag, rm=True, quiet=True).close()
    try:
        sandbox = bind_bench.open(image=tag)
        record = inspect(bind_bench, sandbox.identifier)
        assert [mount["Destination"] for mount in record["Mounts"]] == ["/workspace"]
        assert sandbox.run(sh("id -u; touch /data/x")).stdout_tail == b"%d\n" % bind_bench.engine.owner[0]
        sandbox.close()
    finally:
        bind_bench.engine.api.remove_image(tag)
