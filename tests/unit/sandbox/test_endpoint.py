"""Which engine is asked."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from prodigy.errors import EngineUnavailable
from prodigy.sandbox.docker.endpoint import endpoints
from prodigy.sandbox.docker.engine import connect


def add_context(config: Path, name: str, host: str) -> None:
    meta = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}))


def test_docker_host_beats_everything(tmp_path: Path) -> None:
    add_context(tmp_path, "other", "unix:///other.sock")
    found = endpoints({"DOCKER_HOST": "unix:///a.sock", "DOCKER_CONTEXT": "other"})
    assert [(each.socket, each.chosen) for each in found] == [(Path("/a.sock"), True)]


def test_a_context_by_environment_and_by_configuration(tmp_path: Path) -> None:
    add_context(tmp_path, "one", "unix:///one.sock")
    add_context(tmp_path, "two", "unix:///two.sock")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "one"}))
    assert endpoints({"DOCKER_CONFIG": str(tmp_path)})[0].socket == Path("/one.sock")
    assert endpoints({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "two"})[0].socket == Path("/two.sock")
    assert len(endpoints({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "default"})) > 1


def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no Docker context nowhere"):
        endpoints({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "nowhere"})


@pytest.mark.parametrize("host", ["tcp://10.0.0.1:2376", "ssh://me@there", "https://x", "unix://"])
def test_a_remote_engine_is_named_as_such(host: str) -> None:
    with pytest.raises(EngineUnavailable, match="remote engine"):
        endpoints({"DOCKER_HOST": host})


def test_a_remote_context_is_named_as_such(tmp_path: Path) -> None:
    add_context(tmp_path, "far", "tcp://10.0.0.1:2376")
    with pytest.raises(EngineUnavailable, match="Docker context far names a remote engine"):
        endpoints({"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far"})


def test_docker_comes_before_podman(tmp_path: Path) -> None:
    found = [
        str(each.socket)
        for each in endpoints({"DOCKER_CONFIG": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7"})
    ]
    assert found == [
        "/var/run/docker.sock",
        "/run/user/7/docker.sock",
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    ]


def test_nobody_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"answers: DOCKER_HOST \(.*\) does not exist"):
        connect({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})


def test_damaged_configuration_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EngineUnavailable, match="cannot be read"):
        endpoints({"DOCKER_CONFIG": str(tmp_path)})
