"""What can be removed of what prodigy keeps, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from prodigy.git.recovery import recover_session
from prodigy.git.store import Store, exists
from prodigy.git.template import drop_templates
from prodigy.git.tree import delete_tree
from prodigy.run.cleanup import Orphans, abandoned, delete_session
from prodigy.run.dead_letters import DeadLetters
from prodigy.run.overview import overview
from prodigy.run.resume import resumable
from prodigy.state.event_log import EventLog
from prodigy.state.journal import Journal
from prodigy.state.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord
    from prodigy.workflow.config import Config

T = TypeVar("T")

KINDS = (
    "worktrees",
    "sessions",
    "logs",
    "state",
    "events",
    "dlq",
    "artifacts",
    "containers",
    "images",
    "caches",
)
AGED = ("sessions", "logs", "state", "events")
"""Kinds that the configuration gives an age, so that they may be cleaned without naming one."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that could go."""

    kind: str
    name: str
    size: int
    """Bytes; 0 where the engine does not tell."""
    remove: Callable[[], object]
    kept: str = ""
    """Why it stays, unless it is forced."""
    never: bool = False
    """Whether nothing may force it."""


class Retention:
    """Finds candidates among the sessions it is given, and on the engine."""

    def __init__(self, home: Path, database: Database, records: list[SessionRecord], config: Config) -> None:
        self._home = home
        self._database = database
        self._records = records
        self._config = config

    def find(self, kind: str, age: float | None, *, every: bool) -> Iterator[Candidate]:
        """Give the candidates of a kind that are older than ``age`` seconds.

        Without an age, ``every`` takes all; else the configuration's age counts.
        """
        limit = 0.0 if every else age
        if kind in ("containers", "images", "caches"):
            yield from getattr(self, f"_{kind}")(limit)
            return
        own = self._config.retention.age_of(kind)
        before = datetime.now(UTC) - timedelta(seconds=own if limit is None else limit)
        for record in self._records:
            merged_only = kind == "sessions" and limit is None
            young = record.created_at > before and kind != "events"  # of which there may be too many
            if young or (merged_only and not _is_merged(record)):
                continue
            if record.status == "running" and not abandoned(record):
                yield Candidate(kind, record.id, 0, lambda: None, "it is running", never=True)
                continue
            yield from getattr(self, f"_{kind}")(record, before)

    def _held(self, record: SessionRecord) -> str:
        """Say what would be lost with a session's work."""
        pending = sum(item.status == "pending" for item in Journal(self._database, record.id).item_results())
        if record.workspace_state == "none":
            return ""
        if resumable(record, pending):
            return "it can be resumed"
        ahead = overview(self._home, record).ahead
        return "it has commits that are not merged" if ahead else ""

    def _directory(self, record: SessionRecord) -> Path:
        return self._home / "sessions" / record.id

    def _sessions(self, record: SessionRecord, _before: datetime) -> Iterator[Candidate]:
        top = self._directory(record)
        size = _size(top / "store.git", top / "logs", top / "artifacts")
        remove = partial(delete_session, self._home, Sessions(self._database), record)
        yield Candidate("sessions", record.id, size, remove, self._held(record))

    def _worktrees(self, record: SessionRecord, _before: datetime) -> Iterator[Candidate]:
        if record.workspace_state == "none":
            return
        size = _size(self._directory(record) / "store.git")
        yield Candidate("worktrees", record.id, size, partial(self._drop, record), self._held(record))

    def _drop(self, record: SessionRecord) -> None:
        """Remove a session's workspace and store; what is recorded of it stays."""
        recover_session(self._home, record.id)
        delete_tree(Path(record.workspace))
        delete_tree(self._directory(record) / "ws")
        if exists(self._home, record.id):
            Store.open(self._home, record.id).delete()
        drop_templates(self._home, record.id)
        Sessions(self._database).update(record.id, workspace_state="none")

    def _logs(self, record: SessionRecord, _before: datetime) -> Iterator[Candidate]:
        yield from self._tree(record, "logs")

    def _artifacts(self, record: SessionRecord, _before: datetime) -> Iterator[Candidate]:
        yield from self._tree(record, "artifacts")

    def _tree(self, record: SessionRecord, name: str) -> Iterator[Candidate]:
        place = self._directory(record) / name
        if place.is_dir():
            kept = self._held(record) if name == "artifacts" else ""
            yield Candidate(name, record.id, _size(place), partial(delete_tree, place), kept)

    def _state(self, record: SessionRecord, _before: datetime) -> Iterator[Candidate]:
        journal = Journal(self._database, record.id)
        size = journal.kept_bytes()
        if size:
            held = self._held(record)
            kept = held if held == "it can be resumed" else ""
            yield Candidate("state", record.id, size, partial(journal.forget, ""), kept)

    def _events(self, record: SessionRecord, before: datetime) -> Iterator[Candidate]:
        log, limits = EventLog(self._database), self._config.events
        for choice in ({"before": before}, {"keep": limits.max_events}, {"size": limits.max_size}):
            count, size = log.count(record.id, **choice)
            if count:
                remove = partial(log.delete, record.id, **choice)
                yield Candidate("events", f"{record.id}: {count} events", size, remove)

    def _dlq(self, record: SessionRecord, before: datetime) -> Iterator[Candidate]:
        letters = DeadLetters(self._database, record)
        for letter in letters.all():
            if letter.last_attempt is None or letter.last_attempt < before:
                remove = partial(letters.dismiss, [letter.item_id])
                yield Candidate("dlq", f"{record.id}: {letter.item_id}", 0, remove)

    def _containers(self, _age: float | None) -> Iterator[Candidate]:
        orphans = Orphans(self._home, self._database)
        for orphan in orphans.find():
            if orphan.leftover is not None:
                yield Candidate("containers", orphan.name, 0, partial(_sure, orphans.remove, [orphan]))

    def _images(self, age: float | None) -> Iterator[Candidate]:
        from prodigy.sandbox.docker.engine import connect
        from prodigy.sandbox.images import Images

        images = Images(connect(), self._home / "images")
        for info in images.prune(older_than=age, dry_run=True):
            yield Candidate("images", info.reference, info.size, partial(images.remove, info))

    def _caches(self, _age: float | None) -> Iterator[Candidate]:
        from prodigy.sandbox.docker.engine import connect
        from prodigy.sandbox.docker.leftovers import find_leftovers, remove_leftovers

        engine = connect()
        for found in find_leftovers(engine, str(self._home)):
            if found.kind == "volume" and "prodigy.cache" in found.labels:
                yield Candidate(
                    "caches", found.name, 0, partial(_sure, partial(remove_leftovers, engine), [found])
                )


def _sure(remove: Callable[[list[T]], list[str]], things: list[T]) -> None:
    """Remove things by a function that tells of failures. Raises ProdigyError for one."""
    from prodigy.errors import ProdigyError

    if problems := remove(things):
        raise ProdigyError("; ".join(problems))


def _is_merged(record: SessionRecord) -> bool:
    return record.merge is not None and record.merge.status == "merged"


def _size(*directories: Path) -> int:
    """Return the bytes of the files in directories that only prodigy writes; never of a workspace."""
    files = (path for directory in directories for path in directory.rglob("*"))
    return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())
