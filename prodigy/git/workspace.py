"""Workspaces: the work trees that containers get, made from templates."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prodigy.errors import GitFailed
from prodigy.git.shown import shown_lines
from prodigy.git.tree import change_owner, delete_tree
from prodigy.values import MountSpec

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.git.store import Store
    from prodigy.git.template import Owner, Template

Backend = Literal["auto", "copy", "overlay"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """One work tree. Untrusted from the moment a container has had it."""

    name: str
    path: Path
    """All the workspace occupies on the host: the tree itself, or the parts of its overlay."""
    mount: MountSpec
    branch: str

    def hand_over(self, uid: int, gid: int) -> None:
        """Give the tree to the user a container runs as, or back. No container may be running."""
        if os.geteuid() == 0 and self.mount.kind == "bind":
            change_owner(self.mount.source, uid, gid)

    def remove(self) -> None:
        """Unmount and delete. No container may be running. Nothing there is no error.

        Raises ProdigyError naming what could not be removed.
        """
        if self.mount.source != self.path and os.path.ismount(self.mount.source):
            unmount(self.mount.source)
        delete_tree(self.path)


class Workspaces:
    """Makes the workspaces of one session."""

    def __init__(
        self, store: Store, owner: Owner, *, backend: Backend = "auto", strict_bind: bool = False
    ) -> None:
        """``strict_bind``: only bind mounts of host directories, never an overlay volume."""
        self._store = store
        self._owner = owner
        self._backend = backend
        self._mounts = os.geteuid() == 0
        self._strict_bind = strict_bind
        self._copies_only = threading.Event()

    def fall_back(self) -> None:
        """Copy from now on: overlays do not work on this machine."""
        self._copies_only.set()

    def session(self, template: Template) -> Workspace:
        """Make the session's own workspace, always a plain directory."""
        workspace = self._session()
        workspace.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._copy(template, workspace.path)
        git_dir = workspace.path / ".git"
        branch = git_dir / "refs/heads" / workspace.branch
        branch.parent.mkdir()
        (git_dir / "refs/heads/work").rename(branch)
        (git_dir / "HEAD").write_text(f"ref: refs/heads/{workspace.branch}\n")
        self._own(branch.parent)
        return workspace

    def open_session(self) -> Workspace | None:
        """Return the session's workspace where it exists."""
        workspace = self._session()
        return workspace if workspace.path.is_dir() else None

    def agent(self, name: str, template: Template) -> Workspace:
        """Make an agent's workspace with branch ``work``. ``name``: ``<item index>-<attempt>``."""
        place = self._store.directory / "ws" / name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        if not self._overlays(template):
            self._copy(template, place)
            return Workspace(name, place, MountSpec("bind", place), "work")
        upper, work, merged = (place / part for part in ("upper", "work", "m"))
        self._write_upper(upper, template)
        work.mkdir()
        if not self._mounts:
            spec = MountSpec("overlay", place, lower=template.path, upper=upper, work=work)
            return Workspace(name, place, spec, "work")
        merged.mkdir()
        try:
            mount_overlay(self._store.home, template.path, place)
        except GitFailed:
            # As where a home is itself on an overlay, inside a container.
            if self._backend == "overlay":
                raise
            self.fall_back()
            delete_tree(place)
            return self.agent(name, template)
        return Workspace(name, place, MountSpec("bind", merged), "work")

    def _session(self) -> Workspace:
        place = self._store.home / "worktrees" / self._store.origin.project / self._store.session_id
        return Workspace(self._store.session_id, place, MountSpec("bind", place), self._store.branch)

    def _overlays(self, template: Template) -> bool:
        if self._copies_only.is_set() or (self._strict_bind and not self._mounts):
            return False
        return self._backend == "overlay" or (self._backend == "auto" and not template.small)

    def _copy(self, template: Template, place: Path) -> None:
        _command("cp", "-a", "--reflink=auto", "--", str(template.path), str(place))

    def _write_upper(self, upper: Path, template: Template) -> None:
        # HEAD stands in the upper from the start, so the host never needs to look below it.
        heads = upper / ".git/refs/heads"
        heads.mkdir(mode=0o755, parents=True)
        (upper / ".git/HEAD").write_text("ref: refs/heads/work\n")
        (heads / "work").write_text(f"{template.commit}\n")
        upper.chmod(template.path.stat().st_mode & 0o7777)
        self._own(upper)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            change_owner(path, *self._owner)


def mount_overlay(home: Path, lower: Path, place: Path) -> None:
    """Mount the overlay of ``place/upper`` over ``lower`` at ``place/m``. Raises GitFailed."""
    # Relative paths: no character of the home's own path can be taken for a separator.
    parts = {"lowerdir": lower, "upperdir": place / "upper", "workdir": place / "work"}
    paths = ",".join(f"{option}={path.relative_to(home)}" for option, path in parts.items())
    options = f"nosuid,nodev,{paths},redirect_dir=on"
    _command("mount", "-t", "overlay", "-o", options, "prodigy", str(place / "m"), cwd=home)


def unmount(place: Path) -> None:
    """Unmount; what still uses it keeps it until it ends."""
    _command("umount", "--lazy", str(place))


def _command(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise GitFailed(f"{command[0]} failed: {shown_lines(done.stderr).strip()}")
