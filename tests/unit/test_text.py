import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.text import item_name, printable, printable_lines

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b[]m0;\x07\\\x9b\x9d\x9c\x90\r\n\t\b\x7f\u202e\u2066\u200f\u2028\udcff\ud800\U000e0041"
        ),
    )
)


@given(HOSTILE)
def test_nothing_that_steers_a_terminal_survives(text):
    shown = printable(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")]
    assert not re.search("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


@given(HOSTILE)
def test_what_is_safe_is_left_alone(text):
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" ")))
def test_plain_text_is_unchanged(text):
    assert printable_lines(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("a\x1b]0;new title\x07b", "ab"),
        ("a\x1b]52;c;c2VjcmV0\x1b\\b", "ab"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("safe\u202egnp.exe", "safegnp.exe"),
        ("progress 1%\rprogress 2%", "progress 1% progress 2%"),
        ("a\tb", "a    b"),
        ("caf\udce9.txt", "caf\\xe9.txt"),
        ("one\ntwo", "one two"),
        ("日本語 é 👩\u200d💻", "日本語 é 👩\u200d💻"),
    ],
)
def test_known_tricks(text, shown):
    assert printable(text) == shown


def test_lines_are_kept_where_wanted():
    assert printable_lines("one\x1b[2J\ntwo\u2028three") == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("item_id", "item", "name"),
    [
        ("h-0123456789ab", "src/a.py", "h-0123456789ab src/a.py"),
        ("h-0123456789ab", {"k": [1]}, 'h-0123456789ab {"k": [1]}'),
        ("h-0123456789ab", "\x1b[31m" + "x" * 50, f"h-0123456789ab {'x' * 39}…"),
        ("a.py", {"id": "a.py"}, "a.py"),
    ],
)
def test_an_item_is_named_by_more_than_a_hash(item_id: str, item: object, name: str) -> None:
    assert item_name(item_id, item) == name
