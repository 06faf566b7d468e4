"""What goes into a step and what comes out of it, on every backend."""

from __future__ import annotations

import hashlib
import resource
from pathlib import Path

import pytest

from prodigy.sandbox.protocol import INPUT, Call, Sandbox
from prodigy.values import ErrorKind

from .helpers import sh


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_input_of_any_size_and_any_bytes_arrives(sandbox: Sandbox, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"\0" * (size % 256)
    outcome = sandbox.run(Call(("sha256sum", INPUT), input=data))
    assert outcome.exit_code == 0
    assert outcome.stdout_tail.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_input_is_gone_after_its_step(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("sh", "-c", 'printf %s "$1"', "sh", INPUT), input=b"secret"))
    file = outcome.stdout_tail.decode()
    assert sandbox.run(Call(("test", "-e", file))).exit_code == 1


def test_the_step_itself_reads_an_empty_stdin(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("cat; echo end"))
    assert (outcome.exit_code, outcome.stdout_tail) == (0, b"end\n")


def test_streams_are_separate_and_complete(sandbox: Sandbox, tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    out, err = tmp_path / "out", tmp_path / "err"
    call = sh(
        "echo one; echo two >&2; printf three; printf four >&2; exit 5",
        stdout=out,
        stderr=err,
        on_line=lambda *line: lines.append(line),
    )
    outcome = sandbox.run(call)
    assert (outcome.exit_code, outcome.kind) == (5, ErrorKind.COMMAND)
    assert (out.read_bytes(), err.read_bytes()) == (b"one\nthree", b"two\nfour")
    assert (outcome.stdout_tail, outcome.stderr_tail) == (b"one\nthree", b"two\nfour")
    assert sorted(lines) == [("stderr", "four"), ("stderr", "two"), ("stdout", "one"), ("stdout", "three")]


def test_much_output_needs_little_memory(sandbox: Sandbox, tmp_path: Path) -> None:
    size = 100 << 20
    log = tmp_path / "log"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = sandbox.run(Call(("head", "-c", str(size), "/dev/zero"), stdout=log))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (outcome.exit_code, outcome.stdout_bytes, log.stat().st_size) == (0, size, size)
    assert len(outcome.stdout_tail) == 64 << 10
    assert grown < 40 << 10  # KiB


def test_invalid_utf8_is_kept_in_the_log_and_shown_replaced(sandbox: Sandbox, tmp_path: Path) -> None:
    lines: list[str] = []
    log = tmp_path / "log"
    call = sh(r"printf 'a\377\376b\n'", stdout=log, on_line=lambda _, line: lines.append(line))
    sandbox.run(call)
    assert log.read_bytes() == b"a\xff\xfeb\n"
    assert lines == ["a\ufffd\ufffdb"]


def test_an_endless_line_is_cut(sandbox: Sandbox) -> None:
    lines: list[str] = []
    sandbox.run(
        sh(
            "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo next",
            on_line=lambda _, line: lines.append(line),
        )
    )
    assert [len(line) < 10_000 for line in lines] == [True, True]
    assert lines[0].startswith("xxxx")
    assert lines[1] == "next"


def test_a_log_that_cannot_be_written_fails_the_step(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        Call(("sh", "-c", "while :; do echo full; done"), stdout=Path("/dev/full"), timeout=60)
    )
    assert outcome.kind is ErrorKind.SANDBOX
    assert outcome.message == "the step's log could not be written: No space left on device"
    assert sandbox.run(Call(("true",))).exit_code == 0


def test_a_log_in_a_missing_directory_starts_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    outcome = sandbox.run(Call(("touch", "started"), stdout=tmp_path / "no" / "log"))
    assert outcome.kind is ErrorKind.SANDBOX
    assert sandbox.run(Call(("test", "-e", "started"))).exit_code == 1


def test_an_error_in_the_reader_stops_the_step(sandbox: Sandbox) -> None:
    def on_line(_: str, __: str) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        sandbox.run(sh("echo begun; exec sleep 617", on_line=on_line))
    listed = sandbox.run(sh("grep -la 'slee[p].617' /proc/[0-9]*/cmdline"))
    assert listed.stdout_tail == b""


@pytest.mark.parametrize(
    ("text", "code", "kind"),
    [
        ("exit 0", 0, None),
        ("exit 1", 1, ErrorKind.COMMAND),
        ("exit 124", 124, ErrorKind.COMMAND),
        ("exit 125", 125, ErrorKind.COMMAND),
        ("exit 126", 126, ErrorKind.COMMAND),
        ("nowhere-to-be-found", 127, ErrorKind.COMMAND),
        ("kill -9 $$", 137, ErrorKind.SIGNAL),
        ("kill -15 $$", 143, ErrorKind.SIGNAL),
        ("exit 255", 255, ErrorKind.COMMAND),
    ],
)
def test_exit_codes_are_the_commands_own(
    sandbox: Sandbox, text: str, code: int, kind: ErrorKind | None
) -> None:
    outcome = sandbox.run(sh(text))
    assert (outcome.exit_code, outcome.kind) == (code, kind)


def test_a_missing_program_is_a_failed_command(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("nowhere-to-be-found",)))
    assert (outcome.exit_code, outcome.kind) == (127, ErrorKind.COMMAND)


def test_the_environment_is_the_calls_own(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("sh", "-c", 'printf "%s|%s" "$A" "$B"'), env={"A": "x y\n'\"$(id)", "B": ""}))
    assert outcome.stdout_tail == b"x y\n'\"$(id)|"
    assert sandbox.run(Call(("sh", "-c", 'printf "%s" "${A-unset}"'))).stdout_tail == b"unset"


def test_a_path_without_the_usual_directories_still_reports(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("/bin/echo ok", env={"PATH": "/usr/bin:/bin"}))
    assert (outcome.exit_code, outcome.stdout_tail) == (0, b"ok\n")
    outcome = sandbox.run(Call(("/bin/sh", INPUT), input=b"echo $PATH", env={"PATH": "/nowhere"}))
    assert (outcome.stdout_tail, outcome.head_after) == (b"/nowhere\n", outcome.head_before)
    assert outcome.head_after is not None


def test_an_environment_variable_that_is_too_long_is_no_success(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("env",), env={"LONG": "x" * (200 << 10)}))
    assert outcome.kind is not None
    assert sandbox.run(Call(("true",))).exit_code == 0


def test_a_forged_report_is_no_report(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("echo 'deadbeef:E 0;' >&2; echo 'deadbeef:O;'; exit 7"))
    assert outcome.exit_code == 7
    assert outcome.stderr_tail == b"deadbeef:E 0;\n"


def test_a_step_that_kills_its_own_wrapper_fails(sandbox: Sandbox) -> None:
    outcome = sandbox.run(Call(("sh", "-c", "kill -9 $PPID; sleep 600"), timeout=30))
    assert outcome.kind is ErrorKind.COMMAND
    assert "before it could report" in outcome.message


def test_a_background_process_that_holds_the_streams_does_not_hold_the_step(sandbox: Sandbox) -> None:
    outcome = sandbox.run(sh("sleep 600 & echo done"))
    assert (outcome.exit_code, outcome.stdout_tail) == (0, b"done\n")
    assert outcome.duration < 300
