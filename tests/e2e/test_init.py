"""``init``: a repository made ready, and nothing of the user's overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from prodigy.cli.init import COMMANDS
from tests.support.ground import Ground
from tests.support.program import Program

FIRST = ".claude/commands/prodigy-lint.md"


def test_what_is_there_is_kept(ground: Ground) -> None:
    root = ground.repository.path
    (root / "workflows").mkdir()
    (root / "workflows/example.yml").write_text("mine\n")
    done = ground.program("init", code=0)
    assert done.out.splitlines()[-1] == "kept workflows/example.yml"
    assert {path.stem for path in (root / ".claude/commands").iterdir()} == {
        f"prodigy-{name}" for name in COMMANDS
    }
    assert (root / "workflows/example.yml").read_text() == "mine\n"
    done = ground.program("init", "-f", "-c", "lint", "--ci", "github", code=0)
    assert done.out.splitlines() == [
        f"overwritten {FIRST}",
        "overwritten workflows/example.yml",
        "created .github/workflows/prodigy.yml",
    ]
    ground.program("validate", "workflows/example.yml", code=0)


@pytest.mark.docker
def test_the_first_workflow_runs(ground: Ground) -> None:
    ground.program("init", code=0)
    ground.repository.git("add", "-A")
    ground.repository.git("commit", "-qm", "ready")
    done = ground.program("run", "workflows/example.yml", "-y", "--json", code=0)
    assert done.json["items"]["successful"] == len(COMMANDS) + 1
    assert "README.md.words" in ground.repository.files()


def test_bad_requests(ground: Ground, tmp_path: Path) -> None:
    assert "no command is called nope" in ground.program("init", "-c", "nope", code=2).err
    (ground.repository.path / ".claude/commands").mkdir(parents=True)
    (ground.repository.path / FIRST).symlink_to("/etc/passwd")
    assert "no plain file" in ground.program("init", "-f", "-c", "lint", code=2).err
    bare = tmp_path / "nothing"
    bare.mkdir()
    program = Program(ground.home, bare)
    assert "git init" in program("init", code=3).err
    program("init", "--git", code=0)
    assert (bare / ".git").is_dir()
    program("init", code=0)
