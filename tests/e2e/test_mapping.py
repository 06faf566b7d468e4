"""The map phase: where items come from, how agents fare, and what becomes of their work."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.support.engine import containers
from tests.support.ground import Ground, Live, watched

pytestmark = pytest.mark.docker

AGENT = "[{shell: 'true'}]"


def flow(source: str, agent: str = AGENT, more: str = "", setup: str = "'true'") -> str:
    return f"""
name: items
mode: mapreduce
setup: [{{shell: {setup}}}]
map:
  input: {source}
  agent_template: {agent}
{more}
"""


@pytest.mark.parametrize(
    ("source", "more", "items"),
    [
        ("[a, {b: 1}, 3]", "", ["a", {"b": 1}, 3]),
        ("list.json", "", [{"n": 1}, {"n": 2}]),
        ("list.json", "  json_path: $[?@.n > 1]", [{"n": 2}]),
        ("nested.json", "  json_path: $.all[*].name", ["x", "y"]),
        ("{glob: '*.txt'}", "", ["a.txt", "b c.txt"]),
        ("{glob: ['**/*.json'], exclude: [nested.json]}", "", ["list.json"]),
        ("{command: 'ls *.txt'}", "", ["a.txt", "b c.txt"]),
        ("cat list.json", "  max_items: 1", [{"n": 1}]),
        ("'[1, 2]'", "", [1, 2]),
    ],
)
def test_where_items_come_from(ground: Ground, source: str, more: str, items: list[Any]) -> None:
    ground.repository.commit(
        {
            "list.json": '[{"n": 1}, {"n": 2}]',
            "nested.json": '{"all": [{"name": "x"}, {"name": "y"}]}',
            "a.txt": "",
            "b c.txt": "",
        },
        "inputs",
    )
    done = ground.run(flow(source, more=more), "--json", code=0)
    assert [entry["item"] for entry in done.json["results"]] == items
    assert len({entry["item_id"] for entry in done.json["results"]}) == len(items)


def test_no_items_is_a_success_with_a_warning(ground: Ground) -> None:
    ground.repository.commit({"items.json": "[]"}, "empty")
    done = ground.run(flow("items.json", more="reduce: [{shell: 'false'}]"), "--json", code=0)
    assert any("no work items" in warning for warning in done.json["warnings"])
    assert done.json["results"] == []


@pytest.mark.parametrize(
    ("setup", "source", "message"),
    [
        ("echo nonsense > items.json", "items.json", "items.json"),
        ("'true'", "missing.json", "input file not found: missing.json"),
        ("'true'", "{command: 'echo partly; exit 5'}", "the input command failed"),
        ("mkfifo items.json", "items.json", "input file not found: items.json"),
    ],
)
def test_an_input_that_cannot_be_read_ends_the_run(
    ground: Ground, setup: str, source: str, message: str
) -> None:
    with watched(ground.repository):
        done = ground.run(flow(source, setup=setup), code=1)
    assert message in done.out


def test_an_input_outside_the_workspace_is_not_the_hosts(ground: Ground) -> None:
    secret = ground.repository.path.parent / "secret.json"
    secret.write_text('["stolen"]')
    done = ground.run(flow("items.json", setup=f"ln -s {secret} items.json"), code=1)
    assert "stolen" not in done.out + done.err


def test_a_hundred_thousand_items_of_which_two_run(ground: Ground) -> None:
    setup = "seq 1 100000 | jq -cs . > items.json"
    done = ground.run(flow("items.json", more="  max_items: 2", setup=setup), "--json", code=0)
    assert [entry["item"] for entry in done.json["results"]] == [1, 2]
    assert "max_items leaves out 99998: 2 items remain" in done.err


def test_no_more_agents_at_a_time_than_allowed(ground: Ground) -> None:
    agent = "[{shell: 'echo begun; until [ -e go ]; do sleep 0.05; done'}]"
    live = ground.start(flow("[1, 2, 3, 4, 5]", agent), "--max-parallel", "2")
    live.wait_for("begun", 2)
    assert len(containers(ground.home, every=False)) == 2
    released = 0
    while released < 5:
        places = [place for place in (ground.home / "sessions").glob("*/ws/*") if not (place / "go").exists()]
        live.wait_for("begun", min(released + 2, 5))
        assert len(containers(ground.home, every=False)) <= 2
        for place in places[:1]:
            (place / "go").touch()
            released += 1
    live.finish(code=0)


def test_failed_items_are_kept_and_the_others_go_on(ground: Ground) -> None:
    work = """{shell: 'echo "${item}" > "f-${item}"; git add -A; git commit -qm "did ${item}"'}"""
    agent = f"""[{work}, {{shell: 'test "${{item}}" != bad'}}]"""
    done = ground.run(
        flow(
            "[good, bad, fine]",
            agent,
            "reduce: [{shell: 'ls f-* > index; git add -A; git commit -qm index'}]",
        ),
        "--json",
        "--no-merge",
        code=4,
    )
    assert (done.json["status"], done.json["items"]["failed"]) == ("partial", 1)
    bad = done.json["results"][1]
    assert (bad["status"], bad["error"]["kind"], bad["error"]["exit_code"]) == ("failed", "command", 1)
    shown = ground.program("worktree", "diff", "latest", "--item", bad["item_id"], "--name-only", code=0)
    assert shown.out == "f-bad\n"
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.show("index") == "f-fine\nf-good"
    assert (
        "+bad"
        in ground.program("worktree", "diff", done.json["session_id"], "--item", bad["item_id"], code=0).out
    )


def test_when_all_items_fail_reduce_does_not_run(ground: Ground) -> None:
    done = ground.run(flow("[1, 2]", "[{shell: 'false'}]", "reduce: [{shell: 'touch x'}]"), "--json", code=1)
    assert [phase["name"] for phase in done.json["phases"]] == ["setup", "map"]
    assert done.json["error"] == "all 2 items failed"


def test_a_conflict_keeps_the_item_with_both_commits(ground: Ground) -> None:
    agent = """[{shell: 'echo "${item}" > same.txt; git add -A; git commit -qm "did ${item}"'}]"""
    done = ground.run(
        flow("[one, two]", agent, "  max_parallel: 1\n  on_conflict: dlq"), "--json", "--no-merge", code=4
    )
    first, second = done.json["results"]
    assert (first["status"], second["status"], second["error"]["kind"]) == (
        "success",
        "failed",
        "merge_conflict",
    )
    assert second["conflict"]["files"] == ["same.txt"]
    assert second["conflict"]["theirs"] == second["commits"][-1]
    assert second["conflict"]["ours"] == first["merge_commit"]
    text = second["error"]["message"]
    assert second["conflict"]["theirs"][:12] in text
    assert second["conflict"]["ours"][:12] in text
    shown = ground.program("worktree", "diff", "latest", "--item", second["item_id"], code=0)
    assert "+two" in shown.out
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert ground.repository.show("same.txt") == "one"


def test_a_conflict_in_a_run_that_is_stopped_waits_for_the_next(ground: Ground) -> None:
    """The second is held up, so that the third, which conflicts with the first, comes to be merged too late."""
    waiting = "[ ${item} != 2 ] || { echo begun; until [ -e go ]; do sleep 0.05; done; }"
    working = "[ ${item} = 2 ] || echo ${item} > same; echo ${item} > f${item}; git add -A; git commit -qm w"
    agent = json.dumps([{"shell": waiting}, {"shell": working}])
    live = ground.start(flow("[1, 2, 3]", agent, "  max_parallel: 3\n  merge_order: item"), "--no-merge")
    live.wait_for("begun")
    while len(containers(ground.home, every=False)) > 1:
        assert live.process.poll() is None
    live.signal(signal.SIGTERM)
    live.finish(code=143)
    shown = ground.program("sessions", "show", "latest", "--json", code=0).json
    assert shown["items"] == {"success": 1, "pending": 2}
    live = Live(ground.program.start("resume", "-v", "-y"))
    live.wait_for("begun")
    for place in (ground.home / "sessions").glob("*/ws/1-*"):
        (place / "go").touch()
    live.finish(code=0)
    assert ground.repository.files() == ["README.md", "f1", "f2", "f3", "go", "same"]
    assert ground.repository.show("same") == "3"


def test_a_path_that_setup_left_uncommitted_is_not_an_agents(ground: Ground) -> None:
    agent = """[{shell: 'echo agent > open.txt; git add -A; git commit -qm "did"'}]"""
    more = "reduce: [{shell: 'test $(cat open.txt) = setup'}]"
    done = ground.run(flow("[one, two]", agent, more, setup="echo setup > open.txt"), "--json", code=1)
    assert {entry["error"]["kind"] for entry in done.json["results"]} == {"merge_conflict"}
    assert any("setup left 1 changes uncommitted" in warning for warning in done.json["warnings"])


def test_reduce_gets_the_results(ground: Ground) -> None:
    more = """
reduce:
  - shell: test ${map.total} = 3 && test ${map.successful} = 2 && test ${map.failed} = 1
  - shell: echo '${map.results}' | jq -c '[.[] | [.item, .success, .output]]' > results.json
  - shell: git add -A; git commit -qm results
"""
    agent = """[{shell: 'test "${item}" != b; echo "{\\"got\\": \\"${item}\\"}"; test "${item}" != b'}]"""
    ground.run(flow("[a, b, c]", agent, more), "-y", code=4)
    found = json.loads(ground.repository.show("results.json"))
    assert [entry[:2] for entry in found] == [["a", True], ["b", False], ["c", True]]
    assert found[0][2] == {"got": "a"}
