"""What can be asked of a run afterwards, from every command that does."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground import Ground, prepared
from tests.support.program import Program
from tests.support.repositories import Repository

FLOW = """
name: partly
mode: mapreduce
map:
  input: [{id: one}, {id: two}, {id: three}]
  agent_template:
    - shell: echo ${item.id} > ${item.id}; git add -A; git commit -qm ${item.id}
    - shell: test ${item.id} != two || { printf 'bad \\033[31m thing\\n' >&2; test -e go; }
reduce:
  - shell: ls > list; git add -A; git commit -qm reduce
"""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with prepared(tmp_path_factory.mktemp("inspection")) as made:
        made.run(FLOW, "--sandbox", "host", "--no-merge", code=4)
        yield made


def test_sessions(ground: Ground) -> None:
    (one,) = ground.program("sessions", "ls", "--json", code=0).json["sessions"]
    assert (one["status"], one["progress"], one["merged"]) == ("partial", "items 2/3, 1 failed", False)
    assert one["id"] in ground.program("sessions", code=0).out
    shown = ground.program("sessions", "show", one["job_id"], "--json", code=0).json
    assert {item["item_id"]: item["status"] for item in shown["results"]} == {
        "one": "success",
        "two": "failed",
        "three": "success",
    }
    assert any("dlq retry" in command for command in shown["next"])
    assert "candidates" in ground.program("sessions", "show", "nothing", code=2).err
    assert ground.program("sessions", "ls", "--status", "odd", code=2).err.count("running")


def test_dead_letters(ground: Ground) -> None:
    (letter,) = ground.program("dlq", "list", "--json", code=0).json["items"]
    assert (letter["item_id"], letter["eligible"], letter["history"][0]["exit_code"]) == ("two", True, 1)
    assert Path(letter["artifacts"]["patch"]).read_text().count("+two")
    assert "bad" in letter["history"][0]["stderr_tail"]
    shown = ground.program("dlq", "inspect", "two", code=0).out
    assert "\x1b" not in shown
    assert letter["signature"] in shown
    assert ground.program("dlq", "inspect", "nothing", code=2).err
    assert ground.program("dlq", "list", "--filter", "kind == 'Timeout'", "--json", code=0).json["total"] == 0
    assert ground.program("dlq", "list", "--filter", "kind ==", code=2).err
    (group,) = ground.program("dlq", "analyze", "--json", code=0).json["groups"]
    assert group["items"] == ["two"]
    assert ground.program("dlq", "stats", "--json", code=0).json["total_items"] == 1
    output = ground.home.parent / "letters.csv"
    ground.program("dlq", "export", str(output), "--format", "csv", code=0)
    assert output.read_text().splitlines()[1].startswith("two,job-")
    ground.program("dlq", "export", str(output), code=2)


def test_events(ground: Ground) -> None:
    found = ground.program("events", "ls", "--json", "--limit", "500", code=0).json["events"]
    assert found[0]["event"]["event_type"] == "job_started"
    assert found[-1]["event"]["event_type"] == "job_completed"
    assert [one["seq"] for one in found] == sorted(one["seq"] for one in found)
    failed = ground.program("events", "ls", "--event-type", "agent_failed", "--json", code=0).json["events"]
    assert [one["event"]["item_id"] for one in failed] == ["two"]
    of_one = ground.program("events", "ls", "--agent-id", "one", "--json", code=0).json["events"]
    assert {one["event"]["item_id"] for one in of_one} == {"one"}
    exported = ground.home.parent / "events.jsonl"
    ground.program("events", "export", "--format", "jsonl", "--output", str(exported), code=0)
    assert len(exported.read_text().splitlines()) == len(found)
    counted = ground.program("events", "stats", "--file", str(exported), "--json", code=0).json["groups"]
    assert {group["value"]: group["count"] for group in counted}["agent_completed"] == 2
    searched = ground.program("events", "search", "exit code 1", "--json", code=0).json["events"]
    assert {one["event"]["event_type"] for one in searched} >= {"step_completed", "agent_failed"}
    followed = ground.program("events", "follow", "--json", code=0).out.splitlines()
    assert len(followed) == len(found)
    assert json.loads(followed[0])["event"]["event_type"] == "job_started"
    for wrong in (["ls", "--event-type", "odd"], ["search", "("], ["ls", "--since", "soon"], ["clean"]):
        ground.program("events", *wrong, code=2)
    ground.program("events", "ls", "--file", str(ground.home / "prodigy.db"), code=1)


def test_events_are_archived_before_they_go(tmp_path: Path) -> None:
    ground = Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))
    ground.run("- shell: 'true'\n", "--sandbox", "host", "--no-merge", code=0)
    every = ground.program("events", "ls", "--json", code=0).json["events"]
    given = ("events", "clean", "--max-events", "2", "-f", "--archive")
    ground.program("events", "clean", "--max-events", "2", "--archive-path", str(tmp_path), code=2)
    (tmp_path / "file").touch()
    ground.program(*given, "--archive-path", str(tmp_path / "file"), code=1)
    assert ground.program("events", "ls", "--json", code=0).json["events"] == every
    ground.program(*given, code=0)
    (archive,) = (ground.home / "archive").iterdir()
    assert [json.loads(line) for line in archive.read_text().splitlines()] == every[:-2]
    assert (
        ground.program("events", "ls", "--file", str(archive), "--json", code=0).json["events"] == every[:-2]
    )
    assert ground.program("events", "ls", "--json", code=0).json["events"] == every[-2:]


@pytest.mark.parametrize("form", ["json", "csv", "html"])
def test_progress_is_exported(ground: Ground, tmp_path: Path, form: str) -> None:
    file = tmp_path / "progress"
    ground.program("progress", "--export", str(file), "--format", form, code=0)
    text = file.read_text()
    for expected in ("one", "two", "three", "failed", "exit code 1"):
        assert expected in text
    if form == "json":
        assert [item["status"] for item in json.loads(text)["results"]] == ["success", "failed", "success"]
    elif form == "csv":
        assert [row[2] for row in csv.reader(text.splitlines())] == ["status", "success", "failed", "success"]
    else:
        assert "<script" not in text
        assert "http" not in text
    ground.program("progress", "--export", str(tmp_path / "no" / "where"), code=1)


def test_logs_progress_checkpoints(ground: Ground) -> None:
    printed = ground.program("logs", "--item", "two", code=0).out
    assert "bad" in printed
    assert "\x1b" not in printed
    assert ground.program("logs", "--item", "odd", code=2).err
    assert ground.program("logs", "--step", "nothing[0]", code=0).out == "no logs\n"
    assert ground.program("logs", "--tail", "--stream", "stderr", code=0).out.count("bad") == 1
    assert "items 2/3" in ground.program("progress", "--follow", code=0).out
    points = ground.program("checkpoints", "show", "latest", "--json", code=0).json["points"]
    assert [point["path"] for point in points] == ["reduce[0]", "one", "two", "three"]
    assert "reduce[0]" in ground.program("checkpoints", "list", code=0).out


@pytest.mark.docker
def test_no_container_runs(ground: Ground) -> None:
    assert ground.program("ps", "--json", code=0).json["containers"] == []


@pytest.mark.docker
def test_containers_at_work(tmp_path: Path) -> None:
    with prepared(tmp_path) as ground:
        step = {"name": "busy", "shell": "echo begun; until [ -e go ]; do :; done"}
        live = ground.start(json.dumps({"commands": [step]}), "--no-merge")
        live.wait_for("begun")
        (one,) = ground.program("ps", "--json", code=0).json["containers"]
        assert (one["phase"], one["step"], one["state"]) == ("commands", "busy", "running")
        assert one["owner_pid"] == live.process.pid
        assert one["cpu"] > 0
        assert one["memory"] > 0
        shown = ground.program("ps", code=0).out
        assert "busy" in shown
        assert "%" in shown
        (ground.workspace / "go").touch()
        live.finish(0)


def test_a_retry_mends_what_failed(tmp_path: Path) -> None:
    with prepared(tmp_path) as ground:
        ground.run(
            FLOW.replace("test -e go", f"test -e {tmp_path}/go"), "--sandbox", "host", "--no-merge", code=4
        )
        assert ground.program("dlq", "retry", "latest", "--no-merge", code=4).out
        (letter,) = ground.program("dlq", "list", "--json", code=0).json["items"]
        assert letter["failure_count"] == 4  # the first time, and the three tries of the retry
        (tmp_path / "go").touch()
        assert "two" in ground.program("dlq", "retry", "latest", "--dry-run", code=0).out
        done = ground.program("dlq", "retry", "latest", "--reduce", "-y", "--json", code=0).json
        assert done["merge"]["status"] == "merged"
        assert ground.repository.show("list").split() == ["README.md", "list", "one", "three", "two"]
        assert ground.program("dlq", "list", "--json", code=0).json["total"] == 0
        found = ground.program("events", "search", "dlq_item", "--json", code=0).json["events"]
        assert [one["event"]["event_type"] for one in found] == [
            "dlq_item_added",
            "dlq_items_reprocessed",
            "dlq_item_added",
            "dlq_items_reprocessed",
            "dlq_item_removed",
        ]


def test_dismissed_items_are_dead_letters_no_more(tmp_path: Path) -> None:
    with prepared(tmp_path) as ground:
        ground.run(FLOW, "--sandbox", "host", "--no-merge", code=4)
        assert ground.program("dlq", "clear", "latest", code=2).err
        ground.program("dlq", "clear", "latest", "--yes", code=0)
        assert ground.program("dlq", "list", "--json", code=0).json["total"] == 0
        ground.program("dlq", "purge", code=2)
        (evicted,) = ground.program(
            "events", "ls", "--event-type", "dlq_items_evicted", "--json", code=0
        ).json["events"]
        assert evicted["event"]["items"] == ["two"]
        # It is not taken up with others that failed.
        ground.program("resume", "--include-dlq", "--no-merge", code=4)
        assert ground.program("dlq", "list", "--json", code=0).json["total"] == 0


def test_a_session_is_run_by_one_process(tmp_path: Path) -> None:
    with prepared(tmp_path) as ground:
        live = ground.start(
            f"commands: [{{shell: 'until [ -e {tmp_path}/go ]; do sleep 0.05; done'}}]", "--sandbox", "host"
        )
        live.wait_for("this machine)")
        refused = ground.program("resume", "latest", code=3)
        assert "already running: PID" in refused.err
        assert "running" in ground.program("sessions", code=0).out
        (tmp_path / "go").touch()
        live.finish(0)
        assert "nothing to resume" in ground.program("resume", "latest", code=2).err


def test_failed_items_of_a_run_at_work_are_not_retried_beside_it(tmp_path: Path) -> None:
    with prepared(tmp_path) as ground:
        step = f"[ ${{item}} = two ] || exit 1; echo begun; until [ -e {tmp_path}/go ]; do sleep 0.05; done"
        text = {"mode": "mapreduce", "map": {"input": ["one", "two"], "agent_template": [{"shell": step}]}}
        live = ground.start(json.dumps(text), "--sandbox", "host", "--no-merge")
        live.wait_until(lambda lines: any("agent failed" in line for line in lines))
        refused = ground.program("dlq", "retry", "latest", "--no-merge", code=3)
        assert "already running: PID" in refused.err
        (tmp_path / "go").touch()
        live.finish(4)


def test_events_as_they_happen(tmp_path: Path) -> None:
    ground = Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))
    file = tmp_path / "events.jsonl"
    flow = "- shell: 'true'\n"
    ground.run(flow, "--sandbox", "host", "--no-merge", "--events", str(file), code=0)
    written = [json.loads(line) for line in file.read_text().splitlines()]
    exported = ground.program("events", "export", "--format", "jsonl", code=0).out.splitlines()
    assert [one["event"] for one in written] == [json.loads(line)["event"] for line in exported]
    streamed = ground.run(flow, "--sandbox", "host", "--no-merge", "-q", "--events", "-", code=0)
    types = [json.loads(line)["event"]["event_type"] for line in streamed.out.splitlines()]
    assert "job_completed" in types
    assert ground.program("events", "ls", "--file", str(file), code=0).out
    before = ground.program("sessions", "ls", "--json", code=0).json["sessions"]
    ground.run(flow, "--sandbox", "host", "--events", str(tmp_path / "no" / "where"), code=2)
    ground.run(flow, "--sandbox", "host", "--events", "-", "--json", code=2)
    assert ground.program("sessions", "ls", "--json", code=0).json["sessions"] == before


@pytest.mark.parametrize("gone", ["merged", "cleaned"])
def test_failed_items_of_a_closed_session_run_in_a_new_one(tmp_path: Path, gone: str) -> None:
    ground = Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))
    mended = tmp_path / "mended"
    step = (
        f"test ${{item.id}} != two || test -e {mended}; echo x > ${{item.id}}; git add -A; git commit -qm x"
    )
    flow = {
        "mode": "mapreduce",
        "map": {
            "input": [{"id": "one"}, {"id": "two"}, {"id": "three"}],
            "filter": "item.id != 'three'",
            "agent_template": [{"shell": f"set -e; {step}"}],
        },
        "reduce": [{"shell": "ls > list; git add -A; git commit -qm reduce"}],
    }
    merge = "-y" if gone == "merged" else "--no-merge"
    first = ground.run(json.dumps(flow), "--sandbox", "host", "--json", merge, code=4).json["session_id"]
    if gone == "cleaned":
        ground.program("clean", "worktrees", "--all", "-f", code=0)
    again = ground.program("dlq", "retry", first, "-y", code=1)
    assert "failed" in again.out
    assert ground.program("dlq", "list", "--job-id", first, "--json", code=0).json["items"]
    mended.touch()
    done = ground.program("dlq", "retry", first, "-y", "--json", code=0)
    assert done.json["session_id"] != first
    assert [one["item_id"] for one in done.json["results"]] == ["two"]
    assert "two" in ground.repository.files()
    assert ground.program("dlq", "list", "--job-id", first, "--json", code=0).json["items"] == []
