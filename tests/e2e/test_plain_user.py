"""A run of an ordinary user who may use the engine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import remove_all
from tests.support.program import Program
from tests.support.repositories import Repository

pytestmark = [pytest.mark.docker, pytest.mark.root]

USER = 1500
FLOW = """
name: plain
mode: mapreduce
setup:
  - shell: test $(id -u) = 1500 && echo '["a", "b"]' > items.json && git add -A && git commit -qm setup
map:
  input: items.json
  agent_template:
    - shell: mkdir -m 000 locked; mkdir "d-${item}"; echo x > "d-${item}/f"; git add "d-${item}"; git commit -qm "${item}"
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
        os.lchown(path, USER, USER)
    socket = Path("/var/run/docker.sock").stat().st_gid
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", f"--groups={socket}", "--"]
    python = [sys.executable, "-m", "prodigy", "run", "../flow.yml", "-y"]
    environment = {**Program(place / "home", repository.path).environment, "HOME": str(place)}
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*drop, *python],
        cwd=repository.path,
        env={**environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (repository.path / "index").read_text() == "d-a\nd-b\n"
    owners = {path.lstat().st_uid for path in place.rglob("*")}
    assert owners == {USER}
    assert not list((place / "home" / "worktrees").glob("*/*"))
