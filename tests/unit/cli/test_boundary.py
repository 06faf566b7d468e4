import json
import sys
import types

import pytest

from prodigy.cli import commands
from prodigy.cli.boundary import guarded
from prodigy.cli.command import command, new_app
from prodigy.cli.settings import Settings
from prodigy.errors import EngineUnavailable, Interrupted, PolicyViolation, ProdigyError, WorkflowInvalid
from prodigy.values import Diagnostic


@pytest.fixture
def fails(monkeypatch, tmp_path):
    """A command ``fails`` that raises what it is given, and the settings it was called with."""
    monkeypatch.setenv("PRODIGY_HOME", str(tmp_path / "home"))
    seen = []

    def register(error=None):
        app = new_app()

        def run(settings: Settings, *, json: bool = False) -> int:
            seen.append(settings)
            if error:
                raise error
            return 4

        command(app)(run)
        module = types.ModuleType("prodigy_test_fails")
        module.app = app
        monkeypatch.setitem(sys.modules, "prodigy_test_fails", module)
        monkeypatch.setitem(commands.COMMANDS, "fails", "prodigy_test_fails")
        return seen

    return register


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProdigyError("it broke"), 1),
        (PolicyViolation("it broke"), 2),
        (EngineUnavailable("it broke"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_exit_codes(fails, error, code):
    fails(error)
    assert guarded(["fails"]) == code


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_signals_become_exit_codes(fails, capsys, number, code):
    fails(Interrupted(number))
    assert guarded(["fails"]) == code
    assert capsys.readouterr().err == "prodigy: interrupted\n"


def test_the_commands_own_code_is_kept(fails):
    fails()
    assert guarded(["fails"]) == 4


def test_an_error_is_a_sentence_and_its_help(fails, capsys):
    fails(EngineUnavailable("no engine \x1b[2Janswers", help="start one"))
    guarded(["fails"])
    out, err = capsys.readouterr()
    assert (out, err) == ("", "prodigy: no engine answers\n  help: start one\n")


def test_with_json_an_error_is_a_document(fails, capsys):
    fails(EngineUnavailable("no engine", help="start one"))
    assert guarded(["fails", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "schema": "prodigy.error/1",
        "exit_code": 3,
        "message": "no engine",
        "help": "start one",
        "diagnostics": [],
    }


def test_a_wrong_command_line_with_json_is_a_document_too(capsys):
    assert guarded(["validate", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["message"].startswith("missing argument")


def test_all_diagnostics_of_an_invalid_workflow_are_shown(fails, capsys):
    found = [Diagnostic("w.yml", line, 1, line, 2, "error", "P201", f"finding {line}") for line in (2, 1)]
    fails(WorkflowInvalid(found))
    assert guarded(["fails"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "w.yml:1:1: error[P201]: finding 1",
        "w.yml:2:1: error[P201]: finding 2",
        "prodigy: the workflow has 2 errors",
    ]


def test_the_unexpected_is_logged_and_never_shown_as_a_traceback(fails, capsys, tmp_path):
    fails(ZeroDivisionError("secret detail"))
    assert guarded(["fails"]) == 1
    err = capsys.readouterr().err
    [log] = (tmp_path / "home" / "logs").iterdir()
    assert err == f"prodigy: internal error (ZeroDivisionError)\n  help: the details are in {log}\n"
    assert "secret detail" in log.read_text()


def test_the_unexpected_without_a_place_for_its_log(fails, capsys, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRODIGY_HOME", str(tmp_path / "file" / "home"))
    fails(ZeroDivisionError())
    assert guarded(["fails"]) == 1
    assert "log could not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        ["-vv", "--color", "never", "-p", "/tmp", "fails"],
        ["fails", "-vv", "--color", "never", "-p", "/tmp"],
        ["-v", "--color", "always", "fails", "-v", "--color=never", "--path", "/tmp"],
    ],
)
def test_common_options_stand_before_or_after_the_command(fails, line):
    seen = fails()
    assert guarded(line) == 4
    [settings] = seen
    assert (settings.verbosity, settings.color, str(settings.path)) == (2, "never", "/tmp")


def test_json_is_known_to_the_settings(fails):
    seen = fails()
    guarded(["fails", "--json"])
    assert seen[0].json


@pytest.mark.parametrize("line", [["-q", "fails", "-v"], ["fails", "-qv"], ["-v", "fails", "-q"]])
def test_quiet_and_verbose_exclude_each_other(fails, line, capsys):
    assert fails() == []
    assert guarded(line) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["valdate"], "no command 'valdate' (did you mean 'validate'?)"),
        (["zzzzzz"], "no command 'zzzzzz'"),
        (["validate", "--stirct", "f"], "no such option: --stirct (did you mean '--strict'?)"),
        (["--qiet"], "no such option: --qiet (did you mean '--quiet'?)"),
        (["images", "pruen"], "no such command 'pruen'. Did you mean 'prune'?"),
        (["report"], "'report' is not available in this version"),
        (["cook", "f.yml"], "'cook' was replaced by 'prodigy run FILE'"),
        (["validate", "f", "--color", "red"], "invalid value for '--color': 'red' is not one of"),
    ],
)
def test_a_wrong_command_line_names_the_nearest(line, sentence, capsys):
    assert guarded(line) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"prodigy: {sentence}")
