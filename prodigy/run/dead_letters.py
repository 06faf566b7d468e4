"""Failed items with all that is needed to understand and retry them: a view of the items' records."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.run.agent_job import AgentResult
from prodigy.state.journal import Journal
from prodigy.values import ErrorKind, Event, Frozen, ItemResult, StepFailure

if TYPE_CHECKING:
    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord

MANUAL = frozenset(
    {
        ErrorKind.VALIDATION,
        ErrorKind.COMMIT_REQUIRED,
        ErrorKind.HISTORY,
        ErrorKind.UNCOMMITTED,
        ErrorKind.INTERPOLATION,
    }
)
"""Kinds of failure that will hardly end otherwise by themselves."""
DISMISSED = "dlq/dismissed"
"""Where a session keeps which of its failed items nobody will look at any more."""
_VARYING = re.compile(r"[0-9a-f]{7,}|(?:/[^\s/:]+)+|\d+")
_TAIL = 4096
_SUGGESTIONS = {
    ErrorKind.TIMEOUT: "raise `timeout`, or make the step smaller",
    ErrorKind.OOM: "raise `sandbox.memory`",
    ErrorKind.DISK_LIMIT: "raise `sandbox.disk`",
    ErrorKind.MERGE_CONFLICT: "retry them: they then start from what the others have merged",
    ErrorKind.COMMIT_REQUIRED: "see why the step makes no commit",
    ErrorKind.INTERPOLATION: "give the placeholder a default, or filter such items out",
    ErrorKind.SANDBOX: "see `prodigy doctor`, then retry them",
}


class Attempted(Frozen):
    """One attempt of an item."""

    attempt: int
    timestamp: datetime | None = None
    kind: str
    message: str
    exit_code: int | None = None
    step: str = ""
    agent_id: str
    duration: float
    stderr_tail: str = ""
    log: str = ""
    conflict: dict[str, Any] | None = None


class DeadLetter(Frozen):
    """One failed item."""

    item_id: str
    job_id: str | None
    session_id: str
    item: Any
    first_attempt: datetime | None = None
    last_attempt: datetime | None = None
    failure_count: int
    eligible: bool
    manual_review: bool
    signature: str
    history: tuple[Attempted, ...] = ()
    artifacts: dict[str, str | None]

    @property
    def last(self) -> Attempted:
        """The last attempt."""
        return self.history[-1]


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one session."""

    database: Database
    record: SessionRecord

    def all(self) -> list[DeadLetter]:
        """Every item that failed and was not dismissed, in item order."""
        journal = Journal(self.database, self.record.id)
        dismissed = set(journal.get(DISMISSED) or ())
        return [
            self._letter(journal, item)
            for item in journal.item_results()
            if item.status == "failed" and item.item_id not in dismissed
        ]

    def dismiss(self, item_ids: list[str], event_type: str) -> None:
        """Let items be dead letters no longer; their records and artifacts stay with the session.

        ``event_type``: what is recorded to have happened to them.
        """
        journal = Journal(self.database, self.record.id)
        data = {"items": item_ids, "count": len(item_ids)}
        journal.event(
            Event(type=event_type, at=datetime.now(UTC), session=self.record.id, phase="map", data=data)
        )
        journal.put(DISMISSED, sorted({*(journal.get(DISMISSED) or ()), *item_ids}))

    def _letter(self, journal: Journal, item: ItemResult) -> DeadLetter:
        history = tuple(self._history(journal, item))
        kind = item.error.kind if item.error else ErrorKind.COMMAND
        times = [one.timestamp for one in history if one.timestamp is not None]
        directory = Path(item.log).parents[2] / "artifacts" if item.log else Path()
        patch = directory / f"{item.agent_id}.patch"
        return DeadLetter(
            item_id=item.item_id,
            job_id=self.record.job_id,
            session_id=self.record.id,
            item=item.item,
            first_attempt=min(times, default=None),
            last_attempt=max(times, default=None),
            failure_count=len(history),
            eligible=kind not in MANUAL,
            manual_review=kind in MANUAL,
            signature=signature(item.error),
            history=history,
            artifacts={
                "ref": item.ref,
                "patch": str(patch) if item.ref and patch.exists() else None,
                "uncommitted_patch": item.uncommitted["patch"] if item.uncommitted else None,
            },
        )

    def _history(self, journal: Journal, item: ItemResult) -> list[Attempted]:
        """Return every attempt that failed; of the last one the item itself knows most."""
        found = []
        for number in range(1, item.attempts):
            kept = journal.get(f"agent/{item.index}-{number}")
            if kept is None:
                continue
            agent = AgentResult.model_validate(kept)
            kind = agent.failure.kind if agent.failure else ErrorKind.MERGE_CONFLICT
            message = agent.failure.message if agent.failure else "its commits conflicted with others'"
            found.append(
                Attempted(
                    attempt=number,
                    timestamp=_time(journal, f"agent/{agent.job.name}"),
                    kind=kind,
                    message=message,
                    exit_code=agent.failure.exit_code if agent.failure else None,
                    step=agent.failure.step if agent.failure else "",
                    agent_id=agent.job.name,
                    duration=agent.duration,
                    log=agent.log,
                )
            )
        error = item.error
        last = Attempted(
            attempt=item.attempts,
            timestamp=_time(journal, f"agent/{item.agent_id}"),
            kind=error.kind if error else ErrorKind.COMMAND,
            message=error.message if error else "",
            exit_code=error.exit_code if error else None,
            step=error.step if error else "",
            agent_id=item.agent_id,
            duration=item.duration,
            stderr_tail=_stderr(item.log),
            log=item.log or "",
            conflict=item.conflict,
        )
        return [*found, last]


def signature(error: StepFailure | None) -> str:
    """Return what failures of one cause have in common: kind, step, and message without what varies."""
    text = f"{error.kind}\0{error.step}\0{_VARYING.sub('#', error.message)}" if error else ""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _time(journal: Journal, key: str) -> datetime | None:
    text = journal.time_of(key)
    return datetime.fromisoformat(text) if text else None


def _stderr(log: str | None) -> str:
    """Return the end of what the agent's last command wrote to stderr."""
    files = sorted(Path(log).glob("*.err"), key=lambda file: file.stat().st_mtime) if log else []
    if not files:
        return ""
    return files[-1].read_bytes()[-_TAIL:].decode(errors="replace")


def groups(letters: list[DeadLetter]) -> list[dict[str, Any]]:
    """Return the letters by signature, the largest group first, with what may help."""
    found: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        found.setdefault(letter.signature, []).append(letter)
    return [
        {
            "signature": signature,
            "count": len(members),
            "kind": members[0].last.kind,
            "step": members[0].last.step,
            "sample": members[0].last.message,
            "items": [member.item_id for member in members],
            "suggestion": _SUGGESTIONS.get(ErrorKind(members[0].last.kind), "look at the log of one of them"),
        }
        for signature, members in sorted(found.items(), key=lambda pair: -len(pair[1]))
    ]
