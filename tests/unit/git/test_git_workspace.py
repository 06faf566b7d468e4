import os
import subprocess
import threading
from pathlib import Path

import pytest

from prodigy.errors import UsageError
from prodigy.git.at_rest import settle
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.git.template import SMALL_FILES, drop_templates, get_template
from prodigy.git.workspace import Workspaces

ODD_NAMES = [b"with\nnewline", b"not-utf8-\xff", "ünï".encode(), b"-dash", b'quote"and\\', b"sp ace/deep"]

overlays = pytest.mark.parametrize("backend", ["copy", pytest.param("overlay", marks=pytest.mark.root)])


@overlays
def test_agent_workspace_is_the_base_commit_and_nothing_else(main, new_session, backend):
    for number, name in enumerate(ODD_NAMES):
        main.commit(name, f"{number}\n")
    main.git("branch", "secret")
    main.write("README", "stashed\n")
    main.git("stash", "-q")
    session = new_session(main, backend=backend)
    tree = session.agent()
    assert tree.git("status", "--porcelain") == ""
    assert tree.git("symbolic-ref", "HEAD") == "refs/heads/work"
    assert tree.head == main.head
    assert tree.git("for-each-ref", "--format=%(refname)").split() == [
        "refs/heads/prodigy-base",
        "refs/heads/work",
    ]
    assert tree.git("remote") == ""
    assert len(tree.git("rev-list", "--all").split()) == len(ODD_NAMES) + 1
    stash = main.git("rev-parse", "stash")
    assert tree.git("cat-file", "-t", stash, ok=False) == ""
    for number, name in enumerate(ODD_NAMES):
        assert (tree.path / os.fsdecode(name)).read_text() == f"{number}\n"


@overlays
def test_git_works_inside(main, new_session, backend):
    main.commit("dir/file", "1\n")
    main.commit("dir/other", "1\n")
    tree = new_session(main, backend=backend).agent()
    tree.git("mv", "dir", "moved")
    tree.git("commit", "-q", "-m", "move")
    tree.write("moved/file", "2\n")
    tree.git("stash", "-q")
    tree.git("stash", "pop", "-q")
    tree.git("gc", "-q")
    tree.git("worktree", "add", "-q", "../" + "linked" if backend == "copy" else "linked", "HEAD~1")
    assert "moved" in tree.git("log", "-p", "--stat")
    assert tree.git("fsck", "--no-dangling") == ""


@overlays
def test_workspaces_and_template_do_not_share_what_is_written(main, new_session, backend, hash_tree):
    session = new_session(main, backend=backend)
    one, two = session.agent("0-1"), session.agent("1-1")
    template = hash_tree(session.template.path)
    store, sibling, repository = (hash_tree(p) for p in (session.store.path, two.path, main.path))
    for directory, _, names in os.walk(one.path):
        for name in names:
            file = Path(directory) / name
            file.chmod(0o644)
            with file.open("r+b") as handle:
                handle.write(b"evil")
    assert hash_tree(session.template.path) == template
    assert hash_tree(session.store.path) == store
    assert hash_tree(two.path) == sibling
    assert hash_tree(main.path) == repository


def test_no_file_of_a_workspace_is_linked_elsewhere(session):
    trees = (session.agent().path, session.workspaces.session(session.template).path)
    for tree in trees:
        assert not [n for d, _, names in os.walk(tree) for n in names if (Path(d) / n).lstat().st_nlink > 1]


def test_the_store_shares_objects_with_the_repository(session):
    shared = [p for p in session.store.path.rglob("objects/*/*") if p.is_file() and p.stat().st_nlink > 1]
    assert shared


def test_a_clean_index_needs_no_reading_of_big_templates(main, new_session, tmp_path):
    for number in range(SMALL_FILES + 10):
        main.write(f"d{number % 50}/f{number}", f"{number}\n")
    main.git("add", "-A")
    main.git("commit", "-q", "-m", "many")
    session = new_session(main, backend="copy")
    tree = session.agent()
    assert not session.template.small
    index = (tree.path / ".git/index").stat().st_mtime
    # What git would read again: files that are not older than the index.
    assert not [p for p in tree.path.glob("d*/f*") if int(p.lstat().st_mtime) >= int(index)]
    assert tree.git("diff-files", "--name-only") == ""


def test_a_change_right_after_creation_is_seen(main, new_session):
    main.commit("same-size", "aaaa\n")
    tree = new_session(main).agent()
    tree.write("same-size", "bbbb\n")
    assert tree.git("status", "--porcelain") == "M same-size"


def test_template_is_made_once_even_by_two_at_a_time(main, new_session):
    session = new_session(main)
    owner = (os.geteuid(), os.getegid())
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(get_template(session.store, session.store.base, owner)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert sorted(p.suffix for p in (session.home / "bases").iterdir()) == ["", ".json"]


def test_only_the_sessions_own_templates_go_with_it(session, main):
    theirs = session.template
    tree = session.agent()
    head = tree.commit("a")
    tree.git("push", "-q", str(session.store.path), "HEAD:refs/prodigy/session-1/session")
    own = get_template(session.store, head, (os.geteuid(), os.getegid()))
    drop_templates(session.home, "session-1")
    assert theirs.path.is_dir()
    assert not own.path.exists()


def test_template_of_a_long_history_is_shallow(main, new_session, monkeypatch):
    for number in range(60):
        main.git("commit", "-q", "--allow-empty", "-m", str(number))
    monkeypatch.setattr("prodigy.git.template.FULL_HISTORY", 0)
    tree = new_session(main).agent()
    assert tree.git("rev-parse", "--is-shallow-repository") == "true"
    assert len(tree.git("rev-list", "HEAD").split()) == 50
    assert tree.git("status", "--porcelain") == ""


def test_shallow_repository(main, new_session, tmp_path):
    main.commit("second")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{main.path}", tmp_path / "shallow"], check=True
    )
    shallow = type(main)(tmp_path / "shallow")
    tree = new_session(shallow).agent()
    assert tree.git("log", "--oneline").count("\n") == 0
    assert tree.git("fsck") == ""


def test_sha256_repository(new_repository, new_session):
    tree = new_session(new_repository("project", "--object-format=sha256")).agent()
    assert len(tree.head) == 64
    assert tree.git("status", "--porcelain") == ""


def test_detached_head(main, new_session):
    main.commit("second")
    main.git("checkout", "-q", "--detach", "HEAD~1")
    assert new_session(main).agent().head == main.head


def test_symlinked_objects_are_fetched(main, new_session, tmp_path):
    objects = main.path / ".git/objects"
    objects.rename(tmp_path / "objects")
    objects.symlink_to(tmp_path / "objects")
    sub = next(p for p in (tmp_path / "objects").iterdir() if len(p.name) == 2)
    sub.rename(tmp_path / sub.name)
    sub.symlink_to(tmp_path / sub.name)
    assert new_session(main).agent().git("fsck") == ""


def test_line_endings_are_the_repositorys(main, new_session):
    main.git("config", "core.autocrlf", "true")
    main.write("text", "a\r\nb\r\n")
    main.git("add", "text")
    main.git("commit", "-q", "-m", "crlf")
    tree = new_session(main).agent()
    assert (tree.path / "text").read_bytes() == b"a\r\nb\r\n"
    assert tree.git("status", "--porcelain") == ""


def test_no_filter_runs_on_the_host(main, new_session, tmp_path):
    (tmp_path / "user-home/.gitconfig").write_text(f'[filter "f"]\n\tsmudge = touch {tmp_path}/ran; cat\n')
    main.commit(".gitattributes", "* filter=f\n")
    new_session(main).agent()
    assert not (tmp_path / "ran").exists()


def test_auto_copies_small_trees(session):
    workspace = session.workspaces.agent("0-1", session.template)
    assert workspace.mount.kind == "bind"
    assert workspace.mount.source == workspace.path


def test_strict_bind_of_a_plain_user_copies(session, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1500)
    volume = Workspaces(session.store, (1500, 1500), backend="overlay")
    strict = Workspaces(session.store, (1500, 1500), backend="overlay", strict_bind=True)
    assert volume.agent("0-1", session.template).mount.kind == "overlay"
    assert strict.agent("1-1", session.template).mount.kind == "bind"
    volume.fall_back()
    assert volume.agent("2-1", session.template).mount.kind == "bind"


@overlays
def test_remove_follows_no_link_and_opens_closed_directories(main, new_session, backend, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    session = new_session(main, backend=backend)
    workspace = session.workspaces.agent("0-1", session.template)
    tree = workspace.mount.source
    (tree / "link").symlink_to(precious)
    (tree / ".git/link").symlink_to(precious)
    os.mkfifo(tree / "fifo")
    closed = tree / "a/b/c"
    closed.mkdir(parents=True)
    (closed / "file").write_text("x")
    for directory in (closed, closed.parent, closed.parent.parent):
        directory.chmod(0)
    workspace.remove()
    workspace.remove()
    assert (precious / "file").read_text() == "keep"
    assert list((session.store.directory / "ws").iterdir()) == []


def test_remove_of_a_very_deep_tree(session):
    workspace = session.workspaces.agent("0-1", session.template)
    here = os.open(workspace.path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    workspace.hand_over(os.geteuid(), os.getegid())
    workspace.remove()
    assert not workspace.path.exists()


@pytest.mark.root
def test_hand_over_does_not_follow_links(session, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("keep")
    workspace = session.workspaces.session(session.template)
    (workspace.path / "link").symlink_to(precious)
    workspace.hand_over(1500, 1500)
    assert precious.stat().st_uid == 0
    assert {p.lstat().st_uid for p in [workspace.path, *workspace.path.rglob("*")]} == {1500}


def test_session_workspace_has_the_sessions_branch(session):
    tree = type(session.main)(session.workspaces.session(session.template).path)
    assert tree.path == session.home / "worktrees/project/session-1"
    assert tree.git("symbolic-ref", "HEAD") == "refs/heads/prodigy/session-1"
    assert tree.git("status", "--porcelain") == ""
    assert session.workspaces.open_session().path == tree.path


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "a..b", "a\nb", "a@{b", "a.lock", "a b"])
def test_session_ids_that_are_no_names(main, tmp_path, name):
    with pytest.raises(UsageError):
        Store.create(tmp_path / "home", name, open_repository(main.path))


def _symlink(git_dir, elsewhere):
    git_dir.symlink_to(elsewhere)


def _file(git_dir, elsewhere):
    git_dir.write_text(f"gitdir: {elsewhere}\n")


def _fifo(git_dir, elsewhere):
    os.mkfifo(git_dir)


def _absent(git_dir, elsewhere):
    pass


def _directory(git_dir, elsewhere):
    git_dir.mkdir()
    (git_dir / "config").write_text(f"[core]\n\tfsmonitor = touch {elsewhere}/ran\n")
    os.mkfifo(git_dir / "HEAD")
    (git_dir / "objects").symlink_to(elsewhere)
    git_dir.chmod(0o500)


@pytest.mark.parametrize("hostile", [_symlink, _file, _fifo, _absent, _directory])
def test_at_rest_replaces_whatever_git_became(session, main, tmp_path, hostile, hash_tree):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("keep")
    workspace = session.workspaces.session(session.template)
    tree = type(main)(workspace.path)
    new = tree.commit("made", "by setup\n", "setup")
    tree.git("push", "-q", str(session.store.path), "HEAD:refs/prodigy/session-1/session")
    tree.write("untracked")
    subprocess.run(["rm", "-rf", tree.path / ".git"], check=True)
    hostile(tree.path / ".git", elsewhere)
    before = hash_tree(elsewhere)
    settle(workspace, session.store, new, session.template)
    assert hash_tree(elsewhere) == before
    assert tree.git("log", "--format=%s").split() == ["setup", "first"]
    assert tree.git("status", "--porcelain") == "?? untracked"
    assert tree.git("symbolic-ref", "HEAD") == "refs/heads/prodigy/session-1"
    assert tree.git("fsck") == ""
    assert [p.name for p in session.store.directory.glob("*.tmp")] == []
    assert not [p for p in (tree.path / ".git").rglob("*") if p.is_file() and p.stat().st_nlink > 1]


@pytest.mark.parametrize("broken", ["_copy_history", "change_owner"])
def test_at_rest_can_be_repeated_after_a_crash(session, main, monkeypatch, broken):
    workspace = session.workspaces.session(session.template)
    with monkeypatch.context() as patched:
        patched.setattr(f"prodigy.git.at_rest.{broken}", lambda *_: 1 / 0)
        patched.setattr("os.geteuid", lambda: 0)
        with pytest.raises(ZeroDivisionError):
            settle(workspace, session.store, session.store.base, session.template)
    settle(workspace, session.store, session.store.base, session.template)
    assert type(main)(workspace.path).git("status", "--porcelain") == ""
