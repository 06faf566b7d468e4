"""An engine that dies under a step. It is an engine of the test's own, never the machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from prodigy.errors import SandboxFailure
from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.leftovers import find_leftovers
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Call
from prodigy.values import ErrorKind
from tests.support.own_engine import OwnEngine, own_engine

from .helpers import Bench, Running, sh

pytestmark = [pytest.mark.docker, pytest.mark.root]


# The engine library leaves the sockets of refused connections to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_an_engine_that_dies_under_a_step(bind_bench: Bench, tmp_path: Path) -> None:
    with own_engine() as own:
        dies_under_a_step(own, bind_bench, tmp_path)


def dies_under_a_step(own: OwnEngine, bind_bench: Bench, tmp_path: Path) -> None:
    own.start()
    own.load(bind_bench.spec.image)
    engine = own.connect()
    backend = DockerBackend(engine, Images(engine, tmp_path / "cache"))
    sandbox = backend.open(bind_bench.spec)
    running = Running(sandbox, sh("echo begun; sleep 600")).wait_begun()

    assert backend.answers()

    own.die()

    assert not backend.answers()
    outcome = running.result()
    assert (outcome.exit_code, outcome.kind) == (None, ErrorKind.SANDBOX)
    assert outcome.message == "the container engine stopped answering while the step ran"
    assert not sandbox.alive()
    assert sandbox.run(Call(("true",))).kind is ErrorKind.SANDBOX
    with pytest.raises(SandboxFailure, match="does not answer"):
        sandbox.close()
    with pytest.raises(SandboxFailure, match="does not answer"):
        backend.open(bind_bench.spec)

    own.start()

    assert engine.ask(engine.api.ping)
    assert not backend.answers(), "a restarted engine is not the one that was"
    again = own.connect()
    assert DockerBackend(again, Images(again, tmp_path / "cache")).answers()
    again.close()
    assert [left.id for left in find_leftovers(engine, bind_bench.home)] == [sandbox.identifier]
    sandbox.close()
    assert find_leftovers(engine, bind_bench.home) == []
    backend.close()
    engine.close()
