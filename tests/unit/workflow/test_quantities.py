"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.workflow.findings import suggestion
from prodigy.workflow.quantities import parse_duration, parse_size
from prodigy.workflow.retry import Retry


@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [
        (5, 5),
        (0.5, 0.5),
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172_800),
        ("1.5h", 5400),
        ("30", 30),
        ({"secs": 1, "nanos": 500_000_000}, 1.5),
    ],
)
def test_durations(given_value: object, seconds: float) -> None:
    assert parse_duration(given_value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        "",
        "5 m",
        "-1s",
        "s",
        "1x",
        -1,
        float("nan"),
        float("inf"),
        [],
        {"nanos": 1},
        "1e3",
        10**400,
        {"secs": True},
        "99999d",
    ],
)
def test_no_durations(value: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(value)


@pytest.mark.parametrize(
    ("given_value", "size"),
    [
        (1024, 1024),
        ("512k", 512 << 10),
        ("4g", 4 << 30),
        ("1t", 1 << 40),
        ("2MiB", 2 << 20),
        ("3 GB", 3 << 30),
        ("7b", 7),
        ("1.5k", 1536),
    ],
)
def test_sizes(given_value: object, size: int) -> None:
    assert parse_size(given_value) == size


@pytest.mark.parametrize("value", [True, None, 0, "0", "", "k", "4x", -1, 1.5, [], "9" * 400 + "t"])
def test_no_sizes(value: object) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(value)


@given(st.text() | st.integers() | st.floats())
def test_only_value_errors(value: object) -> None:
    for parse in (parse_duration, parse_size):
        try:
            assert parse(value) >= 0
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("fixed", [2, 2, 2, 2]),
        ("linear", [2, 4, 6, 8]),
        ("exponential", [2, 4, 8, 9]),
        ("fibonacci", [2, 2, 4, 6]),
    ],
)
def test_retry_pauses(backoff: str, delays: list[int]) -> None:
    retry = Retry.model_validate({"backoff": backoff, "initial_delay": 2, "max_delay": 9})
    assert [retry.delay(run) for run in (1, 2, 3, 4)] == delays


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("shel", "shell"),
        ("sehll", "shell"),
        ("tiemout", "timeout"),
        ("comands", "commands"),
        ("enx", "env"),
        ("xyz", ""),
    ],
)
def test_suggestions(name: str, wanted: str) -> None:
    hint = suggestion(name, ["shell", "timeout", "commands", "env", "map"])
    assert (f"'{wanted}'" in hint) if wanted else not hint
