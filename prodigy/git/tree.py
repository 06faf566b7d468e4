"""Directory trees that a container could write: owners changed and deleted, following no link.

Only for times when no container runs. One descriptor is open at a time, so no depth is too deep.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import ProdigyError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete_tree(path: Path) -> None:
    """Delete ``path`` whatever it is; nothing there is no error. Crash-safe: run it again.

    Raises ProdigyError naming what could not be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            path.unlink()
            return
        # Deep trees are flattened while they are deleted, into a directory of our own beside them.
        bin_ = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        bin_.mkdir(mode=0o700)
        make_writable(None, str(path))
        path.rename(bin_ / "0")
        empty_bin(bin_)


def empty_bin(bin_: Path) -> None:
    """Delete a directory that only the host can write, and all below it. Raises as ``delete_tree``."""
    left: list[str] = []
    top = os.open(bin_, _DIRECTORY)
    try:
        number = 0
        while names := [name for name in _names(top) if name not in left]:
            for name in names:
                number = _empty(top, name, number, left)
    finally:
        os.close(top)
    if left:
        raise ProdigyError(
            f"{bin_} cannot be deleted: {len(left)} directories belong to another user or are in use"
        )
    bin_.rmdir()


def _empty(top: int, name: str, number: int, left: list[str]) -> int:
    """Delete the files of ``top/name``, move its directories to ``top``, then delete it."""
    try:
        number = _unlink_all(top, name, number)
        with contextlib.suppress(NotADirectoryError):
            os.rmdir(name, dir_fd=top)
    except OSError:
        left.append(name)
    return number


def _unlink_all(top: int, name: str, number: int) -> int:
    if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=top)
        return number
    with contextlib.suppress(PermissionError):
        make_writable(top, name)
    try:
        here = os.open(name, _DIRECTORY, dir_fd=top)
    except PermissionError:
        return number  # overlay's own work directory: root's, closed and empty; rmdir suffices
    try:
        for entry in list(os.scandir(here)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=here)
                continue
            with contextlib.suppress(OSError):
                os.rmdir(entry.name, dir_fd=here)
                continue
            number += 1
            with contextlib.suppress(PermissionError):
                make_writable(here, entry.name)
            os.rename(entry.name, f"+{os.getpid()}-{number}", src_dir_fd=here, dst_dir_fd=top)
    finally:
        os.close(here)
    return number


def change_owner(path: Path, uid: int, gid: int) -> None:
    """Give ``path`` and everything below it to ``uid`` and ``gid``. Needs root."""
    for directory, name in _walk(path):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)


def _walk(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every entry below ``path`` and last the top, as an open directory and a name in it."""
    above = os.open(path.parent, _DIRECTORY)
    here = os.open(path.name, _DIRECTORY, dir_fd=above)
    pending: list[list[str]] = [[]]
    try:
        pending[0] += _names(here)
        while pending:
            names = pending[-1]
            if not names:
                pending.pop()
                here = _replace(here, os.open("..", _DIRECTORY, dir_fd=here)) if pending else here
                continue
            name = names.pop()
            yield here, name
            if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
                here = _replace(here, os.open(name, _DIRECTORY, dir_fd=here))
                pending.append(_names(here))
        yield above, path.name
    finally:
        os.close(here)
        os.close(above)


def _names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries]


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def make_writable(directory: int | None, name: str) -> None:
    """Let the owner enter and change a directory that was closed with chmod."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            # The descriptor was opened only as a place (O_PATH); /proc is the way to change its mode.
            Path(f"/proc/self/fd/{descriptor}").chmod(0o700)
    finally:
        os.close(descriptor)
