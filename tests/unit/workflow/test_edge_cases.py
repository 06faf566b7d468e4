"""The edge cases of the language that the loader decides, each under its number in the guide's table."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from prodigy.errors import WorkflowInvalid
from prodigy.workflow.loader import load_workflow
from prodigy.workflow.models import Workflow


def load(text: str, **environ: str) -> Workflow:
    return load_workflow(text.encode(), "flow.yml", environ=environ)


def errors(text: str) -> list[str]:
    """The diagnostics as ``code line:column message``."""
    with pytest.raises(WorkflowInvalid) as caught:
        load(text)
    return [f"{d.code} {d.line}:{d.column} {d.message}" for d in caught.value.diagnostics]


def only(text: str) -> str:
    (found,) = errors(text)
    return found


def test_b01_a_comment_sets_no_mode() -> None:
    assert load("# mode: mapreduce\ncommands: [{shell: a}]\n").mode == "standard"


def test_b02_a_quoted_mode_and_the_name_of_the_file() -> None:
    flow = load("mode: 'mapreduce'\nmap: {input: [1], agent_template: [{shell: a}]}\n")
    assert (flow.mode, flow.name) == ("mapreduce", "flow")


def test_b03_every_misspelt_key_with_a_suggestion() -> None:
    found = errors("comands:\n  - shell: a\ncommands:\n  - shel: b\n")
    assert [line.split(" ")[0] for line in found] == ["P201", "P201"]
    assert "1:1" in found[0]
    assert "'commands'" in found[0]
    assert "4:5" in found[1]
    assert "'shell'" in found[1]


def test_b04_a_key_twice_names_both_places() -> None:
    found = only("- shell: a\n  shell: b\n")
    assert found.startswith("P103 2:3")
    assert "line 1, column 3" in found


def test_b05_aliases_of_aliases_are_refused_in_bounded_time_and_memory() -> None:
    bomb = "a0: &a0 x\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
    )
    tracemalloc.start()
    started = time.process_time()
    found = errors(bomb)
    used = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found[0].startswith("P104")
    assert used < 5  # measured: 0.01 s
    assert peak < 50 << 20


def test_b06_a_word_is_no_boolean() -> None:
    assert "write true/false" in only("- {shell: a, on_failure: yes}\n")


def test_b07_a_name_is_only_shown() -> None:
    flow = load("- {name: Run tests, shell: make}\n")
    assert flow.commands is not None
    assert (flow.commands.steps[0].name, flow.commands.steps[0].shell) == ("Run tests", "make")


def test_b08_two_kinds_make_no_step_but_a_handler_of_two() -> None:
    assert only("- {shell: a, write_file: {path: x, content: y}}\n").startswith("P206 1:3")
    flow = load(
        "sandbox: {network: bridge}\nclaude: {credentials: env}\n"
        "commands: [{shell: a, on_failure: {claude: b, shell: c}}]\n"
    )
    assert flow.commands is not None
    handler = flow.commands.steps[0].on_failure
    assert handler is not None
    assert [step.kind for step in handler.steps] == ["shell", "claude"]


def test_b31_an_unknown_field_with_a_suggestion() -> None:
    found = only("- shell: echo ${shell.ouput}\n")
    assert found.startswith("P301 1:15")
    assert "shell.output" in found


def test_b32_an_unknown_name_in_a_text_without_a_shell() -> None:
    write = "- write_file: {path: x, content: 'fix %s'}\n"
    assert only(write % "${WHATEVER}").startswith("P301")
    flow = load(write % "$WHATEVER")
    assert flow.commands is not None
    assert flow.commands.steps[0].write_file is not None
    assert flow.commands.steps[0].write_file.content == "fix $WHATEVER"


@pytest.mark.parametrize("name", ["map", "PATH", "PRODIGY_X"])
def test_b34_reserved_names_for_captures(name: str) -> None:
    assert only(f"- {{shell: a, capture: {name}}}\n").startswith("P305 1:23")


def test_b46_numbers_that_cannot_be() -> None:
    text = "mode: mapreduce\nmap:\n  input: [1]\n  max_parallel: %s\n  agent_template: [{shell: a}]\n"
    assert only(text % "0").startswith("P204 4:17")
    found = only(text % '"$NOPE"')
    assert found.startswith("P204 4:17")
    assert "NOPE is not set" in found


def test_b58_shell_operators_on_a_capture() -> None:
    found = only("- {shell: echo x, capture: stem}\n- shell: echo ${stem%.md}\n")
    assert found.startswith("P304 2:15")


def test_b59_a_prompt_without_a_network() -> None:
    assert only("sandbox: {network: none}\ncommands: [{claude: hello}]\n").startswith("P602")


CODES = [
    (b"\xff", "P101 1:1"),
    (b"a: [", "P102 2:1"),
    (b"name: a\nname: b\ncommands: [{shell: a}]\n", "P103 2:1"),
    (b"x" * ((1 << 20) + 1), "P104 1:1"),
    (b"commands: &a [*a]\n", "P105 1:15"),
    (b"commands: [{shell: a, colour: b}]\n", "P201 1:23"),
    (b"commands: [{shell: a, clear_env: maybe}]\n", "P202 1:34"),
    (b"commands: []\n", "P203 1:11"),
    (b"commands: [{shell: a, timeout: -1}]\n", "P204 1:32"),
    (b"commands: [{shell: a, retry: 2, retry_config: 3}]\n", "P205 1:33"),
    (b"commands: [{name: a}]\n", "P206 1:12"),
    (b"commands: [{shell: a, goal_seek: b}]\n", "P207 1:23"),
    (b"setup: [{shell: a}]\ncommands: [{shell: a}]\n", "P208 1:1"),
    (b"commands: [{id: a, shell: a}, {id: a, shell: b}]\n", "P209 1:36"),
    (b"commands: [{shell: 'echo ${steps.b.output}'}]\n", "P301 1:26"),
    (b"commands: [{shell: 'echo ${map.total}'}]\n", "P302 1:26"),
    (b"commands: [{shell: 'echo ${shell.output'}]\n", "P303 1:26"),
    (b"commands: [{shell: 'echo ${shell.output|upper}'}]\n", "P304 1:26"),
    (b"env: {PRODIGY_X: a}\ncommands: [{shell: a}]\n", "P305 1:7"),
    (b"commands: [{shell: a, when: 'a =='}]\n", "P401 1:34"),
    (b"commands: [{shell: a, when: 'size(a) == 1'}]\n", "P402 1:30"),
    (b"commands: [{shell: a, when: \"'a' =~ '['\"}]\n", "P403 1:37"),
    (b"mode: mapreduce\nmap: {input: [1], json_path: '$[', agent_template: [{shell: a}]}\n", "P404 2:30"),
    (b"mode: mapreduce\nmap: {input: [1], sort_by: 'a b', agent_template: [{shell: a}]}\n", "P405 2:30"),
    (b"sandbox: {image: a, build: {}}\ncommands: [{shell: a}]\n", "P602 1:28"),
]


@pytest.mark.parametrize(("data", "wanted"), CODES, ids=[wanted.split(" ")[0] for _, wanted in CODES])
def test_every_code_names_its_place(data: bytes, wanted: str) -> None:
    with pytest.raises(WorkflowInvalid) as caught:
        load_workflow(data, "flow.yml")
    first = caught.value.diagnostics[0]
    assert first.file == "flow.yml"
    assert f"{first.code} {first.line}:{first.column}" == wanted


WARNINGS = [
    ("commands: [{test: a}]\n", "W01"),
    ("- {shell: a, when: 'colour == red'}\n", "W04"),
    ("- {shell: a, when: nothing_sets_this}\n", "W03"),
    ('- {shell: a, capture: x}\n- shell: sh -c "${x}"\n', "W05"),
    ("- {shell: a, capture: x}\n- shell: echo ${x|raw}\n", "W06"),
    ("- {shell: a, on_failure: true}\n", "W07"),
    ("- {shell: a, capture: x}\n- shell: echo $x\n", "W10"),
    ("env: {X: a}\ncommands: [{shell: \"echo '$X'\"}]\n", "W10"),
]


@pytest.mark.parametrize(("text", "code"), WARNINGS, ids=[f"{n}-{c}" for n, (_, c) in enumerate(WARNINGS)])
def test_what_looks_wrong_is_a_warning(text: str, code: str) -> None:
    assert code in [warning.code for warning in load(text).warnings]


ACCEPTED = [
    "- {shell: a, retry: {attempts: 2, backoff: {exponential: {initial: 1s, multiplier: 3}}}}\n",
    "- {shell: a, retry: {backoff: {type: custom, delays: [1, 2s, {secs: 3}]}, jitter: true}}\n",
    "- {shell: a, retry: {retry_on: [network, {pattern: 'x+'}], on_failure: {fallback: {command: b}}}}\n",
    "- {shell: a, on_exit_code: {2: b, 0: [c]}, on_success: [d]}\n",
    "- {shell: a, on_failure: [{shell: b, max_retries: 2, strategy: recovery}]}\n",
    "- {shell: a, on_failure: {commands: [b], timeout: 5, capture: {x: handler_output}}}\n- shell: echo ${x}\n",
    "- {foreach: [a], do: [{shell: 'echo ${item} ${index}'}], parallel: true}\n",
    "- {foreach: {foreach: 'ls', do: [{shell: a}]}}\n",
    "- {foreach: {input: [1], do: [{shell: a}]}, continue_on_error: true}\n",
    "- {shell: a, validate: [{shell: b}], step_validate: ['shell: c', d]}\n",
    "- {shell: a, validate: {result_file: r.json, threshold: 90, on_incomplete: {shell: c, prompt: go on}}}\n",
    "- {shell: a, step_validate: {commands: [{command: b, expect_output: x}], success_criteria: {atleast: 1}}}\n",
    "- {id: a-b, shell: a, outputs: {x: {file_pattern: '*.md'}}}\n- shell: echo ${a-b.outputs.x}\n",
    "env: {A: {command: date, cache: true}, B: 'x ${A}', C: {condition: \"env.HOME == 'x'\", when_true: 1, when_false: 2}}\n"
    "secrets: {T: '${env:TOKEN}', U: {provider: file, key: x}}\nenv_files: [a.env, {path: b.env, required: true}]\n"
    "commands: [{shell: 'echo $T'}]\n",
    "mode: mapreduce\nmax_failures: 2\nmap:\n  items: [1]\n  timeout_config: {timeout_policy: Hybrid, "
    "command_timeouts: {shell_0: 5}, timeout_action: GracefulTerminate}\n  output: {a: '${shell.output}'}\n"
    "  variables: {n: {type: SUM, from: output.a}}\n  agent_template: [{shell: a}]\nreduce: [{shell: 'echo ${n}'}]\n",
]


@pytest.mark.parametrize("text", ACCEPTED, ids=range(len(ACCEPTED)))
def test_every_spelling_is_accepted(text: str) -> None:
    flow = load(text)
    assert Workflow.model_validate(flow.model_dump(mode="json")) == flow


REFUSED = [
    ("- {shell: a, parallel: 2}\n", "P207"),
    ("- {shell: a, do: [{shell: b}]}\n", "P208"),
    ("- {write_file: {path: a, content: b}, clear_env: true}\n", "P208"),
    ("- {foreach: [a], parallel: 2, do: [{shell: a, commit_required: true}]}\n", "P208"),
    ("- {foreach: {foreach: [a], do: [{shell: a}]}, do: [{shell: b}]}\n", "P205"),
    ("- {shell: a, on_failure: {shell: b, strategy: cleanup, max_attempts: 2}}\n", "P205"),
    ("- {shell: a, on_failure: {}}\n", "P203"),
    ("- {shell: a, outputs: {x: {file_pattern: y}}}\n", "P203"),
    ("- {shell: a, capture_format: json}\n", "P203"),
    ("- {shell: a, commit_config: {sign: true}}\n", "P207"),
    ("- {use: x}\n", "P201"),
    ("secrets: {A: {provider: vault, key: x}}\ncommands: [{shell: a}]\n", "P207"),
    ("env: {A: {default: 1, prod: 2}}\ncommands: [{shell: a}]\n", "P202"),
    ("env: {A: '${env:NOT_SET_ANYWHERE}'}\ncommands: [{shell: a}]\n", "P204"),
    ("profiles: {a: {B: 1}}\ncommands: [{shell: a}]\n", "P201"),
    ("secrets: {TOKEN: X}\ncommands: [{write_file: {path: a, content: '${TOKEN}'}}]\n", "P302"),
    ("- {foreach: [a], do: [{shell: a, capture: x}]}\n- write_file: {path: a, content: '${x}'}\n", "P301"),
    ("max_failures: 2\ncommands: [{shell: a}]\n", "P208"),
    (
        "mode: mapreduce\nmax_failures: 2\nerror_policy: {max_failures: 3}\nmap: {input: [1], agent_template: [{shell: a}]}\n",
        "P205",
    ),
    (
        "mode: mapreduce\nmap: {input: [1], variables: {n: {type: count, wins: last}}, agent_template: [{shell: a}]}\n",
        "P208",
    ),
    (
        "mode: mapreduce\nsetup: {commands: [{shell: a}], share: ['../x']}\nmap: {input: [1], agent_template: [{shell: a}]}\n",
        "P204",
    ),
    (
        "mode: mapreduce\nsetup: {commands: [{shell: a}], capture_outputs: {x: 1}}\nmap: {input: [1], agent_template: [{shell: a}]}\n",
        "P204",
    ),
    (
        "mode: mapreduce\nerror_policy: {on_item_failure: 'custom:x'}\nmap: {input: [1], agent_template: [{shell: a}]}\n",
        "P207",
    ),
    ("sandbox: {user: bob}\ncommands: [{shell: a}]\n", "P204"),
    ("sandbox: {caches: [{name: a, path: /workspace/x}]}\ncommands: [{shell: a}]\n", "P602"),
    ("sandbox: {commands: {image: a}}\ncommands: [{shell: a}]\n", "P201"),
]


@pytest.mark.parametrize(("text", "code"), REFUSED, ids=[f"{n}-{c}" for n, (_, c) in enumerate(REFUSED)])
def test_what_cannot_act_is_refused(text: str, code: str) -> None:
    assert errors(text)[0].startswith(code)


def test_a_long_file_is_read_quickly() -> None:
    """Two thousand lines take a fraction of a second; the bound is far above what was measured (0.2 s)."""
    text = "commands:\n" + "".join(
        f"  - id: s{n}\n    shell: echo ${{s{n - 1}.output}}\n    when: s{n - 1}.success\n"
        if n
        else "  - {id: s0, shell: a}\n"
        for n in range(666)
    )
    started = time.process_time()
    load(text)
    assert time.process_time() - started < 20
