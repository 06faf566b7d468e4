"""JSONPath: the cases of the tables of RFC 9535, and what is taken besides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.workflow.jsonpath import compile_query

BOOKS = [
    {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
    {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
    {
        "category": "fiction",
        "author": "Herman Melville",
        "title": "Moby Dick",
        "isbn": "0-553-21311-3",
        "price": 8.99,
    },
    {
        "category": "fiction",
        "author": "J. R. R. Tolkien",
        "title": "The Lord of the Rings",
        "isbn": "0-395-19395-8",
        "price": 22.99,
    },
]
BICYCLE = {"color": "red", "price": 399}
STORE = {"store": {"book": BOOKS, "bicycle": BICYCLE}}
COMPARED = {"obj": {"x": "y"}, "arr": [2, 3]}
FILTERED: dict[str, Any] = {
    "a": [3, 5, 1, 2, 4, 6, {"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}],
    "o": {"p": 1, "q": 2, "r": 3, "s": 5, "t": {"u": 6}},
    "e": "f",
}
DEEP = {"o": {"j": 1, "k": 2}, "a": [5, 3, [{"j": 4}, {"k": 6}]]}
NULLS: dict[str, Any] = {"a": None, "b": [None], "c": [{}], "null": 1}
LETTERS = ["a", "b", "c", "d", "e", "f", "g"]


def ask(query: str, document: Any) -> list[Any]:
    """The values of the nodes a query finds."""
    return list(compile_query(query).find(document).values())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("$.store.book[*].author", [book["author"] for book in BOOKS]),
        ("$..author", [book["author"] for book in BOOKS]),
        ("$.store.*", [BOOKS, BICYCLE]),
        ("$..book[2]", [BOOKS[2]]),
        ("$..book[2].author", ["Herman Melville"]),
        ("$..book[2].publisher", []),
        ("$..book[-1]", [BOOKS[3]]),
        ("$..book[0,1]", BOOKS[:2]),
        ("$..book[:2]", BOOKS[:2]),
        ("$..book[?@.isbn]", BOOKS[2:]),
        ("$..book[?@.price<10]", [BOOKS[0], BOOKS[2]]),
    ],
)
def test_table_2_the_store(query: str, wanted: list[Any]) -> None:
    assert ask(query, STORE) == wanted


def test_table_2_prices_and_everything() -> None:
    assert sorted(ask("$.store..price", STORE)) == [8.95, 8.99, 12.99, 22.99, 399]
    assert len(ask("$..*", STORE)) == 27


NAMES = {"o": {"j j": {"k.k": 3}}, "'": {"@": 2}}
WILD = {"o": {"j": 1, "k": 2}, "a": [5, 3]}


@pytest.mark.parametrize(
    ("query", "document", "wanted"),
    [
        ("$", {"k": "v"}, [{"k": "v"}]),
        ("$.o['j j']", NAMES, [{"k.k": 3}]),
        ("$.o['j j']['k.k']", NAMES, [3]),
        ('$.o["j j"]["k.k"]', NAMES, [3]),
        ('$["\'"]["@"]', NAMES, [2]),
        ("$[*]", WILD, [{"j": 1, "k": 2}, [5, 3]]),
        ("$.o[*]", WILD, [1, 2]),
        ("$.o[*, *]", WILD, [1, 2, 1, 2]),
        ("$.a[*]", WILD, [5, 3]),
        ("$[1]", ["a", "b"], ["b"]),
        ("$[-2]", ["a", "b"], ["a"]),
        ("$[1:3]", LETTERS, ["b", "c"]),
        ("$[5:]", LETTERS, ["f", "g"]),
        ("$[1:5:2]", LETTERS, ["b", "d"]),
        ("$[5:1:-2]", LETTERS, ["f", "d"]),
        ("$[::-1]", LETTERS, LETTERS[::-1]),
        ("$[::0]", LETTERS, []),
        ("$[0, 3]", LETTERS, ["a", "d"]),
        ("$[0:2, 5]", LETTERS, ["a", "b", "f"]),
        ("$[0, 0]", LETTERS, ["a", "a"]),
        ("$..j", DEEP, [1, 4]),
        ("$..[0]", DEEP, [5, {"j": 4}]),
        ("$.a..[0, 1]", DEEP, [5, 3, {"j": 4}, {"k": 6}]),
        ("$..o", DEEP, [{"j": 1, "k": 2}]),
        ("$.a", NULLS, [None]),
        ("$.a[0]", NULLS, []),
        ("$.a.d", NULLS, []),
        ("$.b[0]", NULLS, [None]),
        ("$.b[*]", NULLS, [None]),
        ("$.b[?@]", NULLS, [None]),
        ("$.b[?@==null]", NULLS, [None]),
        ("$.c[?@.d==null]", NULLS, []),
        ("$.null", NULLS, [1]),
    ],
)
def test_tables_4_to_9_and_15_to_17_selectors(query: str, document: Any, wanted: list[Any]) -> None:
    assert ask(query, document) == wanted


@pytest.mark.parametrize("query", ["$..*", "$..[*]"])
def test_table_16_every_descendant(query: str) -> None:
    assert len(ask(query, DEEP)) == 11


@pytest.mark.parametrize(
    ("comparison", "holds"),
    [
        ("$.absent1 == $.absent2", True),
        ("$.absent1 <= $.absent2", True),
        ("$.absent == 'g'", False),
        ("$.absent1 != $.absent2", False),
        ("$.absent != 'g'", True),
        ("1 <= 2", True),
        ("1 > 2", False),
        ("13 == '13'", False),
        ("'a' <= 'b'", True),
        ("'a' > 'b'", False),
        ("$.obj == $.arr", False),
        ("$.obj != $.arr", True),
        ("$.obj == $.obj", True),
        ("$.obj != $.obj", False),
        ("$.arr == $.arr", True),
        ("$.arr != $.arr", False),
        ("$.obj == 17", False),
        ("$.obj != 17", True),
        ("$.obj <= $.arr", False),
        ("$.obj < $.arr", False),
        ("$.obj <= $.obj", True),
        ("$.arr <= $.arr", True),
        ("1 <= $.arr", False),
        ("1 >= $.arr", False),
        ("1 > $.arr", False),
        ("1 < $.arr", False),
        ("true <= true", True),
        ("true > true", False),
    ],
)
def test_table_11_comparisons(comparison: str, holds: bool) -> None:
    assert bool(ask(f"$[?{comparison}]", COMPARED)) is holds


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("$.a[?@.b == 'kilo']", [{"b": "kilo"}]),
        ("$.a[?(@.b == 'kilo')]", [{"b": "kilo"}]),
        ("$.a[?@>3.5]", [5, 4, 6]),
        ("$.a[?@.b]", [{"b": "j"}, {"b": "k"}, {"b": {}}, {"b": "kilo"}]),
        ("$[?@.*]", [FILTERED["a"], FILTERED["o"]]),
        ("$[?@[?@.b]]", [FILTERED["a"]]),
        ("$.o[?@<3, ?@<3]", [1, 2, 1, 2]),
        ('$.a[?@<2 || @.b == "k"]', [1, {"b": "k"}]),
        ('$.a[?match(@.b, "[jk]")]', [{"b": "j"}, {"b": "k"}]),
        ('$.a[?search(@.b, "[jk]")]', [{"b": "j"}, {"b": "k"}, {"b": "kilo"}]),
        ("$.o[?@>1 && @<4]", [2, 3]),
        ("$.o[?@.u || @.x]", [{"u": 6}]),
        ("$.a[?@.b == $.x]", [3, 5, 1, 2, 4, 6]),
        ("$.a[?@ == @]", FILTERED["a"]),
        ("$.a[?length(@.b) == 4]", [{"b": "kilo"}]),
        ("$[?count(@.*) == 5]", [FILTERED["o"]]),
        ("$.a[?value(@..b) == 'j']", [{"b": "j"}]),
    ],
)
def test_table_12_filters(query: str, wanted: list[Any]) -> None:
    assert ask(query, FILTERED) == wanted


@pytest.mark.parametrize(
    "query",
    [
        "$[?length(@) < 3]",
        "$[?count(@.*) == 1]",
        "$[?match(@.timezone, 'Europe/.*')]",
        "$[?value(@..color) == 'red']",
    ],
)
def test_table_14_well_typed(query: str) -> None:
    assert ask(query, {}) == []


@pytest.mark.parametrize(
    "query",
    [
        "$[?length(@.*) < 3]",
        "$[?count(1) == 1]",
        "$[?match(@.timezone, 'Europe/.*') == true]",
        "$[?value(@..color)]",
        "$[?unknown(@)]",
        "$[01]",
        "$[9007199254740992]",
        "$.a[",
        "$[?@.a == 'x]",
        "$..",
        "$.a b",
        "$[?@.a ==]",
    ],
)
def test_table_14_and_others_that_are_no_queries(query: str) -> None:
    with pytest.raises(ValueError, match="not a JSONPath query"):
        compile_query(query)


@pytest.mark.parametrize(
    "query",
    [
        "store.book[?@.category='reference']",
        ".store.book[?@.category = 'reference']",
        "$..[?(@.category=='reference')]",
    ],
)
def test_other_spellings(query: str) -> None:
    assert ask(query, STORE) == [BOOKS[0]]


def test_an_equals_sign_within_a_text_stays() -> None:
    assert ask("$[?@.a='b=c']", [{"a": "b=c"}, {"a": "b==c"}]) == [{"a": "b=c"}]


PIECES = st.sampled_from(
    ["$", "@", ".", "..", "[", "]", "?", "(", ")", "'a'", '"', "'", "\\u00", "\\", "*", "1", "-", ":", ",", "==",
     "=", "<", "&&", "||", "!", "length", "match", "null", "a", " ", "\n", "é", "\x00"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=16).map("".join) | st.text(max_size=30))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    try:
        query = compile_query(text)
    except ValueError:
        return
    query.find({"a": [1, "x", None, {"a": "1"}]})
