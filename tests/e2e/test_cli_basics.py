import json
import os
import subprocess
import sys

import pytest

from prodigy import __version__

VALID = "name: fine\ncommands:\n  - shell: echo hi\n"
INVALID = "name: broken\ncommands:\n  - shel: ls\n  - shell: ls\n    tiemout: 5\n"


@pytest.fixture
def prodigy(tmp_path):
    """Run the program as a user would; no traceback may ever appear."""

    def run(*arguments, env=None, **options):
        given = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        done = subprocess.run(
            [sys.executable, "-m", "prodigy", *arguments],
            env={**given, "PRODIGY_HOME": str(tmp_path / "home"), **(env or {})},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def workflows(tmp_path):
    (tmp_path / "valid.yml").write_text(VALID)
    (tmp_path / "invalid.yml").write_text(INVALID)
    return tmp_path


def test_version(prodigy):
    assert prodigy("--version").stdout == f"prodigy {__version__}\n"
    assert prodigy("-v", "--version").stdout == f"prodigy {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_is_no_error(prodigy, arguments):
    done = prodigy(*arguments)
    assert done.returncode == 0
    assert done.stderr == ""
    for name in ("run", "validate", "worktree", "images", "doctor", "completion"):
        assert f"\n  {name} " in done.stdout


def test_nothing_is_stored_by_looking(prodigy, tmp_path, workflows):
    prodigy("--help")
    prodigy("validate", "valid.yml")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("arguments", [("--version",), ("validate", "valid.yml"), ("completion", "bash")])
def test_light_commands_import_nothing_heavy(tmp_path, workflows, arguments):
    script = (
        "import sys, atexit\n"
        "heavy = {'docker', 'git', 'rich.live', 'requests'}\n"
        "atexit.register(lambda: print('HEAVY', sorted(heavy & set(sys.modules))))\n"
        "from prodigy.cli.app import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_valid_file(prodigy, workflows):
    done = prodigy("validate", "valid.yml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 file, 0 errors, 0 warnings\n", "")


def test_all_errors_of_all_files_at_once(prodigy, workflows):
    done = prodigy("validate", "invalid.yml", "missing.yml", "valid.yml")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert "invalid.yml:3:5: error[P201]: " in lines[0]
    assert "did you mean 'shell'?" in lines[0]
    assert lines[1:3] == ["      - shel: ls", "        ^^^^"]
    assert any(line.startswith("invalid.yml:5:5: error[P201]") for line in lines)
    assert any(line.startswith("missing.yml:1:1: error[P101]") for line in lines)
    assert lines[-1].startswith("3 files, ")


def test_validate_json(prodigy, workflows):
    done = prodigy("validate", "invalid.yml", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 2
    assert document["schema"] == "prodigy.validate/1"
    assert document["errors"] == len(document["diagnostics"])
    assert document["diagnostics"][0]["code"] == "P201"
    assert json.loads(prodigy("validate", "invalid.yml", "--format", "json").stdout) == document


def test_validate_for_github(prodigy, workflows):
    lines = prodigy("validate", "invalid.yml", "--format", "github").stdout.splitlines()
    assert lines[0].startswith("::error file=invalid.yml,line=3,endLine=3,col=5,")


def test_warnings_are_errors_only_when_strict_and_not_shown_when_quiet(prodigy, tmp_path):
    (tmp_path / "old.yml").write_text("commands:\n  - shell: ls\n    on_failure: true\n")
    plain, strict = prodigy("validate", "old.yml"), prodigy("validate", "--strict", "old.yml")
    assert (plain.returncode, strict.returncode) == (0, 2)
    assert ": warning[W07]: " in plain.stdout
    assert plain.stdout.splitlines()[-1] == "1 file, 0 errors, 1 warning"
    assert strict.stdout.splitlines()[-1] == "1 file, 1 error, 0 warnings"
    assert prodigy("-q", "validate", "old.yml").stdout == "1 file, 0 errors, 1 warning\n"


def test_colours_in_a_pipe(prodigy, workflows):
    assert "\x1b[" not in prodigy("validate", "invalid.yml").stdout
    assert "\x1b[1;31merror" in prodigy("validate", "invalid.yml", env={"FORCE_COLOR": "1"}).stdout
    both = {"FORCE_COLOR": "1", "NO_COLOR": ""}
    assert "\x1b[" not in prodigy("validate", "invalid.yml", env=both).stdout
    assert "\x1b[" in prodigy("--color", "always", "validate", "invalid.yml", env=both).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(prodigy, shell):
    done = prodigy("completion", shell)
    assert done.returncode == 0
    assert "_PRODIGY_COMPLETE" in done.stdout


def test_completion_script_completes_in_bash(prodigy, tmp_path):
    (tmp_path / "prodigy").write_text(f'#!/bin/sh\nexec {sys.executable} -m prodigy "$@"\n')
    (tmp_path / "prodigy").chmod(0o755)
    script = (
        f'PATH={tmp_path}:$PATH\neval "$(prodigy completion bash)"\n'
        'COMP_WORDS=(prodigy val); COMP_CWORD=1; _prodigy_completion prodigy; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "validate\n"


def test_another_shell_is_refused(prodigy):
    done = prodigy("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr


def test_a_reader_that_goes_away_is_no_accident(tmp_path, workflows):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "prodigy", "validate", "invalid.yml"]
    with os.fdopen(write, "wb") as stdout:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == ""


def test_a_data_root_inside_a_repository_is_refused(prodigy, tmp_path):
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    done = prodigy("images", "ls", env={"PRODIGY_HOME": str(tmp_path / "repo" / "data")})
    assert done.returncode == 2
    assert "inside the repository" in done.stderr


def test_prune_needs_to_know_what(prodigy):
    done = prodigy("images", "prune")
    assert done.returncode == 2
    assert "--older-than" in done.stderr


def test_without_an_engine_there_is_a_sentence(prodigy, tmp_path):
    done = prodigy("images", "ls", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert done.returncode == 3
    assert done.stderr.startswith("prodigy: ")


def test_doctor_reports_everything_wrong_at_once(prodigy, tmp_path):
    done = prodigy("doctor", "--json", env={"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    checks = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 3
    assert checks["git"]["status"] == "ok"
    assert checks["repository"]["status"] == "fail"
    assert checks["engine"]["status"] == "fail"
    assert checks["engine"]["fix"]
    assert checks["data root"]["status"] == "ok"


@pytest.mark.docker
def test_doctor_is_content_with_this_machine(prodigy, tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "main", str(tmp_path / "repo")], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    commit = ["commit", "-q", "--allow-empty", "-m", "one"]
    subprocess.run(["git", "-C", str(tmp_path / "repo"), *identity, *commit], check=True)
    done = prodigy("doctor", "--sandbox", "--json", "-p", "repo")
    checks = json.loads(done.stdout)["checks"]
    assert [check for check in checks if check["status"] == "fail"] == []
    assert done.returncode == 0


@pytest.mark.docker
def test_images_lists_as_table_and_as_document(prodigy):
    table = prodigy("images", "ls")
    assert table.returncode == 0
    assert table.stdout.split()[:2] == ["REFERENCE", "DIGEST"]
    listed = json.loads(prodigy("images", "ls", "--json").stdout)
    assert listed["schema"] == "prodigy.images/1"
    assert len(table.stdout.splitlines()) == len(listed["images"]) + 1
