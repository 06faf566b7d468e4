"""Paths as the engine sees them: on this machine, and from inside a container with the engine's socket."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import docker as docker_library
import pytest

import prodigy
from prodigy.errors import EngineUnavailable
from prodigy.sandbox.docker.engine import Engine

pytestmark = pytest.mark.docker

INSIDE = """
import json
from pathlib import Path
from prodigy.errors import EngineUnavailable
from prodigy.sandbox.docker.engine import connect

engine = connect()
engine.require_local(Path("/data/deep"))
found = {"path": str(engine.host_path(Path("/data/deep/er")))}
try:
    engine.require_local(Path("/var/unmounted"))
except EngineUnavailable as error:
    found["refused"], found["help"] = error.message, error.help
print(json.dumps(found))
"""


def test_a_path_here_is_the_engine_s_path(engine: Engine, tmp_path: Path) -> None:
    assert engine.host_path(tmp_path) == tmp_path
    engine.require_local(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_does_not_see_a_directory(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine._paths, "translate", lambda path: Path("/nowhere") / path.name)
    with pytest.raises(EngineUnavailable, match="does not see"):
        engine.require_local(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_paths_inside_a_container(engine: Engine, image: str, tmp_path: Path) -> None:
    mounts = {
        engine.facts.socket: "/var/run/docker.sock",
        Path(docker_library.__file__).parents[1]: "/packages",
        Path(prodigy.__file__).parents[1]: "/source",
        tmp_path: "/data",
    }
    command = ["docker", "run", "--rm", "--user", "0", "--network", "none"]
    command += ["--label", f"prodigy.home={tmp_path}", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    for host, there in mounts.items():
        command += ["--mount", f"type=bind,source={host},target={there}"]
    command += ["--env", "PYTHONPATH=/source:/packages", image, "python3", "-c", INSIDE]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["path"] == str(tmp_path / "deep" / "er")
    assert "the engine does not see /var/unmounted" in found["refused"]
    assert "mounted at /var/unmounted" in found["help"]
