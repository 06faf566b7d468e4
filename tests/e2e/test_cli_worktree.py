"""``prodigy worktree``: looking at sessions, and removing them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.ground import Ground, prepared, watched

pytestmark = pytest.mark.docker

FLOW = "- shell: echo new > new.txt; git add -A; git commit -qm 'made new'\n- shell: echo left > left.txt\n"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A ground with one unmerged session; the tests only look at it."""
    with prepared(tmp_path_factory.mktemp("worktree")) as ground:
        ground.run(FLOW, "--no-merge", code=0)
        yield ground


def test_listing(kept: Ground) -> None:
    session = kept.session()
    (row,) = kept.program("worktree", "ls", "--json", code=0).json["worktrees"]
    assert (row["name"], row["status"], row["ahead"]) == (session["name"], "success", 1)
    table = kept.program("worktree", "ls", code=0).out.splitlines()
    assert table[0].split() == ["NAME", "BRANCH", "STATUS", "CREATED", "AHEAD", "SIZE"]
    assert table[1].startswith(session["name"])
    detailed = kept.program("worktree", "list", "-d", code=0).out
    assert "at rest" in detailed


def test_showing(kept: Ground) -> None:
    session = kept.session()
    assert [commit["subject"] for commit in session["commits"]] == ["made new"]
    text = kept.program("worktree", "show", session["name"][:12], code=0).out
    assert "made new" in text
    assert "left.txt" in kept.program("worktree", "diff", "latest", "--uncommitted", code=0).out


def test_differences(kept: Ground) -> None:
    assert "+new" in kept.program("worktree", "diff", "latest", code=0).out
    assert kept.program("worktree", "diff", "latest", "--name-only", code=0).out == "new.txt\n"
    assert kept.program("worktree", "diff", "latest", "--stat", code=0).out == "1\t0\tnew.txt\n"


@pytest.mark.parametrize("name", ["session-1999", "nothing", "ses"])
def test_an_unknown_id_is_a_usage_error(kept: Ground, name: str) -> None:
    for verb in ("show", "diff", "merge"):
        assert name in kept.program("worktree", verb, name, code=2).err


def test_merging_without_a_terminal_needs_a_yes(kept: Ground) -> None:
    with watched(kept.repository):
        assert "-y" in kept.program("worktree", "merge", "latest", code=2).err


def test_cleaning_asks_first_and_never_drops_unmerged_work_unasked(ground: Ground) -> None:
    ground.run(FLOW, "--no-merge", code=0)
    place = ground.workspace
    ground.program("worktree", "clean", code=2)
    refused = ground.program("worktree", "clean", "--all", code=1)
    assert "unmerged commits" in refused.err
    ground.program("worktree", "clean", "--all", "-f", "--dry-run", code=0)
    assert place.exists()
    ground.program("worktree", "clean", "--merged-only", "-f", code=0)
    assert place.exists()
    ground.program("worktree", "clean", "--all", "-f", code=0)
    assert not place.exists()
    assert ground.program("worktree", "ls", "--json", code=0).json["worktrees"] == []
    assert not list((ground.home / "sessions").iterdir())


def test_a_running_session_is_left_alone(ground: Ground) -> None:
    live = ground.start("- shell: echo begun; until [ -e go ]; do sleep 0.05; done\n")
    live.wait_for("begun")
    place = ground.workspace
    assert "is running" in ground.program("worktree", "clean", "--all", "-f", code=1).err
    assert ground.program("worktree", "clean-orphaned", "-f", code=0).out == "nothing is orphaned\n"
    assert "already running" in ground.program("worktree", "merge", "latest", "-y", code=1).out
    assert "in a container" in ground.session()["state"]
    (place / "go").touch()
    live.finish(code=0)


def test_sessions_of_another_repository_are_not_listed(ground: Ground) -> None:
    ground.run("- shell: git commit -qm x --allow-empty\n", code=0)
    other = ground.repository.path.parent / "elsewhere" / "project"
    type(ground.repository).create(other)
    assert ground.program("worktree", "ls", "--json", "-p", str(other), code=0).json["worktrees"] == []
