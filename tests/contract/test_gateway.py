"""The gateway on the engine: it stands before a sandbox does, or nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from prodigy.egress_rule import EgressRule
from prodigy.errors import SandboxFailure
from prodigy.sandbox import gateway_files
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.engine import Engine
from prodigy.sandbox.egress import Egress, Model
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call, SandboxSpec
from prodigy.values import MountSpec
from tests.support.engine import containers, docker, networks

pytestmark = pytest.mark.docker

SECRET = "sk-ant-in-the-gateway-alone"


@pytest.fixture
def spec(tmp_path: Path, image: str, engine: Engine) -> SandboxSpec:
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o777)
    return SandboxSpec(
        name="prodigy-test-egress",
        mount=MountSpec("bind", work),
        labels={"prodigy.home": str(tmp_path), "prodigy.session": "session-test"},
        image=image,
        egress=Egress((EgressRule.parse("pypi.org"),)),
    )


@pytest.mark.parametrize("broken", ["firewall", "squid_conf"])
def test_without_a_gateway_nothing_starts(
    engine: Engine,
    images: Images,
    spec: SandboxSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
) -> None:
    monkeypatch.setattr(gateway_files, broken, lambda _egress: "nonsense {\n")
    backend = DockerBackend(engine, images)
    with pytest.raises(SandboxFailure, match="the gateway could not be started"):
        backend.open(spec)
    backend.close()
    assert (containers(tmp_path), networks(tmp_path)) == ([], [])


def test_one_gateway_for_all_and_a_network_for_each(
    engine: Engine, images: Images, spec: SandboxSpec, tmp_path: Path
) -> None:
    backend = DockerBackend(engine, images)
    denied: list[tuple[str, int]] = []
    from dataclasses import replace

    told = replace(spec, on_denied=lambda host, port: denied.append((host, port)))
    one, two = backend.open(told), backend.open(spec)
    try:
        assert len(containers(tmp_path)) == 3
        assert len(networks(tmp_path)) == 2
        for network in networks(tmp_path):
            found = docker("network", "inspect", "-f", "{{.Internal}} {{len .Containers}}", network)
            assert found == "true 2"
        call = Call(("sh", "-c", "curl -sS -m 9 https://refused.example/"))
        assert one.run(call).exit_code == two.run(call).exit_code == 56
    finally:
        one.close()
        two.close()
        assert denied == [("refused.example", 443)]
        assert networks(tmp_path) == []
        backend.close()
    assert containers(tmp_path) == []


def test_the_key_is_in_no_setting_of_a_container(
    engine: Engine, images: Images, spec: SandboxSpec, tmp_path: Path
) -> None:
    from dataclasses import replace

    backend = DockerBackend(engine, images)
    model = Model("http://host.docker.internal:9", "api_key", SECRET)
    box = backend.open(replace(spec, egress=Egress((), model)))
    try:
        assert SECRET not in docker("inspect", *containers(tmp_path))
        seen = box.run(Call(("sh", "-c", "env; cat /proc/*/environ")))
        assert SECRET.encode() not in seen.stdout_tail
        assert b"ANTHROPIC_BASE_URL=http://100." in seen.stdout_tail
    finally:
        box.close()
        backend.close()


@pytest.mark.parametrize(
    ("url", "credential"),
    [
        ("https://a b", "k"),
        ("file:///etc", "k"),
        ("https://localhost", "k"),
        ("https://127.0.0.1", "k"),
        ("https://host/pa$th", "k"),
        ("https://host;x", "k"),
        ("https://host", "a\nb"),
        ("https://host", 'a"b'),
        ("https://host", "a$b"),
        ("https://host", "a\\b"),
        ("https://host", ""),
    ],
)
def test_what_could_change_a_servers_configuration_is_refused(url: str, credential: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Model(url, "api_key", credential)
