"""What can go wrong with the machine: engine, image, disk, memory, output."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import docker
from tests.support.ground import Ground, prepared, watched
from tests.support.own_engine import own_engine
from tests.support.program import Program

pytestmark = pytest.mark.docker

FLOW = "- shell: touch x; git add -A; git commit -qm x\n"
BUILTIN = "prodigy-base"


@pytest.fixture(params=["without git", "without a shell"])
def poor_image(request: pytest.FixtureRequest) -> Iterator[str]:
    """An image that lacks something; removed afterwards."""
    name = f"prodigy-test-{request.param.replace(' ', '-')}-{os.getpid()}"
    if request.param == "without a shell":
        with io.BytesIO() as buffer:
            with tarfile.open(fileobj=buffer, mode="w") as archive:
                archive.addfile(tarfile.TarInfo("nothing"))
            subprocess.run(
                ["docker", "import", "-", name], input=buffer.getvalue(), check=True, capture_output=True
            )
    else:
        docker("tag", "debian:bookworm-slim", name)
    yield name
    docker("rmi", name)


def test_a_poor_image_is_found_before_the_run(ground: Ground, poor_image: str) -> None:
    with watched(ground.repository):
        done = ground.run(FLOW, "--image", poor_image, code=3)
    missing = "git" if "without-git" in poor_image else "sh"
    assert missing in done.err
    assert poor_image in done.err
    assert len(done.err.splitlines()) <= 3
    assert not (ground.home / "sessions").exists()
    assert ground.program("worktree", "ls", "--json").json["worktrees"] == []


def test_an_image_that_does_not_exist(ground: Ground) -> None:
    done = ground.run(FLOW, "--image", "localhost:1/nowhere/nothing:1", code=3)
    assert "localhost:1/nowhere/nothing:1" in done.err
    assert not (ground.home / "sessions").exists()


def test_no_engine_and_a_remote_one(ground: Ground, tmp_path: Path) -> None:
    for host in (f"unix://{tmp_path}/none.sock", "tcp://203.0.113.1:2375", "ssh://user@203.0.113.1"):
        done = ground.run(FLOW, env={"DOCKER_HOST": host}, code=3)
        assert host.removeprefix("unix://") in done.err
        assert not (ground.home / "sessions").exists()


@pytest.mark.root
def test_an_engine_that_dies_mid_run(tmp_path: Path) -> None:
    with own_engine() as own, prepared(tmp_path) as ground:
        own.start()
        images = docker("images", "--format", "{{.Repository}}:{{.Tag}}", BUILTIN).splitlines()
        own.load(next(name for name in images if not name.endswith((":latest", "<none>"))))
        program = Program(ground.home, ground.repository.path, {"DOCKER_HOST": own.address})
        away = Ground(ground.repository, program)
        flow = "- shell: touch x; git add -A; git commit -qm x\n- shell: echo begun; sleep 600\n"
        with watched(ground.repository):
            live = away.start(flow)
            live.wait_for("begun")
            own.die()
            done = live.finish(code=1)
            assert "engine" in done.out
        own.start()
        program("worktree", "clean-orphaned", "-f", code=0)
        assert docker("--host", own.address, "ps", "-aq") == ""
        program("worktree", "merge", "latest", "-y", code=0)
        assert ground.repository.files() == ["README.md", "x"]


@pytest.mark.root
def test_a_full_disk(ground: Ground) -> None:
    ground.home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", ground.home], check=True)
    try:
        with watched(ground.repository):
            done = ground.run(
                FLOW
                + "- shell: head -c 60m /dev/zero > large; echo then $?\n- shell: head -c 60m /dev/zero\n"
            )
        assert done.code in (1, 3), done
        assert re.search("No space left on device|disk is full", done.out + done.err), done
        cleaned = ground.program("worktree", "clean", "--all", "-f")
        assert cleaned.code == 0, cleaned
        ground.run(FLOW, "-y", code=0)
        assert "x" in ground.repository.files()
    finally:
        subprocess.run(["umount", "-l", ground.home], check=True)


def test_the_memory_limit_is_named(ground: Ground) -> None:
    done = ground.run(
        "- shell: python3 -c 'x = bytearray(1 << 30)'\n  name: greedy\n", "--memory", "64m", "--json", code=1
    )
    (step,) = done.json["steps"]
    assert step["error"]["kind"] == "oom"
    assert "memory" in step["error"]["message"]
    assert "137" not in step["error"]["message"]


def test_one_agent_out_of_memory_leaves_the_others(ground: Ground) -> None:
    flow = """
name: greedy
mode: mapreduce
sandbox: {memory: 64m}
map:
  input: [1, 1000000000, 2]
  agent_template:
    - shell: python3 -c 'import sys; bytearray(int(sys.argv[1]))' ${item}
"""
    done = ground.run(flow, "--json", code=4)
    kinds = [entry["error"] and entry["error"]["kind"] for entry in done.json["results"]]
    assert kinds == [None, "oom", None]


def test_endless_output_is_kept_in_files_and_not_in_memory(ground: Ground) -> None:
    flow = ground.flow("- shell: yes $(printf '%0200d' 0) | head -c 300000000\n")
    # The kernel counts the parent's memory in a child: the program is started by a small process.
    launcher = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    program = [sys.executable, "-m", "prodigy", "run", flow, "-q", "--no-merge"]
    done = subprocess.run(
        [sys.executable, "-c", launcher, *program],
        cwd=ground.repository.path,
        env=ground.program.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[-1]) << 10 < 200_000_000, done.stdout
    (log,) = ground.program.home.glob("sessions/*/logs/commands/*.out")
    assert 0 < log.stat().st_size <= 300_000_000
    log.unlink()


def test_output_that_is_no_text(ground: Ground) -> None:
    odd = r"printf '\377\376 raw \033[31mred\033]0;title\007 end\n'; printf 'caf\303\251\n'"
    done = ground.run(f"- shell: {odd}\n", "-v", "--json", code=0)
    assert "\x1b" not in done.err
    assert "[commands] \ufffd\ufffd raw red end\n" in done.err
    assert "[commands] café\n" in done.err
    assert Path(done.json["steps"][0]["stdout_log"]).read_bytes().startswith(b"\xff\xfe raw \x1b[31m")
    captured = ground.run(f"- shell: {odd}\n  capture_output: raw\n", "--json", code=1)
    assert captured.json["steps"][0]["error"]["kind"] == "capture"
