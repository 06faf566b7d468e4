"""Templates: immutable checkouts of one commit, from which workspaces are made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.configuration import workspace_config
from prodigy.git.locks import file_lock
from prodigy.git.runner import Git
from prodigy.git.tree import change_owner, delete_tree

if TYPE_CHECKING:
    from prodigy.git.store import Store

Owner = tuple[int, int]
"""uid and gid that containers run as, and that own what is mounted in them."""

FULL_HISTORY = 256 << 20
"""Bytes of packed history above which a template has only the last commits."""

NEAR_HISTORY = "--depth=50"

SMALL_FILES = 2_000
SMALL_PACK = 64 << 20
"""Bytes. Up to both, copying a template costs less than what starting a container hides."""


@dataclass(frozen=True, slots=True)
class Template:
    """A finished template. ``pack_bytes`` is the size of its history."""

    path: Path
    commit: str
    files: int
    pack_bytes: int

    @property
    def small(self) -> bool:
        """Whether copies of it are cheap."""
        return self.files <= SMALL_FILES and self.pack_bytes <= SMALL_PACK


def get_template(store: Store, commit: str, owner: Owner) -> Template:
    """Return the template of a commit for containers of ``owner``, made once for all sessions.

    Raises GitFailed when the commit's files cannot be checked out, TimeoutError when another process
    is busy making it for ten minutes.
    """
    bases = store.home / "bases"
    key = _key(store, commit, owner)
    facts = bases / f"{key}.json"
    if found := _finished(bases / key, facts, commit):
        return found
    with file_lock(store.home / "locks" / f"base-{key}", timeout=600):
        if found := _finished(bases / key, facts, commit):
            return found
        return _make(store, commit, owner, bases / key, facts)


def drop_templates(home: Path, session_id: str) -> None:
    """Delete the templates of commits that only this session has. None of its workspaces may be left.

    Raises ProdigyError naming what could not be removed.
    """
    for facts in (home / "bases").glob("*.json"):
        if json.loads(facts.read_text()).get("session") == session_id:
            facts.unlink()
            delete_tree(facts.with_suffix(""))


def _key(store: Store, commit: str, owner: Owner) -> str:
    origin = store.origin
    parts = (str(origin.common_dir), commit, owner, origin.user_name, origin.user_email, origin.settings)
    return f"{commit[:12]}-{hashlib.sha256(repr(parts).encode(errors='surrogateescape')).hexdigest()[:20]}"


def _finished(path: Path, facts: Path, commit: str) -> Template | None:
    try:
        known = json.loads(facts.read_text())
    except FileNotFoundError:
        return None
    return Template(path, commit, known["files"], known["pack_bytes"]) if path.is_dir() else None


def _make(store: Store, commit: str, owner: Owner, path: Path, facts: Path) -> Template:
    for unfinished in (path, *path.parent.glob(f"{path.name}.tmp"), *path.parent.glob(f".{path.name}*.tmp")):
        delete_tree(unfinished)
    building = Path(f"{path}.tmp")
    building.mkdir(mode=0o755, parents=True)
    git = prepare_git_dir(store, building, commit, "work", commit)
    pack_bytes = take_history(store, git, building / ".git", commit)
    git.run("read-tree", "--reset", "-u", commit, limited=True, timeout=600)
    files = int.from_bytes((building / ".git/index").read_bytes()[8:12], "big")
    template = Template(path, commit, files, pack_bytes)
    if not template.small:
        _date_files(git, building)
    if os.geteuid() == 0:
        change_owner(building, *owner)
    temporary = Path(f"{facts}.tmp")
    session = None if commit == store.base else store.session_id
    temporary.write_text(json.dumps({"files": files, "pack_bytes": pack_bytes, "session": session}))
    building.rename(path)
    temporary.rename(facts)
    return template


def prepare_git_dir(store: Store, tree: Path, commit: str, branch: str, base: str) -> Git:
    """Write an empty repository at ``tree/.git`` with ``branch`` at ``commit``; return git for it."""
    git_dir = tree / ".git"
    for part in ("objects/pack", "objects/info", "refs/tags", "info"):
        (git_dir / part).mkdir(parents=True)
    head = git_dir / "refs/heads" / branch
    head.parent.mkdir(parents=True)
    head.write_text(f"{commit}\n")
    (git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    (git_dir / "packed-refs").write_text(
        f"# pack-refs with: peeled fully-peeled sorted \n{base} refs/heads/prodigy-base\n"
    )
    (git_dir / "config").write_text(workspace_config(store.origin), errors="surrogateescape")
    return Git.hardened(git_dir, store.config, work_tree=tree)


def take_history(store: Store, git: Git, git_dir: Path, commit: str) -> int:
    """Put what ``commit`` reaches, and nothing else, into ``git_dir``; return the size in bytes.

    Long history (FULL_HISTORY) and history with holes is cut to the last commits.
    """
    packs = git_dir / "objects/pack"
    try:
        flags = ("--revs", "--delta-base-offset", "-q")
        store.git.run("pack-objects", *flags, str(packs / "pack"), data=f"{commit}\n".encode(), timeout=1800)
        if (store.path / "shallow").exists():
            shutil.copy(store.path / "shallow", git_dir / "shallow")
        size = _pack_bytes(packs)
    except GitFailed:
        size = -1
    if not 0 <= size <= FULL_HISTORY:
        for file in packs.iterdir():
            file.unlink()
        # The commit is named by a ref for the time of the fetch: a server only hands out what it names.
        name = f"templates/{commit}"
        store.set_ref(name, commit)
        source = f"refs/prodigy/{store.session_id}/{name}"
        fetch = (
            "-c",
            "fetch.unpackLimit=1",
            "fetch",
            "-q",
            "--no-tags",
            NEAR_HISTORY,
            "--no-write-fetch-head",
        )
        git.run(*fetch, f"file://{store.path}", source, timeout=1800)
        store.set_ref(name, None)
        size = _pack_bytes(packs)
    return size


def _pack_bytes(packs: Path) -> int:
    return sum(file.stat().st_size for file in packs.glob("*.pack"))


def _date_files(git: Git, tree: Path) -> None:
    """Make every file older than the index, so that git trusts what the index says of it.

    Git reads a file again whose time is not before the index's own. Only the files of the last second
    are concerned; giving them an earlier one is faster than waiting for the next.
    """
    newest = int(time.time()) - 1
    for directory, _, names in os.walk(tree):
        if Path(directory) == tree / ".git" or (tree / ".git") in Path(directory).parents:
            continue
        for name in names:
            file = Path(directory) / name
            if file.lstat().st_mtime >= newest:
                os.utime(file, (newest - 1, newest - 1), follow_symlinks=False)
    git.run("update-index", "-q", "--refresh", ok=(0, 1), limited=True, timeout=600)
