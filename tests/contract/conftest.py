"""Sandboxes of every backend, over a small repository each, with a check that nothing is left of them."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from prodigy.sandbox.docker.backend import DockerBackend
from prodigy.sandbox.docker.engine import Engine, connect
from prodigy.sandbox.docker.leftovers import find_leftovers
from prodigy.sandbox.host import HostBackend
from prodigy.sandbox.images import Images
from prodigy.sandbox.protocol import Sandbox, SandboxSpec
from prodigy.values import MountSpec

from .helpers import Bench, give, make_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = connect()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(engine, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def image(images: Images) -> str:
    return images.resolve(None).id


DOCKER_BACKENDS = [pytest.param(name, marks=pytest.mark.docker) for name in ("bind", "overlay")]
BACKENDS = [*DOCKER_BACKENDS, "host"]


def _mount(name: str, place: Path, owner: tuple[int, int]) -> MountSpec:
    worktree = make_repository(place / "tree")
    give(worktree, owner)
    if name != "overlay":
        return MountSpec("bind", worktree)
    for directory in ("upper", "work"):
        (place / directory).mkdir()
        shutil.copystat(worktree, place / directory)
        give(place / directory, owner)
    return MountSpec("overlay", place, lower=worktree, upper=place / "upper", work=place / "work")


@pytest.fixture
def make_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    """Build benches; afterwards every sandbox is closed, and nothing of it is left on the engine."""
    with ExitStack() as stack:
        benches: list[Bench] = []

        def make(name: str) -> Bench:
            engine = None if name == "host" else request.getfixturevalue("engine")
            owner = engine.owner if engine else (os.getuid(), os.getgid())
            place = tmp_path / f"{name}-{len(benches)}"
            spec = SandboxSpec(
                name="prodigy-test",
                mount=_mount(name, place, owner),
                labels={"prodigy.home": str(tmp_path), "prodigy.session": "test"},
                image="" if engine is None else request.getfixturevalue("image"),
                stop_grace=1.0,
            )
            backend = DockerBackend(engine, request.getfixturevalue("images")) if engine else HostBackend()
            benches.append(Bench(name, backend, spec, stack, engine))
            return benches[-1]

        yield make
    for bench in benches:
        if bench.engine:
            assert find_leftovers(bench.engine, bench.home) == []


@pytest.fixture(params=BACKENDS)
def bench(request: pytest.FixtureRequest, make_bench: Callable[[str], Bench]) -> Bench:
    return make_bench(request.param)


@pytest.fixture(params=DOCKER_BACKENDS)
def docker_bench(request: pytest.FixtureRequest, make_bench: Callable[[str], Bench]) -> Bench:
    return make_bench(request.param)


@pytest.fixture
def bind_bench(make_bench: Callable[[str], Bench]) -> Bench:
    return make_bench("bind")


@pytest.fixture
def sandbox(bench: Bench) -> Sandbox:
    return bench.open()
