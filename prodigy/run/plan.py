"""What a run will do, settled before anything starts: the workflow with the command line's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from prodigy.errors import UsageError
from prodigy.run.policy import check_plan, clamped
from prodigy.sandbox.protocol import Limits
from prodigy.values import Frozen
from prodigy.workflow.claude_settings import with_options
from prodigy.workflow.config import Config
from prodigy.workflow.models import Workflow
from prodigy.workflow.policy import MachinePolicy
from prodigy.workflow.sandbox_settings import SandboxSettings, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.workflow.step import Step

SandboxKind = Literal["docker", "host"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """Settings given on the command line; None where nothing was."""

    sandbox: SandboxKind = "docker"
    image: str | None = None
    network: Literal["none", "bridge"] | dict[str, list[str]] | None = None
    cpus: float | None = None
    memory: int | None = None
    max_parallel: int | None = None
    timeout: float | None = None
    merge: Literal["ask", "yes", "never"] = "ask"
    fail_fast: bool = False
    keep: bool = False
    arguments: tuple[str, ...] = ()


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
    settings_by: dict[str, SandboxSettings] = Field(default_factory=dict)
    """Of phases that differ from the rest."""
    max_parallel: int = 1
    timeout: float | None = None
    """Seconds the whole run may take."""
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
    policy: MachinePolicy = MachinePolicy()
    """What this machine allows."""

    def settings_of(self, phase: str) -> SandboxSettings:
        """The settings of a phase's containers."""
        return self.settings_by.get(phase, self.settings)

    def limits_of(self, phase: str) -> Limits:
        """The limits of a phase's containers."""
        settings = self.settings_of(phase)
        return Limits(settings.cpus, settings.memory, settings.pids, settings.shm_size)

    def all_settings(self) -> dict[str, SandboxSettings]:
        """The settings of every phase that has steps, by phase."""
        return {name: self.settings_of(name) for name in self.workflow.phases()}

    def steps(self) -> Iterator[Step]:
        """Every step of every phase, handlers' steps included."""
        return self.workflow.steps()

    @property
    def uses_claude(self) -> bool:
        """Whether any step runs Claude."""
        return bool(self.workflow.claude_phases())


def make_plan(
    workflow: Workflow,
    workflow_file: str,
    overrides: Overrides,
    policy: MachinePolicy | None = None,
    *,
    config: Config | None = None,
    passes: tuple[Pass, ...] | None = None,
    stdin: str | None = None,
) -> Plan:
    """Merge the command line over the file, within the machine's policy.

    Raises UsageError for settings that contradict each other: nothing is dropped silently; PolicyViolation
    for what the policy forbids.
    """
    config = config or Config()
    if config.claude.model_fields_set:
        claude = with_options(config.claude, workflow.claude.model_dump(exclude_unset=True))
        workflow = workflow.model_copy(update={"claude": claude})
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
    policy = policy or MachinePolicy()
    parallel = overrides.max_parallel or (workflow.map.max_parallel if workflow.map else 1)
    defaults = merged(config.sandbox, workflow.sandbox.model_dump(exclude_unset=True))
    base = merged(defaults, changes)
    phases = {
        name: clamped(merged(merged(defaults, override), changes), policy)
        for name, override in workflow.sandbox_of.items()
    }
    is_own = overrides.max_parallel is not None or (
        workflow.map is not None and "max_parallel" in workflow.map.model_fields_set
    )
    if not is_own and workflow.map is not None and config.max_parallel is not None:
        parallel = config.max_parallel
    if not is_own and policy.max_parallel is not None:
        parallel = min(parallel, policy.max_parallel)
    timeout = overrides.timeout or workflow.timeout
    plan = Plan(
        workflow=workflow,
        workflow_file=workflow_file,
        sandbox=overrides.sandbox,
        settings=clamped(base, policy),
        settings_by=phases,
        max_parallel=parallel,
        timeout=policy.max_timeout if timeout is None else timeout,
        merge="never" if overrides.merge == "ask" and not config.merge.prompt else overrides.merge,
        stdin=stdin,
        passes=passes or (Pass(iterations=workflow.max_iterations),),
        fail_fast=overrides.fail_fast,
        arguments=overrides.arguments,
        keep=overrides.keep,
        policy=policy,
    )
    check_plan(plan, policy)
    return plan


def _refuse_for_host(workflow: Workflow) -> None:
    kind = workflow.sandbox.network_kind
    if kind != "bridge" and "network" in workflow.sandbox.model_fields_set:
        raise UsageError(
            f"the workflow asks for `network: {kind}`, which --sandbox host cannot enforce",
            help="use the docker sandbox, or remove the setting from the file",
        )
    if workflow.claude_phases() and workflow.claude.credentials == "gateway":
        raise UsageError(
            "the workflow has claude steps with `credentials: gateway`, which --sandbox host cannot seal off",
            help="use the docker sandbox, or write `claude: {credentials: env}` or `host_login`",
        )


def definition(plan: Plan) -> dict[str, Any]:
    """The workflow as the session stores it."""
    return plan.workflow.model_dump(mode="json")
