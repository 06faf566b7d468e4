"""prodigy as an image: a run from inside a container, with the engine's socket and a repository."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

IMAGE = "prodigy:test"
CHECKOUT = Path(__file__).parents[2]
SOCKET = Path("/var/run/docker.sock")
WORKFLOW = """
mode: mapreduce
map:
  input: [one, two]
  agent_template:
    - shell: |
        echo "${item}" > "${item}" && git add . && git commit -qm "${item}"
reduce:
  - shell: cat one two > both && git add both && git commit -qm both
"""


@pytest.fixture(scope="module")
def image() -> str:
    subprocess.run([CHECKOUT / "tools" / "image", IMAGE], check=True, stdout=subprocess.DEVNULL)
    return IMAGE


@pytest.fixture
def prepared(repository: Repository) -> Repository:
    repository.commit({"flow.yml": WORKFLOW}, "workflow")
    return repository


def run_in_container(
    image: str, repository: Repository, *arguments: str, mounts: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    mounted = (f"{SOCKET}:{SOCKET}", f"{repository.path}:/repository", *mounts)
    options = [option for mount in mounted for option in ("--volume", mount)]
    user = ["--user", f"{os.getuid()}:{os.getgid()}", "--group-add", str(SOCKET.stat().st_gid)]
    command = ["docker", "run", "--rm", *options, *user, "--workdir", "/repository", image, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_run_from_inside_a_container_merges_into_the_mounted_repository(
    image: str, prepared: Repository, home: Path
) -> None:
    home.mkdir(mode=0o700)

    done = run_in_container(image, prepared, "run", "flow.yml", "-y", "--json", mounts=(f"{home}:/prodigy",))

    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["merge"]["status"] == "merged"
    assert prepared.show("both") == "one\ntwo"
    assert prepared.git("status", "--porcelain") == ""
    assert (home / "prodigy.db").is_file()


def test_a_data_root_the_engine_cannot_see_is_refused_before_anything_is_made(
    image: str, prepared: Repository
) -> None:
    before = prepared.fingerprint()

    done = run_in_container(image, prepared, "run", "flow.yml", "-y")

    assert done.returncode == 3, done.stderr
    assert "host directory mounted at /prodigy" in done.stderr
    assert prepared.fingerprint() == before
