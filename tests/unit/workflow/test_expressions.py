"""Expressions: every rule of the language, and that nothing else than its own errors is ever raised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expression_values import equal, truth
from prodigy.workflow.expressions import ItemNames, parse_expression

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "5", "true", "0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


class Variables:
    def __init__(self, **values: Any) -> None:
        self.values = values

    def lookup(self, path: tuple[str, ...], *, braced: bool) -> Any:
        return self.values[path[0]]


def value(text: str, item: Any = None, variables: Variables | None = None) -> Any:
    return parse_expression(text).evaluate(ItemNames({} if item is None else item, 0, variables))


def error(text: str) -> tuple[str, int]:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value.code, caught.value.column


@pytest.mark.parametrize(
    ("priority", "wanted"), [(5, True), (5.0, True), ("5", True), ("5a", False), (None, False)]
)
def test_b35_numbers_by_value(priority: Any, wanted: bool) -> None:
    item = {} if priority is None else {"priority": priority}
    assert value("priority == 5", item) is wanted


def test_b36_a_missing_field_is_null() -> None:
    assert value("a != 'x'") is True
    assert value("a == null") is True
    assert value("a < 3") is False


def test_b37_not_binds_closest() -> None:
    assert value("!done && ok", {"done": False, "ok": False}) is False
    assert error("!a == b") == ("P401", 4)


def test_b38_operators_in_quotes_are_text() -> None:
    assert value("name == 'a && b (c) in d'", {"name": "a && b (c) in d"}) is True


def test_b39_names_of_any_letters() -> None:
    assert value("größe > 3 && größe < 9", {"größe": 5}) is True


def test_b40_placeholders_around_names_and_whole_expressions() -> None:
    assert value("${test-step.exit_code != 0}", {"test-step": {"exit_code": 1}}) is True
    assert value("${flag} == true", {"flag": "true"}) is True


@pytest.mark.parametrize(
    ("text", "item", "wanted"),
    [
        ("a or b and c", {"a": 1}, True),
        ("not a and b", {"b": 1}, True),
        ("a AND NOT b", {"a": 1}, True),
        ("a = 1", {"a": 1}, True),
        ("a =~ '^x+$'", {"a": "xxx"}, True),
        ("a matches 'x'", {"a": "ax"}, True),
        ("a in ['x', 'y']", {"a": "y"}, True),
        ("a not in ['x', 'y']", {"a": "z"}, True),
        ("a IN 'haystack'", {"a": "st"}, True),
        ("a in b", {"a": "k", "b": {"k": 1}}, True),
        ("a in b", {"a": "k"}, False),
        ("tags contains 'x'", {"tags": ["x"]}, True),
        ("not tags contains 'x'", {"tags": []}, True),
        ("tags not contains 'x'", {"tags": []}, True),
        ("name startsWith 'a'", {"name": "abc"}, True),
        ("name.endsWith('c')", {"name": "abc"}, True),
        ("matches(name, 'b')", {"name": "abc"}, True),
        ("length(name) == 3", {"name": "abc"}, True),
        ("length(name, 3)", {"name": "abc"}, True),
        ("length(n)", {"n": 5}, None),
        ("lower(name) == upper('x')", {"name": "X"}, False),
        ("is_null(a) && !is_not_null(a) && is_empty(a)", {}, True),
        (
            "is_number(a) && is_string(b) && is_bool(c) && is_array(d) && is_object(e)",
            {"a": 1, "b": "", "c": False, "d": [], "e": {}},
            True,
        ),
        ("a.exists", {"a": None}, True),
        ("exists(b)", {"a": None}, False),
        ("a.b[0]['c d'] == 1", {"a": {"b": [{"c d": 1}]}}, True),
        ("item.a == 1 && item['a'] == 1", {"a": 1}, True),
        ("_index == 0", {}, True),
        ("item == 'x'", "x", True),
        ("[1, 'a',] == [1, 'a']", {}, True),
        ("a == b", {"a": {"x": [1.0]}, "b": {"x": [1]}}, True),
        ("'1' == 1 && 'true' == true && 'yes' != true", {}, True),
        ("'b' > 'a' && 10 > '9' && !('b' > 1)", {}, True),
        ("null < 1 || null > 1", {}, False),
        ("'a\\u0041\\n\\x' == \"aA\n\\\\x\"", {}, True),
        ("-1.5e1 == -15", {}, True),
        ("${a|length} == 3", {"a": "xyz"}, True),
        ("${a:-7} == 7", {}, True),
        ("${files:*.md|length} == 1", {"files": ["a.md", "b.py"]}, True),
    ],
)
def test_rules(text: str, item: Any, wanted: Any) -> None:
    assert value(text, item) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", ("P401", 1)),
        ("a ==", ("P401", 5)),
        ("1 < x < 5", ("P401", 7)),
        ("a == 'b", ("P401", 6)),
        ("a in 5", ("P401", 3)),
        ("foo(a)", ("P402", 1)),
        ("length()", ("P402", 1)),
        ("x == 1 && lower(a, b)", ("P402", 11)),
        ("a =~ '['", ("P403", 6)),
        ("matches(a, '(')", ("P403", 12)),
        ("${a|nope}", ("P304", 1)),
        ("(" * 200 + "a" + ")" * 200, None),
        ("!" * 300 + "a", ("P401", 1)),
        ("a[-1]", ("P401", 3)),
    ],
)
def test_what_cannot_be_read(text: str, wanted: tuple[str, int] | None) -> None:
    if wanted is None:
        assert value(text) is None
    elif text.startswith("!"):
        assert error(text)[0] == "P401"
    else:
        assert error(text) == wanted


def test_a_search_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(ExpressionError, match="took longer"):
        value("a =~ '(?:.*?,){11}P'", {"a": "1,2,3,4,5,6,7,8,9,10,11,12,13" * 40})


def test_variables_come_first_in_braces() -> None:
    assert value("${limit} == 3 && limit == 5", {"limit": 5}, Variables(limit=3)) is True
    assert value("${other} == 1", {"other": 1}, Variables(limit=3)) is True


@pytest.mark.parametrize("false", [None, False, 0, 0.0, "", "0", "false", "FALSE", [], {}])
def test_what_is_false(false: Any) -> None:
    assert truth(false) is False


@pytest.mark.parametrize("true", [True, 1, "a", " ", "00", [0], {"a": 0}])
def test_all_else_is_true(true: Any) -> None:
    assert truth(true) is True


@given(JSON, JSON)
def test_equality_is_symmetric(a: Any, b: Any) -> None:
    assert equal(a, b) == equal(b, a)
    assert equal(a, a)


@given(st.text(max_size=40) | st.text(alphabet="ab().[]'\"!=<>&|${}:- ,innot", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1


WORDS = st.sampled_from(
    ["a", "b", "item", "1", "'x'", "null", "true", "[1,2]", "(a)", "!b", "length(a)", "a.b"]
)
OPERATORS = st.sampled_from(["==", "!=", "<", ">=", "in", "contains", "&&", "||", "matches", "not in"])


@given(st.lists(st.tuples(WORDS, OPERATORS), max_size=4), WORDS, JSON)
def test_evaluation_raises_nothing_else(parts: list[tuple[str, str]], last: str, item: Any) -> None:
    text = " ".join(f"{word} {operator}" for word, operator in parts) + f" {last}"
    try:
        value(text, item if isinstance(item, dict) else {"a": item})
    except ExpressionError:
        pass
