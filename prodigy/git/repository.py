"""The user's repository: what prodigy reads of it before a run. Nothing here writes."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prodigy.errors import RepositoryUnusable
from prodigy.git.runner import Git
from prodigy.git.shown import shown
from prodigy.git.status import read_status

ObjectFormat = Literal["sha1", "sha256"]

OLDEST_GIT = (2, 39)
"""merge-tree --write-tree and its options as used here."""

_CARRIED = ("core.autocrlf", "core.eol", "core.filemode", "core.ignorecase", "core.symlinks")
"""Settings that decide how files look in a work tree; workspaces get the repository's own."""

_MERGE_ATTRIBUTES = re.compile(r"merge=(union|binary|text)|-merge|binary")
"""Built-in drivers only: a driver with a command would run it on what an agent wrote."""


@dataclass(frozen=True, slots=True)
class UserRepository:
    """What a run needs to know of the user's repository, read once."""

    root: Path
    """The work tree prodigy was started in: the main one or a linked one."""
    git_dir: Path
    common_dir: Path
    head: str
    branch: str | None
    """None where HEAD is detached."""
    object_format: ObjectFormat
    user_name: str
    user_email: str
    dirty: int
    """Changed and untracked paths, which no run takes part of."""
    owner: tuple[int, int]
    settings: tuple[tuple[str, str], ...]
    attributes: str
    """The merge attributes of HEAD's root .gitattributes that name built-in drivers."""
    hooks_path: str | None
    """Where core.hooksPath points to."""
    notes: tuple[str, ...]
    """Sentences about what a run does not or only partly see."""

    @property
    def name(self) -> str:
        """The project: the directory's name."""
        return self.root.name or "root"


def open_repository(path: Path) -> UserRepository:
    """Read the repository whose work tree holds ``path``.

    Raises RepositoryUnusable, with the sentence that says why.
    """
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        raise RepositoryUnusable(f"{path} cannot be read")
    git = Git.reading(path)
    _check_version(git)
    root, git_dir, common_dir, shallow, object_format = _locate(git, path)
    git = Git.reading(root)
    config = _config(git)
    if config.get("extensions.partialclone") or any(_promisor(key, value) for key, value in config.items()):
        raise RepositoryUnusable(
            f"{root} is a partial clone: reading it would download into it",
            help="run over a full clone of it",
        )
    state = read_status(git)
    if state.head == "(initial)":
        raise RepositoryUnusable(f"{root} has no commit yet", help="commit something first")
    submodules, attributes = _root_files(git, state.head)
    status = root.stat()
    return UserRepository(
        root=root,
        git_dir=git_dir,
        common_dir=common_dir,
        head=state.head,
        branch=_branch(git, state.branch),
        object_format=object_format,
        user_name=config.get("user.name") or "prodigy",
        user_email=config.get("user.email") or "prodigy@localhost",
        dirty=len(state.paths),
        owner=(status.st_uid, status.st_gid),
        settings=tuple((key, config[key]) for key in _CARRIED if key in config),
        attributes=_merge_attributes(attributes),
        hooks_path=config.get("core.hookspath"),
        notes=_notes(shallow=shallow, submodules=submodules, attributes=attributes),
    )


def _check_version(git: Git) -> None:
    text = git.text("version")
    found = re.search(r"(\d+)\.(\d+)", text)
    if not found or (int(found[1]), int(found[2])) < OLDEST_GIT:
        raise RepositoryUnusable(
            f"prodigy needs git {OLDEST_GIT[0]}.{OLDEST_GIT[1]} or newer; this is {text}"
        )


def _locate(git: Git, path: Path) -> tuple[Path, Path, Path, bool, ObjectFormat]:
    flags = ("--is-bare-repository", "--is-shallow-repository", "--show-object-format", "--absolute-git-dir")
    places = ("--path-format=absolute", "--git-common-dir", "--show-toplevel")
    answer = git.run("rev-parse", *flags, *places, ok=(0, 128))
    lines = os.fsdecode(answer.out).splitlines()
    if not lines:
        raise RepositoryUnusable(
            f"{path} is not in a git repository", help="run prodigy in one, or create one with: git init"
        )
    if lines[0] == "true":
        raise RepositoryUnusable(f"{path} is a bare repository: a run needs a checkout")
    if answer.code or len(lines) != 6:  # noqa: PLR2004 - one line for each flag above
        raise RepositoryUnusable(f"{path} is inside a .git directory, not in a work tree")
    object_format: ObjectFormat = "sha256" if lines[2] == "sha256" else "sha1"
    return Path(lines[5]), Path(lines[3]), Path(lines[4]), lines[1] == "true", object_format


def _config(git: Git) -> dict[str, str]:
    cells = iter(os.fsdecode(git.run("config", "--null", "--show-scope", "--list").out).split("\0"))
    # What stands on the command line is prodigy's own, not the user's.
    entries = (
        entry.partition("\n") for scope, entry in zip(cells, cells, strict=False) if scope != "command"
    )
    # A key without a value means true; the last of several values counts.
    return {key: value if sep else "true" for key, sep, value in entries}


def _promisor(key: str, value: str) -> bool:
    return (
        key.startswith("remote.")
        and key.endswith(".promisor")
        and value.lower() not in {"false", "0", "no", "off"}
    )


def _branch(git: Git, named: bytes) -> str | None:
    # A branch may bear the very name that stands for none.
    if named == b"(detached)" and git.run("symbolic-ref", "-q", "HEAD", ok=(0, 1)).code:
        return None
    return os.fsdecode(named)


def _root_files(git: Git, head: str) -> tuple[bytes, bytes]:
    """Return the root .gitmodules and .gitattributes of ``head``, empty where there is none."""
    out = git.run("cat-file", "--batch", data=f"{head}:.gitmodules\n{head}:.gitattributes\n".encode()).out
    found = []
    for _ in range(2):
        header, _, out = out.partition(b"\n")
        size = int(header.split()[-1]) if b" blob " in header else -1
        found.append(out[: max(size, 0)])
        out = out[size + 1 :] if size >= 0 else out
    return found[0], found[1]


def _merge_attributes(text: bytes) -> str:
    kept = []
    for line in os.fsdecode(text).splitlines():
        if line.startswith(("#", "[")):  # a comment, a macro
            continue
        match = re.match(r'\s*("(?:[^"\\]|\\.)*"|\S+)\s+(.*)', line)
        names = [a for a in match[2].split() if _MERGE_ATTRIBUTES.fullmatch(a)] if match else []
        if match and names:
            kept.append(f"{match[1]} {' '.join(names)}\n")
    return "".join(kept)


def _notes(*, shallow: bool, submodules: bytes, attributes: bytes) -> tuple[str, ...]:
    notes = []
    if shallow:
        notes.append("the repository is shallow: workspaces see its history only as far as it reaches")
    if submodules.strip():
        names = re.findall(rb"^\s*path\s*=\s*(.+)$", submodules, re.MULTILINE)
        notes.append(f"submodules are empty directories in workspaces: {shown(b', '.join(names))}")
    if b"filter=lfs" in attributes:
        notes.append("files kept by Git LFS are pointers in workspaces")
    return tuple(notes)
