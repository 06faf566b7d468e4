"""Session records: creating, changing and finding them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from prodigy.errors import EnvironmentUnavailable, UsageError
from prodigy.owner import Owner
from prodigy.values import Frozen, MergeOutcome, RunResult

if TYPE_CHECKING:
    from prodigy.state.database import Database

SessionStatus = Literal["running", "success", "partial", "failed", "interrupted"]
WorkspaceState = Literal["none", "at_rest", "in_use"]
_MIN_PREFIX = 4


class Leftovers(Frozen):
    """Changes a workspace at rest has not committed."""

    count: int
    patch: str | None = None
    """The file that holds them."""


class SessionRecord(Frozen):
    """The durable record of one run."""

    id: str
    job_id: str | None
    repository: str
    """Canonical path of the user's repository."""
    project: str
    workflow_file: str
    workflow_name: str
    definition: dict[str, Any]
    """The workflow as it was read at the start: nothing is read again later."""
    settings: dict[str, Any]
    mode: Literal["standard", "mapreduce"]
    status: SessionStatus
    phase: str | None = None
    base: str
    target: str | None
    """The user's branch at the start; None when HEAD was detached."""
    branch: str
    created_at: datetime
    finished_at: datetime | None = None
    owner: str
    """The process that runs it, as state.owner.Owner writes it."""
    workspace: str
    workspace_state: WorkspaceState = "none"
    """in_use: a container has, or had when its owner died, the workspace; its .git is not to be trusted."""
    head_imported: str | None = None
    """The commit the workspace was last known to stand on."""
    leftovers: Leftovers | None = None
    """What it had uncommitted there, as far as that is known."""
    merge: MergeOutcome | None = None
    result: RunResult | None = None
    """What the run gave, without its steps and items: those have records of their own."""
    error: str | None = None


def new_session_id(now: datetime) -> str:
    """A session id: sortable by time, unguessable in its last part."""
    return f"session-{now.astimezone(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Sessions:
    """The sessions of one data root."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, record: SessionRecord) -> None:
        """Add a session."""
        with self._database.transaction() as tx:
            tx.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)",
                (
                    record.id,
                    record.repository,
                    record.status,
                    record.created_at.isoformat(),
                    record.model_dump_json(),
                ),
            )

    def update(self, session_id: str, **changes: Any) -> SessionRecord:
        """Change fields of a session, durably, and return the new record."""
        with self._database.transaction() as tx:
            (text,) = tx.execute("SELECT record FROM session WHERE id = ?", (session_id,)).fetchone()
            merged = SessionRecord.model_validate_json(text).model_copy(update=changes)
            record = SessionRecord.model_validate(merged.model_dump())
            tx.execute(
                "UPDATE session SET status = ?, record = ? WHERE id = ?",
                (record.status, record.model_dump_json(), session_id),
            )
        return record

    def claim(self, record: SessionRecord, *, steal: bool = False) -> SessionRecord:
        """Make the calling process the owner of a session that is to be run on, under its new settings.

        Of several processes that try at once, one succeeds. Raises EnvironmentUnavailable while the owner
        lives; one on another host counts as alive unless its session is stolen.
        """
        with self._database.transaction() as tx:
            (text,) = tx.execute("SELECT record FROM session WHERE id = ?", (record.id,)).fetchone()
            now = SessionRecord.model_validate_json(text)
            owner = Owner.parse(now.owner)
            held = now.status == "running" and owner is not None and owner != Owner.current()
            if held and owner is not None and owner.alive() and not (steal and owner.elsewhere):
                raise EnvironmentUnavailable(
                    f"{record.id} is already running: PID {owner.pid} on {owner.host} "
                    f"since {now.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
                    help="--steal-lock takes it over" if owner.elsewhere else None,
                )
            if (now.status, now.owner) != (record.status, record.owner):
                raise EnvironmentUnavailable(f"{record.id} was taken up by another process meanwhile")
            fresh = {
                "status": "running",
                "owner": str(Owner.current()),
                "definition": record.definition,
                "settings": record.settings,
                "finished_at": None,
                "error": None,
            }
            claimed = now.model_copy(update=fresh)
            tx.execute(
                "UPDATE session SET status = ?, record = ? WHERE id = ?",
                (claimed.status, claimed.model_dump_json(), record.id),
            )
        return claimed

    def get(self, session_id: str) -> SessionRecord:
        """The session with exactly this id; KeyError when there is none."""
        for (text,) in self._database.read("SELECT record FROM session WHERE id = ?", session_id):
            return SessionRecord.model_validate_json(text)
        raise KeyError(session_id)

    def all(self, repository: str | None = None) -> list[SessionRecord]:
        """Sessions, newest first; of one repository when its canonical path is given."""
        rows = self._database.read(
            "SELECT record FROM session WHERE ?1 IS NULL OR repository = ?1 "
            "ORDER BY created_at DESC, id DESC",
            repository,
        )
        return [SessionRecord.model_validate_json(text) for (text,) in rows]

    def find(self, wanted: str, repository: str | None = None) -> SessionRecord:
        """A session by id, job id, unique prefix of at least 4 characters, or ``latest``.

        Raises UsageError, naming the candidates, when none or several fit.
        """
        sessions = self.all(repository)
        if wanted == "latest" and sessions:
            return sessions[0]
        exact = [s for s in sessions if wanted in (s.id, s.job_id)]
        suffix_fits = len(wanted) >= _MIN_PREFIX
        fits = exact or [s for s in sessions if suffix_fits and _answers_to(s, wanted)]
        if len(fits) == 1:
            return fits[0]
        names = ", ".join(s.id for s in (fits or sessions)[:10]) or "none"
        problem = "is ambiguous" if fits else "is not known here"
        raise UsageError(f"session '{wanted}' {problem}", help=f"candidates: {names}")

    def delete(self, session_id: str) -> None:
        """Remove a session's record with everything recorded under it."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM session WHERE id = ?", (session_id,))


def _answers_to(session: SessionRecord, prefix: str) -> bool:
    names = (
        session.id,
        session.id.removeprefix("session-"),
        session.id.rpartition("-")[2],
        session.job_id or "",
    )
    return any(name.startswith(prefix) for name in names)
