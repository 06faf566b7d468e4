import hashlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from prodigy.errors import GitFailed, MergeRefused
from prodigy.git.committed import Committed
from prodigy.git.fingerprint import changed, fingerprint
from prodigy.git.importing import import_commits
from prodigy.git.leftovers import list_leftovers, save_leftovers
from prodigy.git.locks import file_lock
from prodigy.git.merging import Conflict, Merged, SessionMerger
from prodigy.git.publish import preview, publish
from prodigy.git.recovery import recover_session
from prodigy.git.repository import open_repository
from prodigy.git.store import Store


def agent(session, number, files, base=None):
    """An agent's commit, imported."""
    tree = session.agent(f"{number}-1", base)
    start = tree.head
    for name, text in files.items():
        tree.commit(name, text)
    return import_commits(session.store, tree.pipe, start, f"agents/{number}-1").head


def advance(session, files):
    """Let the session have a commit of its setup."""
    head = agent(session, 100, files)
    SessionMerger(session.store).fast_forward(head)
    return head


def files_of(session):
    return set(Committed(session.store.git, session.store.head()).files())


def test_merges_in_turn(session):
    merger = SessionMerger(session.store)
    base = session.store.base
    one, two = (agent(session, n, {f"f{n}": "x\n"}, base) for n in (1, 2))
    first = merger.merge_agent("item-1", one)
    second = merger.merge_agent("item-2", two)
    assert isinstance(first, Merged)
    assert isinstance(second, Merged)
    assert second.parents == (first.commit, two)
    assert files_of(session) == {b"README", b"f1", b"f2"}
    assert session.store.log(base, second.commit, 1)[0].subject == "Merge agent item-2"
    message = session.store.git.text("log", "-1", "--format=%B", second.commit)
    assert "Prodigy-Agent: item-2" in message


def test_conflict_moves_nothing(session):
    merger = SessionMerger(session.store)
    base = session.store.base
    one, two = (agent(session, n, {"same": f"{n}\n"}, base) for n in (1, 2))
    merger.merge_agent("1", one)
    head = session.store.head()
    assert merger.merge_agent("2", two) == Conflict((b"same",), base, head, two)
    assert session.store.head() == head


def test_a_path_that_setup_left_uncommitted_is_a_conflict(session):
    head = agent(session, 1, {"dirty": "x\n"})
    result = SessionMerger(session.store).merge_agent(
        "1", head, changed=[b"dirty"], protected=[b"dirty", b"z"]
    )
    assert isinstance(result, Conflict)
    assert result.files == (b"dirty",)
    assert session.store.head() == session.store.base


def test_racing_merges_lose_nothing(session):
    base = session.store.base
    heads = [agent(session, n, {f"f{n}": "x\n"}, base) for n in range(8)]
    # Two mergers have two locks, as two processes have: only compare-and-swap orders them.
    mergers = [SessionMerger(session.store) for _ in range(2)]
    threads = [
        threading.Thread(target=mergers[n % 2].merge_agent, args=(str(n), head))
        for n, head in enumerate(heads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files_of(session) == {b"README", *(f"f{n}".encode() for n in range(8))}


def test_fast_forward_only_to_descendants(session):
    advance(session, {"setup": "x\n"})
    with pytest.raises(GitFailed, match="not built on"):
        SessionMerger(session.store).fast_forward(session.store.base)


def test_hostile_agent_ids_cannot_forge_trailers(session):
    head = agent(session, 1, {"f": "x\n"})
    merged = SessionMerger(session.store).merge_agent("a\n\nProdigy-Agent: other\x1b[31m", head)
    lines = session.store.git.text("log", "-1", "--format=%B", merged.commit).splitlines()
    assert [line for line in lines if line.startswith("Prodigy-Agent:")] == [
        "Prodigy-Agent: a  Prodigy-Agent: other"
    ]


@pytest.mark.parametrize("by_base", [True, False])
def test_union_merge_only_where_the_base_says_so(main, new_session, by_base):
    main.commit("log", "start\n")
    if by_base:
        main.commit(".gitattributes", "log merge=union\n")
    session = new_session(main)
    base = session.store.base
    attributes = {} if by_base else {".gitattributes": "log merge=union\n"}
    one, two = (agent(session, n, {**attributes, "log": f"start\n{n}\n"}, base) for n in (1, 2))
    merger = SessionMerger(session.store)
    merger.merge_agent("1", one)
    assert isinstance(merger.merge_agent("2", two), Merged if by_base else Conflict)


def test_merge_drivers_of_the_user_do_not_run(main, new_session, tmp_path):
    (tmp_path / "user-home/.gitconfig").write_text(f'[merge "evil"]\n\tdriver = touch {tmp_path}/ran\n')
    main.git("config", "merge.evil.driver", f"touch {tmp_path}/ran")
    main.commit(".gitattributes", "* merge=evil\n")
    main.commit("file", "0\n")
    session = new_session(main)
    base = session.store.base
    one, two = (agent(session, n, {"file": f"{n}\n"}, base) for n in (1, 2))
    merger = SessionMerger(session.store)
    merger.merge_agent("1", one)
    assert isinstance(merger.merge_agent("2", two), Conflict)
    assert not (tmp_path / "ran").exists()


def test_repository_is_byte_identical_before_publishing(session, hash_tree):
    before, marks = hash_tree(session.main.path), fingerprint(open_repository(session.main.path))
    head = agent(session, 1, {"f": "x\n"})
    SessionMerger(session.store).merge_agent("1", head)
    agent(session, 2, {"g": "x\n"}, session.store.base)
    preview(session.store, "main")
    recover_session(session.home, "session-1")
    assert hash_tree(session.main.path) == before
    assert changed(marks, fingerprint(open_repository(session.main.path))) == ()


def publishing(session, target="main"):
    return publish(session.store, open_repository(session.main.path), target)


def all_refs(tree):
    return tree.git("for-each-ref", "--format=%(refname) %(objectname)")


def test_publish_fast_forwards_branch_and_files(session):
    main = session.main
    before = main.head
    main.write("untouched", "mine\n")
    head = advance(session, {"new": "x\n", "README": "changed\n"})
    done = publishing(session)
    assert (done.before, done.commit, done.work_tree) == (before, head, main.path)
    assert main.head == head
    assert (main.path / "README").read_text() == "changed\n"
    assert main.git("status", "--porcelain") == "?? untouched"
    assert all_refs(main) == f"refs/heads/main {head}"
    assert main.git("fsck") == ""
    assert publishing(session).commit == head


def test_sha256_is_published(new_repository, new_session):
    session = new_session(new_repository("project", "--object-format=sha256"))
    head = advance(session, {"new": "x\n"})
    publishing(session)
    assert session.main.head == head


@pytest.mark.parametrize("where", ["branch", "prodigy"])
def test_publish_into_a_branch_that_is_not_checked_out(main, new_session, where):
    main.git("branch", where)
    session = new_session(main)
    before = main.head
    head = advance(session, {"new": "x\n"})
    assert publishing(session, where).work_tree is None
    assert main.git("rev-parse", f"refs/heads/{where}") == head
    assert main.head == before
    assert main.git("status", "--porcelain") == ""


def test_publish_into_a_branch_checked_out_elsewhere(session, tmp_path):
    session.main.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    head = advance(session, {"new": "x\n"})
    assert publishing(session, "side").work_tree == tmp_path / "linked"
    assert (tmp_path / "linked/new").exists()
    assert session.main.git("rev-parse", "side") == head


def _modified(main):
    main.write("README", "mine\n")


def _staged(main):
    main.write("README", "mine\n")
    main.git("add", "README")


def _untracked(main):
    main.write("new", "mine\n")


def _ignored(main):
    (main.path / ".git/info/exclude").write_text("new\n")
    main.write("new", "mine\n")


def _file_for_a_directory(main):
    main.write("dir", "mine\n")


def _ignored_file_for_a_directory(main):
    (main.path / ".git/info/exclude").write_text("dir\n")
    main.write("dir", "mine\n")


def _directory_for_a_file(main):
    (main.path / ".git/info/exclude").write_text("*.o\n")
    main.write("new/a.o", "mine\n")


@pytest.mark.parametrize(
    ("dirt", "named"),
    [
        (_modified, "README"),
        (_staged, "README"),
        (_untracked, "new"),
        (_ignored, "new"),
        (_file_for_a_directory, "dir"),
        (_ignored_file_for_a_directory, "dir"),
        (_directory_for_a_file, "new"),
    ],
)
def test_users_files_in_the_way_are_named_and_nothing_moves(session, hash_tree, dirt, named):
    advance(session, {"new": "x\n", "README": "theirs\n", "dir/file": "x\n"})
    dirt(session.main)
    before = hash_tree(session.main.path)
    with pytest.raises(MergeRefused, match=named):
        publishing(session)
    assert hash_tree(session.main.path) == before


def test_a_moved_target_is_merged_into_the_session_first(session):
    advance(session, {"new": "x\n"})
    theirs = session.main.commit("theirs")
    done = publishing(session)
    assert session.main.head == done.commit == session.store.head()
    assert session.store.is_ancestor(theirs, done.commit)
    assert {p.name for p in session.main.path.iterdir()} == {".git", "README", "new", "theirs"}


def test_a_moved_target_that_conflicts_is_refused(session, hash_tree):
    head = advance(session, {"same": "1\n"})
    session.main.commit("same", "2\n")
    before = hash_tree(session.main.path)
    with pytest.raises(MergeRefused, match="same"):
        publishing(session)
    assert session.store.head() == head
    assert hash_tree(session.main.path) == before


def test_no_target(session):
    advance(session, {"new": "x\n"})
    with pytest.raises(MergeRefused) as refused:
        publishing(session, None)
    assert "--into BRANCH" in refused.value.help


@pytest.mark.parametrize("name", ["gone", "-q", "..", "@{", "a\nb", "\x1b[31m", "HEAD", "main~0"])
def test_targets_that_do_not_exist(session, name, hash_tree):
    advance(session, {"new": "x\n"})
    before = hash_tree(session.main.path)
    with pytest.raises(MergeRefused) as refused:
        publishing(session, name)
    assert "\x1b" not in refused.value.message
    assert hash_tree(session.main.path) == before


def test_a_file_may_become_a_directory_and_back(main, new_session):
    main.commit("one", "x\n")
    main.commit("two/file", "x\n")
    session = new_session(main)
    tree = session.agent()
    start = tree.head
    tree.git("rm", "-q", "-r", "one", "two")
    tree.commit("one/file", "y\n")
    tree.commit("two", "y\n")
    SessionMerger(session.store).fast_forward(import_commits(session.store, tree.pipe, start, "a").head)
    publishing(session)
    assert main.git("ls-files").split() == ["README", "one/file", "two"]
    assert main.git("status", "--porcelain") == ""


@pytest.mark.parametrize("place", [".husky", ".git/hooks"])
def test_no_hook_runs_at_publishing(main, new_session, tmp_path, place):
    main.git("config", "core.hooksPath", place)
    script = f"#!/bin/sh\ntouch {tmp_path}/ran\n"
    names = ("post-merge", "reference-transaction", "post-checkout", "post-index-change", "pre-merge-commit")
    if place == ".git/hooks":
        for name in names:
            main.write(f"{place}/{name}", script).chmod(0o755)
    session = new_session(main)
    tree = session.agent()
    start = tree.head
    for name in names:
        tree.write(f".husky/{name}", script).chmod(0o755)
    tree.commit("file")
    head = import_commits(session.store, tree.pipe, start, "agents/0-1").head
    SessionMerger(session.store).fast_forward(head)
    publishing(session)
    assert main.head == head
    assert not (tmp_path / "ran").exists()


def test_a_branch_that_is_being_rebased_stays(session):
    main = session.main
    main.git("checkout", "-q", "-b", "other")
    main.commit("README", "other\n")
    main.git("checkout", "-q", "main")
    head = main.commit("README", "main\n")
    advance(session, {"new": "x\n"})
    main.git("rebase", "other", ok=False)
    with pytest.raises(MergeRefused, match="rebased"):
        publishing(session)
    assert main.git("rev-parse", "main") == head


def test_two_sessions_into_one_branch(main, new_session):
    sessions = [new_session(main, f"session-{n}") for n in range(3)]
    for number, session in enumerate(sessions):
        advance(session, {f"f{number}": "x\n"})
    threads = [threading.Thread(target=publishing, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(main.git("ls-files").split()) == {"README", "f0", "f1", "f2"}
    assert main.git("status", "--porcelain") == ""


def test_waiting_for_another_publication_ends(session, monkeypatch, hash_tree):
    advance(session, {"new": "x\n"})
    before = hash_tree(session.main.path)
    monkeypatch.setattr("prodigy.git.publish._WAIT", 0.1)
    name = hashlib.sha256(os.fsencode(session.main.path / ".git")).hexdigest()[:20]
    with (
        file_lock(session.home / "locks" / f"publish-{name}", 1),
        pytest.raises(MergeRefused, match="at work"),
    ):
        publishing(session)
    assert hash_tree(session.main.path) == before


def test_a_merge_interrupted_before_it_counted_is_done_again(session, monkeypatch):
    head = agent(session, 1, {"f": "x\n"})
    with monkeypatch.context() as patched:
        patched.setattr(Store, "advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            SessionMerger(session.store).merge_agent("1", head)
    assert session.store.head() == session.store.base
    merged = SessionMerger(session.store).merge_agent("1", head)
    assert session.store.head() == merged.commit


def test_the_users_stash_and_dirty_files_are_left_alone(session):
    main = session.main
    main.git("config", "merge.autoStash", "true")
    advance(session, {"new": "x\n"})
    main.write("README", "mine\n")
    publishing(session)
    assert (main.path / "README").read_text() == "mine\n"
    assert main.git("stash", "list") == ""


def test_preview_names_risky_files(main, new_session):
    main.git("config", "core.hooksPath", "tools/git")
    session = new_session(main)
    tree = session.agent()
    start = tree.head
    (tree.path / "out").symlink_to("../../etc/passwd")
    (tree.path / "in").symlink_to("README")
    for name in (
        ".github/workflows/ci.yml",
        "tools/git/pre-commit",
        ".envrc",
        "sub/.gitattributes",
        "src/plain.py",
    ):
        tree.write(name)
    tree.git("add", "-A")
    tree.git("commit", "-q", "-m", "x")
    SessionMerger(session.store).fast_forward(import_commits(session.store, tree.pipe, start, "a").head)
    shown = preview(session.store, "main")
    assert (shown.commits, len(shown.files)) == (1, 7)
    assert shown.risky == (
        ".envrc",
        ".github/workflows/ci.yml",
        "out -> ../../etc/passwd",
        "sub/.gitattributes",
        "tools/git/pre-commit",
    )


@pytest.mark.root
def test_published_files_stay_the_owners(main, new_session):
    # Not below tmp_path: its owner must be able to reach the repository.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        tree = type(main)(Path(place) / "project")
        subprocess.run(["cp", "-a", main.path, tree.path], check=True)
        subprocess.run(["chown", "-R", "1500:1500", tree.path], check=True)
        session = new_session(tree)
        head = advance(session, {"new/file": "x\n"})
        publishing(session)
        assert tree.head == head
        assert {path.lstat().st_uid for path in tree.path.rglob("*")} == {1500}


def test_fingerprint_names_what_changed(main):
    repository = open_repository(main.path)
    before = fingerprint(repository)
    main.write("untracked", "1\n")
    assert changed(before, fingerprint(repository)) == ("untracked",)
    between = fingerprint(repository)
    main.write("untracked", "2\n")
    assert changed(between, fingerprint(repository)) == ("untracked",)
    main.git("branch", "new")
    main.git("config", "a.b", "c")
    main.write(".git/hooks/pre-commit")
    names = changed(before, fingerprint(repository))
    assert {"untracked", ".git/refs/heads/new", ".git/config", ".git/hooks/pre-commit"} == set(names)


def test_leftovers(session, tmp_path):
    tree = session.agent()
    tree.write("README", "changed\n")
    tree.write(b"new\n\xff", b"\0binary")
    tree.write(".gitignore", "*.o\n")
    tree.write("ignored.o")
    index = (tree.path / ".git/index").read_bytes()
    paths = list_leftovers(tree.pipe)
    assert set(paths) == {b"README", b"new\n\xff", b".gitignore"}
    size = save_leftovers(tree.pipe, tmp_path / "patch")
    assert (tree.path / ".git/index").read_bytes() == index
    assert size == (tmp_path / "patch").stat().st_size
    other = session.agent("1-1")
    other.git("apply", "--index", str(tmp_path / "patch"))
    assert other.git("diff", "--cached", "--name-only", "-z").count("\0") == 3
    with pytest.raises(GitFailed, match="more than 10 bytes"):
        save_leftovers(tree.pipe, tmp_path / "small", limit=10)
    assert not (tmp_path / "small").exists()
    tree.git("add", "-A")
    tree.git("commit", "-q", "-m", "all of it")
    assert list_leftovers(tree.pipe) == ()


def test_store_reads(session, tmp_path):
    head = advance(session, {"dir/file": "content\n", "bin": b"\0"})
    store = Store.open(session.home, "session-1")
    assert Committed(store.git, head).file("dir/file", 100) == b"content\n"
    assert Committed(store.git, head).file("./dir/../dir/file", 100) == b"content\n"
    for path in ("dir", "absent", "../x", "/dir/file", ":/dir/file", "*", ""):
        assert Committed(store.git, head).file(path, 100) is None
    assert Committed(store.git, head).files() == (b"README", b"bin", b"dir/file")
    assert len(store.commits(store.base, head)) == 2
    store.save_patch(store.base, head, tmp_path / "patch")
    session.main.git("apply", "--check", str(tmp_path / "patch"))
    assert store.ref("agents/9-9") is None
    store.set_ref("kept", head)
    assert store.ref("kept") == head
    store.set_ref("kept", None)
    assert store.ref("kept") is None
    assert not store.advance(head, store.base)
    store.delete()
    with pytest.raises(GitFailed, match="gone"):
        Store.open(session.home, "session-1")


@pytest.mark.root
def test_recovery_after_a_killed_process(main, new_session):
    session = new_session(main, backend="overlay")
    tree = session.agent()
    quarantine = session.store.path / "incoming-x/pack"
    quarantine.mkdir(parents=True)
    unfinished = session.store.directory / "rest.tmp"
    unfinished.mkdir()
    recover_session(session.home, "session-1")
    assert not tree.path.is_mount()
    assert not quarantine.parent.exists()
    assert not unfinished.exists()
    assert session.store.head() == session.store.base
