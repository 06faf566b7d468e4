"""What a run will do, settled before anything starts: the workflow with the command line's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from prodigy.errors import UsageError
from prodigy.sandbox.protocol import Limits
from prodigy.values import Frozen
from prodigy.workflow.models import Workflow
from prodigy.workflow.sandbox_settings import SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.workflow.step import Step

SandboxKind = Literal["docker", "host"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings given on the command line; None where nothing was."""

    sandbox: SandboxKind = "docker"
    image: str | None = None
    network: Literal["none", "bridge"] | None = None
    cpus: float | None = None
    memory: int | None = None
    max_parallel: int | None = None
    merge: Literal["ask", "yes", "never"] = "ask"


class Pass(Frozen):
    """One go through the commands, perhaps several times."""

    variables: dict[str, str] = Field(default_factory=dict)
    """``ARG`` and ``ARG_FILE``, where the pass has them."""
    iterations: int = 1

    @property
    def name(self) -> str:
        """What the pass is for, in words."""
        return self.variables.get("ARG_FILE") or self.variables.get("ARG") or ""


class Plan(Frozen):
    """A workflow with its final settings; stored with the session."""

    workflow: Workflow
    workflow_file: str
    sandbox: SandboxKind = "docker"
    settings: SandboxSettings = SandboxSettings()
    max_parallel: int = 1
    merge: Literal["ask", "yes", "never"] = "ask"
    stdin: str | None = None
    """The caller's standard input, where the workflow takes its items from it."""
    passes: tuple[Pass, ...] = (Pass(),)
    """How often, and for what, the commands are repeated."""
    fail_fast: bool = False
    """Whether the first pass that fails ends the run."""
    arguments: tuple[str, ...] = ()
    """The command line's arguments of a mapreduce run."""
    keep: bool = False
    """Whether workspaces of finished agents and a merged session stay."""

    @property
    def limits(self) -> Limits:
        """The limits of each container."""
        return Limits(cpus=self.settings.cpus, memory=self.settings.memory, pids=self.settings.pids)

    def steps(self) -> Iterator[Step]:
        """Every step of every phase, handlers' steps included."""
        return self.workflow.steps()

    @property
    def uses_claude(self) -> bool:
        """Whether any step runs Claude."""
        return any(step.claude is not None for step in self.steps())


def make_plan(workflow: Workflow, workflow_file: str, overrides: Overrides) -> Plan:
    """Merge the command line over the file.

    Raises UsageError for settings that contradict each other: nothing is dropped silently.
    """
    changes = {
        name: value
        for name in ("image", "network", "cpus", "memory")
        if (value := getattr(overrides, name)) is not None
    }
    if overrides.sandbox == "host":
        written = [f"--{name}" for name in changes]
        if written:
            raise UsageError(f"{', '.join(written)} cannot act with --sandbox host")
        _refuse_for_host(workflow)
    if workflow.map is None and overrides.max_parallel is not None:
        raise UsageError("--max-parallel is for mapreduce workflows; this one has no map phase")
    parallel = overrides.max_parallel or (workflow.map.max_parallel if workflow.map else 1)
    return Plan(
        workflow=workflow,
        workflow_file=workflow_file,
        sandbox=overrides.sandbox,
        settings=SandboxSettings.model_validate(workflow.sandbox.model_dump() | changes),
        max_parallel=parallel,
        merge=overrides.merge,
    )


def _refuse_for_host(workflow: Workflow) -> None:
    if workflow.sandbox.network == "none" and "network" in workflow.sandbox.model_fields_set:
        raise UsageError(
            "the workflow asks for `network: none`, which --sandbox host cannot enforce",
            help="use the docker sandbox, or remove the setting from the file",
        )


def definition(plan: Plan) -> dict[str, Any]:
    """The workflow as the session stores it."""
    return plan.workflow.model_dump(mode="json")
