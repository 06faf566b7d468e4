"""A container engine of the test's own, to be killed: never the machine's."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from prodigy.errors import EngineUnavailable
from prodigy.sandbox.docker.engine import Engine, connect


class OwnEngine:
    """A dockerd with its own socket, data and containerd."""

    def __init__(self, place: Path, *, resolver: str | None = None) -> None:
        """``resolver``: the machine's name server as this engine sees it; it has a bridge then, too."""
        self.socket = place / "docker.sock"
        self._place = place
        # In a network of its own: a second dockerd takes the machine's docker0 and packet filter for its own.
        self._command = ["unshare", "--net"]
        if resolver is not None:
            (place / "resolv.conf").write_text(f"nameserver {resolver}\n")
            bind = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'
            self._command += ["--mount", "sh", "-c", bind, "sh", str(place / "resolv.conf")]
        self._command += ["dockerd", "--host", f"unix://{self.socket}"]
        self._command += ["--data-root", str(place / "data"), "--exec-root", str(place / "exec")]
        self._command += ["--pidfile", str(place / "pid")]
        if resolver is None:
            self._command += ["--bridge", "none", "--iptables=false"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._place / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, (self._place / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of a process in its network."""
        assert self._process
        return self._process.pid

    @property
    def address(self) -> str:
        return f"unix://{self.socket}"

    def connect(self) -> Engine:
        return connect({"DOCKER_HOST": self.address})

    def load(self, image: str) -> None:
        """Give it an image of the machine's engine."""
        load = ["docker", "--host", self.address, "load", "--quiet"]
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True)

    def die(self) -> None:
        self._process.kill()
        self._process.wait(30)
        # Its containerd dies with it; where nobody collects the dead, its number would look alive.
        (self._place / "exec/containerd/containerd.pid").unlink(missing_ok=True)

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


def _kill_shims(place: Path) -> None:
    """What watches over the containers of an engine outlives it where it is killed."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"-address\0{place}/" in file.read_text():
                os.kill(int(file.parent.name), signal.SIGKILL)


@contextmanager
def own_engine(*, resolver: str | None = None) -> Iterator[OwnEngine]:
    """An engine that is not started yet; afterwards nothing of it is left."""
    if os.getuid() != 0 or not shutil.which("dockerd"):
        pytest.fail("this test starts an engine of its own: it needs root and dockerd")
    # A socket's path is limited to 108 bytes.
    place = Path(tempfile.mkdtemp(prefix="prodigy-engine-", dir="/tmp"))
    engine = OwnEngine(place, resolver=resolver)
    try:
        yield engine
    finally:
        engine.stop()
        _kill_shims(place)
        gc.collect()
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if line.split()[4].startswith(f"{place}/"):
                subprocess.run(["umount", "-l", line.split()[4]], check=False)
        shutil.rmtree(place)
