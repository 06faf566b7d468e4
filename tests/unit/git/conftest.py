"""Real repositories, and plain processes that stand in for containers."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from prodigy.git.recovery import recover_session
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.template import get_template
from prodigy.git.workspace import Workspaces

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "protocol.file.allow",
    "GIT_CONFIG_VALUE_1": "always",
}


@pytest.fixture(autouse=True)
def _no_user_configuration(monkeypatch, tmp_path):
    home = tmp_path / "user-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@dataclass
class Tree:
    """A work tree, and the commands run in it."""

    path: Path

    def git(self, *args, data=None, ok=True, env=None):
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            input=data,
            capture_output=True,
            check=False,
            env={**ENV, **(env or {})},
        )
        if ok:
            assert done.returncode == 0, done.stderr
        return done.stdout.strip().decode("utf-8", "surrogateescape")

    def write(self, name, text="text\n"):
        file = self.path / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def commit(self, name, text="text\n", message="change"):
        self.write(name, text)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "-m", message)
        return self.head

    @property
    def head(self):
        return self.git("rev-parse", "HEAD")

    def pipe(self, argv, *, stdin=None, timeout=None):
        return _pipe(self.path, argv, stdin)


class _Process:
    def __init__(self, process):
        self.process = process
        self.stdout = process.stdout

    def wait(self, timeout=None):
        self.stdout.read()
        return self.process.wait()

    def stderr_tail(self):
        return self.process.stderr.read()


@contextlib.contextmanager
def _pipe(path, argv, stdin):
    with subprocess.Popen(
        argv, cwd=path, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        with contextlib.suppress(BrokenPipeError), process.stdin:
            for chunk in stdin or ():
                process.stdin.write(chunk)
        try:
            yield _Process(process)
        finally:
            process.kill()


@contextlib.contextmanager
def saying(data, code=0):
    """A pipe whose command says ``data``, whatever it was asked."""

    class Said:
        stdout = io.BytesIO(data)

        def wait(self, timeout=None):
            return code

        def stderr_tail(self):
            return b"\x1b[31mlast words\n"

    yield Said()


@dataclass
class Session:
    """A session over a repository, with agents to come."""

    main: Tree
    home: Path
    store: Store
    workspaces: Workspaces

    @property
    def template(self):
        return get_template(self.store, self.store.base, (os.geteuid(), os.getegid()))

    def agent(self, name="0-1", commit=None):
        template = get_template(self.store, commit or self.store.head(), (os.geteuid(), os.getegid()))
        return Tree(self.workspaces.agent(name, template).mount.source)

    def says(self, data, code=0):
        return lambda argv, *, stdin=None, timeout=None: saying(data, code)


@pytest.fixture
def new_repository(tmp_path):
    """Makes repositories with one commit on ``main``."""

    def make(name="project", *init):
        path = tmp_path / name
        path.mkdir()
        tree = Tree(path)
        tree.git("init", "-q", "-b", "main", *init)
        tree.git("config", "user.name", "Ursula")
        tree.git("config", "user.email", "ursula@example.org")
        tree.commit("README", "read me\n", "first")
        return tree

    return make


@pytest.fixture
def main(new_repository):
    return new_repository()


@pytest.fixture
def new_session(tmp_path):
    """Makes sessions over a repository."""
    made = []

    def make(tree, session_id="session-1", **options):
        home = tmp_path / "prodigy-home"
        home.mkdir(mode=0o700, exist_ok=True)
        store = Store.create(home, session_id, open_repository(tree.path))
        owner = (os.geteuid(), os.getegid())
        made.append(store)
        return Session(tree, home, store, Workspaces(store, owner, **options))

    yield make
    for store in made:
        recover_session(store.home, store.session_id)


@pytest.fixture
def session(main, new_session):
    return new_session(main)


@pytest.fixture
def hash_tree():
    """Digests every file below a directory: name, mode, kind, content."""

    def digest(path):
        found = {}
        for directory, directories, names in os.walk(path):
            for name in [*names, *directories]:
                file = Path(directory) / name
                status = file.lstat()
                if file.is_symlink():
                    content = os.fsencode(file.readlink())
                else:
                    content = file.read_bytes() if file.is_file() else b""
                found[str(file)] = (status.st_mode, status.st_uid, hashlib.sha256(content).hexdigest())
        return found

    return digest
