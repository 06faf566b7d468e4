"""The frozen types that cross rooms: mounts, diagnostics, results, events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - a field of a dataclass that is inspected
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Diagnostic:
    """One finding in a file: where, what, and what to do. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    severity: Severity
    code: str
    message: str
    help: str | None = None
    source: str | None = None
    """The text of the line, for the caret display."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at on this machine, and what to do about it."""

    id: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str | None = None


class ErrorKind(StrEnum):
    """Why a step or an agent failed."""

    COMMAND = "command"
    TIMEOUT = "timeout"
    SIGNAL = "signal"
    OOM = "oom"
    DISK_LIMIT = "disk_limit"
    COMMIT_REQUIRED = "commit_required"
    CAPTURE = "capture"
    VALIDATION = "validation"
    INTERPOLATION = "interpolation"
    WRITE_FILE = "write_file"
    WORKING_DIR = "working_dir"
    OUTPUT_MISSING = "output_missing"
    BUDGET = "budget"
    SANDBOX = "sandbox"
    UNCOMMITTED = "uncommitted"
    HISTORY = "history"
    IMPORT = "import"
    MERGE_CONFLICT = "merge_conflict"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class MountSpec:
    """The one mount of a sandbox: a workspace, as ``git`` made it and as ``sandbox`` mounts it.

    ``bind``: ``source`` is a host directory. ``overlay``: a volume that *is* the overlay of ``upper``
    over ``lower`` (used where the host cannot mount an overlay itself).
    """

    kind: Literal["bind", "overlay"]
    source: Path
    """bind: the directory. overlay: the workspace's own directory, for names and logs."""
    lower: Path | None = None
    upper: Path | None = None
    work: Path | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """A named volume that outlives the containers it is mounted in."""

    volume: str
    path: str
    read_only: bool = False


class Frozen(BaseModel):
    """A stored or transported record: immutable, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class StepFailure(Frozen):
    """Why a step failed."""

    kind: ErrorKind
    message: str
    step: str = ""
    exit_code: int | None = None


class AttemptRecord(Frozen):
    """One execution of a step's command. Durations are seconds."""

    n: int
    started_at: datetime
    duration: float
    exit_code: int | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None


StepStatus = Literal["success", "recovered", "tolerated", "skipped", "failed", "cancelled"]


class StepResult(Frozen):
    """What became of one step. ``path`` names it in its file, as ``map.agent_template[1]``."""

    path: str
    id: str | None = None
    name: str
    kind: str
    status: StepStatus
    exit_code: int | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    duration: float = 0.0
    stdout_log: str | None = None
    stderr_log: str | None = None
    head_before: str | None = None
    head_after: str | None = None
    error: StepFailure | None = None
    """Why it failed; also of a step whose failure was tolerated."""
    tolerated_by: str | None = None
    """What tolerated the failure: a handler, ``continue_on_error``, ``retry``, …"""
    note: str | None = None
    """What else is worth knowing, as that a handler made no commit."""
    commits: tuple[str, ...] = ()
    files_changed: tuple[str, ...] = ()
    cost_usd: float | None = None
    tokens: dict[str, int] | None = None
    claude_session_id: str | None = None


class ItemResult(Frozen):
    """What became of one work item, as ``map.results`` shows it. Durations are seconds."""

    item_id: str
    index: int
    item: Any
    status: Literal["success", "failed", "skipped", "pending"]
    output: Any = None
    error: StepFailure | None = None
    commits: tuple[str, ...] = ()
    files_changed: tuple[str, ...] = ()
    merge_commit: str | None = None
    uncommitted: dict[str, Any] | None = None
    attempts: int = 1
    duration: float = 0.0
    agent_id: str = ""
    log: str | None = None
    base: str | None = None
    """The commit the agent started from."""
    ref: str | None = None
    """Where the commits of a failed item are kept in the session's store."""
    conflict: dict[str, Any] | None = None
    cost_usd: float | None = None
    """What Claude cost; None where it did not run."""
    tokens: dict[str, int] | None = None

    @property
    def success(self) -> bool:
        """Whether the item's work was done and merged."""
        return self.status == "success"


class Event(Frozen):
    """One thing that happened. Reports read nothing but these."""

    type: str
    at: datetime
    session: str
    phase: str | None = None
    item: str | None = None
    step: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class MergeOutcome(Frozen):
    """What became of the final merge into the user's branch."""

    status: Literal["merged", "declined", "not_asked", "disabled", "nothing", "refused", "failed"]
    commit: str | None = None
    reason: str | None = None
    command: str | None = None
    """The exact command that merges later."""


class PhaseResult(Frozen):
    """What became of one phase. Durations are seconds."""

    name: str
    status: Literal["success", "failed", "cancelled", "skipped"]
    started_at: datetime
    duration: float
    image: str | None = None


class RunResult(Frozen):
    """What became of a run, as ``run --json`` prints it. Durations are seconds."""

    session_id: str
    job_id: str | None
    workflow: str
    mode: Literal["standard", "mapreduce"]
    status: Literal["success", "partial", "failed", "interrupted"]
    exit_code: int
    started_at: datetime
    finished_at: datetime
    duration: float
    base_commit: str
    branch: str
    target: str | None
    workspace: str
    iterations: tuple[dict[str, Any], ...] = ()
    """What became of each time through the commands."""
    phases: tuple[PhaseResult, ...] = ()
    steps: tuple[StepResult, ...] = ()
    items: dict[str, int] | None = None
    """total, successful, failed, skipped, pending; None in standard mode."""
    results: tuple[ItemResult, ...] = ()
    tolerated: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    uncommitted: tuple[dict[str, Any], ...] = ()
    commits: int = 0
    files_changed: int = 0
    cost: dict[str, float] = Field(default_factory=dict)
    """What Claude cost and used: ``usd``, and tokens; empty where it did not run."""
    merge: MergeOutcome
    resume_command: str | None = None
    """The exact command that goes on with a run that did not end well."""
    error: str | None = None
    """The sentence that says why a failed run failed."""
