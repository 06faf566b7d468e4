"""The host sandbox: explicit, unprotected, and honest about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ground import Ground, watched

HOST = ("--sandbox", "host")


def test_phases_run_in_their_worktrees_with_a_scrubbed_environment(ground: Ground) -> None:
    flow = """
name: host
mode: mapreduce
setup:
  - shell: |
      test "$(pwd -P)" = "$(git rev-parse --show-toplevel)" || exit 1
      env | grep -E '^(GIT_DIR|GIT_WORK_TREE|OLDPWD|SECRET)=' && exit 2
      test "$PWD" = "$(pwd -P)" || exit 3
      echo x > setup.txt; git add -A; git commit -qm setup
map:
  input: [one, two]
  agent_template:
    - shell: ls > "seen-${item}"; pwd > "place-${item}"; git add -A; git commit -qm "${item}"
reduce:
  - shell: cat seen-* && git commit -qm reduce --allow-empty
"""
    foreign = {
        "GIT_DIR": str(ground.repository.path / ".git"),
        "OLDPWD": "/x",
        "GIT_WORK_TREE": "/x",
        "SECRET": "s",
    }
    with watched(ground.repository):
        done = ground.run(flow, *HOST, "--json", "--no-merge", env=foreign, code=0)
    assert "sandbox: HOST: steps run as ordinary processes of this machine" in done.err
    told = next(line for line in done.err.splitlines() if "not enforced" in line)
    for word in ("network", "memory", "the file system outside the worktree"):
        assert word in told
    ground.program("worktree", "merge", "latest", "-y", code=0)
    places = {ground.repository.show(f"place-{item}") for item in ("one", "two")}
    assert len(places) == 2
    assert all(place.startswith(str(ground.home)) for place in places)
    assert "seen-two" not in ground.repository.show("seen-one")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("echo x > '{main}/stolen.txt'", "stolen.txt"),
        ("echo x >> '{main}/README.md'", "README.md"),
        ("git -C '{main}' commit -qm sneaky --allow-empty", ".git/refs/heads/main"),
        ("git -C '{main}' config user.name other", ".git/config"),
        ("git -C '{main}' branch sneaky", ".git/refs/heads/sneaky"),
    ],
)
def test_a_write_to_the_main_repository_is_detected_and_named(
    ground: Ground, command: str, named: str
) -> None:
    done = ground.run(f"- shell: {command.format(main=ground.repository.path)}\n", *HOST, code=1)
    assert "security violation" in done.out
    assert named in done.out
    assert str(ground.repository.path) in done.out
    assert any("ERROR" in line and "security violation" in line for line in done.err.splitlines())


def test_a_worktree_that_is_moved_away_is_a_security_violation(ground: Ground) -> None:
    with watched(ground.repository):
        done = ground.run(
            '- shell: cd .. && mv "$WORKTREE" "$WORKTREE.away" && mkdir "$WORKTREE"\n', *HOST, code=1
        )
    assert "security violation" in done.out + done.err


def test_a_working_directory_that_leads_outside(ground: Ground) -> None:
    with watched(ground.repository):
        done = ground.run(
            f"- shell: ln -s '{ground.repository.path}' main\n- shell: touch x\n  working_dir: main\n",
            *HOST,
            code=1,
        )
    assert "working" in done.out or "outside" in done.out
    assert not (ground.repository.path / "x").exists()


def test_container_settings_cannot_be_asked_for(ground: Ground) -> None:
    for option in (("--image", "x"), ("--network", "none"), ("--cpus", "1"), ("--memory", "1g")):
        done = ground.run("- shell: 'true'\n", *HOST, *option, code=2)
        assert f"{option[0]} cannot act with --sandbox host" in done.err
    done = ground.run("sandbox: {network: none}\ncommands: [{shell: 'true'}]\n", *HOST, code=2)
    assert "cannot enforce" in done.err


def test_it_needs_no_engine_and_leaves_no_process(ground: Ground, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ground.run(
        "- shell: (sleep 654 &) ; echo x > x; git add -A; git commit -qm x\n",
        *HOST,
        "-y",
        env=nowhere,
        code=0,
    )
    assert ground.repository.files() == ["README.md", "x"]
