"""What an agent is given, and what it gives back: data, free of any process's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from prodigy.run.resolving import resolving_steps
from prodigy.values import Frozen, StepFailure
from prodigy.workflow.error_policy import AgentTimeouts
from prodigy.workflow.models import AgentOutput, Phase, Uncommitted

if TYPE_CHECKING:
    from prodigy.workflow.step import Step


class AgentJob(Frozen):
    """All an agent needs to know: data, free of this process's memory."""

    index: int
    """Position among the items that run, from 0."""
    total: int
    item_id: str
    item: Any
    item_is_path: bool = False
    """Whether the item came from a glob, so that it also answers to the parts of a path."""
    attempt: int = 1
    base: str
    """The commit the agent starts from."""
    template: Phase
    scope: dict[str, Any]
    """The names setup left, as Scope.dump wrote them."""
    values: dict[str, str] = Field(default_factory=dict)
    """The workflow's variables, secrets apart."""
    output: AgentOutput | None = None
    timeouts: AgentTimeouts | None = None
    uncommitted: Uncommitted = "save"
    share: tuple[str, ...] = ()
    retry_reason: str | None = None
    """Why an earlier attempt was not enough: ``conflict`` or ``failure``."""
    joins: str | None = None
    """A commit that conflicts with the base; this attempt is to merge it instead of running the template."""
    joined_output: Any = None
    """The output of the attempt that made it."""

    @property
    def name(self) -> str:
        """Names the agent's workspace, logs and ref; item ids may hold characters a ref may not."""
        return f"{self.index}-{self.attempt}"

    @property
    def steps(self) -> tuple[Step, ...]:
        """What it does: the template's steps, or those that merge what an earlier attempt made."""
        if self.joins is None:
            return self.template.steps
        return resolving_steps(self.joins)


class AgentResult(Frozen):
    """What an agent gives back; its commits are in the store under its ref."""

    job: AgentJob
    failure: StepFailure | None = None
    head: str | None = None
    """Where its commits end; None when it made none."""
    commits: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Changed paths; bytes that are no UTF-8 as surrogates."""
    output: Any = None
    uncommitted: dict[str, Any] | None = None
    duration: float = 0.0
    log: str = ""
    tolerated: bool = False
    cost: dict[str, float] = Field(default_factory=dict)
    """What Claude cost and used."""
    out_of_time: bool = False
    """Whether it was the agent's own time that ran out."""
