"""The one SQLite database under ``$PRODIGY_HOME``: connection, schema versions, transactions."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import tenacity

from prodigy.errors import EnvironmentUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

_MIGRATIONS = (
    """
    CREATE TABLE session (
        id TEXT PRIMARY KEY, repository TEXT NOT NULL, status TEXT NOT NULL,
        created_at TEXT NOT NULL, record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE step (
        session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE, item TEXT NOT NULL,
        path TEXT NOT NULL, seq INTEGER NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (session, item, path, seq)
    ) STRICT;
    CREATE TABLE item (
        session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE, item_id TEXT NOT NULL,
        position INTEGER NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL,
        PRIMARY KEY (session, item_id)
    ) STRICT;
    CREATE TABLE effect (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
        kind TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX effect_open ON effect(session, state);
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,
        type TEXT NOT NULL, at TEXT NOT NULL, record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_session ON event(session, seq);
    """,
    """
    CREATE TABLE memo (
        session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE, key TEXT NOT NULL,
        value TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (session, key)
    ) STRICT;
    CREATE INDEX event_type ON event(session, type);
    """,
)
"""Entry N brings a database of version N to N + 1; entries are only ever added."""


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_locked),
    wait=tenacity.wait_random(0.01, 0.1),
    stop=tenacity.stop_after_delay(60),
    reraise=True,
)
def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the journal's mode. SQLite does not wait here for another process that sets it just now."""
    connection.execute("PRAGMA journal_mode=WAL")


class Database:
    """One connection, shared by the threads of a process; each transaction is on disk when it ends."""

    def __init__(self, path: Path) -> None:
        """Open or create the database.

        Raises EnvironmentUnavailable when it cannot be opened, is damaged, or is of a newer version.
        """
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=60
            )
            _write_ahead(self._connection)
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._migrate(path)
        except sqlite3.Error as error:
            raise EnvironmentUnavailable(
                f"the database {path} cannot be used: {error}",
                help="check the disk and the file's rights; a damaged file can be moved away, "
                "the sessions it recorded are then only found by their directories",
            ) from error

    def _migrate(self, path: Path) -> None:
        if self._version() == len(_MIGRATIONS):
            return
        with self.transaction() as tx:
            version = self._version()  # another process may have been first
            if version > len(_MIGRATIONS):
                raise EnvironmentUnavailable(
                    f"the database {path} was written by a newer prodigy (schema {version}, "
                    f"this one knows {len(_MIGRATIONS)})"
                )
            for script in _MIGRATIONS[version:]:
                for statement in script.split(";"):
                    tx.execute(statement)
            tx.execute(f"PRAGMA user_version={len(_MIGRATIONS)}")

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, durable on leaving.

        Raises EnvironmentUnavailable when the database cannot be written (a full disk, above all).
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise EnvironmentUnavailable(f"the database cannot be written: {error}") from error
                raise

    def read(self, sql: str, *parameters: object) -> list[tuple[str, ...]]:
        """All rows of a query. Raises EnvironmentUnavailable when the database is damaged."""
        with self._lock:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.DatabaseError as error:
                raise EnvironmentUnavailable(
                    f"the database cannot be read: {error}",
                    help="a damaged file can be moved away; the sessions it recorded keep their directories",
                ) from error

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
