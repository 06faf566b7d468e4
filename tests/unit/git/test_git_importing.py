import subprocess
import threading
import zlib

import pytest

from prodigy.errors import GitFailed, ImportRefused, ProdigyError
from prodigy.git import importing
from prodigy.git.committed import Committed
from prodigy.git.importing import ImportLimits, import_commits
from prodigy.git.refresh import refresh
from prodigy.values import ErrorKind

AUTHOR = b"author A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n"


def bring(session, tree, base=None, ref="agents/0-1", **options):
    return import_commits(session.store, tree.pipe, base or session.store.base, ref, **options)


def refs(session):
    return session.store.git.text("for-each-ref", "--format=%(refname) %(objectname)")


def untouched(session, before):
    return refs(session) == before and not list(session.store.path.glob("incoming-*"))


def raw(tree, kind, content):
    """Write an object no git would write."""
    return tree.git("hash-object", "-w", "-t", kind, "--literally", "--stdin", data=content)


def entry(mode, name, sha):
    return mode + b" " + name + b"\0" + bytes.fromhex(sha)


def commit_of(tree, tree_sha, parent=None, author=AUTHOR, message=b"m\n"):
    parents = f"parent {parent}\n".encode() if parent else b""
    return raw(tree, "commit", b"tree " + tree_sha.encode() + b"\n" + parents + author + b"\n" + message)


def test_brings_all_commits_and_nothing_else(session):
    tree = session.agent()
    one = tree.commit("a", "1\n2\n")
    tree.git("rm", "-q", "README")
    two = tree.commit("dir/b.bin", b"\0\1")
    before = set(session.store.path.joinpath("objects/pack").iterdir())
    imported = bring(session, tree)
    assert (imported.head, imported.commits) == (two, (one, two))
    counted = {change.path: (change.insertions, change.deletions) for change in imported.files}
    assert counted == {b"README": (0, 1), b"a": (2, 0), b"dir/b.bin": (None, None)}
    assert session.store.ref("agents/0-1") == two
    assert session.store.head() == session.store.base
    added = {p.suffix for p in set(session.store.path.joinpath("objects/pack").iterdir()) - before}
    assert added == {".pack", ".idx"}


def test_brings_what_was_made_on_another_branch(session):
    tree = session.agent()
    tree.git("checkout", "-q", "-b", "elsewhere")
    head = tree.commit("a")
    assert bring(session, tree).head == head


def test_nothing_to_bring(session):
    before = refs(session)
    imported = bring(session, session.agent())
    assert (imported.head, imported.commits, imported.files) == (session.store.base, (), ())
    assert untouched(session, before)


def test_a_claim_of_no_movement_asks_nothing(session):
    def never(*_, **__):
        raise AssertionError

    imported = import_commits(session.store, never, session.store.base, "x", claimed=session.store.base)
    assert imported.head == session.store.base


def test_merge_commits_come_with_both_sides(session):
    tree = session.agent()
    tree.git("checkout", "-q", "-b", "side")
    tree.commit("side")
    tree.git("checkout", "-q", "work")
    tree.commit("work")
    tree.git("merge", "-q", "side", "-m", "both")
    assert len(bring(session, tree).commits) == 3


def test_sha256(new_repository, new_session):
    session = new_session(new_repository("project", "--object-format=sha256"))
    tree = session.agent()
    head = tree.commit("a")
    assert bring(session, tree).head == head


def test_odd_file_names(session):
    tree = session.agent()
    names = {b"new\nline", b"tab\t", b"\xff\xfe", b"\x1b[31mred"}
    for name in names:
        tree.commit(name)
    assert {change.path for change in bring(session, tree).files} == names


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"HEAD\n", b"f" * 39 + b"\n", b"F" * 40 + b"\n", b"f" * 50 + b"\n", b"\0" * 41]
)
def test_malformed_head(session, line):
    before = refs(session)
    with pytest.raises(ImportRefused) as refused:
        import_commits(session.store, session.says(line), session.store.base, "agents/0-1")
    assert refused.value.kind == ErrorKind.IMPORT
    assert "\x1b" not in refused.value.message
    assert untouched(session, before)


def packed(tree, *objects):
    return subprocess.run(
        ["git", "pack-objects", "--stdout", "-q"],
        cwd=tree.path,
        input="\n".join(objects).encode(),
        capture_output=True,
        check=True,
    ).stdout


def offer(tree):
    head = tree.head
    listed = tree.git("rev-list", "--objects", "--no-object-names", head, "^prodigy-base").split()
    return head.encode() + b"\n", packed(tree, *listed)


def _truncated(line, pack):
    return line + pack[:-30]


def _empty(line, pack):
    return line


def _junk_before(line, pack):
    return line + b"junk" + pack


def _junk_after(line, pack):
    return line + pack + b"junk" * 1000


def _flipped(line, pack):
    return line + pack[:20] + bytes([pack[20] ^ 255]) + pack[21:]


def _other_head(line, pack):
    return b"1234567890" * 4 + b"\n" + pack


@pytest.mark.parametrize("spoil", [_truncated, _empty, _junk_before, _junk_after, _flipped, _other_head])
def test_spoiled_streams(session, spoil):
    tree = session.agent()
    tree.commit("a")
    before = refs(session)
    with pytest.raises(ImportRefused) as refused:
        import_commits(session.store, session.says(spoil(*offer(tree))), session.store.base, "agents/0-1")
    assert refused.value.kind == ErrorKind.IMPORT
    assert untouched(session, before)


def test_a_failing_packer_is_refused(session):
    tree = session.agent()
    tree.commit("a")
    with pytest.raises(ImportRefused, match="last words"):
        import_commits(
            session.store, session.says(b"".join(offer(tree)), 1), session.store.base, "agents/0-1"
        )


def test_more_than_the_base_after_an_unmoved_head(session):
    said = session.store.base.encode() + b"\n" + b"more"
    with pytest.raises(ImportRefused):
        import_commits(session.store, session.says(said), session.store.base, "agents/0-1")


def _names(name):
    def make(tree, blob, base):
        return commit_of(tree, raw(tree, "tree", entry(b"100644", name, blob)), base)

    return make


def _nested(name):
    def make(tree, blob, base):
        inner = raw(tree, "tree", entry(b"100644", b"x", blob))
        return commit_of(tree, raw(tree, "tree", entry(b"40000", name, inner)), base)

    return make


def _duplicate(tree, blob, base):
    return commit_of(tree, raw(tree, "tree", entry(b"100644", b"a", blob) * 2), base)


def _zero_padded(tree, blob, base):
    inner = raw(tree, "tree", entry(b"100644", b"x", blob))
    return commit_of(tree, raw(tree, "tree", entry(b"040000", b"a", inner)), base)


def _modules_link(tree, blob, base):
    return commit_of(tree, raw(tree, "tree", entry(b"120000", b".gitmodules", blob)), base)


def _modules(text):
    def make(tree, blob, base):
        file = tree.git("hash-object", "-w", "--stdin", data=text)
        return commit_of(tree, raw(tree, "tree", entry(b"100644", b".gitmodules", file)), base)

    return make


def _bad_author(tree, blob, base):
    tree_sha = raw(tree, "tree", entry(b"100644", b"a", blob))
    return commit_of(tree, tree_sha, base, author=AUTHOR.replace(b"<a@example.org>", b"a@example.org>", 1))


def _nul_in_message(tree, blob, base):
    return commit_of(tree, raw(tree, "tree", entry(b"100644", b"a", blob)), base, message=b"a\0b\n")


MALFORMED = {
    "dotgit": _nested(b".git"),
    "dotGIT": _nested(b".GIT"),
    "git~1": _nested(b"git~1"),
    "dotdot": _nested(b".."),
    "slash": _names(b"../x"),
    "duplicate": _duplicate,
    "zero-padded mode": _zero_padded,
    "linked .gitmodules": _modules_link,
    "option as url": _modules(b'[submodule "x"]\n\tpath = x\n\turl = -u./x\n'),
    "path as name": _modules(b'[submodule "../../x"]\n\tpath = x\n\turl = https://example.org/x\n'),
    "command as update": _modules(b'[submodule "x"]\n\tpath = x\n\turl = x\n\tupdate = !touch ran\n'),
    "author": _bad_author,
    "nul": _nul_in_message,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_objects(session, name):
    tree = session.agent()
    blob = tree.git("hash-object", "-w", "--stdin", data=b"x")
    head = MALFORMED[name](tree, blob, session.store.base)
    listed = tree.git("rev-list", "--objects", "--no-object-names", head, "^prodigy-base").split()
    said = head.encode() + b"\n" + packed(tree, *listed, blob)
    before = refs(session)
    with pytest.raises(ImportRefused) as refused:
        import_commits(session.store, session.says(said), session.store.base, "agents/0-1")
    assert refused.value.kind == ErrorKind.IMPORT
    assert untouched(session, before)


@pytest.mark.parametrize("left_out", ["parent", "tree", "blob"])
def test_missing_objects(session, left_out):
    tree = session.agent()
    parent = tree.commit("a")
    head = tree.commit("b", "only here\n")
    missing = {
        "parent": parent,
        "tree": tree.git("rev-parse", "HEAD^{tree}"),
        "blob": tree.git("rev-parse", "HEAD:b"),
    }
    listed = tree.git("rev-list", "--objects", "--no-object-names", head, "^prodigy-base").split()
    said = head.encode() + b"\n" + packed(tree, *(o for o in listed if o != missing[left_out]))
    before = refs(session)
    with pytest.raises(ImportRefused):
        import_commits(session.store, session.says(said), session.store.base, "agents/0-1")
    assert untouched(session, before)


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_head_that_is_no_commit(session, kind):
    tree = session.agent()
    tree.commit("a")
    tree.git("tag", "-a", "-m", "t", "t")
    name = {"blob": "HEAD:a", "tree": "HEAD^{tree}", "tag": "t"}[kind]
    listed = tree.git("rev-list", "--objects", "--no-object-names", "HEAD", "^prodigy-base").split()
    said = tree.git("rev-parse", name).encode() + b"\n" + packed(tree, *listed, tree.git("rev-parse", "t"))
    with pytest.raises(ImportRefused):
        import_commits(session.store, session.says(said), session.store.base, "agents/0-1")


def _orphan(tree):
    tree.git("checkout", "-q", "--orphan", "new")
    tree.commit("a")


def _amended(tree):
    tree.git("commit", "-q", "--amend", "-m", "rewritten")


def _behind(tree):
    tree.git("reset", "-q", "--hard", "HEAD~1")


def _aside(tree):
    tree.git("reset", "-q", "--hard", "HEAD~1")
    tree.commit("a")


@pytest.mark.parametrize("rewrite", [_orphan, _amended, _behind, _aside])
def test_rewritten_history(main, new_session, rewrite):
    main.commit("second")
    session = new_session(main)
    tree = session.agent()
    rewrite(tree)
    before = refs(session)
    with pytest.raises(ImportRefused) as refused:
        bring(session, tree)
    assert refused.value.kind == ErrorKind.HISTORY
    assert untouched(session, before)


def test_replacements_are_not_believed(session, new_session):
    tree = session.agent()
    true = tree.commit("a", "truth\n")
    blob = tree.git("hash-object", "-w", "--stdin", data=b"lie\n")
    tree.git("replace", tree.git("rev-parse", "HEAD:a"), blob)
    imported = bring(session, tree)
    assert imported.head == true
    assert Committed(session.store.git, imported.head).file("a", 100) == b"truth\n"


def test_git_bomb(session):
    tree = session.agent()
    below = tree.git("hash-object", "-w", "--stdin", data=b"x")
    kind, mode = "blob", "100644"
    for _ in range(10):
        lines = "".join(f"{mode} {kind} {below}\t{n}\n" for n in range(10))
        below = tree.git("mktree", data=lines.encode())
        kind, mode = "tree", "040000"
    head = tree.git("commit-tree", below, "-p", "HEAD", "-m", "bomb")
    tree.git("update-ref", "HEAD", head)
    before = refs(session)
    with pytest.raises(ImportRefused, match="listed"):
        bring(session, tree)
    assert untouched(session, before)


def test_zip_bomb(session):
    tree = session.agent()
    tree.commit("zeros", b"\0" * (8 << 20))
    with pytest.raises(ImportRefused, match="bytes"):
        bring(session, tree, limits=ImportLimits(content_bytes=4 << 20))


def test_oversize_pack(session):
    tree = session.agent()
    tree.commit("noise", zlib.compress(b"".join(bytes([n % 251]) * (n % 7) for n in range(40_000))) * 20)
    with pytest.raises(ImportRefused, match="maximum"):
        bring(session, tree, limits=ImportLimits(pack_bytes=1000))


def test_too_many_files(session):
    tree = session.agent()
    for number in range(12):
        tree.write(f"f{number}")
    tree.commit("last")
    with pytest.raises(ImportRefused, match="files"):
        bring(session, tree, limits=ImportLimits(files=12))
    assert len(bring(session, tree, limits=ImportLimits(files=13)).files) == 13


def test_legal_but_odd_content_is_shown_clean(session):
    tree = session.agent()
    (tree.path / "link").symlink_to("/etc/passwd")
    head = tree.commit("a", message="\x1b]0;title\x07red \x1b[31mtext")
    bring(session, tree)
    assert session.store.log(session.store.base, head)[0].subject == "red text"
    assert Committed(session.store.git, head).file("link", 100) is None


def test_death_of_the_sandbox_passes_through(session):
    class Dying:
        def __init__(self):
            self.parts = iter([session.store.base[::-1].encode() + b"\n"])

        def read(self, size=-1):
            if part := next(self.parts, b""):
                return part
            raise ProdigyError("the container is gone")

    class Pipe:
        stdout = Dying()

    class Opened:
        def __enter__(self):
            return Pipe()

        def __exit__(self, *_):
            return None

    with pytest.raises(ProdigyError, match="gone"):
        import_commits(session.store, lambda *_, **__: Opened(), session.store.base, "agents/0-1")
    assert not list(session.store.path.glob("incoming-*"))


def test_parallel_imports_and_repacking(session, monkeypatch):
    monkeypatch.setattr(importing, "REPACK_EVERY", 4)
    trees = [session.agent(f"{n}-1") for n in range(12)]
    heads = [tree.commit(f"f{n}") for n, tree in enumerate(trees)]
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: bring(session, trees[n], ref=f"agents/{n}-1")}))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[n].head for n in range(12)] == heads
    assert session.store.git.run("fsck", "--full").code == 0
    assert len(list(session.store.path.glob("objects/pack/*.pack"))) < 12


def test_refresh_keeps_uncommitted_files(session):
    agent, parent = session.agent(), session.agent("parent-1")
    head = agent.commit("from-agent")
    bring(session, agent)
    parent.write("untracked")
    refresh(session.store, parent.pipe, session.store.base, head)
    assert parent.head == head
    assert parent.git("status", "--porcelain") == "?? untracked"


def test_refresh_that_would_overwrite_is_refused(session):
    agent, parent = session.agent(), session.agent("parent-1")
    head = agent.commit("file")
    bring(session, agent)
    parent.write("file", "mine\n")
    with pytest.raises(GitFailed, match="cannot take"):
        refresh(session.store, parent.pipe, session.store.base, head)
    assert (parent.path / "file").read_text() == "mine\n"


@pytest.mark.parametrize("broken", ["_let_in", "_repack", "changes_between"])
def test_an_import_that_crashed_can_be_done_again(session, monkeypatch, broken):
    tree = session.agent()
    head = tree.commit("a")
    with monkeypatch.context() as patched:
        patched.setattr(importing, broken, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bring(session, tree)
    assert bring(session, tree).head == head
    assert session.store.git.run("fsck", "--full").code == 0
    assert not list(session.store.path.glob("incoming-*"))
