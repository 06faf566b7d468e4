"""A run that is killed wherever it stands, and taken up until it ends, ends like one that nobody disturbed.

``PRODIGY_TORTURE=all`` (``make torture``) tries every durable point; else every tenth is tried.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from prodigy.sandbox.builtin import BASE
from tests.support.engine import containers, remove_all
from tests.support.ground import Ground, Live
from tests.support.own_engine import own_engine
from tests.support.program import Program
from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

FLOW = """
name: tortured
mode: mapreduce
setup:
  - shell: seq 1 12 | jq -s . > items.json; echo 0 > counter; git add -A; git diff --cached --quiet || git commit -qm setup
map:
  input: items.json
  max_parallel: 4
  agent_template:
    - shell: test ${item} -gt 2 || echo ${item} > counter; echo ${item} > f${item}; git add -A; git commit -qm "item ${item}"
    - {shell: "test ${item} != 4 || test -e never", retry: {attempts: 2, initial_delay: 10ms}}
    - {shell: "test ${item} != 5 || test -e mended", on_failure: {shell: touch mended; git add -A; git commit -qm mended, max_attempts: 1}}
reduce:
  - foreach: [a, b]
    do: [{shell: "grep -qx ${item} reduced || echo ${item} >> reduced"}]
  - shell: echo $(ls f* | wc -l) files > counted; git add -A; git diff --cached --quiet || git commit -qm reduce
"""
"""Its steps can be run again after they were cut off, as a workflow's must be."""
POINTS = 60
MOMENTS = 40
EVERYTHING = os.environ.get("PRODIGY_TORTURE") == "all"
CHOSEN = range(1, POINTS + 1) if EVERYTHING else range(3, POINTS + 1, 10)
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
        "reduced": git("show", f"{head}:reduced", f"{head}:counted"),
        "failed": [letter["item"] for letter in letters],
        "items": session["items"],
    }


def finish(ground: Ground, code: int) -> None:
    """Take the run up until it ends by itself; begin it again where it was killed before it had a session."""
    if code == -9 and not ground.program("sessions", "ls", "--json").json["sessions"]:
        code = ground.run(FLOW, "--no-merge", "-q").code
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


@pytest.mark.parametrize("point", CHOSEN)
def test_killed_at_a_durable_point(tmp_path: Path, undisturbed: dict[str, Any], point: int) -> None:
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    finish(ground, ground.killed(FLOW, point, "--no-merge", "-q"))
    check(ground, before, undisturbed)


@pytest.mark.parametrize("moment", LATE)
def test_killed_at_a_random_moment(tmp_path: Path, undisturbed: dict[str, Any], moment: int) -> None:
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    started = ground.program.start("run", ground.flow(FLOW), "--no-merge", "-q")
    time.sleep(random.Random(moment).uniform(0.8, 6))  # a moment, not a synchronisation
    started.kill()
    started.communicate()
    finish(ground, started.returncode)
    check(ground, before, undisturbed)


@pytest.mark.parametrize("back", ["later", "at once"])
@pytest.mark.parametrize("moment", range(4) if EVERYTHING else range(1))
def test_the_engine_dies(tmp_path: Path, undisturbed: dict[str, Any], moment: int, back: str) -> None:
    with own_engine() as own:
        own.start()
        own.load(BASE.reference)
        program = Program(tmp_path / "home", tmp_path / "project", {"DOCKER_HOST": own.address})
        ground = Ground(Repository.create(tmp_path / "project"), program)
        before = ground.repository.fingerprint()
        live = Live(program.start("run", ground.flow(FLOW), "-v", "--no-merge"))
        live.wait_until(
            lambda lines: sum("Executing in worktree" in line for line in lines) > 1 + 4 * moment, 100
        )
        own.die()
        if back == "at once":
            own.start()
        finished = live.finish()
        assert finished.code in (1, 3, 4), finished
        if back == "later":
            own.start()
        program("worktree", "clean-orphaned", "-f", code=0)
        assert program("resume", "--no-merge", "-q").code == 4
        assert end(ground) == undisturbed
        assert ground.repository.fingerprint() == before
        assert not list((ground.home / "sessions").glob("*/ws/*"))
        listed = ["docker", "--host", own.address, "ps", "-aq"]
        assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("moment", range(8) if EVERYTHING else range(1))
def test_asked_to_stop(tmp_path: Path, undisturbed: dict[str, Any], moment: int) -> None:
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    live = Live(ground.program.start("run", ground.flow(FLOW), "-v", "--no-merge"))
    live.wait_until(lambda lines: sum("Executing in worktree" in line for line in lines) > 2 * moment, 100)
    live.process.terminate()
    code = live.finish().code
    assert code in (143, 4), code
    if code == 143:
        assert ground.program("resume", "--no-merge", "-q").code == 4
    check(ground, before, undisturbed)


@pytest.mark.parametrize("megabytes", range(4, 40, 4) if EVERYTHING else (8,))
def test_the_disk_is_full(tmp_path: Path, undisturbed: dict[str, Any], megabytes: int) -> None:
    """A small file system, filled from outside so that little is left, and given room again."""
    ground = fresh(tmp_path)
    before = ground.repository.fingerprint()
    ground.home.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m,mode=700", "tmpfs", ground.home], check=True)
    ballast = ground.home / "ballast"
    try:
        ground.run("- shell: 'true'\n", code=0)  # what is made once is there
        ground.program("clean", "sessions", "--all", "-f", code=0)
        free = os.statvfs(ground.home)
        with ballast.open("wb") as file:
            file.write(bytes(free.f_bavail * free.f_frsize - (megabytes << 20)))
        code = ground.run(FLOW, "--no-merge", "-q").code
        assert code in (1, 3, 4), code
        ballast.unlink()
        if (
            code != 4
            or ground.program("sessions", "show", "latest", "--json", code=0).json["status"] != "partial"
        ):
            again = ground.program("resume", "--no-merge", "-q", "--include-dlq")
            assert again.code in (2, 4), again
            if again.code == 2:
                ground.run(
                    FLOW, "--no-merge", "-q", code=4
                )  # it was full before there was anything to take up
        found = end(ground)
        assert found["names"] == undisturbed["names"]
        assert found["failed"] == undisturbed["failed"]
        assert ground.repository.fingerprint() == before
        assert not containers(ground.home)
    finally:
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            if line.split()[4].startswith(str(ground.home)):
                subprocess.run(["umount", "-l", line.split()[4]], check=False)
