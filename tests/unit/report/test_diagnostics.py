import pytest

from prodigy.report.diagnostics import render_diagnostic, render_diagnostics, render_github
from prodigy.values import Diagnostic


def diagnostic(**changes):
    values = {
        "file": "w.yml",
        "line": 3,
        "column": 5,
        "end_line": 3,
        "end_column": 9,
        "severity": "error",
        "code": "P201",
        "message": "unknown key 'shel'",
        "help": None,
        "source": "  - shel: ls",
    }
    return Diagnostic(**(values | changes))


def test_position_message_source_and_caret():
    assert render_diagnostic(diagnostic(help="write 'shell'")).splitlines() == [
        "w.yml:3:5: error[P201]: unknown key 'shel'",
        "      - shel: ls",
        "        ^^^^",
        "    help: write 'shell'",
    ]


@pytest.mark.parametrize(
    ("source", "column", "end", "caret"),
    [
        ("\tkey: 1", 2, 5, "        ^^^"),
        ("日本: x", 5, 6, "          ^"),
        ("a: ", 4, 4, "       ^"),
    ],
)
def test_the_caret_stands_under_the_column(source, column, end, caret):
    shown = render_diagnostic(diagnostic(source=source, column=column, end_column=end))
    assert shown.splitlines()[-1] == caret


def test_a_finding_over_several_lines_is_marked_to_the_end_of_its_first():
    shown = render_diagnostic(diagnostic(source="ab: [", column=5, end_line=9, end_column=2))
    assert shown.splitlines()[-1] == "        ^"


def test_all_are_sorted_by_file_and_position():
    found = [diagnostic(file="b"), diagnostic(line=9), diagnostic(column=2), diagnostic(file="a")]
    places = [line.split(": ")[0] for line in render_diagnostics(found).splitlines() if "error" in line]
    assert places == ["a:3:5", "b:3:5", "w.yml:3:2", "w.yml:9:5"]


def test_source_text_cannot_steer_the_terminal():
    assert "\x1b" not in render_diagnostic(
        diagnostic(source="\x1b[2Jx", message="\x1b[1m", file="\x1b]0;x\x07")
    )


def test_github_commands_are_escaped():
    shown = render_github(diagnostic(file="a,b:c", message="50%\n::error::x"), severity="warning")
    assert shown == (
        "::warning file=a%2Cb%3Ac,line=3,endLine=3,col=5,endColumn=9,title=P201::50%25%0A::error::x"
    )
