"""Where commands run and what they see: one run with every phase, looked at from inside and outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.ground import Ground, prepared, watched

pytestmark = pytest.mark.docker

FACTS = r"""
      {
        echo "pwd=$(pwd -P)"
        echo "top=$(git rev-parse --show-toplevel)"
        echo "trees=$(git worktree list --porcelain | grep -c '^worktree ')"
        echo "main=$(ls -d "$MAIN" 2>/dev/null || echo absent)"
        echo "mounts=$(grep -c ' /workspace ' /proc/self/mounts)"
        echo "named=$(git worktree list --porcelain; cat /proc/self/mounts .git/config)" | grep -cF "$MAIN"
        echo "files=$(ls | tr '\n' ' ')"
        echo "tmp=$(ls /tmp)"
      } > "$fact"
      git add "$fact" && git commit -qm "$fact"
"""

WORKFLOW = f"""
name: places
mode: mapreduce
env: {{MAIN: "%s"}}
setup:
  - name: see setup
    shell: |
      fact=fact-setup
{FACTS}
      echo made > by-setup && git add by-setup && git commit -qm "made by setup"
map:
  input: [one, two, three]
  max_parallel: 2
  agent_template:
    - name: see agent
      shell: |
        fact="fact-${{item}}"
        {FACTS.replace(chr(10), chr(10) + "  ").strip()}
        echo hidden > "untracked-${{item}}"; echo hidden > "/tmp/scratch-${{item}}"
        rm "untracked-${{item}}"
      commit_required: true
reduce:
  - name: see reduce
    shell: |
      fact=fact-reduce
{FACTS}
merge:
  - name: see merge
    shell: |
      fact=fact-merge
{FACTS}
"""


@dataclass(frozen=True)
class Seen:
    ground: Ground
    result: dict[str, Any]
    lines: str
    facts: dict[str, dict[str, str]]
    before: str
    log: list[str]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with prepared(tmp_path_factory.mktemp("acceptance")) as ground:
        before = ground.repository.head
        with watched(ground.repository):
            done = ground.run(WORKFLOW % ground.repository.path, "--json", "--no-merge", code=0)
        session = done.json["session_id"]
        merge = ground.program("worktree", "merge", session, "-y", code=0)
        log = ground.repository.git("log", "--format=%s").splitlines()
        facts = {
            name.removeprefix("fact-"): dict(
                line.split("=", 1) for line in ground.repository.show(name).splitlines() if "=" in line
            )
            for name in ground.repository.files()
            if name.startswith("fact-")
        }
        yield Seen(ground, done.json, done.err + merge.err, facts, before, log)


def test_commands_of_every_phase_run_in_their_worktree(seen: Seen) -> None:
    assert set(seen.facts) == {"setup", "one", "two", "three", "reduce", "merge"}
    assert {fact["pwd"] for fact in seen.facts.values()} == {"/workspace"}
    assert {fact["top"] for fact in seen.facts.values()} == {"/workspace"}
    assert {fact["mounts"] for fact in seen.facts.values()} == {"1"}


def test_the_path_of_the_main_repository_does_not_exist_in_the_container(seen: Seen) -> None:
    assert {fact["main"] for fact in seen.facts.values()} == {"absent"}


def test_git_worktree_list_shows_nothing_of_the_main_repository(seen: Seen) -> None:
    assert {fact["trees"] for fact in seen.facts.values()} == {"1"}
    named = [seen.ground.repository.show(f"fact-{name}").splitlines()[5] for name in seen.facts]
    assert set(named) == {"0"}


def test_setup_commits_are_on_the_worktree_branch_and_reach_the_agents(seen: Seen) -> None:
    assert "made by setup" in seen.log
    for item in ("one", "two", "three"):
        assert "by-setup" in seen.facts[item]["files"]


def test_no_agent_sees_a_file_of_another(seen: Seen) -> None:
    for item in ("one", "two", "three"):
        own = {f"fact-{item}", "fact-setup", "by-setup", "README.md"}
        assert set(seen.facts[item]["files"].split()) <= own
        assert seen.facts[item]["tmp"] == ""


def test_reduce_sees_the_merged_result_of_all_agents(seen: Seen) -> None:
    assert {"fact-one", "fact-two", "fact-three", "by-setup"} <= set(seen.facts["reduce"]["files"].split())


def test_the_log_names_the_place_of_every_command(seen: Seen) -> None:
    told = [line for line in seen.lines.splitlines() if "Executing in worktree: " in line]
    assert len(told) == 6
    home = str(seen.ground.home)
    for line in told:
        worktree = line.split("Executing in worktree: ")[1].split(" (")[0]
        assert worktree.startswith(home)
    for phase in ("setup", "map", "reduce", "merge"):
        assert any(f"(phase {phase}, step 1/1 'see " in line and ", container " in line for line in told)
    assert sum("[map/" in line for line in told) == 3


def test_the_result_names_what_ran(seen: Seen) -> None:
    assert [phase["name"] for phase in seen.result["phases"]] == ["setup", "map", "reduce"]
    assert seen.result["base_commit"] == seen.before
    assert seen.result["target"] == "main"
    assert seen.result["merge"]["status"] == "disabled"
    assert [entry["item"] for entry in seen.result["results"]] == ["one", "two", "three"]
    assert json.dumps(seen.result)


def test_two_workflows_at_once_do_not_disturb_each_other(ground: Ground) -> None:
    def flow(name: str) -> str:
        return f"""
name: {name}
commands:
  - shell: echo begun; until [ -e go ]; do sleep 0.05; done; echo {name} > {name}.txt
  - shell: git add {name}.txt; git commit -qm {name}; ls
"""

    with watched(ground.repository):
        first, second = ground.start(flow("first")), ground.start(flow("second"))
        for live in (first, second):
            live.wait_for("begun")
        worktrees = ground.program("worktree", "ls", "--json", code=0).json["worktrees"]
        assert len({tree["path"] for tree in worktrees}) == 2
        for tree in worktrees:
            (ground.home / "worktrees" / "project" / tree["name"] / "go").touch()
        ends = [live.finish(code=0) for live in (first, second)]
    assert not any("second.txt" in line for line in ends[0].err.splitlines() if "[commands]" in line)
    for tree in worktrees:
        ground.program("worktree", "merge", tree["name"], "-y", code=0)
    assert {"first.txt", "second.txt"} <= set(ground.repository.files())
    assert ground.repository.git("status", "--porcelain") == ""


def test_writing_to_the_main_repository_fails_and_the_reason_is_told(ground: Ground) -> None:
    main = ground.repository.path
    with watched(ground.repository):
        done = ground.run(f"- shell: echo stolen > '{main}/stolen.txt'\n", code=1)
    assert f"the output names {main}, the repository itself: it does not exist inside the sandbox" in done.err
    assert not (main / "stolen.txt").exists()


def test_commit_required_without_a_commit_fails_and_names_the_step(ground: Ground) -> None:
    done = ground.run("- shell: echo nothing\n  name: the lazy one\n  commit_required: true\n", code=1)
    assert "step 'the lazy one' must create a commit and did not" in done.out


@pytest.mark.parametrize("command", ["git commit -q --amend -m other", "git reset -q --hard HEAD~1"])
def test_commit_required_is_not_met_by_another_history(ground: Ground, command: str) -> None:
    ground.repository.commit({"more": "x\n"}, "second")
    done = ground.run(f"- shell: {command}\n  name: rewriter\n  commit_required: true\n", code=1)
    assert "step 'rewriter' must create a commit and did not" in done.out
