"""Logs, tails and lines of a stream."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from prodigy.sandbox.recorder import LINE_LIMIT, TAIL_LIMIT, Recorder


@given(st.lists(st.binary(max_size=30)))
def test_lines_and_tail_do_not_depend_on_how_the_stream_is_cut(parts: list[bytes]) -> None:
    lines: list[str] = []
    recorder = Recorder(None, lines.append)
    for part in parts:
        recorder.feed(part)
    recorder.close()
    data = b"".join(parts)
    assert (recorder.tail, recorder.size) == (data, len(data))
    expected = data.split(b"\n")
    assert lines == [
        line.decode("utf-8", "replace") for line in (expected if expected[-1] else expected[:-1])
    ]


def test_the_tail_is_bounded() -> None:
    recorder = Recorder(None, None)
    for number in range(100):
        recorder.feed(bytes([number]) * 10_000)
    assert len(recorder.tail) == TAIL_LIMIT
    assert recorder.tail.endswith(b"b" * 10_000 + b"c" * 10_000)


def test_a_long_line_is_cut_and_the_next_is_whole() -> None:
    lines: list[str] = []
    recorder = Recorder(None, lines.append)
    for _ in range(100):
        recorder.feed(b"x" * 1000)
    recorder.feed(b"\nshort\n")
    assert lines == ["x" * LINE_LIMIT + " […]", "short"]


def test_a_log_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / "log").symlink_to(target)
    recorder = Recorder(tmp_path / "log", None)
    recorder.feed(b"lost")
    recorder.close()
    assert recorder.error is not None
    assert target.read_text() == "kept"


def test_a_log_is_private(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log", None)
    recorder.feed(b"text")
    recorder.close()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
