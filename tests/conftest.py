"""Fixtures of every layer that starts the program or an engine's containers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import Program
from tests.support.repositories import Repository

HOME_LABEL = "prodigy.home"


def containers(home: Path, *, every: bool = True) -> list[str]:
    """Ids of the containers that belong to a data root."""
    flags = ["-a"] if every else []
    found = subprocess.run(
        ["docker", "ps", "-q", "--no-trunc", *flags, "--filter", f"label={HOME_LABEL}={home}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A user's repository with one commit."""
    return Repository.create(tmp_path / "project")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data root of the test's own."""
    return tmp_path / "home"


@pytest.fixture
def prodigy(repository: Repository, home: Path) -> Iterator[Program]:
    """The program, in the repository's directory. Nothing of its data root may be left at the engine."""
    yield Program(home, repository.path)
    if home.exists():
        left = containers(home)
        if left:
            subprocess.run(["docker", "rm", "-f", "-v", *left], check=True, capture_output=True)
        assert not left, f"the test left {len(left)} containers behind"
