"""At rest: a session's workspace gets a ``.git`` of the host's making, safe to visit by hand."""

from __future__ import annotations

import os
import secrets
import shutil
from typing import TYPE_CHECKING

from prodigy.git.template import prepare_git_dir
from prodigy.git.tree import change_owner, delete_tree, make_writable

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.git.store import Store
    from prodigy.git.template import Template
    from prodigy.git.workspace import Workspace

_SAFE = "[core]\n\thooksPath = /dev/null\n[diff]\n\tignoreSubmodules = all\n"


def settle(workspace: Workspace, store: Store, commit: str, template: Template) -> None:
    """Replace the workspace's ``.git`` by one built from the store, its branch at ``commit``.

    Nothing of the old one is read, and no link is followed. The tree then belongs to the caller.
    ``template``: the one of the session's base, whose history is copied. No container may be running.
    After a crash between its steps, do it again. Raises GitFailed when ``commit`` is not in the store.
    """
    building = store.directory / "rest.tmp"
    delete_tree(building)
    building.mkdir(mode=0o700)
    git = prepare_git_dir(store, building, commit, workspace.branch, store.base)
    git_dir = building / ".git"
    with (git_dir / "config").open("a") as config:
        config.write(_SAFE)
    _copy_history(store, template, git_dir, commit)
    git.run("read-tree", commit, limited=True)
    _swap(workspace.path, git_dir, store.directory / f"old-{secrets.token_hex(4)}.tmp")
    delete_tree(building)
    if os.geteuid() == 0:
        change_owner(workspace.path, os.geteuid(), os.getegid())


def _copy_history(store: Store, template: Template, git_dir: Path, commit: str) -> None:
    source = template.path / ".git"
    shutil.copytree(source / "objects", git_dir / "objects", dirs_exist_ok=True)
    if (source / "shallow").exists():
        shutil.copy(source / "shallow", git_dir / "shallow")
    if commit != template.commit:
        flags = ("--revs", "--delta-base-offset", "-q", str(git_dir / "objects/pack/pack"))
        store.git.run("pack-objects", *flags, data=f"{commit}\n^{template.commit}\n".encode(), timeout=600)


def _swap(tree: Path, new: Path, old: Path) -> None:
    make_writable(None, str(tree))
    top = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            make_writable(top, ".git")
            os.rename(".git", old, src_dir_fd=top)
        except FileNotFoundError:
            pass  # the workspace removed it, or a crash came after this step
        os.rename(new, ".git", dst_dir_fd=top)
    finally:
        os.close(top)
    delete_tree(old)
