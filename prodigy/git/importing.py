"""Import: bringing the commits of a workspace into the store, through quarantine.

A workspace is never opened. Its own sandbox packs what it made; the host indexes the pack strictly,
beside the store, and lets in only what is complete, well formed, small enough and built on the base.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from prodigy.errors import GitFailed, ImportRefused
from prodigy.git.changes import FileChange, changes_between
from prodigy.git.pipe import OpenPipe, Pipe, chunks, complaint, shell
from prodigy.git.shown import shown
from prodigy.git.tree import delete_tree
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.store import Store

_LISTED = 64 << 20
"""Bytes of object names (a million and a half objects): what one import may cost of memory."""

REPACK_EVERY = 32
"""Imports after which packs are joined; without, each import is slower than the one before."""

# Naming HEAD takes no time, unless a FIFO stands where git reads.
_OFFER = """\
limit=$(command -v timeout >/dev/null && echo timeout -k 1 30)
head=$($limit git rev-parse --verify -q 'HEAD^{commit}') || { echo 'HEAD names no commit' >&2; exit 3; }
echo "$head"
[ "$head" = "$1" ] || printf '%s\\n^%s\\n' "$head" "$1" |
    git -c core.fsmonitor=false pack-objects --revs --thin --stdout -q --delta-base-offset
"""


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """What one import may bring: bytes of the pack, bytes of its content, files changed; seconds."""

    pack_bytes: int = 1 << 30
    content_bytes: int = 2 << 30
    files: int = 200_000
    seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Imported:
    """What a workspace made on ``base``: ``commits`` oldest first, ``files`` against ``base``."""

    base: str
    head: str
    commits: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()


DEFAULT_LIMITS = ImportLimits()


def import_commits(
    store: Store,
    open_pipe: OpenPipe,
    base: str,
    ref: str,
    limits: ImportLimits = DEFAULT_LIMITS,
    *,
    claimed: str | None = None,
) -> Imported:
    """Bring HEAD of a workspace into the store and keep it under ``ref`` (as ``agents/3-1``).

    ``claimed``: the HEAD its sandbox last reported; where it is ``base`` there is nothing to ask for.
    Raises ImportRefused (kind ``history``: not built on ``base``; else ``import``); then the store is
    as before. What ``open_pipe`` raises passes through.
    """
    if claimed == base:
        return Imported(base, base)
    with _quarantine(store) as quarantine:
        head = _receive(store, open_pipe, base, quarantine, limits)
        if head == base:
            return Imported(base, base)
        env = _environment(store, quarantine)
        commits = _examine(store, base, head, env, limits)
        try:
            files = changes_between(store.git.having(env), base, head, limits.files)
        except GitFailed as error:
            raise _refused(f"its changes cannot be listed: {error}") from error
        _let_in(quarantine, store.path / "objects/pack")
    store.set_ref(ref, head)
    _repack(store)
    return Imported(base, head, commits, files)


def _receive(store: Store, open_pipe: OpenPipe, base: str, quarantine: Path, limits: ImportLimits) -> str:
    """Index the pack a sandbox sends into quarantine; return the HEAD it is said to hold."""
    with open_pipe(shell(_OFFER, base), timeout=limits.seconds) as pipe:
        head = _read_head(pipe, len(base))
        if head == base:
            if pipe.stdout.read(1) or pipe.wait():
                raise _refused(f"its git failed: {complaint(pipe)}")
            return head
        flags = ("--stdin", "--fix-thin", "--strict", f"--max-input-size={limits.pack_bytes}")
        git = store.git.having(_environment(store, quarantine))
        try:
            answer = git.run(
                *("-c", "pack.writeReverseIndex=false", "index-pack", *flags),
                data=chunks(pipe.stdout),
                limited=True,
                timeout=limits.seconds,
            )
        except GitFailed as error:
            raise _refused(f"its objects are not acceptable: {error}") from error
        # What follows a pack's end would be echoed here.
        if not re.fullmatch(rb"pack\t[0-9a-f]+\n", answer.out) or pipe.stdout.read(1):
            raise _refused("it sent something else than a pack")
        if code := pipe.wait():
            raise _refused(f"its git failed (exit code {code}): {complaint(pipe)}")
    return head


def _read_head(pipe: Pipe, length: int) -> str:
    line = b""
    while len(line) <= length and (more := pipe.stdout.read(length + 1 - len(line))):
        line += more
    if not line:
        pipe.wait()
        raise _refused(f"its git failed: {complaint(pipe)}")
    if not re.fullmatch(rb"[0-9a-f]{%d}\n" % length, line):
        raise _refused(f"it did not name its HEAD but said {shown(line)!r}")
    return line[:-1].decode()


def _examine(
    store: Store, base: str, head: str, env: dict[str, str], limits: ImportLimits
) -> tuple[str, ...]:
    """Check that everything new is there, small enough and built on ``base``; return the new commits."""
    git = store.git.having(env)
    objects = ("rev-list", "--parents", "--objects", "--no-object-names", head, "--not", base)
    try:
        listed = git.run(*objects, limited=True, most=_LISTED).out.decode().splitlines()
    except GitFailed as error:
        raise _refused(f"its objects are not complete: {error}") from error
    parents = {line[: len(base)]: line.split()[1:] for line in listed}
    names = "".join(f"{name}\n" for name in (head, *parents))
    out = git.run(
        "cat-file", "--batch-check=%(objecttype) %(objectsize)", data=names.encode(), limited=True
    ).out
    (kind, _), *facts = [line.split() for line in out.decode().splitlines()]
    if kind != "commit":
        raise _refused(f"its HEAD is a {kind}, not a commit")
    if (size := sum(int(size) for _, size in facts)) > limits.content_bytes:
        raise _refused(f"it holds {size} bytes, more than {limits.content_bytes}")
    commits = tuple(name for name, (kind, _) in zip(parents, facts, strict=True) if kind == "commit")
    # Of the commits that base has not, one is its child exactly if HEAD descends from it.
    if not any(base in parents[commit] for commit in commits):
        raise ImportRefused(
            ErrorKind.HISTORY, f"HEAD {head[:12]} is not built on {base[:12]}, where it started"
        )
    return commits[::-1]


def _let_in(quarantine: Path, packs: Path) -> None:
    # Readers look for indexes: the pack must be there before.
    for suffix in (".pack", ".idx"):
        for file in (quarantine / "pack").glob(f"*{suffix}"):
            file.rename(packs / file.name)


@contextlib.contextmanager
def _quarantine(store: Store) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="incoming-", dir=store.path))
    try:
        (place / "pack").mkdir()
        yield place
    finally:
        delete_tree(place)


def _environment(store: Store, quarantine: Path) -> dict[str, str]:
    objects = str(store.path / "objects")
    return {"GIT_OBJECT_DIRECTORY": str(quarantine), "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}


_repacking = threading.Lock()
_imports: WeakKeyDictionary[Store, int] = WeakKeyDictionary()


def _repack(store: Store) -> None:
    with _repacking:
        _imports[store] = _imports.get(store, 0) + 1
        if _imports[store] % REPACK_EVERY == 0:
            store.git.run("repack", "--geometric=2", "-d", "-q", timeout=600)


def _refused(message: str) -> ImportRefused:
    return ImportRefused(ErrorKind.IMPORT, f"the workspace's commits were refused: {message}")
