"""Work items: documents, queries, ids, globs."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.errors import InputError
from prodigy.workflow.globs import match_glob
from prodigy.workflow.items import (
    classify_input,
    from_value,
    is_path_like,
    number_items,
    parse_command_output,
    parse_document,
    select,
)
from prodigy.workflow.models import MapInput


@pytest.mark.parametrize("text", ["items.json", "a/b", "data.CSV", "./x", "x.yml"])
def test_path_like(text: str) -> None:
    assert is_path_like(text)


@pytest.mark.parametrize("text", ["ls *.md", "ls", "a|b.json", "$X/a", "make", "ls -la dir/x"])
def test_not_path_like(text: str) -> None:
    assert not is_path_like(text)


def test_text_inputs_are_files_or_commands_but_never_missing_files() -> None:
    def decide(text: str, *files: str) -> str:
        return classify_input(MapInput(kind="text", text=text), lambda path: path in files).kind

    assert decide("items.json", "items.json") == "file"
    assert decide("LIST", "LIST") == "file"
    assert decide("ls *.md") == "command"
    assert decide("ls") == "command"
    with pytest.raises(InputError, match=r"input file not found: missing\.json"):
        decide("missing.json")


@pytest.mark.parametrize(
    ("data", "name", "form", "wanted"),
    [
        (b'{"a": [1]}', "x.json", None, {"a": [1]}),
        (b"\xef\xbb\xbf[1]", "x", None, [1]),
        (b'{"a":1}\n\n{"a":2}\n', "x.jsonl", None, [{"a": 1}, {"a": 2}]),
        (b"a\r\n\nb\n", "x.txt", None, ["a", "b"]),
        (b"5\n6", "x.json", "lines", ["5", "6"]),
        (b'n,t\n1,"a\nb"\n', "x.csv", None, [{"n": "1", "t": "a\nb"}]),
        (b"n\tt\n1\t2\n", "x.tsv", None, [{"n": "1", "t": "2"}]),
    ],
)
def test_documents(data: bytes, name: str, form: str | None, wanted: object) -> None:
    assert parse_document(data, name, form) == wanted


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"a\nb", "x.json", "format: lines"),
        (b"[NaN]", "x.json", "NaN"),
        (b"[" * 100_000, "x.json", "nested"),
        (b'{"a":1}\n{broken', "x.jsonl", "line 2"),
        (b"a\n\xff", "x.txt", "line 2: not UTF-8"),
        (b"a,a\n", "x.csv", "line 1"),
        (b"a,b\n1\n", "x.csv", "line 2"),
        (b"a: [1", "x.yaml", "line 2"),
        (b"[" + b"9" * 10_000 + b"]", "x.json", "not JSON"),
    ],
)
def test_broken_documents(data: bytes, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_document(data, name)
    assert words in f"{caught.value} {caught.value.help}"


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"[1, 2]", [1, 2]),
        (b'{"a": [1]}', {"a": [1]}),
        (b'{"a":1}\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        (b"1\n2\n\n", ["1", "2"]),
        (b"5", ["5"]),
        (b'"x"', ['"x"']),
        (b"", []),
    ],
)
def test_command_output(data: bytes, wanted: object) -> None:
    assert parse_command_output(data) == wanted


def test_command_output_that_stops_being_json_names_the_line() -> None:
    with pytest.raises(InputError, match="line 2"):
        parse_command_output(b'{"a":1}\n{broken')


@pytest.mark.parametrize(
    ("document", "path", "wanted"),
    [
        ([1, 2], None, [1, 2]),
        ({"a": 1}, None, [{"a": 1}]),
        ({"items": [1, 2]}, "$.items", [1, 2]),
        ({"items": [1, 2]}, "items[*]", [1, 2]),
        ({"items": [[1], [2]]}, "$.items[*]", [[1], [2]]),
        ({"a": {"id": 1}}, "$..id", [1]),
        ([{"n": 1}, {"n": 5}], "$[?@.n > 2]", [{"n": 5}]),
        ([{"n": 1}, {"n": 5}], "[?(@.n == 1)].n", [1]),
        ({"a": 5}, "$.a", [5]),
        ({"a": 5}, "$.b", []),
    ],
)
def test_select(document: object, path: str | None, wanted: list[object]) -> None:
    assert select(document, path) == wanted


def test_select_refuses_what_is_no_query() -> None:
    with pytest.raises(InputError, match="JSONPath"):
        select([], "$[?")


def test_too_many_items() -> None:
    with pytest.raises(InputError, match="100000"):
        select(list(range(100_001)), None)


def test_ids() -> None:
    items = [
        {"id": 1},
        {"id": 1, "x": 2},
        {"id": "x"},
        "a",
        "a",
        {"id": "a b/ü~"},
        {"id": True},
        {"id": [1]},
        {"id": ".."},
    ]
    names = [name for name, _ in number_items(items)]
    assert re.fullmatch(r"1~[0-9a-f]{6}", names[0])
    assert re.fullmatch(r"1~[0-9a-f]{6}", names[1])
    assert names[0] != names[1]
    assert names[2] == "x"
    assert re.fullmatch(r"h-[0-9a-f]{12}", names[3])
    assert names[4] == names[3] + "-2"
    assert names[5] == "a%20b%2F%C3%BC%7E"
    assert names[6] == "true"
    assert names[7].startswith("h-")
    assert names[8] == "%2E%2E"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.lists(
        st.fixed_dictionaries({"id": json_values | st.sampled_from(["a", "a-2", "é" * 200, ""])})
        | json_values
    )
)
def test_ids_are_unique_harmless_and_independent_of_the_rest(items: list[object]) -> None:
    numbered = number_items(items)
    names = [name for name, _ in numbered]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._@:+%~-]{1,128}", name) for name in names)
    assert not set(names) & {".", ".."}
    assert [item for _, item in numbered] == items


def test_hundred_thousand_items_are_numbered_quickly() -> None:
    items = [{"name": f"n{i}", "v": i % 10} for i in range(100_000)]
    started = time.process_time()
    assert len({name for name, _ in number_items(items)}) == 100_000
    assert len(number_items(["same"] * 100_000)) == 100_000
    assert time.process_time() - started < 10


def test_from_value() -> None:
    assert from_value(["a"]) == ["a"]
    assert from_value("a\nb") == ["a", "b"]


PATHS = ["a.py", "src/a.py", "src/x/b.py", "src/x/b.md", "docs/a.md", ".hid/c.py", "src/[x].py"]


@pytest.mark.parametrize(
    ("patterns", "exclude", "wanted"),
    [
        (["*.py"], [], [".hid/c.py", "a.py", "src/[x].py", "src/a.py", "src/x/b.py"]),
        (["src/*.py"], [], ["src/[x].py", "src/a.py"]),
        (["src/**/*.py"], [], ["src/[x].py", "src/a.py", "src/x/b.py"]),
        (["**/b.*"], ["*.md"], ["src/x/b.py"]),
        (["/a.py"], [], ["a.py"]),
        (["src/**"], ["src/x/**"], ["src/[x].py", "src/a.py"]),
        (["src/"], ["*.py"], ["src/x/b.md"]),
        (["[a-b].md", "?.md"], [], ["docs/a.md", "src/x/b.md"]),
        (["[!a].md"], [], ["src/x/b.md"]),
        ([r"src/\[x\].py"], [], ["src/[x].py"]),
        (["./docs/a.md"], [], ["docs/a.md"]),
        (["nothing"], [], []),
    ],
)
def test_globs(patterns: list[str], exclude: list[str], wanted: list[str]) -> None:
    assert match_glob(patterns, exclude, PATHS) == wanted


@given(st.text("ab*?[]!^-\\/.{}", max_size=12), st.text("ab/.", max_size=12))
def test_any_glob_compiles(pattern: str, path: str) -> None:
    assert match_glob([pattern], [], [path]) in ([], [path])


def test_globs_do_not_backtrack_for_ever() -> None:
    started = time.process_time()
    assert match_glob(["**/*a*a*a*a*b"], [], ["a" * 60 + "/" + "a" * 60]) == []
    assert match_glob(["**/" * 12 + "x"], [], ["a/" * 60 + "y"]) == []
    assert time.process_time() - started < 2
