"""Reports are found and cut out of a stream, however it is cut in pieces."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from prodigy.sandbox.marks import REPORT_LIMIT, MarkFilter

MARK = "a1b2"
# Pieces of marks are likely, so that every way of being cut is met.
NOISE = st.lists(st.sampled_from([b"a", b"a1", b"a1b2", b"b", b"2", b":", b";", b"\n", b"x", b"\0"])).map(
    b"".join
)
REPORT = st.text("BEH 0123-", max_size=20)


def feed(data: bytes, cuts: list[int]) -> tuple[bytes, list[str]]:
    reports: list[str] = []
    scanner = MarkFilter(MARK, reports.append)
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    passed = b"".join(scanner.feed(data[start:end]) for start, end in itertools.pairwise(edges))
    return passed + scanner.finish(), reports


@given(
    st.lists(st.tuples(NOISE.filter(lambda noise: b"a1b2:" not in noise), REPORT)),
    st.lists(st.integers(0, 999)),
)
def test_reports_are_removed_and_nothing_else(parts: list[tuple[bytes, str]], cuts: list[int]) -> None:
    data = b"".join(noise + f"{MARK}:{report};".encode() for noise, report in parts)
    expected = b"".join(noise for noise, _ in parts), [report for _, report in parts]
    assert feed(data, cuts) == expected


@given(NOISE, st.lists(st.integers(0, 999)))
def test_a_stream_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    assert feed(data, cuts) == feed(data, [])


def test_an_unfinished_report_is_output() -> None:
    assert feed(b"out a1b2:E 0", []) == (b"out a1b2:E 0", [])


def test_a_report_without_end_is_output_and_is_not_held_for_ever() -> None:
    scanner = MarkFilter(MARK, lambda _: None)
    data = b"a1b2:" + b"x" * (REPORT_LIMIT + 1)
    assert scanner.feed(data) == data
