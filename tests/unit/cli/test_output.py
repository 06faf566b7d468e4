import io
import os
import pty
import re

import pytest

from prodigy.cli.output import ask, confirm, print_table
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False), ("yep\n", False)],
)
def test_only_yes_is_yes_and_the_end_of_input_is_no(monkeypatch, typed, answer):
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    assert ask("Merge?") is answer


def test_destroying_needs_a_terminal_or_a_flag(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert confirm("Remove?", yes=True)
    with pytest.raises(UsageError, match="no terminal"):
        confirm("Remove?", yes=False)


def test_a_table_in_a_pipe_is_one_line_per_row(capsys):
    print_table(("NAME", "DETAIL"), [("a", "x" * 300), ("b\n", "\x1b[2Jy")], Settings())
    assert capsys.readouterr().out.splitlines() == ["NAME  DETAIL", "a     " + "x" * 300, "b     y"]


def test_a_table_at_a_terminal_folds_long_cells(monkeypatch):
    leader, follower = pty.openpty()
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        print_table(("NAME", "DETAIL"), [("a", "word " * 30)], Settings(color="never"))
        stream.flush()
        lines = re.sub(r"\x1b\[\d*m", "", os.read(leader, 65536).decode()).splitlines()
    os.close(leader)
    assert lines[1].split() == ["NAME", "DETAIL"]
    assert len(lines) > 5
    assert max(map(len, lines)) <= 40
