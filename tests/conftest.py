"""Fixtures of every layer that starts the program or an engine's containers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import containers, remove_all
from tests.support.ground import Ground
from tests.support.program import Program
from tests.support.repositories import Repository

__all__ = ["containers"]


LONGEST = ("test_git_hanging", "test_shell_safety", "test_timeouts", "test_cleanup", "test_merging")
"""Modules that must begin early, or the whole run waits for them at its end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST)

    items.sort(key=place)


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
        left = remove_all(home)
        assert not left, f"the test left {left} behind"


@pytest.fixture
def ground(repository: Repository, prodigy: Program) -> Ground:
    """The repository and the program together."""
    return Ground(repository, prodigy)
