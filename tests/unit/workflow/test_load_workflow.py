"""Workflow files: what is accepted, what it becomes, and every way of being wrong."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prodigy.errors import WorkflowInvalid
from prodigy.workflow.loader import load_workflow
from prodigy.workflow.models import Workflow


def load(text: str, **environ: str) -> Workflow:
    return load_workflow(text.encode(), "flow.yml", environ=environ)


def codes(text: str | bytes) -> list[str]:
    """Return the errors as ``code line:column``."""
    with pytest.raises(WorkflowInvalid) as caught:
        load_workflow(text if isinstance(text, bytes) else text.encode(), "flow.yml")
    return [f"{d.code} {d.line}:{d.column}" for d in caught.value.diagnostics]


def message(text: str) -> str:
    with pytest.raises(WorkflowInvalid) as caught:
        load(text)
    return "\n".join(d.message + (f" ({d.help})" if d.help else "") for d in caught.value.diagnostics)


def in_map(rest: str, source: str = "[1]") -> str:
    return f"mode: mapreduce\nmap:\n  input: {source}\n{rest}"


def step(text: str) -> str:
    return f"- {text}\n"


def test_bare_list_is_standard_mode() -> None:
    flow = load("- shell: make\n")
    assert (flow.mode, flow.name) == ("standard", "flow")
    assert flow.commands is not None
    only = flow.commands.steps[0]
    assert (only.path, only.name, only.kind, only.shell) == ("commands[0]", "make", "shell", "make")


def test_mode_is_the_key_not_the_text() -> None:
    assert load("# mode: mapreduce\ncommands: [{shell: a}]\n").mode == "standard"
    assert load("mode: 'mapreduce'\nmap: {input: [1], agent_template: [{shell: a}]}\n").mode == "mapreduce"


def texts(flow: Workflow) -> dict[str, str | None]:
    return {name: value.text for name, value in flow.env.items()}


def test_whole_file_is_normalised() -> None:
    flow = load(
        """
name: demo
mode: mapreduce
env: {A: 1, YES: true, B: "x$A ${A}"}
timeout: 1h30m
sandbox: {network: bridge, memory: 2g, cpus: 1, image: x, stop_grace: 500ms}
setup:
  commands: [{shell: ls, capture: files}]
  timeout: $T
map:
  input: "${files}"
  limit: 5
  max_parallel: ${N}
  agent_template:
    - {name: Run, shell: make, cwd: src, retry_config: {max_attempts: 2, backoff: fixed, max_delay: 2m}}
    - write_file: {path: "${item_id}.txt", content: "${item.name}", mode: "0600"}
reduce: [{shell: "echo ${map.total} ${setup.files}"}]
merge: {commands: [{shell: "git log"}], on_conflict: fail}
""",
        T="90",
        N="4",
    )
    assert texts(flow) == {"A": "1", "YES": "true", "B": "x1 1"}
    assert flow.timeout == 5400
    assert (flow.sandbox.memory, flow.sandbox.stop_grace) == (2 << 30, 0.5)
    assert flow.sandbox.model_fields_set == {"network", "memory", "cpus", "image", "stop_grace"}
    assert flow.setup is not None
    assert flow.setup.timeout == 90
    assert flow.map is not None
    assert (flow.map.input.kind, flow.map.max_items, flow.map.max_parallel) == ("value", 5, 4)
    first, second = flow.map.agent_template.steps
    assert (first.name, first.working_dir, first.path) == ("Run", "src", "map.agent_template[0]")
    assert first.retry is not None
    assert (first.retry.attempts, first.retry.backoff, first.retry.max_delay) == (2, "fixed", 120)
    assert second.write_file is not None
    assert (second.kind, second.write_file.mode) == ("write_file", "0600")
    assert list(flow.phases()) == ["setup", "map", "reduce", "merge"]
    stored = json.loads(json.dumps(flow.model_dump(mode="json")))
    assert Workflow.model_validate(stored) == flow


@pytest.mark.parametrize(
    ("source", "kind", "wanted"),
    [
        ("[a, {b: 1}]", "inline", ["a", {"b": 1}]),
        ("'[1, 2]'", "inline", [1, 2]),
        ("items.json", "text", "items.json"),
        ("'shell: ls *.md'", "command", "ls *.md"),
        ("{command: ls, timeout: 5}", "command", "ls"),
        ("{file: data.txt, format: lines}", "file", "data.txt"),
    ],
)
def test_inputs(source: str, kind: str, wanted: object) -> None:
    flow = load(in_map("  agent_template: [{shell: a}]\n", source))
    assert flow.map is not None
    given_input = flow.map.input
    assert given_input.kind == kind
    assert (given_input.document if kind == "inline" else given_input.text) == wanted


def test_glob_input() -> None:
    flow = load(in_map("  agent_template: [{shell: a}]\n", "{glob: '*.py', exclude: [a.py]}"))
    assert flow.map is not None
    assert (flow.map.input.patterns, flow.map.input.exclude) == (("*.py",), ("a.py",))


@pytest.mark.parametrize(
    ("written", "steps", "controls"),
    [
        ("true", [], (0, False, False)),
        ("echo oops", ["shell"], (0, False, False)),
        ("[a, {shell: b}]", ["shell", "shell"], (0, False, False)),
        ("[{shell: b, max_retries: 2}]", ["shell"], (2, False, False)),
        ("{commands: [{shell: a}], max_attempts: 4, fail_workflow: true}", ["shell"], (4, True, False)),
        ("{steps: [a], commit_required: true}", ["shell"], (0, False, True)),
        ("{shell: ./rollback, fail_workflow: true}", ["shell"], (0, True, False)),
        ("{fail_workflow: false}", [], (0, False, False)),
        ("{fail_workflow: true}", [], (0, True, False)),
    ],
)
def test_handlers(written: str, steps: list[str], controls: tuple[int, bool, bool]) -> None:
    flow = load(step(f"{{shell: make, on_failure: {written}}}"))
    assert flow.commands is not None
    handler = flow.commands.steps[0].on_failure
    assert handler is not None
    assert [one.kind for one in handler.steps] == steps
    assert (handler.max_attempts, handler.fail_workflow, handler.commit_required) == controls
    assert [one.path for one in handler.steps] == [f"commands[0].on_failure[{i}]" for i in range(len(steps))]


CLAUDE = "claude: {credentials: env}\nsandbox: {network: bridge}\n"


def test_claude_handler_must_commit_and_runs_three_times() -> None:
    flow = load(f"{CLAUDE}commands:\n- {{shell: make, on_failure: {{claude: /fix, shell: b}}}}\n")
    assert flow.commands is not None
    handler = flow.commands.steps[0].on_failure
    assert handler is not None
    assert [one.kind for one in handler.steps] == ["shell", "claude"]
    assert (handler.max_attempts, handler.commit_required) == (3, True)


def test_boolean_handlers_warn() -> None:
    flow = load(step("{shell: a, on_failure: false}"))
    assert flow.commands is not None
    assert flow.commands.steps[0].on_failure is None
    assert [warning.code for warning in flow.warnings] == ["W07"]


def test_claude_needs_its_model() -> None:
    assert codes("sandbox: {network: none}\ncommands:\n- claude: fix\n") == ["P602 3:11"]
    mapped = (
        "mode: mapreduce\nsandbox: {map: {network: none}}\nmap: {input: [1], agent_template: [claude: a]}\n"
    )
    assert codes(mapped) == ["P602 3:44"]
    flow = load("commands:\n- /lint all\n- do it\n- claude: {prompt: fix, max_turns: 3}\n")
    assert flow.commands is not None
    assert [one.claude for one in flow.commands.steps] == ["/lint all", "do it", "fix"]
    assert flow.commands.steps[2].claude_options == {"max_turns": 3}
    assert [warning.code for warning in flow.warnings] == ["W02"]


def test_more_memory_than_there_is() -> None:
    text = "mode: mapreduce\nmap: {input: [1], max_parallel: 6, agent_template: [{shell: a}]}\n"

    def warned(more: str = "", memory: int = 23 << 30) -> list[str]:
        return [one.code for one in load_workflow((more + text).encode(), "f.yml", memory=memory).warnings]

    assert warned() == ["W08"]
    assert warned(memory=24 << 30) == warned("sandbox: {memory: 1g}\n") == []
    assert warned("sandbox: {map: {memory: 8g}}\n", 40 << 30) == ["W08"]
    plain = text.replace(" max_parallel: 6,", "").encode()
    assert not load_workflow(plain, "f.yml", memory=1 << 30).warnings


WRONG = [
    ("comands: [{shell: a}]\n", "P201 1:1", "did you mean 'commands'"),
    ("- {shel: a}\n", "P201 1:4", "did you mean 'shell'"),
    ("- {shell: a, tmeout: 1}\n", "P201 1:14", "did you mean 'timeout'"),
    ("- {shell: a, shell: b}\n", "P103 1:14", "first at line 1, column 4"),
    ("- {shell: a, on_failure: yes}\n", "P202 1:26", "write true/false"),
    ("- {shell: a, commit_required: on}\n", "P202 1:31", "write true/false"),
    ("- {shell: a, claude: b}\n", "P206 1:3", "shell and claude"),
    ("- {name: a}\n", "P206 1:3", "exactly one"),
    ("- shell: ''\n", "P203 1:10", "empty"),
    ("- {shell: a, capture: map}\n", "P305 1:23", "reserved"),
    ("env: {A: 1}\ncommands: [{shell: a, capture: A}]\n", "P305 2:32", "`env` has it"),
    ("- {shell: a, retry: {attempts: 0}}\n", "P204 1:32", "greater than or equal to 1"),
    ("- {shell: a, retry: 0}\n", "P204 1:21", "greater than or equal to 1"),
    ("- {shell: a, timeout: 0}\n", "P204 1:23", "greater than 0"),
    ("- {shell: a, timeout: soon}\n", "P204 1:23", "must be a duration"),
    ("- {shell: a, timeout: [1]}\n", "P202 1:23", "must be a duration"),
    ("- {shell: a, timeout: $NOPE}\n", "P204 1:23", "NOPE is not set"),
    ("- {shell: 5}\n", "P202 1:11", "quote it"),
    ("- {shell: a, timeout: }\n", "P202 1:23", "no value"),
    ("- write_file: {path: a, content: b, mode: 0644}\n", "P202 1:43", "quote the mode"),
    ("- write_file: {path: a, content: b, mode: '0999'}\n", "P204 1:43", "`mode`"),
    ("- write_file: {path: a}\n", "P203 1:15", "needs `content`"),
    ("- {shell: a, parallel: 2}\n", "P207 1:24", "removed"),
    ("- {analyze: a}\n", "P207 1:4", "run your analyser with `shell`"),
    ("- {shell: a, on_failure: {}}\n", "P203 1:26", "empty"),
    ("- {shell: a, on_failure: {shell: b, max_attempts: 1, max_retries: 2}}\n", "P205 1:54", "write one"),
    ("- 5\n", "P202 1:3", "mapping or a text"),
    ("- shell: {a: b}\n", "P202 1:10", "`shell` of step commands[0]"),
    ("[]\n", "P203 1:1", "no steps"),
    ("5\n", "P202 1:1", "a workflow is"),
    ("", "P203 1:1", "empty"),
    ("name: x\n", "P203 1:1", "needs `commands`"),
    ("mode: mapreduce\n", "P203 1:1", "needs `map`"),
    ("mode: mapreduce\ncommands: [{shell: a}]\n", "P208 2:1", "name them"),
    ("setup: [{shell: a}]\ncommands: [{shell: a}]\n", "P208 1:1", "add `mode: mapreduce`"),
    ("mode: map\ncommands: [{shell: a}]\n", "P204 1:7", "'standard' or 'mapreduce'"),
    ("temporary: true\ncommands: [{shell: a}]\n", "P207 1:1", "removed"),
    ("env: {PRODIGY_X: 1}\ncommands: [{shell: a}]\n", "P305 1:7", "reserved"),
    ("env: {a-b: 1}\ncommands: [{shell: a}]\n", "P204 1:7", "not a variable name"),
    ("env: {A: {secret: true}}\ncommands: [{shell: a}]\n", "P203 1:10", "needs `provider`"),
    ("env: {A: '${NOPE}'}\ncommands: [{shell: a}]\n", "P301 1:10", "NOPE"),
    ("sandbox: {network: host}\ncommands: [{shell: a}]\n", "P204 1:20", "must be 'none', 'bridge'"),
    ("sandbox: {network: {egress: []}}\ncommands: [{shell: a}]\n", "P203 1:20", "needs names"),
    ("sandbox: {network: {egress: [10.0.0.1]}}\ncommands: [{shell: a}]\n", "P204 1:30", "is an address"),
    ("sandbox: {network: {egress: ['a b']}}\ncommands: [{shell: a}]\n", "P204 1:30", "no host name"),
    ("sandbox: {network: {egres: [a]}}\ncommands: [{shell: a}]\n", "P201 1:21", "did you mean 'egress'"),
    ("sandbox: {memory: lots}\ncommands: [{shell: a}]\n", "P204 1:19", "must be a size"),
    ("claude: {credentials: keyring}\ncommands: [{shell: a}]\n", "P204 1:23", "'gateway'"),
    ("claude: {extra_args: [--model=x]}\ncommands: [{shell: a}]\n", "P204 1:23", "set by prodigy"),
    ("claude: {model: -x}\ncommands: [{shell: a}]\n", "P204 1:17", "a dash"),
    ("- claude: {prompt: a, credentials: env}\n", "P207 1:23", "the whole run"),
    ("commands: [{shell: a}]\nsteps: [{shell: b}]\n", "P205 2:1", "write one"),
    (in_map("  max_parallel: 0\n  agent_template: [{shell: a}]\n"), "P204 4:17", "max_parallel"),
    (in_map("  max_parallel: $NO\n  agent_template: [{shell: a}]\n"), "P204 4:17", "NO is not set"),
    (in_map("  items: [2]\n  agent_template: [{shell: a}]\n"), "P205 4:10", "exclude each other"),
    (in_map("  json_path: '$[?'\n  agent_template: [{shell: a}]\n"), "P404 4:14", "JSONPath"),
    (in_map(""), "P203 3:3", "needs `agent_template`"),
    (in_map("  agent_template: []\n"), "P203 4:19", "no steps"),
    (in_map("  agent_template: [{shell: a}]\n", "{glob: []}"), "P202 3:17", "list of texts"),
    ("- shell: 'echo ${shell.ouput}'\n", "P301 1:16", "did you mean 'shell.output'"),
    ("- shell: 'echo ${item}'\n", "P302 1:16", "exists only in map"),
    ("- shell: 'echo ${param.x}'\n", "P301 1:16", "not available yet"),
    ("- shell: 'echo ${build.output}'\n", "P301 1:16", "no variable 'build'"),
    ("- shell: 'echo ${workflow.name'\n", "P303 1:16", "no closing brace"),
    ("- shell: 'echo ${workflow.name%x}'\n", "P304 1:16", "cannot follow"),
    ("- shell: 'echo ${workflow.name|upper}'\n", "P304 1:16", "unknown filter"),
    ("- {shell: a, capture: stem}\n- shell: 'echo ${stem%.md}'\n", "P304 2:16", "assign it first"),
    ("- shell: \"echo $'${workflow.name}'\"\n", "P303 1:18", "assign it"),
    ("- shell: |\n    true\n    x=${y:-${workflow.name}}\n", "P303 3:12", "assign it"),
    ("- write_file: {path: '${WHATEVER}', content: ''}\n", "P301 1:23", "WHATEVER"),
    ("- &a [*a]\n", "P105 1:7", "contains itself"),
    ("- !x {shell: a}\n", "P105 1:3", "not supported"),
    ("- shell: a\n---\n- shell: b\n", "P105 2:1", "second document"),
    ("- {shell: a\n", "P102 2:1", ""),
    ("- *a\n", "P102 1:3", "no anchor"),
    ('- shell: "a\x07"\n', "P102 1:12", "not allowed"),
    ("- {shell: a, name: 'x" + "y" * 200 + "', [1]: 2}\n", "P202 1:225", "a key must be a text"),
]


@pytest.mark.parametrize(("text", "code", "words"), WRONG)
def test_wrong(text: str, code: str, words: str) -> None:
    assert codes(text) == [code]
    assert words in message(text)


def test_all_errors_come_at_once_in_order() -> None:
    assert codes("comands: []\ncommands:\n  - {shel: a}\n  - shell: 1\n") == [
        "P201 1:1",
        "P201 3:6",
        "P202 4:12",
    ]


def test_source_line_and_did_you_mean() -> None:
    with pytest.raises(WorkflowInvalid) as caught:
        load("- shel: make\n")
    only = caught.value.diagnostics[0]
    assert (only.source, only.end_column) == ("- shel: make", 7)


def test_not_utf8() -> None:
    assert codes(b"- shell: a\n- shell: \xff\n") == ["P101 2:1"]


def test_byte_order_mark_and_json_are_fine() -> None:
    assert load("\ufeff- shell: a\n").commands
    assert load('[{"shell": "a"}]').commands


def test_words_are_texts_not_booleans() -> None:
    flow = load("env: {A: yes, B: 0644, C: 1e3, D: True}\ncommands: [{shell: a}]\n")
    assert texts(flow) == {"A": "yes", "B": "0644", "C": "1e3", "D": "true"}


def test_anchors_and_merge_keys() -> None:
    flow = load("- &base {shell: a, timeout: 5}\n- {<<: *base, shell: b}\n- *base\n")
    assert flow.commands is not None
    assert [(one.shell, one.timeout) for one in flow.commands.steps] == [("a", 5), ("b", 5), ("a", 5)]


def test_alias_bomb_is_refused_quickly() -> None:
    bomb = "a0: &a0 x\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
    )
    started = time.process_time()
    assert "P104" in codes(bomb)[0]
    assert time.process_time() - started < 1


def test_limits() -> None:
    assert codes("#" * ((1 << 20) + 1))[0] == "P104 1:1"
    assert codes("[" * 65 + "]" * 65)[0].startswith("P104")
    assert codes("[" * 200_000)[0].startswith("P104")
    deep = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 80))
    assert codes(deep)[0].startswith("P104")
    assert "P104" in codes("".join("- shell: a\n" for _ in range(5001)))[0]
    assert codes("- " + "9" * 5000 + "\n")[0] == "P204 1:3"


def test_handlers_see_the_error_and_later_steps_the_capture() -> None:
    load(
        "- {shell: a, capture: x, on_failure: 'echo ${error.message} ${x.exit_code}'}\n"
        "- shell: echo ${x.stderr}\n"
    )
    assert codes("- shell: echo ${error.message}\n") == ["P302 1:15"]


def test_captures_reach_the_phases_they_should() -> None:
    text = "mode: mapreduce\nsetup: [{shell: a, capture: s}]\nmap:\n  input: [1]\n"
    text += "  agent_template: [{shell: 'echo ${s.exit_code}', capture: m}]\n"
    text += "reduce:\n- shell: echo ${m.exit_code}\n"
    assert codes(text) == ["P301 7:15"]


YAML_PIECES = [
    "commands:",
    "mode: mapreduce",
    "map:",
    "setup:",
    "shell:",
    "claude:",
    "on_failure:",
    "retry:",
    "env:",
    "- ",
    "  ",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    ": ",
    "&a",
    "*a",
    "<<: ",
    "!t ",
    "|",
    ">",
    "'",
    '"',
    "#",
    "---",
    "...",
    "%YAML 1.2",
    "x",
    "1",
    "0x1",
    "1e999",
    "null",
    "true",
    "~",
    "${item}",
    "${",
    "$${",
    "${shell.",
    "input:",
    "agent_template:",
    "\t",
    "timeout: $X",
    "write_file:",
    "path:",
    "content:",
    "capture:",
    "glob:",
    "json_path: $..a",
    "? ",
    "é",
    "\u2028",
    "\x85",
    "\ud7ff",
    "sandbox:",
    "merge:",
    "reduce:",
    "items:",
    "\r",
    "\ufeff",
    "name:",
    "working_dir: ${x",
    "shell: 'a ${item}'",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(YAML_PIECES), max_size=30).map("".join) | st.text() | st.binary())
def test_broken_files_only_ever_raise_their_diagnostics(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    try:
        flow = load_workflow(data, "flow.yml")
    except WorkflowInvalid as error:
        found = error.diagnostics
    else:
        found = ()
        assert flow.phases()
    assert all(one.line >= 1 and one.column >= 1 for one in found)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["a", "${item}", "${x.y}", "$X"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "commands",
                    "setup",
                    "map",
                    "reduce",
                    "merge",
                    "mode",
                    "shell",
                    "claude",
                    "write_file",
                    "on_failure",
                    "retry",
                    "env",
                    "timeout",
                    "name",
                    "prompt",
                    "capture_output",
                    "input",
                    "agent_template",
                    "max_parallel",
                    "json_path",
                    "path",
                    "content",
                    "glob",
                    "exclude",
                    "command",
                    "file",
                    "items",
                    "sandbox",
                    "network",
                    "memory",
                    "fail_workflow",
                    "max_attempts",
                    "backoff",
                    "steps",
                    "working_dir",
                    "on_conflict",
                    "secs",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None)
@given(values)
def test_wrong_shapes_only_ever_raise_their_diagnostics(value: object) -> None:
    try:
        assert load_workflow(json.dumps(value).encode(), "flow.yml").phases()
    except WorkflowInvalid as error:
        assert error.diagnostics


def test_long_file_loads_quickly() -> None:
    text = "".join(
        f"- name: step {i}\n  shell: echo '${{workflow.name}}' {i}\n  timeout: 5m\n" for i in range(700)
    )
    started = time.process_time()
    load(text)
    assert time.process_time() - started < 0.5
