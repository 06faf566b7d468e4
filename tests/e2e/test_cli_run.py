"""``prodigy run`` as people and pipelines see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engine import containers
from tests.support.ground import Ground, watched
from tests.support.terminal import Terminal

pytestmark = pytest.mark.docker

FLOW = """
name: shown
mode: mapreduce
env: {COLOUR: green}
setup: [{shell: "echo x > x; git add -A; git commit -qm x"}]
map:
  input: [one, two]
  max_parallel: 1
  agent_template:
    - {name: think, shell: "echo thinking; until [ -e go ]; do sleep 0.05; done"}
    - {name: fail, shell: 'test "${item}" != two', retry: {attempts: 2, initial_delay: 5ms}}
reduce: [{shell: echo ended}]
"""


def test_a_dry_run_starts_nothing(ground: Ground) -> None:
    with watched(ground.repository):
        text = ground.run(FLOW, "--dry-run", code=0).out
        plan = ground.run(FLOW, "--dry-run", "--json", code=0).json
    for word in ("setup", "map", "reduce", "think", "/workspace", "COLOUR", "none"):
        assert word in text
    assert plan["schema"] == "prodigy.plan/1"
    assert [phase["name"] for phase in plan["phases"]] == ["setup", "map", "reduce"]
    assert [entry["item"] for entry in plan["items"]["items"]] == ["one", "two"]
    assert containers(ground.home) == []
    assert not ground.home.exists() or not list(ground.home.rglob("*"))


def test_a_dry_run_needs_no_engine_and_finds_errors(ground: Ground, tmp_path: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    ground.run(FLOW, "--dry-run", env=nowhere, code=0)
    broken = ground.run("- shel: ls\n- shell: ls\n  tiemout: 3\n", "--dry-run", code=2)
    assert "flow-1.yml:1:3: error[P201]" in broken.err
    assert "flow-1.yml:3:3: error[P201]" in broken.err


def test_an_invalid_workflow_starts_nothing(ground: Ground) -> None:
    done = ground.run("- shel: ls\n", "--json", code=2)
    assert done.json["schema"] == "prodigy.error/1"
    assert done.json["diagnostics"][0]["code"] == "P201"
    assert not (ground.home / "sessions").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--network", "host"),
        ("--memory", "much"),
        ("--cpus", "0"),
        ("--max-parallel", "0"),
        ("-y", "--no-merge"),
        ("--sandbox", "none"),
        ("--frobnicate",),
    ],
)
def test_wrong_options_are_usage_errors(ground: Ground, options: tuple[str, ...]) -> None:
    done = ground.run(FLOW, *options, code=2)
    assert options[0] in done.err
    assert not (ground.home / "sessions").exists()


def test_plain_lines_in_a_pipe(ground: Ground) -> None:
    live = ground.start(FLOW)
    _release(ground, live.wait_for, 2)
    done = live.finish(code=4)
    assert "\x1b" not in done.out + done.err
    for line in done.err.splitlines():
        assert re.match(r"\d\d:\d\d:\d\d (INFO |WARN |ERROR) ", line), line
    assert re.search(r"\[map/h-[0-9a-f]{12}\] thinking", done.err)
    assert "items:     1 successful, 1 failed" in done.out
    assert "[y/N]" not in done.err


def _release(ground: Ground, wait_for: Callable[[str, int], object], items: int) -> None:
    for number in range(items):
        wait_for("thinking", number + 1)
        for place in (ground.home / "sessions").glob("*/ws/*"):
            (place / "go").touch()


def test_the_live_view_at_a_terminal(ground: Ground) -> None:
    with Terminal(ground.program, "run", ground.flow(FLOW), "--no-merge") as terminal:
        terminal.expect("think")
        shown = terminal.expect("running")
        assert "map" in shown
        _release_all(ground, terminal)
        text = terminal.finish(code=4)
    assert b"\x1b[" in terminal.raw
    assert "1 successful, 1 failed" in text


def _release_all(ground: Ground, terminal: Terminal) -> None:
    done: set[str] = set()
    while len(done) < 2:
        terminal.expect("map")
        for place in (ground.home / "sessions").glob("*/ws/*-1"):
            if place.name not in done:
                (place / "go").touch()
                done.add(place.name)


def test_quiet_and_its_contradiction(ground: Ground) -> None:
    done = ground.run("- shell: echo hi\n", "-q", code=0)
    assert done.err == ""
    assert len(done.out.splitlines()) == 1
    assert done.out.startswith("success: ")
    assert ground.run("- shell: echo hi\n", "-q", "-v", code=2).out == ""


def test_the_settings_of_the_run_are_told(ground: Ground) -> None:
    options = ("--network", "bridge", "--cpus", "1", "--memory", "256m")
    done = ground.run(
        "- shell: cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes\n",
        "-v",
        *options,
        code=0,
    )
    assert "network: bridge: steps can reach the internet" in done.err
    assert "limits: 1 CPUs, 0.25 GiB memory" in done.err
    assert "[commands] 268435456" in done.err
