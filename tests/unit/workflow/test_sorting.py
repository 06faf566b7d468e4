"""The order of items."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.workflow.sorting import SortError, parse_sort, sort_key

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["a", "b", ""])
    | st.lists(st.none(), max_size=2)
)


def test_b41_descending_with_missing_last_and_ties_by_name() -> None:
    items = [
        {"name": "d"},
        {"name": "b", "priority": 1},
        {"name": "c", "priority": 2},
        {"name": "a", "priority": 1},
    ]
    assert [one["name"] for one in parse_sort("-priority, name").apply(items)] == ["c", "a", "b", "d"]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("v", [False, 1, 2, "a", [], {}, None]),
        ("v DESC", [{}, [], "a", 2, 1, False, None]),
        ("v NULLS FIRST", [None, False, 1, 2, "a", [], {}]),
        ("item.v descending nulls first", [None, {}, [], "a", 2, 1, False]),
    ],
)
def test_kinds_and_nulls(order: str, wanted: list[Any]) -> None:
    items = [{"v": value} for value in ("a", None, 2, {}, False, [], 1)]
    assert [one["v"] for one in parse_sort(order).apply(items)] == wanted


@pytest.mark.parametrize(
    ("text", "column"),
    [("", 1), ("a,", 3), ("a foo", 2), ("-a ASC", 3), ("a ASC x", 2), ("a;b", 2), ("a nulls", 2)],
)
def test_what_cannot_be_read(text: str, column: int) -> None:
    with pytest.raises(SortError) as caught:
        parse_sort(text)
    assert (caught.value.code, caught.value.column) == ("P405", column)


@given(st.lists(st.fixed_dictionaries({"a": VALUES, "n": st.integers()}), max_size=8))
def test_sorting_is_stable_and_ordered(items: list[dict[str, Any]]) -> None:
    done = parse_sort("a").apply(items)
    assert sorted(map(repr, done)) == sorted(map(repr, items))
    for before, after in zip(done, done[1:], strict=False):
        if before["a"] is not None and after["a"] is not None:
            assert sort_key(before["a"]) <= sort_key(after["a"])
        assert not (before["a"] is None and after["a"] is not None)
    same = [one for one in items if one["a"] == 1 and not isinstance(one["a"], bool)]
    assert [one for one in done if one["a"] == 1 and not isinstance(one["a"], bool)] == same


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_sort(text)
    except SortError as error:
        assert 1 <= error.column <= len(text) + 1
