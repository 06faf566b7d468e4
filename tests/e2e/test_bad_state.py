"""What prodigy keeps, damaged: each ends in a clear sentence or in a recovery."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from prodigy.owner import Owner
from tests.support.ground import Ground
from tests.support.program import Program
from tests.support.repositories import Repository

HOST = ("--sandbox", "host", "--no-merge")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))


def broken_off(ground: Ground, *options: str, more: str = "true") -> Path:
    """A run whose second step failed; gives the file that mends it. ``more``: what the first does at last."""
    mended = ground.home.parent / "mended"
    steps = [
        {"shell": f"echo 1 > one; git add -A; git commit -qm one; {more}"},
        {"shell": f"test -f one && test -e {mended}"},
    ]
    ground.run(json.dumps({"commands": steps}), *(options or HOST), code=1)
    return mended


def change_record(ground: Ground, **changes: Any) -> None:
    """Change the record of the only session behind the program's back."""
    with sqlite3.connect(ground.home / "prodigy.db") as database:
        ((text,),) = database.execute("SELECT record FROM session").fetchall()
        record = json.loads(text) | changes
        database.execute("UPDATE session SET record = ?, status = ?", (json.dumps(record), record["status"]))
    database.close()


@pytest.mark.parametrize("damage", ["overwritten", "a page", "empty", "a directory"])
def test_a_damaged_database(ground: Ground, damage: str) -> None:
    broken_off(ground)
    file = ground.home / "prodigy.db"
    for rest in ground.home.glob("prodigy.db-*"):
        rest.unlink()
    data = bytearray(file.read_bytes())
    if damage == "a page":
        data[4096:] = b"\xa5" * (len(data) - 4096)
        file.write_bytes(data)
    elif damage == "a directory":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(b"" if damage == "empty" else b"no database at all " * 500)
    before = ground.repository.fingerprint()
    for arguments in (
        ("sessions", "ls"),
        ("resume",),
        ("events", "ls"),
        ("run", ground.flow("- shell: 'true'\n"), *HOST),
    ):
        done = ground.program(*arguments)
        if damage == "empty":
            assert done.code in (0, 2), done  # as a new one: what it recorded is gone, and nothing else
        else:
            assert done.code == 3, done
            assert "database" in done.err
    assert ground.repository.fingerprint() == before


def test_a_store_that_is_gone(ground: Ground) -> None:
    broken_off(ground)
    (store,) = ground.home.glob("sessions/*/store.git")
    shutil.rmtree(store.parent)
    done = ground.program("resume", "--no-merge", code=3)
    assert "the store of session-" in done.err
    ground.program("sessions", "ls", code=0)
    ground.program("worktree", "ls", code=0)
    ground.program("clean", "sessions", "--all", "-f", code=0)


def test_a_store_that_another_process_is_making(ground: Ground) -> None:
    for point in itertools.count(1):
        assert ground.killed("- shell: 'true'\n", point, *HOST) == -9
        if ground.program("sessions", "ls", "--json", code=0).json["sessions"]:
            break
    change_record(ground, owner=str(Owner.current()))
    (session,) = ground.program("sessions", "ls", "--json", code=0).json["sessions"]
    half = ground.home / "sessions" / session["id"] / "store.git/objects"
    half.mkdir(parents=True)
    assert "already running: PID" in ground.program("resume", session["id"], code=3).err
    assert half.is_dir()


@pytest.mark.parametrize("half", [(), ("store.git",), ("store.git", "store.git/objects", "store.git/refs")])
def test_a_store_that_was_never_finished(ground: Ground, half: tuple[str, ...]) -> None:
    flow = "- shell: echo 1 > one; git add -A; git commit -qm one\n"
    for point in itertools.count(1):
        assert ground.killed(flow, point, *HOST) == -9
        (*_, session) = ground.program("sessions", "ls", "--json", code=0).json["sessions"] or [None]
        if session:
            break
    directory = ground.home / "sessions" / session["id"]
    for path in half:
        (directory / path).mkdir(parents=True)
    before = ground.repository.fingerprint()
    done = ground.program("resume", "--no-merge", "--json", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success"]
    assert ground.repository.fingerprint() == before
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.show("one") == "1"


def test_a_workspace_that_is_gone(ground: Ground) -> None:
    mended = broken_off(ground)
    (workspace,) = ground.home.glob("worktrees/*/*")
    shutil.rmtree(workspace)
    mended.touch()
    done = ground.program("resume", "--no-merge", "--json", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success", "success"]
    assert any("the workspace was gone" in text for text in done.json["warnings"])
    assert (workspace / "one").read_text() == "1\n"


DRAFT = "echo 2 >> one; mkdir new; printf 'a\\0b' > 'new/dra ft'; chmod +x new/*"


@pytest.mark.parametrize("options", [HOST, ("--no-merge",)], ids=["host", "docker"])
def test_a_workspace_that_is_gone_with_what_was_uncommitted(ground: Ground, options: tuple[str, ...]) -> None:
    mended = broken_off(ground, *options, more=DRAFT)
    (workspace,) = ground.home.glob("worktrees/*/*")
    shutil.rmtree(workspace)
    if options is HOST:
        mended.touch()
    done = ground.program("resume", "--no-merge", "--json", code=0 if options is HOST else 1)
    assert any("was made again" in text and ".patch" in text for text in done.json["warnings"])
    assert (workspace / "one").read_text() == "1\n2\n"
    assert (workspace / "new/dra ft").read_bytes() == b"a\0b"
    assert os.access(workspace / "new/dra ft", os.X_OK)


@pytest.mark.parametrize("lost", ["patch", "record"])
def test_a_workspace_that_is_gone_and_cannot_be_restored(ground: Ground, lost: str) -> None:
    mended = broken_off(ground, more=DRAFT)
    mended.touch()
    (workspace,) = ground.home.glob("worktrees/*/*")
    shutil.rmtree(workspace)
    if lost == "patch":
        for patch in ground.home.glob("sessions/*/artifacts/*.patch"):
            patch.unlink()
    else:
        change_record(ground, workspace_state="in_use")
    for _ in range(2):
        done = ground.program("resume", "--no-merge", code=3)
        assert str(workspace) in done.err
        assert "uncommitted" in done.err
        assert "--force" in done.err
    ground.program("resume", "--no-merge", "--force", code=0)
    assert (workspace / "one").read_text() == "1\n"


def test_a_workspace_that_was_never_finished(ground: Ground) -> None:
    flow = "- shell: echo 1 > one; git add -A; git commit -qm one\n"
    for point in itertools.count(1):
        assert ground.killed(flow, point, *HOST) == -9
        if stores := list(ground.home.glob("sessions/*/origin.json")):
            break
    half = ground.home / "worktrees" / "project" / stores[0].parent.name
    assert not half.exists()
    (half / ".git").mkdir(parents=True)
    (half / "half").touch()
    done = ground.program("resume", stores[0].parent.name, "--no-merge", "--json", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success"]
    assert not done.json["uncommitted"]
    assert not (half / "half").exists()


def test_logs_that_were_cut_or_removed(ground: Ground) -> None:
    mended = broken_off(ground)
    first, second = sorted(ground.home.glob("sessions/*/logs/**/*.out"))[:2]
    first.write_bytes(first.read_bytes()[:0])
    second.unlink()
    ground.program("logs", code=0)
    ground.program("sessions", "show", "latest", code=0)
    mended.touch()
    ground.program("resume", "--no-merge", code=0)


def test_a_clock_that_was_ahead(ground: Ground) -> None:
    mended = broken_off(ground)
    change_record(ground, created_at=(datetime.now(UTC) + timedelta(days=400)).isoformat())
    for arguments in (
        ("sessions", "ls"),
        ("progress", "latest"),
        ("worktree", "ls"),
        ("clean", "sessions", "-f"),
    ):
        ground.program(*arguments, code=0)
    mended.touch()
    assert ground.program("resume", "--no-merge", "--json", code=0).json["status"] == "success"


def test_a_session_of_another_host(ground: Ground) -> None:
    mended = broken_off(ground)
    owner = json.loads(
        sqlite3.connect(ground.home / "prodigy.db").execute("SELECT record FROM session").fetchone()[0]
    )["owner"]
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    assert host in owner
    change_record(ground, status="running", owner=owner.replace(host, "another-host"))
    mended.touch()
    done = ground.program("resume", "--no-merge", code=3)
    assert "already running" in done.err
    assert "--steal-lock" in done.err
    ground.program("resume", "--no-merge", "--steal-lock", code=0)


def test_two_who_resume_at_once(ground: Ground) -> None:
    mended = broken_off(ground)
    mended.touch()
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: ground.program("resume", "--no-merge", "--json"), range(4)))
    codes = sorted(one.code for one in done)
    assert codes.count(0) == 1, done
    assert set(codes) <= {0, 2, 3}, done  # 3: it runs; 2: it is finished already


@pytest.mark.docker
def test_an_image_that_is_gone(ground: Ground) -> None:
    from prodigy.sandbox.builtin import BASE
    from tests.support.engine import docker

    name = f"prodigy-test-gone:{ground.home.parent.name.lower()[:60]}"
    docker("tag", BASE.reference, name)
    try:
        broken_off(ground, "--image", name, "--no-merge")
    finally:
        docker("rmi", name)
    done = ground.program("resume", "--no-merge", code=3)
    assert name in done.err
    assert ground.program("sessions", "show", "latest", "--json", code=0).json["status"] in (
        "failed",
        "interrupted",
    )


def test_a_data_root_that_may_not_be_written(ground: Ground) -> None:
    mended = broken_off(ground)
    mended.touch()
    subprocess.run(["mount", "--bind", ground.home, ground.home], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", ground.home], check=True)
    try:
        for arguments in (("run", ground.flow("- shell: 'true'\n"), *HOST), ("resume", "--no-merge")):
            done = ground.program(*arguments, code=3)
            assert "is not writable" in done.err
    finally:
        subprocess.run(["umount", ground.home], check=True)
    ground.program("resume", "--no-merge", code=0)


def test_checkpoints_are_looked_at_and_dropped(ground: Ground) -> None:
    mended = broken_off(ground)
    shown = ground.program("checkpoints", "show", "latest", "--version", "1", "--json", code=0).json["points"]
    assert [(one["path"], one["status"]) for one in shown] == [("commands[0]", "success")]
    assert "shell" in shown[0]["variables"]
    assert "nothing is damaged" in ground.program("checkpoints", "show", "latest", "--check", code=0).out
    assert "it can be resumed" in ground.program("checkpoints", "clean", "--all", "-f", code=0).out
    ground.program("checkpoints", "clean", code=2)
    ground.program("checkpoints", "show", "latest", "--version", "9", code=2)
    mended.touch()
    ground.program("resume", "--no-merge", code=0)
    ground.program("checkpoints", "clean", "--all", "-f", code=0)
    (store,) = ground.home.glob("sessions/*/store.git")
    for pack in store.glob("objects/*/*"):
        pack.unlink()
    done = ground.program("checkpoints", "show", "latest", "--check", code=1)
    assert "is not in the store" in done.out
