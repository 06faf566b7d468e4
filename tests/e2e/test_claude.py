"""Claude steps where they can run: with credentials handed over, a network, and the program in the image."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator

import pytest

from tests.support.program import Program
from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

IMAGE = "prodigy-test-claude:latest"
# Stands where the real program would: it shows what it was given, and edits as an agent does.
PROGRAM = """#!/bin/sh
echo "arguments: $*"
echo "key: $ANTHROPIC_API_KEY"
prompt=$(cat)
echo "prompt: $prompt"
echo "$prompt" > answer.txt && git add -A && git commit -qm "Answer"
"""
WORKFLOW = """\
claude: {credentials: env}
sandbox: {network: bridge}
env: {TOPIC: "the moon; $(touch /tmp/no)"}
commands:
  - claude: "Write about ${TOPIC}"
    commit_required: true
  - shell: printf '%s\\n' '${claude.output}' > seen.txt && git add -A && git commit -qm seen
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    base = subprocess.run(
        ["docker", "images", "-q", "--filter", "label=prodigy.image=base"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[0]
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        dockerfile = f"FROM {base}\nUSER root\nCOPY claude /usr/local/bin/claude\n"
        for name, text in (("Dockerfile", dockerfile), ("claude", PROGRAM)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            tar.addfile(entry, io.BytesIO(text.encode()))
    subprocess.run(
        ["docker", "build", "-q", "-t", IMAGE, "-"],
        input=context.getvalue(),
        check=True,
        capture_output=True,
    )
    yield IMAGE
    subprocess.run(["docker", "rmi", IMAGE], check=True, capture_output=True)


def test_a_claude_step_works_with_the_callers_key(
    prodigy: Program, repository: Repository, image: str
) -> None:
    (repository.path.parent / "flow.yml").write_text(WORKFLOW)
    key = {"ANTHROPIC_API_KEY": "a-key-of-the-caller"}
    done = prodigy("run", "../flow.yml", "--image", image, "-y", env=key, code=0)
    assert "credentials" in done.err
    assert repository.show("answer.txt") == "Write about the moon; $(touch /tmp/no)"
    assert "key: a-key-of-the-caller" in repository.show("seen.txt")
    assert "arguments: -p" in repository.show("seen.txt")


def test_without_credentials_nothing_starts(prodigy: Program, repository: Repository, image: str) -> None:
    (repository.path.parent / "flow.yml").write_text(WORKFLOW)
    done = prodigy("run", "../flow.yml", "--image", image, code=3)
    assert "no Claude credentials" in done.err
    assert not list((prodigy.home / "sessions").glob("*"))


def test_an_image_without_the_program_is_found_out_before_the_run(
    prodigy: Program, repository: Repository
) -> None:
    (repository.path.parent / "flow.yml").write_text(WORKFLOW)
    done = prodigy("run", "../flow.yml", env={"ANTHROPIC_API_KEY": "x"}, code=3)
    assert "does not hold the program claude" in done.err


@pytest.mark.parametrize("missing", ["claude: {credentials: env}\n", "sandbox: {network: bridge}\n"])
def test_what_is_not_written_out_is_refused(prodigy: Program, repository: Repository, missing: str) -> None:
    (repository.path.parent / "flow.yml").write_text(WORKFLOW.replace(missing, ""))
    done = prodigy("run", "../flow.yml", code=2)
    assert "claude" in done.err
    assert "flow.yml:" in done.err
