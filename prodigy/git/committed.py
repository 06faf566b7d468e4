"""The files of one commit, read without a work tree."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prodigy.errors import ProdigyError
from prodigy.git.pipe import chunks
from prodigy.git.runner import Git
from prodigy.git.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.repository import UserRepository


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit of the repository that ``git`` runs in."""

    git: Git
    commit: str

    @classmethod
    def head(cls, repository: UserRepository) -> Committed:
        """Return the commit a run over the repository would start from."""
        return cls(Git.reading(repository.root), repository.head)

    @classmethod
    def at(cls, repository: UserRepository, commit: str) -> Committed:
        """Return a commit of a repository."""
        return cls(Git.reading(repository.root), commit)

    def file(self, path: bytes | str, limit: int) -> bytes | None:
        """Return a regular file; None where there is none (a symbolic link is none).

        Raises ProdigyError when it is larger than ``limit`` bytes.
        """
        wanted = os.path.normpath(os.fsdecode(path))
        if wanted.startswith(("/", "..")) or "\0" in wanted:
            return None
        entry = self.git.run("ls-tree", "-z", "-l", "--full-tree", self.commit, wanted, limited=True).out
        fields, _, name = entry.rstrip(b"\0").partition(b"\t")
        if not fields.startswith(b"100") or name != os.fsencode(wanted):
            return None
        _, _, blob, size = fields.split()
        if int(size) > limit:
            raise ProdigyError(f"{shown(name)} has {int(size)} bytes, more than {limit}")
        return self.git.run("cat-file", "blob", blob.decode(), limited=True, most=limit).out

    def tree(self, directory: str) -> str | None:
        """Return the id of a directory's tree, None where there is no such directory."""
        top = directory in ("", ".")
        name = f"{self.commit}^{{tree}}" if top else f"{self.commit}:{directory}"
        found = self.git.run("rev-parse", "-q", "--verify", name, ok=(0, 1, 128)).out.decode().strip()
        is_tree = found and self.git.run("cat-file", "-t", found).out.strip() == b"tree"
        return found if is_tree else None

    @contextmanager
    def archive(self, directory: str) -> Iterator[Iterator[bytes]]:
        """Give the files of a directory as a tar stream."""
        tree = self.tree(directory) or self.commit
        with self.git.stream("archive", "--format=tar", tree, timeout=600) as running:
            yield chunks(running.stdout)
            running.finish()

    def files(self) -> tuple[bytes, ...]:
        """Return the paths of all files and symbolic links, sorted as git does."""
        out = self.git.run("ls-tree", "-r", "-z", "--full-tree", self.commit, limited=True, most=1 << 30).out
        entries = (entry.partition(b"\t") for entry in out.split(b"\0") if entry)
        return tuple(path for fields, _, path in entries if not fields.startswith(b"160000"))
