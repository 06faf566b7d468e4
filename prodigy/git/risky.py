"""Files that tools run by themselves: to be named before a merge brings them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prodigy.git.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.store import Store

_NAMES = frozenset({b".envrc", b".gitattributes", b".gitmodules", b".pre-commit-config.yaml"})
_DIRECTORIES = frozenset({b".githooks", b".github", b".husky", b".vscode", b"hooks"})
_SYMLINK = b"120000"


def risky_files(store: Store, base: str, head: str) -> tuple[str, ...]:
    """Return the added and changed files that hooks, editors or services run or obey, safe to show."""
    hooks = os.fsencode(store.origin.hooks_path or "").strip(b"/")
    found, links = [], {}
    for mode, blob, path in _changed(store, base, head):
        if mode == _SYMLINK:
            links[path] = blob
        if _runs(path, hooks):
            found.append(shown(path))
    found += [f"{shown(path)} -> {shown(target)}" for path, target in _leaving(store, links)]
    return tuple(sorted(found))


def _runs(path: bytes, hooks: bytes) -> bool:
    *directories, name = path.split(b"/")
    in_hooks = bool(hooks) and path.startswith(hooks + b"/")
    return name in _NAMES or in_hooks or not _DIRECTORIES.isdisjoint(directories)


def _changed(store: Store, base: str, head: str) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield mode, object and path of what ``head`` added or changed."""
    flags = ("-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=d")
    out = store.git.run("diff-tree", *flags, base, head, limited=True).out
    cells = iter(out.split(b"\0"))
    for fields, path in zip(cells, cells, strict=False):
        _, mode, _, blob, _ = fields.split()
        yield mode, blob, path


def _leaving(store: Store, links: dict[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
    for path, blob in links.items():
        target = store.git.run("cat-file", "blob", blob.decode(), limited=True).out
        end = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120 - bytes
        if end.startswith(b"/") or end.split(b"/")[0] == b"..":
            yield path, target
