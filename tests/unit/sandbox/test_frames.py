"""The engine's multiplexed stream."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from prodigy.sandbox.docker.stream import Frames

NAMES = {1: "stdout", 2: "stderr"}


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40))),
    st.lists(st.integers(0, 999)),
)
def test_frames_may_be_cut_anywhere(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(bytes([stream, 0, 0, 0]) + len(load).to_bytes(4, "big") + load for stream, load in frames)
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    reader = Frames()
    got = {"stdout": b"", "stderr": b""}
    for start, end in itertools.pairwise(edges):
        for name, part in reader.split(data[start:end]):
            got[name] += part
    assert got == {
        name: b"".join(load for stream, load in frames if stream == number) for number, name in NAMES.items()
    }


def test_a_frame_that_claims_gigabytes_is_passed_on_as_it_comes() -> None:
    reader = Frames()
    assert reader.split(b"\1\0\0\0\xff\xff\xff\xffabc") == [("stdout", b"abc")]
    assert reader.split(b"def") == [("stdout", b"def")]
