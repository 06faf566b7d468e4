"""The edge cases of the language that show only in a run, each under its number in the guide's table.

What is the same in and out of containers runs as processes of this machine, which takes a tenth of the time.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.engine import containers
from tests.support.ground import Ground
from tests.support.program import Finished

HOST = ("--sandbox", "host", "--no-merge", "--json")


def host(ground: Ground, text: str, *options: str, code: int | None = 0, **more: Any) -> Any:
    """Run a workflow as processes of this machine; gives its result."""
    done = ground.run(text, *HOST, *options, code=code, **more)
    return json.loads(done.out)


def steps(result: Any) -> list[str]:
    return [step["status"] for step in result["steps"]]


def log(step: Any) -> str:
    return Path(step["stdout_log"]).read_text()


def mapped(agent: str, source: str = "[1]", more: str = "") -> str:
    return f"mode: mapreduce\nmap:\n  input: {source}\n  agent_template: {agent}\n{more}"


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("commands: [{shell: exit 3}]", 1, "failed"),
        ("commands: [{shell: 'false', on_failure: {shell: exit 3, fail_workflow: true}}]", 1, "failed"),
        (mapped("[{shell: 'true'}]", more="setup: [{shell: exit 3}]"), 1, "failed"),
        (mapped("[{shell: 'true'}]", more="reduce: [{shell: exit 3}]"), 1, "failed"),
        (mapped("[{shell: 'test ${item} = 1 || exit 3'}]", "[1, 2]"), 4, "partial"),
    ],
)
def test_b09_a_failing_step_ends_its_list(ground: Ground, text: str, code: int, status: str) -> None:
    result = host(ground, text, code=code)
    assert result["status"] == status
    if status == "partial":
        assert result["results"][1]["error"]["exit_code"] == 3


def test_b10_attempts_are_total_runs(ground: Ground) -> None:
    once = "{shell: 'echo x >> a; false', retry: {attempts: 1}, continue_on_error: true}"
    thrice = "{shell: 'echo x >> b; test $(wc -l < b) = 3', retry: {attempts: 3, backoff: fixed, initial_delay: 1s}}"
    result = host(ground, f"commands: [{once}, {thrice}, {{shell: 'wc -l < a'}}]")
    assert [len(step["attempts"]) for step in result["steps"]] == [1, 3, 1]
    assert result["steps"][1]["status"] == "success"
    assert result["steps"][1]["duration"] >= 2


def test_b11_only_matching_failures_are_retried(ground: Ground) -> None:
    result = host(
        ground,
        """
retry_defaults: {attempts: 3, initial_delay: 10ms}
commands:
  - {shell: 'echo 401 >&2; false', retry: {retry_on: [network]}, continue_on_error: true}
  - {shell: 'echo took 1500 ms >&2; false', retry: {retry_on: [server_error]}, continue_on_error: true}
  - {shell: 'echo connection refused >&2; false', retry: {retry_on: [network]}, continue_on_error: true}
  - {shell: 'echo E42 >&2; false', retry: {retry_on: [{pattern: 'E\\d+'}]}, continue_on_error: true}
  - {shell: 'false', retry: false, continue_on_error: true}
""",
    )
    assert [len(step["attempts"]) for step in result["steps"]] == [1, 1, 3, 3, 1]


def test_b12_a_handler_that_must_commit(ground: Ground) -> None:
    text = """
commands:
  - shell: echo x >> runs; test $(wc -l < runs) = 3
    on_failure: {shell: '%s', max_attempts: 2, commit_required: true}
  - shell: wc -l < runs
"""
    commits = "git add -A; git commit -qm fix --allow-empty"
    good = host(ground, text % commits)
    assert (steps(good)[0], log(good["steps"][1]).strip()) == ("recovered", "3")
    bad = host(ground, text % "true")
    assert (steps(bad)[0], log(bad["steps"][1]).strip()) == ("tolerated", "1")
    assert "handler made no commit" in bad["tolerated"][0]["error"]


def test_b13_a_handler_that_only_rolls_back(ground: Ground) -> None:
    result = host(
        ground,
        "commands: [{shell: 'echo x >> runs; false', on_failure: {shell: 'echo y >> handled', fail_workflow: true}}]",
        code=1,
    )
    patch = Path(result["uncommitted"][0]["patch"]).read_text()
    assert (patch.count("\n+x"), patch.count("\n+y")) == (1, 1)


def test_b14_a_text_as_a_handler_tolerates(ground: Ground) -> None:
    result = host(ground, 'commands: [{shell: "false", on_failure: "echo oops"}]')
    assert steps(result) == ["tolerated"]
    assert result["tolerated"][0]["by"] == "on_failure"


def test_b15_a_fallback_replaces_the_output(ground: Ground) -> None:
    result = host(
        ground,
        """
commands:
  - shell: echo lost; false
    capture: said
    on_failure: {shell: echo x, strategy: fallback}
  - shell: test "${shell.output} ${said}" = "x x"
""",
    )
    assert steps(result) == ["recovered", "success"]


@pytest.mark.parametrize(("exit_code", "ran"), [(2, "special"), (1, "general")])
def test_b16_one_handler_for_each_failure(ground: Ground, exit_code: int, ran: str) -> None:
    result = host(
        ground,
        f"""
commands:
  - shell: exit {exit_code}
    on_exit_code: {{2: "echo special >> ran"}}
    on_failure: "echo general >> ran"
  - shell: cat ran
""",
    )
    assert log(result["steps"][1]).strip() == ran


@pytest.mark.docker
def test_b17_a_timeout_ends_every_process(ground: Ground) -> None:
    result = ground.run(
        """
sandbox: {stop_grace: 1s}
commands:
  - {shell: sleep 600 & sleep 600, timeout: 1, continue_on_error: true}
  - shell: "! grep -l '^sleep$' /proc/[0-9]*/comm"
""",
        "--json",
        "--no-merge",
        code=0,
    ).json
    first = result["steps"][0]
    assert (first["exit_code"], first["error"]["kind"]) == (124, "timeout")


def test_b18_b19_commits_and_who_owes_them(ground: Ground) -> None:
    commit = "git commit -q --allow-empty -m x"
    owed = mapped(f"[{{shell: {commit}}}, {{shell: 'true', commit_required: true}}]")
    assert host(ground, owed, code=1)["results"][0]["error"]["kind"] == "commit_required"
    free = mapped("[{shell: 'echo a > a; git add a; git commit -qm a'}]")
    result = host(ground, free)
    assert result["results"][0]["merge_commit"]
    assert result["commits"] == 2


def test_b20_what_agents_leave_uncommitted(ground: Ground) -> None:
    result = host(ground, mapped("[{shell: 'echo ${item} > left'}]"))
    (item,) = result["results"]
    assert item["status"] == "success"
    assert Path(item["uncommitted"]["patch"]).read_text().count("+1")
    assert any("uncommitted" in warning for warning in result["warnings"])
    ground.repository.commit({".gitignore": "ignored\n"}, "ignore")
    quiet = host(ground, mapped("[{shell: 'echo > ignored'}]"))
    assert quiet["results"][0]["uncommitted"] is None
    assert not quiet["warnings"]


@pytest.mark.parametrize(("policy", "code"), [("commit", 0), ("fail", 1)])
def test_leftovers_are_committed_or_fail(ground: Ground, policy: str, code: int) -> None:
    result = host(ground, f"uncommitted: {policy}\n" + mapped("[{shell: 'echo > left'}]"), code=code)
    (item,) = result["results"]
    if policy == "commit":
        assert item["files_changed"] == ["left"]
    else:
        assert item["error"]["kind"] == "uncommitted"


HOSTILE = "$(touch executed)\"; rm -rf ~ #'"


def test_b21_a_hostile_item_is_data_in_every_context(ground: Ground) -> None:
    result = host(
        ground,
        "env: {ITEMS: '"
        + json.dumps([HOSTILE]).replace("'", "''")
        + "'}\n"
        + """
commands:
  - foreach: ["$(touch executed)\\"; rm -rf ~ #'"]
    do:
      - shell: |
          echo ${item}
          echo "${item}"
          echo '${item}'
          cat <<EOF
          ${item}
          EOF
          cat <<'EOF'
          ${item}
          EOF
          echo "$(echo ${item})"
          test ! -e executed
""",
    )
    lines = result["steps"][0]["stdout_log"]
    assert lines is None  # a loop has no log of its own
    written = next(Path(ground.home).glob("sessions/*/logs/commands/*/*.out")).read_text().splitlines()
    assert [line.strip() for line in written] == [HOSTILE] * 6


def test_b22_a_value_cannot_end_a_heredoc(ground: Ground) -> None:
    result = host(
        ground,
        """
commands:
  - {shell: "printf 'a\\nEOF\\nb'", capture: text}
  - shell: |
      cat <<'EOF'
      ${text}
      EOF
      echo end
""",
    )
    assert log(result["steps"][1]).split() == ["a", "EOF", "b", "end"]


def test_b23_shell_syntax_is_the_shells(ground: Ground) -> None:
    ground.repository.commit({"f": "one two\n"}, "f")
    result = host(
        ground,
        "commands: [{shell: \"awk '{print $1}' f; x=1; arr=(z); echo ${x:-2} ${arr[0]} ${#x} ${x%1}.\"}]",
    )
    assert log(result["steps"][0]).split() == ["one", "1", "z", "1", "."]


def test_b24_arithmetic_takes_integers_only(ground: Ground) -> None:
    result = host(
        ground, mapped('[{shell: "echo $(( ${item.n} + 1 ))"}]', '[{n: "a[$(touch executed)]"}]'), code=1
    )
    assert result["results"][0]["error"]["kind"] == "interpolation"
    assert not list(ground.home.rglob("executed"))


def test_b25_b26_b29_lists_become_words(ground: Ground) -> None:
    result = host(
        ground,
        """
commands:
  - shell: touch 'a b.txt' c.txt
  - shell: for f in ${step.files_added}; do echo "<$f>"; done
  - foreach: ["*"]
    do: [{shell: "printf '%s\\n' ${item} > star"}]
  - shell: cat star
  - foreach: [{tags: ["a b", "c"]}]
    do: [{shell: "echo \\"${item.tags}\\" > tags; printf '<%s>' ${item.tags} >> tags"}]
  - shell: cat tags
""",
    )
    assert log(result["steps"][1]).splitlines() == ["<a b.txt>", "<c.txt>"]
    assert log(result["steps"][3]) == "*\n"
    assert log(result["steps"][5]) == '["a b","c"]\n<a b><c>'


def test_b27_assignments_and_booleans(ground: Ground) -> None:
    result = host(
        ground,
        """
commands:
  - {id: build, shell: "true"}
  - foreach: ["a b"]
    do: [{shell: "FOO=${item} sh -c 'echo \\"$FOO\\"' > foo"}]
  - shell: if ${build.success}; then cat foo; fi
""",
    )
    assert log(result["steps"][2]) == "a b\n"


def test_b28_values_of_many_megabytes(ground: Ground) -> None:
    agent = "[{shell: \"head -c 400000 /dev/zero | tr '\\\\0' x\"}]"
    source = json.dumps(list(range(50)))
    result = host(ground, mapped(agent, source, "reduce: [{shell: \"echo '${map.results}' | jq length\"}]"))
    assert log(result["steps"][0]) == "50\n"


def test_b30_missing_and_null(ground: Ground) -> None:
    source = '[{"nul": null, "empty": ""}]'
    for text, wanted in (("${item.missing:-x}", "x"), ("${item.nul:-x}", "x"), ("${item.empty:-x}", "")):
        result = host(ground, mapped(f"[{{shell: \"echo '{text}'\"}}]", source))
        assert result["results"][0]["output"] == wanted
    bad = host(ground, mapped("[{shell: \"echo '${item.missing}'\"}]", source), code=1)
    assert bad["results"][0]["error"]["kind"] == "interpolation"
    assert "empty, nul" in bad["results"][0]["error"]["message"]


def test_b33_a_literal_placeholder(ground: Ground) -> None:
    result = host(ground, "commands: [{shell: 'X=y; echo $${X}'}]")
    assert log(result["steps"][0]) == "y\n"


def test_b42_inputs_are_those_of_the_workspace(ground: Ground) -> None:
    missing = host(ground, mapped("[{shell: 'true'}]", "missing.json"), code=1)
    assert "input file not found: missing.json" in missing["error"]
    (ground.repository.path / "extra.md").write_text("not committed")
    result = host(ground, mapped("[{shell: 'true'}]", "ls *.md"))
    assert [one["item"] for one in result["results"]] == ["README.md"]


def test_b43_a_broken_line_is_named(ground: Ground) -> None:
    result = host(
        ground, mapped("[{shell: 'true'}]", "\"printf '%s\\\\n' '{\\\"a\\\":1}' '{broken'\""), code=1
    )
    assert "line 2" in result["error"]


def test_b44_b45_ids_do_not_depend_on_what_is_selected(ground: Ground) -> None:
    twins = host(ground, mapped("[{shell: 'true'}]", "[a, a]"))
    first, second = (one["item_id"] for one in twins["results"])
    assert second == f"{first}-2"
    source = '[{"id": 1}, {"id": 1, "x": 2}, {"id": "x"}]'
    every = host(ground, mapped("[{shell: 'true'}]", source))
    some = host(ground, mapped("[{shell: 'true'}]", source, "  filter: 'x == 2'"))
    assert some["results"][0]["item_id"] == every["results"][1]["item_id"]
    assert every["results"][2]["item_id"] == "x"


def test_b47_when_every_item_fails(ground: Ground) -> None:
    result = host(ground, mapped("[{shell: 'false'}]", "[1, 2, 3]", "reduce: [{shell: touch x}]"), code=1)
    assert (result["status"], result["items"]["failed"]) == ("failed", 3)
    assert [phase["name"] for phase in result["phases"]] == ["map"]


def test_b48_a_partial_run_is_merged_on_yes(ground: Ground) -> None:
    agent = "[{shell: 'test ${item} != 3; echo > f${item}; git add -A; git commit -qm ${item}'}, {shell: 'test ${item} != 3'}]"
    done = ground.run(mapped(agent, json.dumps(list(range(10)))), "--sandbox", "host", "-y", "--json", code=4)
    assert done.json["merge"]["status"] == "merged"
    assert "f3" not in ground.repository.files()
    assert "f9" in ground.repository.files()


def test_b49_too_many_failures_stop_the_phase(ground: Ground) -> None:
    text = "max_failures: 2\n" + mapped(
        "[{shell: 'test -e /nowhere'}]", json.dumps(list(range(10))), "  max_parallel: 1"
    )
    result = host(ground, text, code=1)
    assert (result["items"]["failed"], result["items"]["pending"]) == (2, 8)
    assert "max_failures" in result["error"]
    again = ground.program("resume", "--json", "--no-merge", code=1).json
    assert again["items"]["failed"] == 4


def test_b50_two_agents_change_one_line(ground: Ground) -> None:
    agent = "[{shell: 'echo ${item} > same; git add -A; git commit -qm ${item}'}]"
    result = host(ground, mapped(agent, "[1, 2]"))
    assert sorted(one["attempts"] for one in result["results"]) == [1, 2]
    assert all(one["status"] == "success" for one in result["results"])
    late = "[{shell: 'sleep 0.${item}; git log --oneline | grep -q again || echo ${item} >> same; echo ${item} > same; git add -A; git commit -qm ${item} --allow-empty'}]"
    kept = host(ground, mapped(late, "[1, 2]", "  on_conflict: dlq"), code=4)
    (bad,) = [one for one in kept["results"] if one["status"] == "failed"]
    assert bad["conflict"]["files"] == ["same"]
    assert bad["conflict"]["ours"] != bad["conflict"]["theirs"]


def test_b51_an_untracked_input_of_setup(ground: Ground) -> None:
    agent = "[{shell: 'test ! -e items.json; echo > f${item}; git add -A; git commit -qm x'}]"
    result = host(ground, mapped(agent, "items.json", "setup: [{shell: 'echo [1] > items.json'}]"))
    assert result["items"]["successful"] == 1
    assert any("items.json" in warning for warning in result["warnings"])


def test_b52_no_answer_is_no(ground: Ground) -> None:
    done = ground.run("commands: [{shell: 'git commit -q --allow-empty -m x'}]", "--sandbox", "host", code=0)
    assert "worktree merge session-" in done.out
    assert ground.repository.git("log", "--format=%s", "-1") != "x"


def test_b53_a_target_that_moved_is_taken_in(ground: Ground) -> None:
    host(ground, "commands: [{shell: 'echo > ours; git add -A; git commit -qm ours'}]")
    ground.repository.commit({"theirs": "x\n"}, "theirs")
    ground.program("worktree", "merge", "latest", "-y", code=0)
    assert {"ours", "theirs"} <= set(ground.repository.files())


def test_b54_uncommitted_edits_in_the_way(ground: Ground) -> None:
    host(ground, "commands: [{shell: 'echo new > README.md; git commit -qam new'}]")
    (ground.repository.path / "README.md").write_text("mine")
    before = ground.repository.fingerprint()
    done = ground.program("worktree", "merge", "latest", "-y", code=1)
    assert "README.md" in done.out
    assert ground.repository.fingerprint() == before


@pytest.mark.docker
def test_b55_a_killed_run_goes_on(ground: Ground, tmp_path: Path) -> None:
    agent = "[{shell: 'echo > f${item}; git add -A; git commit -qm ${item}'}, {shell: 'test ${item} != 3 || test -e /workspace/go || sleep 600'}]"
    live = ground.start(mapped(agent, "[1, 2, 3, 4, 5]", "  max_parallel: 1"))
    live.wait_until(lambda lines: sum("step 2/2" in line for line in lines) == 3)
    live.signal(signal.SIGKILL)
    live.finish()
    record = ground.session()["name"]
    done = ground.program("resume", "--timeout", "20s", "--json", "--no-merge", code=1).json
    assert done["session_id"] == record
    assert done["items"]["successful"] == 2
    merges = [line for line in json.dumps(done["results"]).split("merge_commit") if line]
    assert len(merges) == 6
    assert [one["attempts"] for one in done["results"][:2]] == [1, 1]


def test_b56_a_changed_workflow(ground: Ground) -> None:
    path = Path(ground.flow("commands: [{shell: echo one > a}, {shell: test -e go}]"))
    ground.program("run", str(path), *HOST, code=1)
    path.write_text("commands: [{shell: echo one > a}, {name: renamed, shell: 'true'}]")
    refused = ground.program("resume", code=2)
    assert "commands.steps[1].shell" in refused.err
    done = ground.program("resume", "--force", "--json", "--no-merge", code=0).json
    assert [step["name"] for step in done["steps"]] == ["echo one > a", "renamed"]
    assert len(done["steps"][0]["attempts"]) == 1


def test_b57_secrets_are_masked_everywhere(ground: Ground) -> None:
    secret = "hunter2-and-more"
    text = """
secrets: {TOKEN: "${env:MY_TOKEN}"}
commands:
  - {shell: 'echo "$TOKEN"; printf %s "$TOKEN" | base64; echo "$TOKEN" >&2; exit 3', capture: said, on_failure: 'true'}
  - {shell: 'echo ${said}'}
"""
    done = ground.run(text, "-v", *HOST, env={"MY_TOKEN": secret}, code=0)
    assert "***" in done.err
    places = [
        done.out,
        done.err,
        *(
            p.read_text(errors="replace")
            for p in ground.home.rglob("*")
            if p.is_file() and "/.git/" not in str(p)
        ),
    ]
    for place in places:
        assert secret not in place
        assert "aHVudGVyMi1hbmQtbW9yZQ" not in place
    missing = ground.run(text, *HOST, code=3)
    assert "P603" in missing.err
    assert "MY_TOKEN" not in missing.err


def test_b60_more_memory_than_the_policy_allows(ground: Ground, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yml"
    policy.write_text("max_memory: 8g\n")
    done = ground.run(
        "sandbox: {memory: 64g}\ncommands: [{shell: 'true'}]", env={"PRODIGY_POLICY": str(policy)}, code=2
    )
    assert "P601" in done.err
    assert "max_memory" in done.err
    assert not ground.home.exists() or not list((ground.home / "sessions").glob("*"))


def test_b62_the_file_is_read_once(ground: Ground) -> None:
    path = Path(ground.flow(""))
    path.write_text(f"commands: [{{shell: 'echo broken > {path}'}}, {{shell: echo still here}}]")
    done = ground.program("run", str(path), *HOST, code=0)
    assert log(done.json["steps"][1]) == "still here\n"


@pytest.mark.parametrize("path", ["../x", "/etc/prodigy-x", "out/x", ".git/config"])
def test_b63_no_file_is_written_outside(ground: Ground, path: str) -> None:
    text = f"commands: [{{shell: ln -s /tmp out}}, {{write_file: {{path: '{path}', content: a}}}}]"
    result = host(ground, text, code=1)
    assert result["steps"][1]["status"] == "failed"
    assert not Path("/etc/prodigy-x").exists()


def test_b64_results_that_do_not_count(ground: Ground) -> None:
    ground.repository.commit({"old.json": '{"completion_percentage": 100}'}, "old")
    low = host(
        ground,
        """
commands:
  - shell: "true"
    validate:
      shell: |
        echo '{"completion_percentage": 80}'
""",
        code=1,
    )
    assert low["steps"][0]["error"]["kind"] == "validation"
    stale = host(ground, "commands: [{shell: 'true', validate: {result_file: old.json}}]", code=1)
    assert "unchanged" in stale["steps"][0]["error"]["message"]


def test_passes_arguments_and_iterations(ground: Ground) -> None:
    ground.repository.commit({"book/01-one.md": "", "book/02-two.md": ""}, "book")
    text = "commands: [{shell: 'echo $ARG $ARG_FILE $ITERATION >> log; test $(wc -l < log) -gt 3 || { git add -A; git commit -qm x; }'}]"
    result = host(ground, text, "--map", "book/*.md", "-n", "3")
    assert [(one["argument"], one["iteration"]) for one in result["iterations"]] == [
        ("book/01-one.md", 1),
        ("book/01-one.md", 2),
        ("book/01-one.md", 3),
        ("book/02-two.md", 1),
    ]
    failing = host(ground, "commands: [{shell: 'test $ARG != a'}]", "--args", "a", "--args", "b", code=1)
    assert [one["status"] for one in failing["iterations"]] == ["failed", "success"]
    assert ground.run(text, "--map", "*.none", code=2).err.count("matches no file")


def test_exec_and_batch(ground: Ground) -> None:
    ground.repository.commit({"a.txt": "a\n", "b.txt": "b\n"}, "texts")
    done = ground.program("exec", "echo said; echo new > new.txt", "--sandbox", "host", "-y", code=0)
    assert done.out == "said\n"
    assert "new.txt" in ground.repository.files()
    batch = ground.program(
        "batch",
        "?.txt",
        "--command",
        "tr a-z A-Z < ${item} > t && mv t ${item}",
        "--sandbox",
        "host",
        "-y",
        "--json",
        code=0,
    )
    assert [one["item"] for one in batch.json["results"]] == ["a.txt", "b.txt"]
    assert ground.repository.show("a.txt") == "A"
    assert "matches no file" in ground.program("batch", "*.none", "--command", "x", code=2).err


def test_items_from_standard_input(ground: Ground) -> None:
    path = ground.flow(mapped("[{shell: 'echo ${item}'}]", "'-'"))
    with ground.program.start("run", path, *HOST, stdin=subprocess.PIPE) as started:
        out, err = started.communicate("one\ntwo\n", timeout=120)
    assert started.returncode == 0, Finished(started.returncode, out, err)
    assert [one["output"] for one in json.loads(out)["results"]] == ["one", "two"]


def test_shared_paths_and_outputs_of_agents(ground: Ground) -> None:
    result = host(
        ground,
        """
mode: mapreduce
setup:
  commands: [{shell: "mkdir lib; echo shared > lib/x; ln -s x lib/y; echo 'v: 12' "}]
  share: [lib]
  capture_outputs: {version: {command_index: 0, pattern: "v: (\\\\d+)"}}
map:
  input: [3, 1, 2]
  sort_by: item
  filter: item != 2
  output: {n: "${item}", from: "${cmd:cat lib/y}"}
  variables: {all: {type: collect, from: output.n}, biggest: {type: max, from: index}}
  agent_template: [{shell: "test ${version} = 12 && cat lib/y && test -z \\"$(git status --porcelain)\\""}]
reduce: [{shell: "echo '${all} ${map.variables.biggest} ${map.results[0].output.from}'"}]
""",
    )
    assert log(result["steps"][-1]) == '["1","3"] 1 shared\n'


def test_agents_have_their_time(ground: Ground) -> None:
    text = mapped(
        "[{shell: 'test ${item} = 1 || sleep 60'}]",
        "[1, 2]",
        "  timeout_config: {agent_timeout_secs: 2, timeout_action: skip, cleanup_grace_period_secs: 1}",
    )
    result = host(ground, text)
    assert [one["status"] for one in result["results"]] == ["success", "skipped"]
    assert result["results"][1]["error"]["kind"] == "timeout"


def test_agents_are_retried_by_the_policy(ground: Ground, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    text = f"""
error_policy: {{on_item_failure: retry, retry_config: {{attempts: 3, backoff: fixed, initial_delay: 10ms}}}}
{mapped(f"[{{shell: 'echo x >> {flag}; test $(wc -l < {flag}) = 2'}}]")}"""
    result = host(ground, text)
    assert result["results"][0]["attempts"] == 2


def test_the_breaker_opens_and_closes(ground: Ground) -> None:
    text = f"""
circuit_breaker: {{failure_threshold: 2, timeout: 300ms, success_threshold: 1, half_open_requests: 1}}
{mapped("[{shell: 'test ${item} -gt 2'}]", "[1, 2, 3, 4]", "  max_parallel: 1")}"""
    done = ground.run(text, *HOST, code=4)
    assert "circuit breaker opened after 2 failures" in done.err
    assert "circuit breaker closed" in done.err


@pytest.mark.docker
def test_containers_are_as_each_phase_asks(ground: Ground) -> None:
    result = ground.run(
        """
mode: mapreduce
sandbox: {cpus: 1, tmpfs: {/scratch: 8m}, env: [CALLERS], setup: {pids: 64}}
setup: [{shell: "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; df -k /scratch | tail -n 1; echo $CALLERS"}]
map: {input: [1], agent_template: [{shell: "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; touch /here"}], sandbox: {read_only: false}}
""",
        "--json",
        env={"CALLERS": "value of mine"},
        code=None,
    )
    lines = log(result.json["steps"][0]).splitlines()
    assert lines[0] == "64"
    assert " 8192 " in lines[1]
    assert lines[2] == "value of mine"


@pytest.mark.docker
def test_a_full_workspace_stops_the_step(ground: Ground) -> None:
    result = ground.run(
        "sandbox: {disk: 30m}\ncommands: [{shell: 'head -c 60000000 /dev/zero > big'}]", "--json", code=1
    ).json
    assert result["steps"][0]["error"]["kind"] == "disk_limit"


@pytest.mark.docker
def test_an_image_built_from_the_base_commit(ground: Ground) -> None:
    base = next(
        line.split()[0]
        for line in ground.program("images", "ls", code=0).out.splitlines()
        if "prodigy-base" in line
    )
    ground.repository.commit(
        {
            "ci/Dockerfile": f'FROM {base}\nARG WHO=nobody\nUSER root\nRUN echo "built for $WHO" >/built\n',
            ".devcontainer/devcontainer.json": '{\n// a comment\n"build": {"dockerfile": "../ci/Dockerfile", "context": "../ci"}, "forwardPorts": [1],}',
        },
        "image",
    )
    (ground.repository.path / "ci/Dockerfile").write_text("FROM nothing\n")
    result = ground.run(
        "sandbox: {build: {context: ci, args: {WHO: us}}}\ncommands: [{shell: cat /built}]", "--json", code=0
    ).json
    assert log(result["steps"][0]) == "built for us\n"


def test_a_dry_run_starts_nothing(ground: Ground) -> None:
    done = ground.run(mapped("[{shell: 'echo ${item.path}', retry: 2}]", "[{path: a}]"), "--dry-run", code=0)
    assert "⟨item.path⟩" in done.out
    assert "up to 2 attempts" in done.out
    assert not containers(ground.home)
    assert not list(ground.home.glob("sessions/*"))
