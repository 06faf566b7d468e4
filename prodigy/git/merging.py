"""Merging into the session: without a work tree, one at a time, by compare-and-swap."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.shown import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from prodigy.git.store import Store


@dataclass(frozen=True, slots=True)
class Merged:
    """A finished merge: the session is at ``commit`` now."""

    commit: str
    parents: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A merge that is not possible; nothing moved. ``files`` are the paths both sides changed."""

    files: tuple[bytes, ...]
    base: str
    ours: str
    theirs: str


class SessionMerger:
    """Moves one session's head. Its methods may be called from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._head: str | None = None

    def fast_forward(self, commit: str) -> None:
        """Move the session to a commit built on its head. Raises GitFailed for any other."""
        with self._lock:
            self._head = None
            current = self._store.head()
            if current == commit:
                return
            if not self._store.is_ancestor(current, commit) or not self._store.advance(commit, current):
                raise GitFailed(f"{commit[:12]} is not built on the session's head {current[:12]}")

    def merge_agent(
        self,
        agent_id: str,
        commit: str,
        *,
        changed: Collection[bytes] = (),
        protected: Collection[bytes] = (),
    ) -> Merged | Conflict:
        """Merge an agent's commit. Raises GitFailed when git fails in any other way than a conflict.

        ``changed``: the paths the agent changed; ``protected``: paths that no agent may change, because
        the session's workspace holds uncommitted changes of them.
        """
        taken = set(protected)
        if overlap := sorted(path for path in changed if path in taken):
            head = self._store.head()
            return Conflict(tuple(overlap), self._base(head, commit), head, commit)
        label = shown(agent_id.encode("utf-8", "surrogateescape"))
        message = (
            f"Merge agent {label}\n\nProdigy-Agent: {label}\nProdigy-Session: {self._store.session_id}\n"
        )
        return self._merge(commit, message)

    def merge_target(self, commit: str, name: str) -> Merged | Conflict | None:
        """Merge what the user's branch ``name`` got meanwhile; None where the session has it already."""
        if self._store.is_ancestor(commit, self._store.head()):
            return None
        return self._merge(commit, f"Merge branch '{name}'\n\nProdigy-Session: {self._store.session_id}\n")

    def _merge(self, commit: str, message: str) -> Merged | Conflict:
        with self._lock:
            while True:
                # Where this merger left the head. Another process may have moved it since (`worktree
                # merge` of the same session): then it is read, and the merge done again.
                known, current = self._head, self._head or self._store.head()
                result = self._attempt(current, commit, message)
                self._head = result.commit if isinstance(result, Merged) else None
                if isinstance(result, Merged) or (result and not known):
                    return result

    def _attempt(self, current: str, commit: str, message: str) -> Merged | Conflict | None:
        """Merge onto ``current``; None where the session is not there any more."""
        git = self._store.git
        flags = ("--write-tree", "-z", "--name-only", "--no-messages")
        answer = git.run("merge-tree", *flags, current, commit, ok=(0, 1), limited=True)
        tree, *files = answer.out.rstrip(b"\0").split(b"\0")
        if answer.code:
            return Conflict(tuple(files), self._base(current, commit), current, commit)
        parents = ("-p", current, "-p", commit)
        new = git.run("commit-tree", tree.decode(), *parents, data=message.encode(), limited=True)
        merged = new.out.decode().strip()
        return Merged(merged, (current, commit)) if self._store.advance(merged, current) else None

    def _base(self, ours: str, theirs: str) -> str:
        answer = self._store.git.run("merge-base", ours, theirs, ok=(0, 1), limited=True)
        return answer.out.decode().strip()
