"""The sessions of the repository a command acts on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.cli.settings import Settings
    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord, Sessions


class Records:
    """The sessions of the repository a command acts on."""

    def __init__(self, settings: Settings) -> None:
        from prodigy.git.repository import open_repository
        from prodigy.home import data_root
        from prodigy.state.database import Database
        from prodigy.state.sessions import Sessions

        self.home: Path = data_root()
        self.repository = str(open_repository(settings.directory()).root)
        self.database: Database = Database(self.home / "prodigy.db")
        self.sessions: Sessions = Sessions(self.database)

    def all(self) -> list[SessionRecord]:
        """Return all of them, newest first."""
        return self.sessions.all(self.repository)

    def find(self, name: str) -> SessionRecord:
        """Return the one a name stands for. Raises UsageError."""
        return self.sessions.find(name, self.repository)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
