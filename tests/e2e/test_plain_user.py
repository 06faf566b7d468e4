"""A run of an ordinary user who may use the engine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.plain import UID, PlainProgram
from tests.support.engine import remove_all
from tests.support.repositories import Repository

pytestmark = [pytest.mark.docker, pytest.mark.root]

FLOW = """
name: plain
mode: mapreduce
setup:
  - shell: test $(id -u) = 1500 && echo '["a", "b"]' > items.json && git add -A && git commit -qm setup
map:
  input: items.json
  agent_template:
    - shell: |
        mkdir -m 000 locked; mkdir "d-${item}"; echo x > "d-${item}/f"
        git add "d-${item}"; git commit -qm "${item}"
reduce:
  - shell: ls -d d-* > index; git add index; git commit -qm index
"""


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="prodigy-e2e-", dir="/tmp") as top:
        path = Path(top)
        path.chmod(0o755)
        yield path
        left = remove_all(path / "home")
        assert not left


@pytest.mark.parametrize("files", [3, 2500], ids=["copied workspaces", "overlay workspaces"])
def test_a_mapreduce_run(place: Path, files: int) -> None:
    names = {f"many/{number // 100}/{number}.txt": f"{number}\n" for number in range(files)}
    repository = Repository.create(place / "project", names)
    (place / "flow.yml").write_text(FLOW)
    for path in (place, *place.rglob("*")):
        os.lchown(path, UID, UID)
    program = PlainProgram(place / "home", repository.path)
    program("run", "../flow.yml", "-y", code=0)
    assert (repository.path / "index").read_text() == "d-a\nd-b\n"
    owners = {path.lstat().st_uid for path in place.rglob("*")}
    assert owners == {UID}
    assert not list((place / "home" / "worktrees").glob("*/*"))
