"""``resume --from-checkpoint``: back to the end of a step, and on from there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.ground import Ground
from tests.support.program import Program
from tests.support.repositories import Repository

HOST = ("--sandbox", "host", "--no-merge")
STEP = "echo {n} >> log; git add -A; git commit -qm {n}"


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(Repository.create(tmp_path / "project"), Program(tmp_path / "home", tmp_path / "project"))


def shown(ground: Ground, path: str) -> str:
    (store,) = ground.home.glob("sessions/*/store.git")
    head = f"refs/prodigy/{store.parent.name}/session:{path}"
    done = subprocess.run(["git", "-C", str(store), "show", head], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("point", ["commands[0]", "1"])
def test_steps_after_the_point_are_done_again(ground: Ground, tmp_path: Path, point: str) -> None:
    steps = [{"shell": STEP.format(n=n)} for n in (1, 2)]
    steps.append({"shell": f"test -e {tmp_path}/mended"})
    ground.run(json.dumps({"commands": steps}), *HOST, code=1)
    (tmp_path / "mended").touch()
    done = ground.program("resume", "--no-merge", "--from-checkpoint", point, "--json", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success"] * 3
    assert shown(ground, "log") == "1\n2\n"
    assert any("set back to the end of commands[0]" in text for text in done.json["warnings"])
    (store,) = ground.home.glob("sessions/*/store.git")
    kept = subprocess.run(
        ["git", "-C", str(store), "for-each-ref", "--format=%(refname)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "/kept/before-" in kept.stdout


@pytest.mark.parametrize(("point", "items"), [("setup[0]", 2), ("reduce[0]", 0)])
def test_a_map_phase_is_done_again_or_kept(ground: Ground, tmp_path: Path, point: str, items: int) -> None:
    flow = {
        "mode": "mapreduce",
        "setup": [{"shell": STEP.format(n="setup")}],
        "map": {
            "input": [1, 2],
            "agent_template": [
                {"shell": f"echo run >> {tmp_path}/runs; echo x > f${{item}}; git add -A; git commit -qm x"}
            ],
        },
        "reduce": [{"shell": STEP.format(n="reduce")}, {"shell": f"test -e {tmp_path}/mended"}],
    }
    ground.run(json.dumps(flow), *HOST, code=1)
    (tmp_path / "mended").touch()
    done = ground.program("resume", "--no-merge", "--from-checkpoint", point, "--json", code=0)
    assert done.json["items"]["successful"] == 2
    assert len((tmp_path / "runs").read_text().split()) == 2 + items
    assert shown(ground, "log") == "setup\nreduce\n"


@pytest.mark.parametrize("point", ["commands[7]", "9", "0", "commands[1]"])
def test_what_is_no_checkpoint(ground: Ground, point: str) -> None:
    ground.run(json.dumps({"commands": [{"shell": "true"}, {"shell": "false"}]}), *HOST, code=1)
    done = ground.program("resume", "--no-merge", "--from-checkpoint", point, code=2)
    assert "checkpoint" in done.err
    assert ground.program("sessions", "show", "latest", "--json", code=0).json["status"] == "interrupted"
