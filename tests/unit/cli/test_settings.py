import io
from pathlib import Path

import pytest

from prodigy.cli.settings import Settings, wants_json
from prodigy.errors import UsageError


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("flag", "env", "terminal", "colored"),
    [
        (None, {}, True, True),
        (None, {}, False, False),
        (None, {"NO_COLOR": ""}, True, False),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        (None, {"TERM": "dumb"}, True, False),
    ],
)
def test_colours(monkeypatch, flag, env, terminal, colored):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if terminal else io.StringIO()
    assert Settings(color=flag).colored(stream) is colored


def test_directory_is_checked_and_tilde_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "repo").mkdir()
    (tmp_path / "file").write_text("")
    assert Settings(path=Path("~/repo")).directory() == tmp_path / "repo"
    with pytest.raises(UsageError, match="no such directory"):
        Settings(path=tmp_path / "missing").directory()
    with pytest.raises(UsageError, match="not a directory"):
        Settings(path=tmp_path / "file").directory()


def test_json_is_found_only_among_the_options():
    assert wants_json(["run", "w", "--json"])
    assert not wants_json(["run", "--", "--json"])
