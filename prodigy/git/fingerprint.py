"""A fingerprint of the user's repository: whether anything of it changed, and what."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.runner import Git
from prodigy.git.shown import shown
from prodigy.git.status import read_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prodigy.git.repository import UserRepository

_GIT_FILES = ("HEAD", "index", "config", "config.worktree", "packed-refs", "shallow", "info", "refs", "hooks")
_GIT_STATES = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "ORIG_HEAD", "rebase-merge", "rebase-apply")


def fingerprint(repository: UserRepository) -> Mapping[str, str]:
    """Return what stands for each part: name to digest. Nothing is written.

    Index, HEAD, refs, configuration and hooks by content; of the work tree, what git reports as changed
    or untracked, by content too. Objects are not looked at: none that counts is out of the refs' reach.
    """
    found = {}
    for directory in dict.fromkeys((repository.git_dir, repository.common_dir)):
        for name in (*_GIT_FILES, *_GIT_STATES):
            for file in _files(directory / name):
                found[_name(file, repository.root)] = _digest(file)
    try:
        paths = read_status(Git.reading(repository.root)).paths
    except GitFailed as error:
        return {**found, "git status": error.message}
    for path, entry in paths.items():
        file = repository.root / os.fsdecode(path)
        found[shown(path)] = f"{hashlib.sha256(entry).hexdigest()} {_digest(file)}"
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of what differs, sorted."""
    return tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir() and not path.is_symlink():
        for below in path.iterdir():
            yield from _files(below)
    elif os.path.lexists(path):
        yield path


def _digest(file: Path) -> str:
    try:
        status = file.lstat()
        if stat.S_ISLNK(status.st_mode):
            return f"-> {file.readlink()}"
        if not stat.S_ISREG(status.st_mode):
            return f"{status.st_mode:o}"
        with file.open("rb") as source:
            return f"{status.st_mode:o} {hashlib.file_digest(source, 'sha256').hexdigest()}"
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _name(file: Path, root: Path) -> str:
    text = str(file.relative_to(root)) if file.is_relative_to(root) else str(file)
    return shown(os.fsencode(text))
