"""Timeouts, cancellation and death: what ran is gone, and is called by its right name."""

from __future__ import annotations

import threading
import time

import pytest

from prodigy.sandbox.protocol import Call, Sandbox
from prodigy.sandbox.runner import TOKEN
from prodigy.values import ErrorKind

from .helpers import GIT_IDENTITY, Bench, Running, sh

STUBBORN = {
    "ignores TERM": "trap '' TERM; echo begun; while :; do sleep {n}; done",
    "double-forks": "(setsid sh -c 'trap \"\" TERM; sleep {n}; sleep {n}' &) ; echo begun; sleep {n}",
    "leaves its session": "setsid sleep {n} & echo begun; wait",
    "stops itself": "sleep {n} & echo begun; kill -STOP $$",
    "stops its parent": "sleep {n} & echo begun; kill -STOP $PPID; sleep {n}",
    "holds a pipe": "sleep {n} | sleep {n} & echo begun; wait",
}


def processes_like(sandbox: Sandbox, n: int) -> bytes:
    """The command lines that hold the number, seen from inside."""
    # The pattern does not match itself: the shell's own arguments hold the brackets.
    text = str(n)
    listed = sandbox.run(sh(f"grep -la '{text[0]}[{text[1]}]{text[2:]}' /proc/[0-9]*/cmdline"))
    return listed.stdout_tail


@pytest.mark.parametrize("behaviour", STUBBORN)
def test_a_timeout_leaves_nothing_running(sandbox: Sandbox, behaviour: str) -> None:
    n = 30_000 + time.monotonic_ns() % 9_999
    outcome = sandbox.run(sh(STUBBORN[behaviour].format(n=n), timeout=0.5))
    assert (outcome.exit_code, outcome.kind) == (124, ErrorKind.TIMEOUT)
    assert outcome.message == "timed out after 0.5 s"
    assert outcome.stdout_tail == b"begun\n"
    assert outcome.head_before
    assert outcome.duration < 200
    assert processes_like(sandbox, n) == b""


def test_a_step_may_end_well_in_its_grace(sandbox: Sandbox) -> None:
    text = "trap 'git commit -qm saved --allow-empty; echo saved; exit 0' TERM; while :; do sleep 0.05; done"
    outcome = sandbox.run(sh(text, timeout=0.5, env=GIT_IDENTITY))
    assert (outcome.exit_code, outcome.kind) == (124, ErrorKind.TIMEOUT)
    assert outcome.stdout_tail == b"saved\n"
    assert outcome.head_after not in {None, outcome.head_before}


def test_a_step_that_swallows_nothing_ends_before_its_grace(bench: Bench) -> None:
    outcome = bench.open(stop_grace=30.0).run(sh("sleep 600", timeout=0.2))
    assert outcome.kind is ErrorKind.TIMEOUT
    assert outcome.duration < 300


def test_a_reader_that_blocks_does_not_delay_the_kill(sandbox: Sandbox) -> None:
    read_on = threading.Event()
    call = sh("echo begun; sleep 66001", timeout=0.5, on_line=lambda *_: read_on.wait(180) and None)
    results = []
    thread = threading.Thread(target=lambda: results.append(sandbox.run(call)))
    thread.start()
    deadline = time.monotonic() + 120
    while processes_like(sandbox, 66_001):
        assert time.monotonic() < deadline
    read_on.set()
    thread.join(30)
    assert results[0].kind is ErrorKind.TIMEOUT


def test_only_the_processes_of_the_call_that_timed_out_die(sandbox: Sandbox) -> None:
    other = Running(sandbox, sh("echo begun; sleep 3; echo lived")).wait_begun()
    late = sandbox.run(sh("setsid sleep 600 & sleep 600", timeout=0.3))
    assert late.kind is ErrorKind.TIMEOUT
    outcome = other.result()
    assert (outcome.exit_code, outcome.stdout_tail) == (0, b"begun\nlived\n")


def test_a_daemon_of_an_earlier_step_outlives_a_timeout(sandbox: Sandbox) -> None:
    sandbox.run(sh("sleep 45678 >/dev/null 2>&1 &"))
    # Start times have a resolution of 10 ms; this step must be younger.
    sandbox.run(Call(("true",)))
    assert sandbox.run(sh("sleep 600", timeout=0.2)).kind is ErrorKind.TIMEOUT
    daemon = processes_like(sandbox, 45678).decode().split("/")
    assert daemon[1:2] == ["proc"]
    sandbox.run(Call(("kill", daemon[2])))


def test_cancel_from_another_thread(sandbox: Sandbox) -> None:
    running = [Running(sandbox, sh("echo begun; sleep 600")).wait_begun() for _ in range(2)]
    sandbox.cancel()
    assert [each.result().kind for each in running] == [ErrorKind.CANCELLED] * 2
    assert sandbox.alive()


def test_after_cancel_no_call_starts(sandbox: Sandbox) -> None:
    sandbox.cancel()
    outcome = sandbox.run(Call(("touch", "started")))
    assert (outcome.exit_code, outcome.kind) == (None, ErrorKind.CANCELLED)
    with sandbox.pipe(("ls",)) as pipe:
        assert pipe.stdout.read() == b"file\nsub\n"


@pytest.mark.docker
@pytest.mark.parametrize("way", ["run", "pipe"])
def test_what_is_stopped_before_the_engine_has_started_it_never_runs(
    docker_bench: Bench, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = docker_bench.open()
    started = threading.Event()
    start = sandbox.start

    def late(arguments: tuple[str, ...], environment: dict[str, str]) -> object:
        """Start a program that carries the token only from when ``go`` is there."""
        token = environment.get(TOKEN)
        if started.is_set() or token is None:
            return start(arguments, environment)
        rest = {name: value for name, value in environment.items() if name != TOKEN}
        text = f'cd {sandbox.root}; until [ -e go ]; do sleep 0.01; done; env {TOKEN}={token} "$@"; : >ended'
        channel = start(("sh", "-c", text, "sh", *arguments), rest)
        started.set()
        return channel

    monkeypatch.setattr(sandbox, "start", late)
    if way == "run":
        running = Running(sandbox, Call(("touch", "ran")))
        assert started.wait(60)
        sandbox.cancel()
        assert running.result().kind is ErrorKind.CANCELLED
    else:
        with sandbox.pipe(("touch", "ran")):
            pass
    with sandbox.pipe(("sh", "-c", "touch go; until [ -e ended ]; do sleep 0.01; done; ls")) as pipe:
        assert pipe.stdout.read().split() == [b"ended", b"file", b"go", b"sub"]


def test_kill_ends_calls_and_sandbox(sandbox: Sandbox) -> None:
    running = Running(sandbox, sh("trap '' TERM; echo begun; setsid sleep 600 & sleep 600")).wait_begun()
    sandbox.kill()
    assert running.result().kind is ErrorKind.CANCELLED
    assert not sandbox.alive()
    assert sandbox.run(Call(("true",))).kind is ErrorKind.SANDBOX


def test_close_is_final_and_may_be_repeated(sandbox: Sandbox) -> None:
    sandbox.close()
    sandbox.close()
    assert not sandbox.alive()
    outcome = sandbox.run(Call(("true",)))
    assert (outcome.exit_code, outcome.kind) == (None, ErrorKind.SANDBOX)


def test_calls_in_parallel(sandbox: Sandbox) -> None:
    running = [Running(sandbox, sh(f"echo begun; echo {n}; exit {n}")) for n in range(8)]
    outcomes = [each.result() for each in running]
    assert [outcome.exit_code for outcome in outcomes] == list(range(8))
    assert [outcome.stdout_tail for outcome in outcomes] == [f"begun\n{n}\n".encode() for n in range(8)]
