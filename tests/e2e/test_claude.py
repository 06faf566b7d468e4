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
PROGRAM = r"""#!/bin/sh
echo "arguments: $*"
echo "key: $ANTHROPIC_API_KEY"
prompt=$(cat)
echo "prompt: $prompt"
if [ -e .git/MERGE_HEAD ]; then
    [ "$RESOLVER" = lazy ] || sed -i '/^[<=>]\{7\}/d' $(git diff --name-only --diff-filter=U)
    git add -A && exec git commit -q --no-edit
fi
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


CONFLICT = """\
mode: mapreduce
env: {{RESOLVER: {resolver}}}
claude: {{credentials: env}}
sandbox: {{network: bridge}}
map:
  input: [one, two]
  max_parallel: 2
  on_conflict: claude
  output: "out of ${{item}}"
  agent_template:
    - shell: echo ${{item}} >> shared.txt; git add -A; git commit -qm ${{item}}
"""


@pytest.mark.parametrize("resolver", ["able", "lazy"])
def test_a_conflict_is_resolved_or_the_item_kept(
    prodigy: Program, repository: Repository, image: str, resolver: str
) -> None:
    (repository.path.parent / "flow.yml").write_text(CONFLICT.format(resolver=resolver))
    key = {"ANTHROPIC_API_KEY": "a-key"}
    able = resolver == "able"
    done = prodigy("run", "../flow.yml", "--image", image, "-y", "--json", env=key, code=0 if able else 4)
    by_name = {one["item"]: one for one in done.json["results"]}
    if able:
        assert sorted(repository.show("shared.txt").split()) == ["one", "two"]
        assert {name: one["output"] for name, one in by_name.items()} == {
            "one": "out of one",
            "two": "out of two",
        }
        assert sorted(one["attempts"] for one in by_name.values()) == [1, 2]
    else:
        (failed,) = [one for one in by_name.values() if one["status"] == "failed"]
        assert failed["error"]["kind"] == "merge_conflict"
        assert "conflict markers are left in shared.txt" in failed["error"]["message"]


@pytest.mark.parametrize("resolver", ["able", "lazy"])
def test_a_conflict_with_the_target_is_resolved_or_nothing_moves(
    prodigy: Program, repository: Repository, image: str, resolver: str
) -> None:
    text = f"""\
env: {{RESOLVER: {resolver}}}
claude: {{credentials: env}}
sandbox: {{network: bridge}}
merge: {{on_conflict: claude}}
commands:
  - shell: echo theirs >> shared.txt; git add -A; git commit -qm theirs
"""
    (repository.path.parent / "flow.yml").write_text(text)
    key = {"ANTHROPIC_API_KEY": "a-key"}
    run = prodigy("run", "../flow.yml", "--image", image, "--no-merge", "--json", env=key, code=0)
    repository.commit({"shared.txt": "ours\n"}, "ours")
    before = repository.head
    able = resolver == "able"
    done = prodigy("worktree", "merge", run.json["session_id"], "-y", env=key, code=0 if able else 1)
    if able:
        assert sorted(repository.show("shared.txt").split()) == ["ours", "theirs"]
    else:
        assert repository.head == before
        assert "conflict markers are left in shared.txt" in done.out + done.err
