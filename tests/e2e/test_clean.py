"""``clean``: what goes, what stays and why, and how much it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ground import Ground
from tests.support.program import Program
from tests.support.repositories import Repository

GOOD = "- shell: date > x; git add -A; git commit -qm x\n"
BAD = "- shell: date > y; git add -A; git commit -qm y\n- shell: 'false'\n"
HOST = ("--sandbox", "host")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))


def sessions(ground: Ground) -> list[str]:
    found = ground.program("sessions", "ls", "--json", code=0).json["sessions"]
    return [one["id"] for one in found]


def test_unfinished_and_unmerged_work_stays_unless_forced(ground: Ground) -> None:
    ground.run(GOOD, *HOST, "-y", code=0)
    ground.run(GOOD, *HOST, "--no-merge", code=0)
    ground.run(BAD, *HOST, "--no-merge", code=1)
    failed, unmerged, merged = sessions(ground)
    looked = ground.program("clean", "sessions", "--all", "--dry-run", "--json", code=0).json
    assert looked["removed"] == [f"sessions {merged}"]
    assert looked["kept"] == [
        {"name": f"sessions {failed}", "reason": "it can be resumed"},
        {"name": f"sessions {unmerged}", "reason": "it has commits that are not merged"},
    ]
    assert len(sessions(ground)) == 3
    assert "there is no terminal" in ground.program("clean", "sessions", "--all", code=2).err
    assert len(sessions(ground)) == 3
    before = ground.repository.fingerprint()
    done = ground.program("clean", "sessions", "--all", "-f", "--json", code=0).json
    assert len(done["removed"]) == 3
    assert done["bytes"] > 0
    assert sessions(ground) == []
    assert ground.repository.fingerprint() == before
    assert not list((ground.home / "worktrees").glob("*/*"))
    assert ground.program("clean", "sessions", "--all", "-f", code=0).out == "nothing to remove\n"


def test_the_configuration_says_how_old_things_get(ground: Ground) -> None:
    ground.run(GOOD, *HOST, "-y", code=0)
    assert ground.program("clean", "all", "-f", "--json", code=0).json["removed"] == []
    (ground.home / "config.yml").write_text("retention: {events: 1ms, logs: 1ms}\nevents: {max_events: 5}\n")
    done = ground.program("clean", "all", "-f", "--json", code=0).json
    assert {name.split()[0] for name in done["removed"]} == {"events", "logs", "state"}
    assert ground.program("events", "ls", "--json", code=0).json["events"] == []
    assert not list(ground.home.glob("sessions/*/logs"))
    assert len(sessions(ground)) == 1


def test_events_are_bounded_in_number_and_size(ground: Ground) -> None:
    ground.run(GOOD, *HOST, "-y", code=0)
    (ground.home / "config.yml").write_text("events: {max_events: 5}\n")
    ground.program("clean", "events", "-f", code=0)
    kept = ground.program("events", "ls", "--json", code=0).json["events"]
    assert len(kept) == 5
    assert kept[-1]["event"]["event_type"] == "worktree_cleaned"
    ground.program("events", "clean", "--max-size", "600", "-f", code=0)
    assert 0 < len(ground.program("events", "ls", "--json", code=0).json["events"]) < 5


def test_worktrees_go_and_their_records_stay(ground: Ground) -> None:
    ground.run(GOOD, *HOST, "--no-merge", code=0)
    ground.program("clean", "worktrees", "--all", "-f", code=0)
    assert len(sessions(ground)) == 1
    assert not list((ground.home / "worktrees").glob("*/*"))
    assert not list(ground.home.glob("sessions/*/store.git"))
    assert list(ground.home.glob("sessions/*/logs"))


@pytest.mark.docker
def test_what_is_on_the_engine(ground: Ground) -> None:
    kinds = {"containers", "images", "caches"}
    for kind in kinds:
        assert "say which" in ground.program("clean", kind, code=2).err
        assert ground.program("clean", kind, "--all", "--dry-run", "--json", code=0).json["kept"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("everything",), "no kind is 'everything'"),
        (("worktrees",), "--older-than D or --all"),
        (("logs", "--older-than", "x"), "--older-than"),
        (("logs", "--older-than", "1d", "--all"), "contradict"),
    ],
)
def test_bad_requests(ground: Ground, arguments: tuple[str, ...], words: str) -> None:
    assert words in ground.program("clean", *arguments, code=2).err
