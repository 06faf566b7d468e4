"""The store: prodigy's own bare repository for one session. Only the host writes it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from prodigy.errors import GitFailed, UsageError
from prodigy.git.changes import FileChange, changes_between
from prodigy.git.configuration import repository_config, session_config
from prodigy.git.origin import Origin
from prodigy.git.process import CHUNK
from prodigy.git.runner import Git
from prodigy.git.shown import shown
from prodigy.git.tree import delete_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prodigy.git.repository import UserRepository


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit for display: every text is safe to show. ``when`` is ISO 8601."""

    sha: str
    parents: tuple[str, ...]
    author: str
    when: str
    subject: str


class Store:
    """The commits of one session: what it started from, what it has, what its agents made."""

    def __init__(self, home: Path, session_id: str, origin: Origin) -> None:
        self.home = home
        self.session_id = session_id
        self.origin = origin
        self.directory = _directory(home, session_id)
        self.path = self.directory / "store.git"
        self.config = self.directory / "gitconfig"

    @classmethod
    def create(
        cls, home: Path, session_id: str, repository: UserRepository, *, commit: str | None = None
    ) -> Store:
        """Make the store of a new session from ``commit`` (default: HEAD). The repository is only read.

        Raises GitFailed when its objects cannot be read, UsageError for an id that is no name.
        """
        if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?", session_id):
            raise UsageError(f"{session_id!r} is not a session id")
        origin = Origin.of(repository, commit or repository.head)
        store = cls(home, session_id, origin)
        store.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        store.config.write_text(session_config(repository), errors="surrogateescape")
        store._take_objects(repository)
        (store.path / "config").write_text(repository_config(origin.object_format, bare=True))
        (store.path / "info").mkdir(exist_ok=True)
        (store.path / "info/attributes").write_text(repository.attributes, errors="surrogateescape")
        refs = "".join(f"create {store._name(ref)} {store.base}\n" for ref in ("base", "session"))
        store.git.run("update-ref", "--stdin", data=refs.encode())
        temporary = store.directory / "origin.json.tmp"
        with temporary.open("w") as file:
            file.write(origin.to_json())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(store.directory / "origin.json")
        return store

    @classmethod
    def open(cls, home: Path, session_id: str) -> Store:
        """Open an existing store. Raises GitFailed when there is none."""
        try:
            record = (_directory(home, session_id) / "origin.json").read_text()
        except FileNotFoundError as error:
            raise GitFailed(f"the store of {session_id} is gone") from error
        return cls(home, session_id, Origin.from_json(record))

    @cached_property
    def git(self) -> Git:
        """How to run git in this store."""
        return Git.hardened(self.path, self.config)

    @property
    def base(self) -> str:
        """The commit the session started from."""
        return self.origin.base

    @property
    def branch(self) -> str:
        """The session's branch, as its workspace shows it."""
        return f"prodigy/{self.session_id}"

    @property
    def object_format(self) -> Literal["sha1", "sha256"]:
        """The hash function of the repository's objects."""
        return self.origin.object_format

    def head(self) -> str:
        """Return the session's commit."""
        return self.git.text("rev-parse", "--verify", self._name("session"))

    def ref(self, name: str) -> str | None:
        """Return the commit kept under a name, as ``agents/3-1``; None where there is none."""
        answer = self.git.run("rev-parse", "--verify", "-q", self._name(name), ok=(0, 1))
        return answer.out.decode().strip() or None

    def set_ref(self, name: str, commit: str | None) -> None:
        """Keep a commit under a name; None forgets it."""
        change = (self._name(name), commit) if commit else ("-d", self._name(name))
        self.git.run("update-ref", *change)

    def advance(self, new: str, old: str) -> bool:
        """Move the session from ``old`` to ``new``; False when it is not at ``old`` any more."""
        moved = self.git.run("update-ref", self._name("session"), new, old, ok=(0, 128))
        if moved.code and self.head() == old:
            raise GitFailed(f"the session of {self.session_id} cannot be moved to {new}")
        return moved.code == 0

    def holds(self, commit: str) -> bool:
        """Whether a commit is in the store."""
        return self.git.run("cat-file", "-e", f"{commit}^{{commit}}", ok=(0, 1, 128)).code == 0

    def is_ancestor(self, ancestor: str, commit: str) -> bool:
        """Whether ``commit`` is, or is built on, ``ancestor``."""
        return (
            self.git.run("merge-base", "--is-ancestor", ancestor, commit, ok=(0, 1), limited=True).code == 0
        )

    def merge_of(self, commit: str) -> str | None:
        """Return the session's merge of a commit; None where it was not merged."""
        listed = self.git.run(
            "rev-list", "--merges", "--parents", f"{self.base}..{self.head()}", limited=True
        )
        for line in listed.out.decode().splitlines():
            merge, *parents = line.split()
            if commit in parents[1:]:
                return merge
        return None

    def commits(self, base: str, head: str) -> tuple[str, ...]:
        """Return the commits of ``head`` that ``base`` has not, oldest first."""
        if base == head:
            return ()
        order = ("--topo-order", "--reverse")
        return tuple(self.git.text("rev-list", *order, head, f"^{base}", limited=True).split())

    def changes(self, base: str, head: str) -> tuple[FileChange, ...]:
        """Return the files in which two commits differ. Raises GitFailed as ``changes_between``."""
        if base == head:
            return ()
        return changes_between(self.git, base, head)

    def log(self, base: str, head: str, limit: int = 100) -> tuple[Commit, ...]:
        """Return at most ``limit`` commits of ``head`` that ``base`` has not, newest first."""
        flags = ("-z", "--format=%H%x00%P%x00%an%x00%aI%x00%s", f"-{limit}", "--no-show-signature")
        out = self.git.run("log", *flags, head, f"^{base}", limited=True).out
        cells = iter(out.split(b"\0"))
        rows = zip(cells, cells, cells, cells, cells, strict=False)
        return tuple(
            Commit(sha.decode(), tuple(parents.decode().split()), shown(author), shown(when), shown(subject))
            for sha, parents, author, when, subject in rows
        )

    @contextlib.contextmanager
    def diff(self, base: str, head: str) -> Iterator[Iterator[bytes]]:
        """Stream the difference as a binary patch. It is foreign text: clean it for a terminal."""
        flags = ("-r", "-p", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "-M")
        with self.git.stream("diff-tree", *flags, base, head, limited=True, timeout=600) as running:
            yield iter(lambda: running.stdout.read(CHUNK), b"")
            running.finish()

    def save_patch(self, base: str, head: str, file: Path, limit: int = 256 << 20) -> int:
        """Write the difference to ``file`` as a patch and return its size in bytes.

        Raises GitFailed when it has more than ``limit`` bytes; then there is no file.
        """
        with self.diff(base, head) as chunks:
            return write_bounded(file, chunks, limit)

    def delete(self) -> None:
        """Remove the store and all it knows. The session's other files stay."""
        delete_tree(self.path)
        for name in ("gitconfig", "origin.json"):
            (self.directory / name).unlink(missing_ok=True)

    def _name(self, ref: str) -> str:
        return f"refs/prodigy/{self.session_id}/{ref}"

    def _take_objects(self, repository: UserRepository) -> None:
        source = str(repository.root)
        flags = ("--bare", "--template=", "--no-tags", "--single-branch")
        try:
            self.git.run("clone", "-q", *flags, "--", source, str(self.path), timeout=600)
            self.git.run("cat-file", "-e", f"{self.base}^{{commit}}")
        except GitFailed:
            # Symbolic links among the objects, or holes in old history: the near history may still do.
            shutil.rmtree(self.path, ignore_errors=True)
            self.git.run("init", "-q", "--bare", "--template=", f"--object-format={self.object_format}")
            wanted = f"{self.base}:{self._name('fetched')}"
            self.git.run("fetch", "-q", "--no-tags", "--depth=50", f"file://{source}", wanted, timeout=600)


def write_bounded(file: Path, chunks: Iterator[bytes], limit: int) -> int:
    """Write a stream to a file and return its size. What a killed process left under the name is replaced.

    Raises GitFailed when there are more than ``limit`` bytes; then there is no file.
    """
    size = 0
    file.unlink(missing_ok=True)
    try:
        with file.open("xb") as sink:
            for chunk in chunks:
                size += sink.write(chunk)
                if size > limit:
                    break
            sink.flush()
            os.fsync(sink.fileno())
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    if size > limit:
        file.unlink()
        raise GitFailed(f"{file.name} would have more than {limit} bytes")
    return size


def exists(home: Path, session_id: str) -> bool:
    """Whether a session has a store."""
    return (_directory(home, session_id) / "origin.json").is_file()


def _directory(home: Path, session_id: str) -> Path:
    return home / "sessions" / session_id
