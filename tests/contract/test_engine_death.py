"""An engine that dies under a step. It is an engine of the test's own, never the machine's."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prodigy.errors import EngineUnavailable, SandboxFailure
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.engine import Engine, connect
from prodigy.sandbox.docker.leftovers import find_leftovers
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call
from prodigy.values import ErrorKind

from .helpers import Bench, Running, sh

pytestmark = [pytest.mark.docker, pytest.mark.root]


class OwnEngine:
    """A dockerd with its own socket, data and containerd."""

    def __init__(self, place: Path) -> None:
        self.socket = place / "docker.sock"
        self._place = place
        # In a network of its own: a second dockerd takes the machine's docker0 and packet filter for its own.
        self._command = ["unshare", "--net", "dockerd", "--host", f"unix://{self.socket}"]
        self._command += ["--data-root", str(place / "data"), "--exec-root", str(place / "exec")]
        self._command += ["--pidfile", str(place / "pid"), "--bridge", "none", "--iptables=false"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._place / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def connect(self) -> Engine:
        return connect({"DOCKER_HOST": f"unix://{self.socket}"})

    def die(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except EngineUnavailable:
            return False
        return True


@pytest.fixture
def own_engine() -> Iterator[OwnEngine]:
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.fail("this test starts an engine of its own: it needs root and dockerd")
    # A socket's path is limited to 108 bytes.
    place = Path(tempfile.mkdtemp(prefix="prodigy-engine-", dir="/tmp"))
    engine = OwnEngine(place)
    yield engine
    engine.stop()
    gc.collect()
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        if line.split()[4].startswith(f"{place}/"):
            subprocess.run(["umount", "-l", line.split()[4]], check=False)
    shutil.rmtree(place)


# The engine library leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_engine_that_dies_under_a_step(own_engine: OwnEngine, bind_bench: Bench, tmp_path: Path) -> None:
    own_engine.start()
    load = ["docker", "--host", f"unix://{own_engine.socket}", "load", "--quiet"]
    with subprocess.Popen(["docker", "save", bind_bench.spec.image], stdout=subprocess.PIPE) as saved:
        subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True)
    engine = own_engine.connect()
    backend = DockerBackend(engine, Images(engine, tmp_path / "cache"))
    sandbox = backend.open(bind_bench.spec)
    running = Running(sandbox, sh("echo begun; sleep 600")).wait_begun()

    own_engine.die()

    outcome = running.result()
    assert (outcome.exit_code, outcome.kind) == (None, ErrorKind.SANDBOX)
    assert outcome.message == "the container engine stopped answering while the step ran"
    assert not sandbox.alive()
    assert sandbox.run(Call(("true",))).kind is ErrorKind.SANDBOX
    with pytest.raises(SandboxFailure, match="does not answer"):
        sandbox.close()
    with pytest.raises(SandboxFailure, match="does not answer"):
        backend.open(bind_bench.spec)

    own_engine.start()

    assert [left.id for left in find_leftovers(engine, bind_bench.home)] == [sandbox.identifier]
    sandbox.close()
    assert find_leftovers(engine, bind_bench.home) == []
    engine.close()
