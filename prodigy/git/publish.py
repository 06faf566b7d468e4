"""Publishing: fast-forwarding the user's branch, the only write to the user's repository."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed, MergeRefused
from prodigy.git.locks import file_lock
from prodigy.git.merging import Conflict, SessionMerger
from prodigy.git.pipe import chunks
from prodigy.git.risky import risky_files
from prodigy.git.runner import Git
from prodigy.git.shown import shown
from prodigy.git.status import read_status

if TYPE_CHECKING:
    from prodigy.git.changes import FileChange
    from prodigy.git.repository import UserRepository
    from prodigy.git.store import Store

_TRIES = 3
"""How often a target that moves meanwhile is caught up with."""

_WAIT = 60.0
"""Seconds to wait for another publication into the same repository."""

_SHOWN_FILES = 20


@dataclass(frozen=True, slots=True)
class Preview:
    """What a publication would bring, for the question. ``risky`` is safe to show."""

    target: str | None
    head: str
    commits: int
    files: tuple[FileChange, ...]
    risky: tuple[str, ...]


class TargetConflict(MergeRefused):
    """Raised when what the target has gained conflicts with the session; nothing was moved."""

    def __init__(self, message: str, *, help: str, files: tuple[bytes, ...], tip: str) -> None:  # noqa: A002
        super().__init__(message, help=help)
        self.files, self.tip = files, tip


@dataclass(frozen=True, slots=True)
class Published:
    """A finished publication. ``work_tree``: where the target is checked out, None for nowhere."""

    target: str
    before: str
    commit: str
    work_tree: Path | None


def preview(store: Store, target: str | None) -> Preview:
    """Say what the session would bring to its target."""
    head, base = store.head(), store.ref("target") or store.base
    commits, files = len(store.commits(base, head)), store.changes(base, head)
    return Preview(target, head, commits, files, risky_files(store, base, head) if files else ())


def publish(store: Store, repository: UserRepository, target: str | None) -> Published:
    """Fast-forward the branch ``target`` to the session's head, and the work tree that has it.

    A target that moved meanwhile is merged into the session first. Raises MergeRefused, with what to do
    about it: no target, conflict, changed files in the way; then neither branch nor files were touched.
    """
    if target is None:
        raise MergeRefused(
            "HEAD was detached at the start, so there is no branch to merge into", help=_into(store)
        )
    name = hashlib.sha256(os.fsencode(repository.common_dir)).hexdigest()[:20]
    try:
        with file_lock(store.home / "locks" / f"publish-{name}", _WAIT):
            for _ in range(_TRIES):
                if done := _try(store, repository, target):
                    return done
    except TimeoutError as error:
        raise MergeRefused(
            f"another merge into {repository.root} has been at work for {_WAIT:g} s"
        ) from error
    raise MergeRefused(f"{target} moved {_TRIES} times during the merge", help="try again")


def find_published(store: Store, repository: UserRepository, target: str) -> str | None:
    """Tell what a publication came to whose process died: the commit, where the target contains it.

    A helper ref that it left is deleted.
    """
    git = Git.writing(repository.root)
    git.run("update-ref", "-d", f"refs/prodigy/{store.session_id}")
    head = store.head()
    answer = git.run("merge-base", "--is-ancestor", head, f"refs/heads/{target}", ok=(0, 1, 128))
    return head if answer.code == 0 else None


def _try(store: Store, repository: UserRepository, target: str) -> Published | None:
    if _rebasing(repository, target):
        raise MergeRefused(f"{target} is being rebased in {repository.root}", help="finish the rebase first")
    git = Git.reading(repository.root)
    tip = take_in(store, repository, target)
    head = store.head()
    place = _checked_out(git, target)
    if place:
        _check_overlap(store, place, tip, head)
    if tip != head:
        git = Git.writing(place or repository.root)
        _send_objects(store, git, tip, head)
        if not _move(store, git, target, tip, head, checked_out=place is not None):
            return None
    return Published(target, tip, head, place)


def _tip(git: Git, target: str) -> str | None:
    # Not rev-parse: a target may look like an expression over revisions.
    answer = git.run("show-ref", "--verify", "--hash", "--", f"refs/heads/{target}", ok=(0, 1, 128))
    return answer.out.decode().strip() or None


def _rebasing(repository: UserRepository, target: str) -> bool:
    # Its HEAD is detached meanwhile, and at the end the branch is set to the result.
    for state in ("rebase-merge", "rebase-apply"):
        named = repository.git_dir / state / "head-name"
        if named.is_file() and named.read_text(errors="surrogateescape").strip() == f"refs/heads/{target}":
            return True
    return False


def take_in(store: Store, repository: UserRepository, target: str) -> str:
    """Merge what the target has gained into the session; give the target's tip.

    Raises MergeRefused for a conflict, or where there is no such branch.
    """
    tip = _tip(Git.reading(repository.root), target)
    if tip is None:
        raise MergeRefused(f"the branch {shown(target.encode())} does not exist", help=_into(store))
    _catch_up(store, repository, target, tip)
    return tip


def _catch_up(store: Store, repository: UserRepository, target: str, tip: str) -> None:
    """Merge what the target has into the session, in the store."""
    if tip == store.base:
        return
    refs = f"+refs/heads/{target}:refs/prodigy/{store.session_id}/target"
    flags = ("-q", "--no-tags", "--no-write-fetch-head", "--update-shallow")
    store.git.run("fetch", *flags, f"file://{repository.root}", refs, timeout=600)
    result = SessionMerger(store).merge_target(store.ref("target") or tip, target)
    if isinstance(result, Conflict):
        raise TargetConflict(
            f"{target} moved meanwhile and conflicts with {store.branch} in: {_listed(result.files)}",
            help=f"git fetch {store.path} refs/prodigy/{store.session_id}/session && git merge FETCH_HEAD",
            files=result.files,
            tip=store.ref("target") or tip,
        )


def _checked_out(git: Git, target: str) -> Path | None:
    """Return the work tree that has the target checked out."""
    wanted = b"branch refs/heads/" + os.fsencode(target)
    for entry in git.run("worktree", "list", "--porcelain", "-z").out.split(b"\0\0"):
        lines = entry.split(b"\0")
        if wanted in lines and not any(line.startswith(b"prunable") for line in lines):
            return Path(os.fsdecode(lines[0].removeprefix(b"worktree ")))
    return None


def _check_overlap(store: Store, place: Path, tip: str, head: str) -> None:
    flags = ("-r", "-z", "--name-status", "--no-renames")
    cells = iter(store.git.run("diff-tree", *flags, tip, head, limited=True).out.split(b"\0"))
    kinds = {path: kind for kind, path in zip(cells, cells, strict=False)}
    dirty = read_status(Git.reading(place)).paths
    blocked = {above for path in kinds for above in _with_parents(path) if above in dirty}
    deleted = {path for path, kind in kinds.items() if kind == b"D"}
    for path in (path for path, kind in kinds.items() if kind == b"A"):
        blocked.update(_overwritten(place, path) - deleted)
    if blocked:
        raise MergeRefused(
            f"uncommitted changes in {place} are in the way: {_listed(sorted(blocked))}",
            help=f"commit or stash them, then: prodigy worktree merge {store.session_id}",
        )


def _with_parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _overwritten(place: Path, path: bytes) -> set[bytes]:
    """Return the files, ignored ones too, that a new file at ``path`` would take the place of."""
    for above in _with_parents(path):
        file = place / os.fsdecode(above)
        if file.is_symlink() or (file.exists() and not file.is_dir()):
            return {above}
    below = (Path(where) / name for where, _, names in os.walk(place / os.fsdecode(path)) for name in names)
    return {os.fsencode(file.relative_to(place)) for file in below}


def _send_objects(store: Store, git: Git, tip: str, head: str) -> None:
    # The repository's own user writes them, so none of its files is ever root's.
    wanted = f"{head}\n^{tip}\n".encode()
    flags = ("--revs", "--thin", "--stdout", "-q", "--delta-base-offset")
    with store.git.stream("pack-objects", *flags, data=wanted, timeout=600) as running:
        git.run("index-pack", "--stdin", "--fix-thin", "--strict", data=chunks(running.stdout), timeout=600)
        running.finish()


def _move(store: Store, git: Git, target: str, tip: str, head: str, *, checked_out: bool) -> bool:
    """Move the branch; False when it moved meanwhile."""
    helper = f"refs/prodigy/{store.session_id}"
    git.run("update-ref", helper, head)
    try:
        if checked_out:
            flags = ("-q", "--ff-only", "--no-overwrite-ignore", "--no-stat", "--no-autostash")
            git.run("merge", *flags, helper, timeout=600)
        else:
            reason = f"merge {store.branch}: Fast-forward"
            git.run("update-ref", "-m", reason, f"refs/heads/{target}", head, tip)
    except GitFailed as error:
        if _tip(git, target) != tip:
            return False
        raise MergeRefused(f"git refuses to fast-forward {target}: {error}") from error
    finally:
        git.run("update-ref", "-d", helper)
    if _tip(git, target) != head:
        raise MergeRefused(f"{target} is not at {head[:12]}: another branch was checked out meanwhile")
    return True


def _into(store: Store) -> str:
    return f"name a branch: prodigy worktree merge {store.session_id} --into BRANCH"


def _listed(files: tuple[bytes, ...] | list[bytes]) -> str:
    more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    return ", ".join(shown(file) for file in files[:_SHOWN_FILES]) + more
