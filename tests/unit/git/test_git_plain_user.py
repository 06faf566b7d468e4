"""The whole way as a user who is not root, in a child process of that user."""

import os
import shutil
import subprocess
import tempfile
import traceback
from pathlib import Path

import git.cmd  # noqa: F401 - the child cannot read where Python is installed
import pytest

from prodigy.git.at_rest import settle
from prodigy.git.importing import import_commits
from prodigy.git.leftovers import list_leftovers
from prodigy.git.merging import Merged, SessionMerger
from prodigy.git.publish import publish
from prodigy.git.refresh import refresh
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.template import get_template
from prodigy.git.workspace import Workspaces

pytestmark = pytest.mark.root
UID = 1500


def as_plain_user(work):
    """Run ``work`` in a child that is an ordinary user; fail with what it failed with."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(UID)
            os.setuid(UID)
            work()
        except BaseException:  # noqa: BLE001 - handed to the parent
            os.write(writing, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    assert said == ""


@pytest.fixture
def place():
    path = Path(tempfile.mkdtemp())
    os.chown(path, UID, UID)
    yield path
    shutil.rmtree(path)


def test_from_repository_to_publication(main, place, hash_tree, monkeypatch):
    tree = type(main)(place / "project")
    subprocess.run(["cp", "-a", main.path, tree.path], check=True)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", tree.path], check=True)
    monkeypatch.setenv("HOME", str(place))

    def work():
        home = place / "home"
        home.mkdir()
        before = hash_tree(tree.path)
        repository = open_repository(tree.path)
        store = Store.create(home, "session-1", repository)
        template = get_template(store, store.base, (UID, UID))
        workspaces = Workspaces(store, (UID, UID))
        own = workspaces.session(template)
        agent = workspaces.agent("0-1", template)
        inside, parent = type(main)(agent.path), type(main)(own.path)
        head = inside.commit("new", "x\n")
        imported = import_commits(store, inside.pipe, store.base, "agents/0-1")
        assert imported.head == head
        merged = SessionMerger(store).merge_agent("0", head)
        assert isinstance(merged, Merged)
        parent.write("left")
        refresh(store, parent.pipe, store.base, merged.commit)
        assert list_leftovers(parent.pipe) == (b"left",)
        (own.path / ".git").chmod(0o500)
        settle(own, store, merged.commit, template)
        assert parent.git("status", "--porcelain") == "?? left"
        (agent.path / ".git").chmod(0)
        agent.path.chmod(0)
        agent.remove()
        assert not agent.path.exists()
        assert hash_tree(tree.path) == before
        publish(store, repository, "main")
        assert tree.head == merged.commit

    as_plain_user(work)


def test_overlay_is_asked_of_the_engine(main, place, monkeypatch):
    tree = type(main)(place / "project")
    subprocess.run(["cp", "-a", main.path, tree.path], check=True)
    monkeypatch.setenv("HOME", str(place))

    def work():
        store = Store.create(place / "home", "session-1", open_repository(tree.path))
        template = get_template(store, store.base, (UID, UID))
        workspace = Workspaces(store, (UID, UID), backend="overlay").agent("0-1", template)
        spec = workspace.mount
        assert (spec.kind, spec.lower) == ("overlay", template.path)
        assert (spec.upper / ".git/HEAD").read_text() == "ref: refs/heads/work\n"
        assert (spec.upper / ".git/refs/heads/work").read_text().strip() == store.base
        assert list(spec.work.iterdir()) == []
        workspace.remove()
        assert not workspace.path.exists()

    as_plain_user(work)
