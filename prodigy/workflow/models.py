"""What a workflow file means, once every spelling is normalised: frozen, and plain data.

Each setting is declared here once, with its type, default, bounds and meaning. Durations are seconds,
sizes bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from prodigy.values import Diagnostic
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.fields import Duration, Model, Name, Resolvable
from prodigy.workflow.sandbox_settings import SandboxSettings

Mode = Literal["standard", "mapreduce"]


class Retry(Model):
    """How often, and after which pauses, a failing step is run again."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = 3
    """Total runs, the first one included."""
    backoff: Literal["fixed", "linear", "exponential", "fibonacci"] = "exponential"
    """How the pause grows from run to run."""
    initial_delay: Duration = 1.0
    """The first pause."""
    max_delay: Duration = 30.0
    """No pause is longer."""

    def delay(self, run: int) -> float:
        """Return the pause in seconds after the given run, which counts from 1."""
        if self.backoff == "fixed":
            factor = 1.0
        elif self.backoff == "linear":
            factor = float(run)
        elif self.backoff == "exponential":
            factor = 2.0 ** min(run - 1, 64)
        else:
            before, factor = 0.0, 1.0
            for _ in range(min(run, 90) - 1):
                before, factor = factor, before + factor
        return min(self.initial_delay * factor, self.max_delay)


def _permission_bits(mode: str) -> str:
    if not 0 <= int(mode, 8) <= 0o777:  # noqa: PLR2004 - the permission bits
        raise ValueError("must be permission bits up to 0777")
    return mode


class WriteFile(Model):
    """A file to write inside the workspace."""

    path: Annotated[str, Field(min_length=1)]
    """Relative to the workspace; it may hold placeholders."""
    content: str
    """The text; it may hold placeholders."""
    format: Literal["text", "json", "yaml"] = "text"
    """``json`` and ``yaml`` contents must parse and are written in a uniform layout."""
    mode: Annotated[str, Field(pattern=r"^[0-7]{3,4}$"), AfterValidator(_permission_bits)] = "0644"
    """The permission bits, as quoted octal digits."""
    create_dirs: bool = False
    """Make missing parent directories."""


class Handler(Model):
    """What is done when a step failed for good."""

    steps: tuple[Step, ...] = ()
    """Run in order. None at all: the failure is tolerated, or not, by ``fail_workflow``."""
    max_attempts: Annotated[int, Field(ge=0, le=1000)] = 0
    """Cycles of handler and then one re-run of the step; 0: the handler runs once, the step not again."""
    fail_workflow: bool = False
    """Whether a step that was not recovered fails its list."""
    commit_required: bool = False
    """The handler must make a commit before the step is run again."""


class Step(Model):
    """One entry of a step list: exactly one of ``shell``, ``claude`` and ``write_file`` is set."""

    path: str
    """Where it stands in its file, as ``map.agent_template[1]``."""
    name: Annotated[str, Field(min_length=1)]
    """For display; the beginning of the text unless given."""
    shell: str | None = None
    """Text for the shell of the phase's container."""
    claude: str | None = None
    """A prompt for Claude Code, sent as data."""
    write_file: WriteFile | None = None
    """A file to write."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables of this step and its handlers; values may hold placeholders."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest one attempt may take."""
    working_dir: Annotated[str, Field(min_length=1)] | None = None
    """Relative to the workspace; it may hold placeholders."""
    capture_output: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The variable that gets the output."""
    commit_required: bool = False
    """The step must have made a commit."""
    on_failure: Handler | None = None
    """None: a failure fails the step."""
    retry: Retry | None = None
    """None: one run."""

    @property
    def kind(self) -> Literal["shell", "claude", "write_file"]:
        """Which of the three texts is set."""
        if self.shell is not None:
            return "shell"
        return "claude" if self.claude is not None else "write_file"


class Phase(Model):
    """A list of steps that run in one container."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest the whole phase may take."""


class MapInput(Model):
    """Where the work items come from."""

    kind: Literal["inline", "value", "text", "file", "glob", "command"]
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
    format: Literal["json", "jsonl", "csv", "tsv", "lines"] | None = None
    """How a file is written; by its extension unless given."""


class MapPhase(Model):
    """One agent for every item."""

    input: MapInput
    json_path: Annotated[str, Field(min_length=1)] | None = None
    """RFC 9535 query whose nodes are the items; the whole document unless given."""
    max_items: Annotated[int, Field(ge=1)] | None = None
    """Only the first so many items."""
    max_parallel: Annotated[int, Field(ge=1), Resolvable()] = 10
    """Agents at a time."""
    agent_template: Phase
    """What each agent does."""


class Workflow(Model):
    """A whole workflow file."""

    name: Name
    """The file's stem unless given."""
    description: str | None = None
    version: str | None = None
    mode: Mode = "standard"
    env: dict[str, str] = Field(default_factory=dict)
    """Variables of every process, in the order of the file."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest the whole run may take."""
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    claude: ClaudeSettings = Field(default_factory=ClaudeSettings)
    commands: Phase | None = None
    """The steps of standard mode."""
    setup: Phase | None = None
    map: MapPhase | None = None
    reduce: Phase | None = None
    merge: Phase | None = None
    """Run before the user's branch moves."""
    warnings: tuple[Diagnostic, ...] = ()
    """What the file's author should look at; nothing that stops a run."""

    def phases(self) -> dict[str, Phase]:
        """Return the phases that have steps, by name, in their order."""
        agents = self.map.agent_template if self.map else None
        found = {
            "commands": self.commands,
            "setup": self.setup,
            "map": agents,
            "reduce": self.reduce,
            "merge": self.merge,
        }
        return {name: phase for name, phase in found.items() if phase is not None}


Handler.model_rebuild()
