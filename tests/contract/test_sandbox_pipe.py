"""Byte streams through a command, on every backend."""

from __future__ import annotations

import itertools
import resource
from typing import TYPE_CHECKING

import pytest

from prodigy.errors import SandboxFailure
from prodigy.sandbox.protocol import Call, Sandbox
from prodigy.values import ErrorKind

from .helpers import Bench, Running, sh

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = bytes(range(256)) * 256


def test_bytes_go_through_unchanged(sandbox: Sandbox) -> None:
    with sandbox.pipe(("cat",), stdin=itertools.repeat(BLOCK, 200)) as pipe:
        for _ in range(200):
            assert pipe.stdout.read(len(BLOCK)) == BLOCK
        assert pipe.stdout.read() == b""
        assert pipe.wait() == 0


def test_no_input_is_an_empty_input(sandbox: Sandbox) -> None:
    with sandbox.pipe(("wc", "-c")) as pipe:
        assert pipe.stdout.read().strip() == b"0"
        assert pipe.wait() == 0


def test_the_exit_code_and_stderr_are_told(sandbox: Sandbox) -> None:
    with sandbox.pipe(("sh", "-c", "pwd; echo wrong >&2; exit 3")) as pipe:
        assert pipe.wait() == 3
        assert pipe.stderr_tail() == b"wrong\n"


def test_wait_drains_what_was_not_read(sandbox: Sandbox) -> None:
    with sandbox.pipe(("head", "-c", "30000000", "/dev/zero")) as pipe:
        assert pipe.stdout.read(10) == bytes(10)
        assert pipe.wait() == 0


def test_an_endless_stream_waits_for_its_reader_and_ends_with_it(sandbox: Sandbox) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with sandbox.pipe(("sh", "-c", "exec cat /dev/zero")) as pipe:
        assert len(pipe.stdout.read(1 << 20)) == 1 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 << 10  # KiB
    assert sandbox.run(sh("grep -la 'ca[t]./dev/zero' /proc/[0-9]*/cmdline")).stdout_tail == b""


def test_a_stream_that_takes_too_long_is_stopped(sandbox: Sandbox) -> None:
    with sandbox.pipe(("sleep", "600"), timeout=0.5) as pipe, pytest.raises(SandboxFailure, match="within"):
        pipe.wait()
    assert sandbox.run(Call(("true",))).exit_code == 0


def test_waiting_has_a_limit_of_its_own(sandbox: Sandbox) -> None:
    with sandbox.pipe(("sleep", "600")) as pipe, pytest.raises(SandboxFailure, match="in time"):
        pipe.wait(0.2)


def test_a_source_that_fails_never_looks_like_the_end_of_input(sandbox: Sandbox) -> None:
    def source() -> Iterator[bytes]:
        yield b"half"
        raise LookupError

    command = ("sh", "-c", "cat >got; touch whole")
    with sandbox.pipe(command, stdin=source()) as pipe, pytest.raises(LookupError):
        pipe.wait(30)
    assert sandbox.run(Call(("test", "-e", "whole"))).exit_code == 1


def test_a_command_that_wants_no_input_is_no_error(sandbox: Sandbox) -> None:
    with sandbox.pipe(("true",), stdin=itertools.repeat(BLOCK, 100)) as pipe:
        assert pipe.wait() == 0


def test_cancel_lets_a_stream_go_on(sandbox: Sandbox) -> None:
    with sandbox.pipe(("sh", "-c", "echo begun; cat"), stdin=itertools.repeat(BLOCK, 50)) as pipe:
        assert pipe.stdout.readline() == b"begun\n"
        sandbox.cancel()
        assert len(pipe.stdout.read()) == 50 * len(BLOCK)
        assert pipe.wait() == 0


def test_a_stream_beside_a_call(sandbox: Sandbox) -> None:
    running = Running(sandbox, sh("echo begun; sleep 600", timeout=1)).wait_begun()
    with sandbox.pipe(("sh", "-c", "sleep 4; echo lived")) as pipe:
        assert running.result().kind is ErrorKind.TIMEOUT
        assert pipe.stdout.read() == b"lived\n"
        assert pipe.wait() == 0


def test_a_dead_sandbox_has_no_streams(bench: Bench) -> None:
    sandbox = bench.open()
    sandbox.close()
    with pytest.raises(SandboxFailure), sandbox.pipe(("true",)):
        pass


def test_a_sandbox_that_dies_breaks_the_stream_off(bench: Bench) -> None:
    sandbox = bench.open()
    with sandbox.pipe(("sh", "-c", "echo begun; exec sleep 600")) as pipe:
        assert pipe.stdout.readline() == b"begun\n"
        sandbox.kill()
        with pytest.raises(SandboxFailure):
            pipe.wait()
