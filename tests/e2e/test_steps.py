"""What a step can do: one run of many steps, each looked at in the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import containers, docker
from tests.support.ground import Ground, prepared
from tests.support.program import Finished

pytestmark = pytest.mark.docker

MANY = r"""
name: many
env: {COLOUR: green, KEEP: base}
commands:
  - name: fails twice
    shell: echo x >> tries; test $(wc -l < tries) = 3
    retry: {attempts: 4, backoff: fixed, initial_delay: 10ms}
  - name: recovered
    shell: test -e fixed
    on_failure: {shell: "echo x >> cycles; test $(wc -l < cycles) != 2 || touch fixed", max_attempts: 5}
  - name: tolerated
    shell: echo lost >&2; exit 9
    on_failure: {shell: "echo '${error.exit_code} ${error.kind} ${error.step}' > told", fail_workflow: false}
  - name: captured
    shell: printf 'a b\n\n'; echo noise >&2
    capture_output: seen
  - name: used
    shell: |
      test '${seen}' = 'a b' || exit 1
      printf '%s|' ${seen} "${seen}" > used
  - name: fed by nothing
    shell: test -z "$(cat)"
  - name: environment
    shell: test "$COLOUR $KEEP $OWN" = "green step mine" && test "$PRODIGY_STEP" = environment
    env: {KEEP: step, OWN: mine}
  - name: environment is not kept
    shell: test "$KEEP ${OWN-unset}" = "base unset"
  - name: makes a directory
    shell: mkdir -p a/b
  - name: elsewhere
    shell: pwd > here
    working_dir: a/b
  - name: as data
    write_file:
      {path: data/list.json, format: json, create_dirs: true, mode: "0750",
       content: '{"b": [1, 2], "a": "${seen}"}'}
  - name: plain file
    write_file: {path: plain.txt, content: "one\n  two ${seen}"}
  - name: large output
    shell: head -c 300000 /dev/zero | tr '\0' x
    capture_output: large
  - name: large input
    shell: test $(printf %s '${large}' | wc -c) = 300000
  - shell: git add -A; git commit -qm all
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, Finished]]:
    with prepared(tmp_path_factory.mktemp("steps")) as ground:
        yield ground, ground.run(MANY, "--json", "-y", code=0)


def step(done: Finished, name: str) -> dict[str, Any]:
    (found,) = [one for one in done.json["steps"] if one["name"] == name]
    return found


def test_a_step_is_tried_as_often_as_asked(many: tuple[Ground, Finished]) -> None:
    tried = step(many[1], "fails twice")
    assert (tried["status"], [one["exit_code"] for one in tried["attempts"]]) == ("success", [1, 1, 0])
    assert "is tried again" in many[1].err


def test_a_handler_repairs_a_step(many: tuple[Ground, Finished]) -> None:
    found = step(many[1], "recovered")
    assert (found["status"], len(found["attempts"])) == ("recovered", 3)


def test_tolerated_failures_are_shown(many: tuple[Ground, Finished]) -> None:
    ground, done = many
    assert step(done, "tolerated")["status"] == "tolerated"
    assert [one["name"] for one in done.json["tolerated"]] == ["tolerated"]
    assert "step 'tolerated' tolerated" in done.err
    assert ground.repository.show("told") == "9 command tolerated"


def test_captured_output_is_used_as_data(many: tuple[Ground, Finished]) -> None:
    assert many[0].repository.show("used") == "a|b|a b|"


def test_environment_and_directories(many: tuple[Ground, Finished]) -> None:
    assert many[0].repository.show("a/b/here") == "/workspace/a/b"
    for name in ("environment", "environment is not kept", "fed by nothing", "large input"):
        assert step(many[1], name)["status"] == "success"


def test_files_are_written_as_asked(many: tuple[Ground, Finished]) -> None:
    repository = many[0].repository
    assert (
        repository.path / "data/list.json"
    ).read_text() == '{\n  "b": [\n    1,\n    2\n  ],\n  "a": "a b"\n}\n'
    assert "100755" in repository.git("ls-tree", "HEAD", "data/list.json")
    assert (repository.path / "plain.txt").read_text() == "one\n  two a b"


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../../x", ".git/config", "out/x", "file/x", "missing/x"]
)
def test_write_file_stays_in_the_workspace(ground: Ground, path: str) -> None:
    done = ground.run(
        f"""
- shell: ln -s /tmp out; ln -s ../../etc/passwd link; touch file
- name: escape
  write_file: {{path: "{path}", content: x}}
- shell: touch never
""",
        "--json",
        code=1,
    )
    assert step(done, "escape")["status"] == "failed"
    assert path.rpartition("/")[0] in step(done, "escape")["error"]["message"]
    assert len(done.json["steps"]) == 2


def test_a_timeout_ends_a_step_with_its_children(ground: Ground) -> None:
    live = ground.start("""
sandbox: {stop_grace: 200ms}
commands:
  - name: hangs
    shell: |
      trap '' TERM
      (trap '' TERM; setsid sh -c 'trap "" TERM; echo begun; sleep 601' & sleep 602) & sleep 603
    timeout: 1s
    on_failure: {shell: "true", fail_workflow: false}
  - name: lingers
    shell: echo waiting; until [ -e go ]; do sleep 0.05; done
""")
    live.wait_for("waiting")
    (container,) = containers(ground.home)
    processes = docker("top", container)
    assert not [number for number in ("601", "602", "603") if f"sleep {number}" in processes]
    (ground.workspace / "go").touch()
    done = live.finish(code=0)
    assert "step 'hangs' tolerated" in done.err


def test_a_failed_step_ends_the_run_and_its_output_is_kept(ground: Ground) -> None:
    done = ground.run("- shell: echo why; echo because >&2; exit 3\n- shell: touch never\n", "--json", code=1)
    (failed,) = done.json["steps"]
    assert (failed["status"], failed["exit_code"], failed["error"]["kind"]) == ("failed", 3, "command")
    assert Path(failed["stdout_log"]).read_text() == "why\n"
    assert Path(failed["stderr_log"]).read_text() == "because\n"


def test_a_working_directory_must_exist_inside_the_workspace(ground: Ground) -> None:
    for where in ("missing", "..", "/tmp", "out"):
        done = ground.run(f"- shell: ln -s /tmp out\n- shell: pwd\n  working_dir: {where}\n", "--json")
        assert done.code in (1, 2), done
        if done.code == 1:
            assert done.json["steps"][-1]["error"]["kind"] == "working_dir"


def test_leftovers_of_a_run_are_kept_and_named(ground: Ground) -> None:
    done = ground.run("- shell: echo lost > lost.txt; echo more >> README.md\n", "--json", code=0)
    (kept,) = done.json["uncommitted"]
    assert kept["files"] == ["README.md", "lost.txt"]
    assert "+lost" in Path(kept["patch"]).read_text()
    shown = ground.program("worktree", "diff", "latest", "--uncommitted", code=0)
    assert "+lost" in shown.out
