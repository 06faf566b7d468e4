"""What may be reached: names, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodigy.egress_rule import DEFAULT_PORTS, EgressRule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("pypi.org", EgressRule("pypi.org")),
        ("PyPI.org", EgressRule("pypi.org")),
        ("*.example.org", EgressRule("example.org", below=True)),
        ("git.example.org:8443", EgressRule("git.example.org", ports=(8443,))),
        ("localhost-like", EgressRule("localhost-like")),
        ("a_b.example", EgressRule("a_b.example")),
    ],
)
def test_names(text: str, rule: EgressRule) -> None:
    assert EgressRule.parse(text) == rule
    assert str(rule) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "*",
            "*.",
            "10.0.0.1",
            "1.2.3",
            "0x7f000001",
            "[::1]",
            "::1",
            "a b",
            "a\nb",
            "a.",
            ".a",
            "a..b",
            "-a",
        ),
        *(
            "a:0",
            "a:65536",
            "a:",
            "a:x",
            "https://a",
            "a/b",
            "a.*.b",
            "**.a",
            "a$b",
            "a'b",
            "é.org",
            "a" * 64,
        ),
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        EgressRule.parse(text)


@given(st.text(max_size=20) | st.text(alphabet="ab.*:-_019$\"' \n", max_size=20))
def test_a_rule_holds_nothing_but_names_and_ports(text: str) -> None:
    try:
        rule = EgressRule.parse(text)
    except ValueError:
        return
    assert not set(rule.name) - set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
    assert rule.ports == DEFAULT_PORTS or 0 < rule.ports[0] < 65536
    assert EgressRule.parse(str(rule)) == rule
