"""Steps and everything that may hang on one: handlers, loops, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from prodigy.workflow.env_value import EnvValue
from prodigy.workflow.fields import Duration, Model, Resolvable
from prodigy.workflow.retry import Regex, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

StepKind = Literal["shell", "test", "claude", "write_file", "foreach"]
KINDS: tuple[StepKind, ...] = ("shell", "test", "claude", "write_file", "foreach")
CaptureFormat = Literal["string", "json", "lines", "number", "boolean"]
Strategy = Literal["recovery", "fallback", "cleanup", "custom"]


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


class CaptureStreams(Model):
    """Which output becomes the captured value, and which facts go with it."""

    stdout: bool = True
    """Standard output is part of the value."""
    stderr: bool = False
    """Standard error is part of the value, after standard output."""
    exit_code: bool = True
    """`NAME.exit_code` exists."""
    success: bool = True
    """`NAME.success` exists."""
    duration: bool = True
    """`NAME.duration` exists."""


class OutputSpec(Model):
    """Files that a step must have added or changed."""

    file_pattern: Annotated[str, Field(min_length=1)]
    """A glob over paths of the workspace."""
    multiple: bool = False
    """Whether several files may match; the value is then a list."""
    required: bool = True
    """Whether the step fails when none matches."""


class CommitConfig(Model):
    """How prodigy commits what a step left changed."""

    message_template: str = "Auto-commit: ${step.name}"
    """The commit's message; it may hold placeholders."""
    message_pattern: Regex | None = None
    """A regular expression that the message must match."""
    author: Annotated[str, Field(pattern=r"^[^<>\n]+ <[^<>\n]+>$")] | None = None
    """`Name <mail>`; the user's own unless given."""
    include_files: tuple[str, ...] = ()
    """Globs of what is committed; everything unless given."""
    exclude_files: tuple[str, ...] = ()
    """Globs of what is not."""
    squash: bool = False
    """Join all commits of the step into one."""


class Handler(Model):
    """What is done when a step failed for good."""

    steps: tuple[Step, ...] = ()
    """Run in order. None at all: the failure is tolerated, or not, by ``fail_workflow``."""
    max_attempts: Annotated[int, Field(ge=0, le=1000)] = 0
    """Cycles of handler and then one re-run of the step; 0: the handler runs once, the step not again."""
    strategy: Strategy = "recovery"
    """Whether the handler prepares a re-run, replaces the result, or only cleans up."""
    fail_workflow: bool = False
    """Whether a step that was not recovered fails its list."""
    commit_required: bool = False
    """The handler must make a commit before the step is run again."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest one pass of the handler may take."""
    handler_failure_fatal: bool = False
    """Whether a handler that fails itself fails the step at once."""
    capture: dict[str, str] = Field(default_factory=dict)
    """Variables set after the handler, from texts with placeholders."""
    prompt: str | None = None
    """Asked at a terminal before an incomplete result is worked on again."""


class Foreach(Model):
    """Steps run once for each element of a list."""

    source: Literal["list", "value", "command", "glob"]
    """Where the elements come from: written out, a placeholder, a command's lines, or matching files."""
    elements: tuple[Any, ...] = ()
    """The elements themselves, for `list`."""
    text: str = ""
    """The placeholder or the command."""
    patterns: tuple[str, ...] = ()
    """The globs of `glob`."""
    do: tuple[Step, ...] = ()
    """What is run for each element."""
    parallel: Annotated[int, Field(ge=1, le=1000)] = 1
    """Elements at a time; all share the workspace."""
    continue_on_error: bool = False
    """Whether other elements go on after a failed one."""
    max_items: Annotated[int, Field(ge=1)] | None = None
    """Only the first so many elements."""


class Validation(Model):
    """How complete a step's work is: judged after it by commands, or by a file it wrote."""

    steps: tuple[Step, ...] = ()
    """What judges; the last one's output is the verdict unless a file is."""
    result_file: str | None = None
    """A file of the workspace that holds the verdict; it may hold placeholders."""
    threshold: Annotated[float, Field(ge=0, le=100)] = 100.0
    """The least percentage that passes."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest one judging may take."""
    expected_schema: str | dict[str, Any] | None = None
    """A JSON Schema the verdict must satisfy: a file of the workspace, or written out."""
    on_incomplete: Handler | None = None
    """What is done to complete the work before it is judged again."""


class Check(Model):
    """One command whose outcome must be as expected."""

    command: Annotated[str, Field(min_length=1)]
    """The command or prompt."""
    expect_output: Regex | None = None
    """A regular expression that its output must match somewhere."""
    expect_exit_code: Annotated[int, Field(ge=0, le=255)] = 0
    """The exit code it must have."""
    command_type: Literal["shell", "claude"] = "shell"
    """Who runs it."""


class StepChecks(Model):
    """Checks that are run after a step."""

    commands: Annotated[tuple[Check, ...], Field(min_length=1)]
    """The checks, in their order."""
    success_criteria: Literal["all", "any", "at_least"] = "all"
    """How many of them must be met."""
    at_least: Annotated[int, Field(ge=1)] | None = None
    """The number, for `at_least`."""
    max_attempts: Annotated[int, Field(ge=1, le=1000)] = 1
    """How often they are tried."""
    retry_delay: Duration = 5.0
    """The pause between two tries."""

    @property
    def needed(self) -> int:
        """How many checks must be met."""
        if self.success_criteria == "any":
            return 1
        return self.at_least or len(self.commands)


class Step(Model):
    """One entry of a step list: exactly one of its kinds is set."""

    path: str
    """Where it stands in its file, as ``map.agent_template[1]``."""
    id: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")] | None = None
    """Names the step's results for later steps."""
    name: Annotated[str, Field(min_length=1)]
    """For display; the beginning of the text unless given."""
    shell: str | None = None
    """Text for the shell of the phase's container."""
    test: str | None = None
    """The same as `shell`; its results are found under `test` too."""
    claude: str | None = None
    """A prompt for Claude Code, sent as data."""
    claude_options: dict[str, Any] = Field(default_factory=dict)
    """Settings of this run of Claude, over those of the file."""
    write_file: WriteFile | None = None
    """A file to write."""
    foreach: Foreach | None = None
    """Steps for each element of a list."""
    when: str | None = None
    """An expression; where it does not hold, the step is skipped."""
    timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest one attempt may take."""
    working_dir: Annotated[str, Field(min_length=1)] | None = None
    """Relative to the workspace; it may hold placeholders."""
    env: dict[str, EnvValue] = Field(default_factory=dict)
    """Variables of this step and its handlers."""
    clear_env: bool = False
    """Whether processes see only their own variables and the few every step has."""
    capture_output: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The variable that gets the output."""
    capture_format: CaptureFormat = "string"
    """How the output is read."""
    capture_streams: CaptureStreams = Field(default_factory=CaptureStreams)
    """Which output becomes the value."""
    output_file: Annotated[str, Field(min_length=1)] | None = None
    """A file of the workspace that also gets the output; it may hold placeholders."""
    outputs: dict[str, OutputSpec] = Field(default_factory=dict)
    """Files the step is to make, by the name later steps know them by."""
    commit_required: bool = False
    """The step must have made a commit."""
    auto_commit: bool = False
    """Commit what the step leaves changed."""
    commit_config: CommitConfig | None = None
    """How that commit is made."""
    retry: Retry | None = None
    """None: one run."""
    fallback: Step | None = None
    """Run instead when all runs have failed."""
    on_exit_code: dict[int, Handler] = Field(default_factory=dict)
    """Handlers of certain exit codes, in place of the general one; 0 runs after a success."""
    on_failure: Handler | None = None
    """None: a failure fails the step."""
    on_success: tuple[Step, ...] = ()
    """Run after the step has succeeded."""
    continue_on_error: bool = False
    """Whether a failure for good is tolerated."""
    validation: Validation | None = None
    """How complete the work must be."""
    step_validate: StepChecks | None = None
    """Checks after the command."""
    skip_validation: bool = False
    """Leave both out."""
    validation_timeout: Annotated[Duration | None, Resolvable()] = None
    """The longest the checks may take."""
    ignore_validation_failure: bool = False
    """Whether checks that are not met are tolerated."""

    @property
    def kind(self) -> StepKind:
        """Which of the kinds is set."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def text(self) -> str:
        """What is shown of the step beforehand: its command, prompt, path or source."""
        if self.write_file is not None:
            return self.write_file.path
        if self.foreach is not None:
            return (
                self.foreach.text
                or ", ".join(self.foreach.patterns)
                or f"{len(self.foreach.elements)} elements"
            )
        return self.shell or self.test or self.claude or ""

    def nested(self) -> tuple[Step, ...]:
        """Return the steps that hang on this one, in the order they could run."""
        found: list[Step] = list(self.foreach.do) if self.foreach else []
        if self.fallback is not None:
            found.append(self.fallback)
        for handler in (self.on_failure, *self.on_exit_code.values()):
            found += handler.steps if handler else ()
        if self.validation is not None:
            found += self.validation.steps
            found += self.validation.on_incomplete.steps if self.validation.on_incomplete else ()
        return (*found, *self.on_success)


def all_steps(steps: Sequence[Step]) -> Iterator[Step]:
    """Return steps, each followed by those that hang on it."""
    pending = list(steps)
    while pending:
        step = pending.pop(0)
        yield step
        pending[:0] = step.nested()


Handler.model_rebuild()
Foreach.model_rebuild()
Validation.model_rebuild()
Step.model_rebuild()
