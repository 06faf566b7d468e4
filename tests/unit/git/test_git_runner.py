import os

import pytest

from prodigy.errors import GitFailed, SandboxFailure
from prodigy.git.runner import Git
from prodigy.git.shown import shown, shown_lines


@pytest.fixture
def git(session):
    return session.store.git


def test_nothing_of_the_callers_environment_arrives(git, monkeypatch):
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch ran")
    monkeypatch.setenv("GIT_INDEX_FILE", "/elsewhere")
    names = {line.split("=")[0] for line in git.text("-c", "alias.e=!env", "e").splitlines()}
    assert not names & {"SECRET", "GIT_SSH_COMMAND", "GIT_INDEX_FILE"}


def test_users_configuration_is_not_read(git, tmp_path):
    (tmp_path / "user-home/.gitconfig").write_text("[a]\n\tb = c\n")
    assert git.run("config", "a.b", ok=(1,)).out == b""


def test_limits_are_in_force(git):
    limits = git.run("-c", "alias.e=!cat /proc/self/limits", "e", limited=True).out.decode()
    by_name = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()}
    assert by_name["Max address space"] == [str(4 << 30)] * 2
    assert by_name["Max cpu time"] == ["120"] * 2
    assert by_name["Max file size"] == [str(2 << 30)] * 2


def test_failure_says_why_without_escapes(git):
    with pytest.raises(GitFailed, match="exit code 128") as failed:
        git.run("cat-file", "-t", "\x1b[31mred\x07")
    assert "\x1b" not in failed.value.message
    assert "\x07" not in failed.value.message


def test_time_is_up_for_children_too(git, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(GitFailed, match="did not end within"):
        git.run("-c", f"alias.e=!cat {tmp_path}/fifo", "e", timeout=0.2)


def test_too_much_output(git):
    with pytest.raises(GitFailed, match="more than 1000 bytes"):
        git.run("-c", "alias.e=!yes", "e", most=1000)


def test_streams_larger_than_any_pipe(git):
    data = os.urandom(1 << 20)
    blob = git.run("hash-object", "-w", "--stdin", data=data).out.decode().strip()
    assert git.run("cat-file", "blob", blob).out == data
    chunks = (data[at : at + 1000] for at in range(0, len(data), 1000))
    assert git.run("hash-object", "--stdin", data=chunks).out.decode().strip() == blob


def test_input_and_output_at_once(git, session):
    names = f"{session.store.base}\n".encode() * 50_000
    out = git.run("cat-file", "--batch-check=%(objecttype)", data=names).out
    assert out == b"commit\n" * 50_000


def test_a_source_that_breaks(git):
    def source():
        yield b"x"
        raise SandboxFailure("the container is gone")

    with pytest.raises(SandboxFailure, match="gone"):
        git.run("hash-object", "--stdin", data=source())


def test_git_that_ends_before_its_input(git):
    with pytest.raises(GitFailed, match="index-pack"):
        git.run("index-pack", "--stdin", data=(b"x" * 1000 for _ in range(100_000)))


def test_leaving_a_stream_ends_it(git):
    with git.stream("-c", "alias.e=!yes", "e") as running:
        assert running.stdout.read(2) == b"y\n"
    assert running.process.returncode is not None


def test_a_missing_directory_does_not_become_the_current_one(tmp_path, main, monkeypatch):
    monkeypatch.chdir(main.path)
    with pytest.raises(GitFailed):
        Git.reading(tmp_path / "nothing").run("rev-parse", "HEAD")


def test_shown():
    assert shown(b"a\x1b[31mb\n\x00c\xff") == "ab c\\xff"
    assert len(shown(b"x" * 1000, 20)) == 20
    assert shown_lines(b"a\nb\x07\n") == "a\nb\n"
