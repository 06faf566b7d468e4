"""A run that is killed wherever it stands, and taken up until it ends, ends like one that nobody disturbed.

``PRODIGY_TORTURE=all`` (``make torture``) tries every durable point; else every tenth is tried.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import containers, remove_all
from tests.support.ground import Ground
from tests.support.program import Program
from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

FLOW = """
name: tortured
mode: mapreduce
setup:
  - shell: seq 1 6 | jq -s . > items.json; echo 0 > counter; git add -A; git commit -qm setup
map:
  input: items.json
  max_parallel: 3
  agent_template:
    - shell: test ${item} -gt 2 || echo ${item} > counter; echo ${item} > f${item}; git add -A; git commit -qm "item ${item}"
    - {shell: "test ${item} != 4 || test -e never", retry: {attempts: 2, initial_delay: 10ms}}
    - {shell: "test ${item} != 5 || test -e mended", on_failure: {shell: touch mended; git add -A; git commit -qm mended, max_attempts: 1}}
reduce:
  - foreach: [a, b]
    do: [{shell: "echo ${item} >> reduced"}]
  - shell: ls f* | wc -l >> reduced; git add -A; git commit -qm reduce
"""
POINTS = 60
MOMENTS = 40
EVERYTHING = os.environ.get("PRODIGY_TORTURE") == "all"
CHOSEN = range(1, POINTS + 1) if EVERYTHING else range(4, POINTS + 1, 10)
LATE = range(MOMENTS) if EVERYTHING else range(2)


def fresh(top: Path) -> Ground:
    return Ground(Repository.create(top / "project"), Program(top / "home", top / "project"))


def end(ground: Ground) -> dict[str, Any]:
    """Everything that must not depend on what happened on the way."""
    session = ground.program("sessions", "show", "latest", "--json", code=0).json
    store = next((ground.home / "sessions").glob("*/store.git"))
    name = session["id"]
    head = f"refs/prodigy/{name}/session"

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(store), *arguments], check=True, capture_output=True, text=True
        ).stdout

    subjects = [line for line in git("log", "--format=%s", head).splitlines() if not line.startswith("Merge")]
    merges = git("log", "--merges", "--format=%s", head).splitlines()
    assert len(merges) == len(set(merges)), "an item was merged twice"
    counter = git("show", f"{head}:counter").strip()
    assert counter in "12"
    names = git("ls-tree", "-r", "--name-only", head)
    letters = ground.program("dlq", "list", "--json", code=0).json["items"]
    return {
        "status": session["status"],
        "subjects": sorted(subjects),
        "merges": len(merges),
        "names": names,
        "reduced": git("show", f"{head}:reduced"),
        "failed": [letter["item"] for letter in letters],
        "items": session["items"],
    }


def finish(ground: Ground, code: int) -> None:
    """Take the run up until it ends by itself."""
    for _ in range(5):
        if code != -9:
            break
        code = ground.program("resume", "--no-merge", "-q").code
    assert code == 4, code


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ground = fresh(tmp_path_factory.mktemp("undisturbed"))
    ground.run(FLOW, "--no-merge", code=4)
    return end(ground)


def check(ground: Ground, before: dict[str, str], undisturbed: dict[str, Any]) -> None:
    assert end(ground) == undisturbed
    assert ground.repository.fingerprint() == before
    assert not containers(ground.home)
    assert not list((ground.home / "sessions").glob("*/ws/*"))
    assert str(ground.home) not in Path("/proc/self/mountinfo").read_text()
    assert not remove_all(ground.home)


def killed(ground: Ground, point: int) -> int:
    """Run until a durable point, or to the end where there are fewer."""
    command = [sys.executable, "-m", "tests.support.dying", str(point), "-p", str(ground.repository.path)]
    done = subprocess.run(
        [*command, "run", ground.flow(FLOW), "--no-merge", "-q"],
        cwd=Path(__file__).parents[2],
        env=ground.program.environment,
        capture_output=True,
        check=False,
        timeout=300,
    )
    return done.returncode


@pytest.mark.parametrize("point", CHOSEN)
def test_killed_at_a_durable_point(tmp_path: Path, undisturbed: dict[str, Any], point: int) -> None:
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    code = killed(ground, point)
    if code == -9 and not list((ground.home / "sessions").glob("*/store.git")):
        ground.run(FLOW, "--no-merge", "-q", code=4)  # killed before there was anything to take up
    else:
        finish(ground, code)
    check(ground, before, undisturbed)


@pytest.mark.parametrize("moment", LATE)
def test_killed_at_a_random_moment(tmp_path: Path, undisturbed: dict[str, Any], moment: int) -> None:
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    started = ground.program.start("run", ground.flow(FLOW), "--no-merge", "-q")
    time.sleep(random.Random(moment).uniform(0.8, 6))  # a moment, not a synchronisation
    started.kill()
    started.communicate()
    if started.returncode == -9 and not list((ground.home / "sessions").glob("*/store.git")):
        ground.run(FLOW, "--no-merge", "-q", code=4)
    else:
        finish(ground, started.returncode)
    check(ground, before, undisturbed)
