"""What steps change in a workspace, asked inside its own sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from prodigy.errors import SandboxFailure, StepError
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from prodigy.run.station import Station
    from prodigy.workflow.models import Workflow

_LIMIT = 64 << 20
"""Bytes of names one question may bring."""
_SECONDS = 300.0
_ID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_WANTS_FACTS = re.compile(r"\bstep\.(?:files_|commit|insertions|deletions)")

# A tree of everything that is not ignored, made with an index of its own: the step's index stays.
_SNAPSHOT = """\
export GIT_INDEX_FILE; GIT_INDEX_FILE=$(mktemp) && cp .git/index "$GIT_INDEX_FILE" 2>/dev/null
git -c core.fsmonitor=false -c core.hooksPath=/dev/null add -A . >/dev/null 2>&1
tree=$(git write-tree); rm -f "$GIT_INDEX_FILE"; unset GIT_INDEX_FILE
head=$(git rev-parse --verify -q 'HEAD^{commit}') || head=-
printf '%s %s\\n' "$tree" "$head"
"""
_COMPARE = (
    _SNAPSHOT
    + """\
printf '%s\\0' 'names'; git diff-tree -r -z --no-renames --name-status "$1" "$tree"
printf '%s\\0' 'counts'; git diff-tree -r -z --no-renames --numstat "$1" "$tree"
printf '%s\\0' 'commits'; [ "$head" = - ] || git rev-list -z --reverse "$2..$head" 2>/dev/null
"""
)
_STATUS = ("git", "-c", "core.fsmonitor=false", "status", "--porcelain=v1", "-z", "--no-renames")
_HEAD = ("git", "rev-parse", "--verify", "-q", "HEAD^{commit}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state of the workspace: the tree of its files, and HEAD."""

    tree: str
    head: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What changed between two states, committed or not."""

    added: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    insertions: int = 0
    deletions: int = 0

    @property
    def changed(self) -> tuple[str, ...]:
        """All paths, sorted."""
        return tuple(sorted((*self.added, *self.modified, *self.deleted)))

    def fields(self) -> dict[str, Any]:
        """Return what texts see."""
        from prodigy.workflow.plain_values import Paths

        return {
            "files_added": Paths(self.added),
            "files_modified": Paths(self.modified),
            "files_deleted": Paths(self.deleted),
            "files_changed": Paths(self.changed),
            "commits": Paths(self.commits),
            "commit_count": len(self.commits),
            "insertions": self.insertions,
            "deletions": self.deletions,
        }


def wants_facts(flow: Workflow) -> bool:
    """Return whether any text of a workflow asks what steps changed; finding out costs every step time."""
    return _WANTS_FACTS.search(flow.model_dump_json()) is not None


@dataclass(slots=True)
class Tracker:
    """Answers for one workspace. ``base``: the commit the run started from."""

    station: Station
    base: str
    target: str
    follows: bool = False
    """Whether every step is compared with the one before."""
    _before: Snapshot | None = None
    _last: Facts = field(default_factory=Facts)

    def begin(self, *, needed: bool = False) -> Snapshot | None:
        """Note the state before a step; None where nobody asks for it."""
        if not self.follows and not needed:
            return None
        if self._before is None or needed:
            self._before = self._snapshot()
        return self._before

    def finish(self, before: Snapshot | None) -> None:
        """Note what a finished step changed."""
        if before is not None and self.follows:
            self._last, self._before = self.since(before)

    @property
    def last(self) -> Facts:
        """What the last finished step changed."""
        return self._last

    def since(self, before: Snapshot) -> tuple[Facts, Snapshot]:
        """Return what changed since a state, and the state now. Raises StepError."""
        out = self._ask(("sh", "-c", _COMPARE, "sh", before.tree, before.head))
        line, _, rest = out.partition(b"\n")
        now = _snapshot(line)
        parts: dict[str, list[bytes]] = {"names": [], "counts": [], "commits": []}
        current = parts["names"]
        for cell in rest.split(b"\0"):
            if cell.decode("ascii", "replace") in parts:
                current = parts[cell.decode()]
            elif cell:
                current += cell.split(b"\n") if current is parts["commits"] else [cell]
        return _facts(parts), now

    def whole(self) -> Facts:
        """Return what changed since the run's base commit."""
        return self.since(Snapshot(self.base, self.base))[0]

    def names(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """Return the names that are asked of the workspace when a text needs them."""
        from prodigy.workflow.scope import Deferred

        changes = {name: Deferred(partial(self._change, name)) for name in Facts().fields()}
        return {"git": Deferred(self.git), "workflow": {**workflow, **changes}}

    def _change(self, name: str) -> Any:
        return self.whole().fields()[name]

    def git(self) -> dict[str, Any]:
        """Return the ``git`` namespace: branch, HEAD and uncommitted paths."""
        from prodigy.workflow.plain_values import Paths

        entries = [
            (entry[:1], entry[1:2], entry[3:].decode("utf-8", "replace"))
            for entry in self._ask(_STATUS).split(b"\0")
            if entry
        ]
        unstaged = [path for _, second, path in entries if second not in (b" ", b"")]
        staged = [path for first, _, path in entries if first not in (b" ", b"?", b"!")]
        return {
            "branch": self.target,
            "commit": self._ask(_HEAD).decode("ascii", "replace").strip(),
            "modified_files": Paths(sorted(path for _, _, path in entries)),
            "staged_files": Paths(sorted(staged)),
            "unstaged_files": Paths(sorted(unstaged)),
        }

    def _snapshot(self) -> Snapshot:
        return _snapshot(self._ask(("sh", "-c", _SNAPSHOT)).strip())

    def _ask(self, argv: tuple[str, ...]) -> bytes:
        try:
            with self.station.sandbox().pipe(argv, timeout=_SECONDS) as pipe:
                data = pipe.stdout.read(_LIMIT + 1)
                code = pipe.wait()
        except SandboxFailure as error:
            raise StepError(ErrorKind.SANDBOX, f"the workspace cannot be asked: {error.message}") from error
        if len(data) > _LIMIT or code:
            why = "too many names" if len(data) > _LIMIT else f"its git failed with exit code {code}"
            raise StepError(ErrorKind.SANDBOX, f"what changed in the workspace cannot be listed: {why}")
        return data


def _snapshot(line: bytes) -> Snapshot:
    tree, _, head = line.partition(b" ")
    if not _ID.fullmatch(tree) or not _ID.fullmatch(head):
        raise StepError(ErrorKind.SANDBOX, "the workspace's git cannot say what is in it")
    return Snapshot(tree.decode(), head.decode())


def _facts(parts: dict[str, list[bytes]]) -> Facts:
    kinds: dict[bytes, list[str]] = {b"A": [], b"M": [], b"T": [], b"D": []}
    cells = iter(parts["names"])
    for kind, path in zip(cells, cells, strict=False):
        kinds.setdefault(kind, []).append(path.decode("utf-8", "replace"))
    counts = [cell.split(b"\t") for cell in parts["counts"]]
    numbers = [(int(c[0]), int(c[1])) for c in counts if len(c) > 1 and c[0].isdigit() and c[1].isdigit()]
    return Facts(
        added=tuple(sorted(kinds[b"A"])),
        modified=tuple(sorted(kinds[b"M"] + kinds[b"T"])),
        deleted=tuple(sorted(kinds[b"D"])),
        commits=tuple(cell.decode() for cell in parts["commits"] if _ID.fullmatch(cell)),
        insertions=sum(more for more, _ in numbers),
        deletions=sum(less for _, less in numbers),
    )
