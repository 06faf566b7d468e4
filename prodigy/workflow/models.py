"""What a workflow file means, once every spelling is normalised: frozen, and plain data.

Each setting is declared here once, with its type, default, bounds and meaning. Durations are seconds,
sizes bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from prodigy.values import Diagnostic
from prodigy.workflow.aggregation import Variable
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.env_value import EnvFile, EnvValue, SecretSource
from prodigy.workflow.error_policy import AgentTimeouts, ErrorPolicy
from prodigy.workflow.fields import Duration, Model, Name, Resolvable
from prodigy.workflow.retry import Regex
from prodigy.workflow.sandbox_settings import SandboxSettings
from prodigy.workflow.step import Step, all_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

Mode = Literal["standard", "mapreduce"]
Uncommitted = Literal["save", "commit", "fail"]


class Phase(Model):
    """A list of steps that run in one container."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest the whole phase may take."""


class CaptureOutput(Model):
    """A value taken from what one step of setup printed."""

    command_index: Annotated[int, Field(ge=0)]
    """Which step, counted from 0."""
    source: Literal["stdout", "stderr", "both", "combined"] = "stdout"
    """Which of its streams."""
    pattern: Regex | None = None
    """A regular expression; its first group, or the whole match, is the value."""
    json_path: str | None = None
    """A JSONPath query into the text, read as JSON."""
    max_size: Annotated[int, Field(ge=1)] = 1 << 20
    """The most bytes the text may have."""
    default: Any = None
    """The value where there is none; without one the phase fails."""
    multiline: Literal["preserve", "join", "first_line", "last_line", "array"] = "preserve"
    """How several lines are taken."""


class SetupPhase(Phase):
    """Run once in the session workspace, before the items are known."""

    capture_outputs: dict[str, CaptureOutput] = Field(default_factory=dict)
    """Values taken from what steps printed."""
    share: tuple[str, ...] = ()
    """Untracked paths that every agent gets a copy of."""


class MergePhase(Phase):
    """Run before the user's branch moves."""

    steps: tuple[Step, ...] = ()
    on_conflict: Literal["fail", "claude"] = "fail"
    """What a conflict with what the branch has gained means, where there are no steps."""


class MapInput(Model):
    """Where the work items come from."""

    kind: Literal["inline", "value", "text", "file", "glob", "command", "stdin"]
    """``value``: ``text`` is one placeholder. ``text``: a file if it exists, else a command."""
    document: Any = None
    """The items themselves, for ``inline``."""
    text: str = ""
    """The file's path, the command, or the placeholder."""
    patterns: tuple[str, ...] = ()
    """Globs of files that are items."""
    exclude: tuple[str, ...] = ()
    """Globs of files that are not."""
    timeout: Duration = 300.0
    """The longest the command may take."""
    format: Literal["json", "jsonl", "yaml", "csv", "tsv", "lines"] | None = None
    """How a file is written; by its extension unless given."""


class AgentOutput(Model):
    """What an agent gives to reduce."""

    text: str | None = None
    """A text with placeholders."""
    fields: dict[str, str] | None = None
    """An object of texts with placeholders."""
    file: str | None = None
    """A file of the agent's workspace."""
    format: Literal["json", "text", "yaml"] = "json"
    """How that file is written."""


class MapPhase(Model):
    """One agent for every item."""

    input: MapInput
    json_path: Annotated[str, Field(min_length=1)] | None = None
    """RFC 9535 query whose nodes are the items; the whole document unless given."""
    filter: str | None = None
    """An expression; items for which it does not hold are left out."""
    sort_by: str | None = None
    """Fields the items are ordered by."""
    distinct: str | None = None
    """A field of which each value is taken once."""
    offset: Annotated[int, Field(ge=0)] = 0
    """Items left out at the beginning."""
    max_items: Annotated[int, Field(ge=1)] | None = None
    """Only the first so many items."""
    max_parallel: Annotated[int, Field(ge=1), Resolvable()] = 10
    """Agents at a time."""
    agent_template: Phase
    """What each agent does."""
    output: AgentOutput | None = None
    """What an agent gives; what its last command printed unless given."""
    variables: dict[str, Variable] = Field(default_factory=dict)
    """Values computed over all successful results."""
    timeouts: AgentTimeouts | None = None
    """How long agents may take."""
    merge_order: Literal["completion", "item"] = "completion"
    """Whether commits are merged as agents end, or in the order of the items."""
    on_conflict: Literal["retry", "dlq", "claude", "fail"] = "retry"
    """What a conflict with other agents' commits means."""
    on_empty: Literal["warn", "reduce", "fail"] = "warn"
    """What it means that there are no items."""
    uncommitted: Uncommitted | None = None
    """What agents leave uncommitted, in place of the file's general rule."""


class Workflow(Model):
    """A whole workflow file."""

    name: Name
    """The file's stem unless given."""
    description: str | None = None
    version: str | None = None
    mode: Mode = "standard"
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """Variables of every process, in the order of the file."""
    env_files: tuple[EnvFile, ...] = ()
    """Files of variables; `env` wins over them."""
    secrets: dict[str, SecretSource] = Field(default_factory=dict)
    """Variables that are never stored and never shown."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest the whole run may take."""
    max_iterations: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often the commands are repeated, as long as each time commits something."""
    uncommitted: Uncommitted = "save"
    """What becomes of changes that are left uncommitted."""
    error_policy: ErrorPolicy = Field(default_factory=ErrorPolicy)
    """What failing items mean."""
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    sandbox_of: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of single phases, over those of the file."""
    claude: ClaudeSettings = Field(default_factory=ClaudeSettings)
    commands: Phase | None = None
    """The steps of standard mode."""
    setup: SetupPhase | None = None
    map: MapPhase | None = None
    reduce: Phase | None = None
    merge: MergePhase | None = None
    """Run before the user's branch moves."""
    warnings: tuple[Diagnostic, ...] = ()
    """What the file's author should look at; nothing that stops a run."""

    def phases(self) -> dict[str, Phase]:
        """Return the phases that have something to run, by name, in their order."""
        agents = self.map.agent_template if self.map else None
        found = {
            "commands": self.commands,
            "setup": self.setup,
            "map": agents,
            "reduce": self.reduce,
            "merge": self.merge,
        }
        resolving = {"merge"} if self.merge is not None and self.merge.on_conflict == "claude" else set()
        return {
            name: phase
            for name, phase in found.items()
            if phase is not None and (phase.steps or name in resolving)
        }

    def claude_phases(self) -> frozenset[str]:
        """Return the phases in whose containers Claude may run."""
        found = {
            name
            for name, phase in self.phases().items()
            if any(step.claude is not None for step in all_steps(phase.steps))
        }
        resolving = {"map": self.map, "merge": self.merge}
        return frozenset(found) | {
            name for name, phase in resolving.items() if phase and phase.on_conflict == "claude"
        }

    def steps(self) -> Iterator[Step]:
        """Return every step of every phase, those that hang on other steps included."""
        for phase in self.phases().values():
            yield from all_steps(phase.steps)
