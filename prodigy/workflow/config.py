"""The configuration: defaults under every workflow, from several places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from prodigy.errors import WorkflowInvalid
from prodigy.workflow import spellings
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.fields import Duration, Model, Size
from prodigy.workflow.findings import Findings
from prodigy.workflow.reader import Reader
from prodigy.workflow.sandbox_reader import SandboxReader
from prodigy.workflow.sandbox_settings import SandboxSettings
from prodigy.workflow.spellings import Place
from prodigy.workflow.tree import build_tree

if TYPE_CHECKING:
    from prodigy.workflow.nodes import Node

_MAX_BYTES = 1 << 20


class MergeDefaults(Model):
    """How runs end."""

    prompt: bool = True
    """Whether the merge is offered at the end; without it, as with `--no-merge`, it never is."""


class RetentionAges(Model):
    """How long `prodigy clean` keeps what it may remove without being told an age."""

    sessions: Duration = 30 * 86400.0
    """Merged sessions."""
    artifacts: Duration = 30 * 86400.0
    """Patches and commits of failed items."""
    logs: Duration = 30 * 86400.0
    """What steps printed, and what a run keeps to be resumed."""
    events: Duration = 30 * 86400.0
    """Everything that happened."""
    dlq: Duration = 30 * 86400.0
    """Failed items."""

    def age_of(self, kind: str) -> float:
        """Return the seconds a kind is kept."""
        return float(getattr(self, {"worktrees": "sessions", "state": "logs"}.get(kind, kind)))


class EventLimits(Model):
    """How many events of a session `prodigy clean events` keeps."""

    max_size: Size = 100 << 20
    """Bytes."""
    max_events: Annotated[int, Field(ge=1)] = 100_000
    """Events."""


class Config(Model):
    """Defaults of every run."""

    log_level: Literal["error", "info", "debug", "trace"] = "info"
    """How much is said where no option asks for more or less."""
    sandbox: SandboxSettings = Field(default_factory=SandboxSettings)
    """Settings under the workflow's own."""
    claude: ClaudeSettings = Field(default_factory=ClaudeSettings)
    """How Claude runs, under the workflow's own settings."""
    max_parallel: Annotated[int, Field(ge=1)] | None = None
    """Agents at a time, where the workflow does not say."""
    merge: MergeDefaults = Field(default_factory=MergeDefaults)
    """How runs end."""
    retention: RetentionAges = Field(default_factory=RetentionAges)
    """What `prodigy clean` keeps."""
    events: EventLimits = Field(default_factory=EventLimits)
    """What `prodigy clean events` keeps."""


_BLOCKS: dict[str, type[Model]] = {
    "merge": MergeDefaults,
    "claude": ClaudeSettings,
    "retention": RetentionAges,
    "events": EventLimits,
}
_PLACE = Place(frozenset(Config.model_fields))


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of one place."""

    key: str
    """Dotted, as `sandbox.memory`."""
    value: Any
    source: str
    """The file with its line, or the variable."""


def load_config(data: bytes, file: str) -> list[Setting]:
    """Return the settings in a file's bytes. Raises WorkflowInvalid with every error, by position."""
    text = data.decode("utf-8-sig", "replace") if len(data) <= _MAX_BYTES else ""
    findings = Findings(file, text)
    root = build_tree(text, findings)
    found = _Reader(findings, file).read(root) if root is not None else []
    if findings.errors:
        raise WorkflowInvalid(findings.errors)
    return found


class _Reader:
    """Reads one file."""

    def __init__(self, findings: Findings, file: str) -> None:
        self.findings = findings
        self.file = file
        self.reader = Reader(findings, {})

    def read(self, root: Node) -> list[Setting]:
        keys = self.reader.keys(root, _PLACE, "the configuration")
        found: list[Setting] = []
        names: tuple[str, ...] = ("log_level", "max_parallel")
        simple = {key: keys[key] for key in names if key in keys}
        values = self.reader.fields(Config, simple, "the configuration")
        found += [self.setting(key, values[key], node) for key, node in simple.items()]
        for name, model in _BLOCKS.items():
            if name in keys:
                inner = self.reader.keys(keys[name], Place(frozenset(model.model_fields)), f"`{name}`")
                values = self.reader.fields(model, inner, f"`{name}`")
                found += [self.setting(f"{name}.{key}", values[key], node) for key, node in inner.items()]
        if "sandbox" in keys:
            found += self.sandbox(keys["sandbox"])
        return found

    def sandbox(self, node: Node) -> list[Setting]:
        inner = self.reader.keys(node, spellings.SANDBOX_OF_PHASE, "`sandbox`")
        values = SandboxReader(self.reader).settings(dict(inner), "`sandbox`")
        return [self.setting(f"sandbox.{key}", value, inner[key]) for key, value in values.items()]

    def setting(self, key: str, value: Any, node: Node) -> Setting:
        return Setting(key, value, f"{self.file}:{node.start.line}")


def build_config(settings: list[Setting]) -> Config:
    """Return the configuration that settings make, later ones winning."""
    data: dict[str, Any] = {}
    for setting in settings:
        block, dot, name = setting.key.partition(".")
        if dot:
            data.setdefault(block, {})[name] = setting.value
        else:
            data[block] = setting.value
    return Config.model_validate(data)


def is_key(key: str) -> bool:
    """Return whether a dotted key, or a whole block, is one of the configuration."""
    block, _, name = key.partition(".")
    field = Config.model_fields.get(block)
    if field is None:
        return False
    models: dict[str, type[Model]] = {**_BLOCKS, "sandbox": SandboxSettings}
    return not name or (block in models and name in models[block].model_fields)


def one_setting(key: str, text: str, source: str) -> Setting:
    """Return a setting written as one text, as a variable has it. Raises WorkflowInvalid."""
    block, dot, name = key.partition(".")
    document = f"{block}:\n  {name}: {text}\n" if dot else f"{block}: {text}\n"
    (found,) = load_config(document.encode(), source)
    return Setting(found.key, found.value, source)
