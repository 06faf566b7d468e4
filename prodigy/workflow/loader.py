"""From a workflow file's bytes to a workflow, or to everything that is wrong with it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from prodigy.errors import WorkflowInvalid
from prodigy.workflow import spellings
from prodigy.workflow.check import check_uses
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.env_reader import EnvReader
from prodigy.workflow.environment import EnvRenderer
from prodigy.workflow.findings import Findings
from prodigy.workflow.map_reader import MapReader
from prodigy.workflow.models import MergePhase, Phase, SetupPhase, Workflow
from prodigy.workflow.nodes import Mapping, Mark, Node, Sequence
from prodigy.workflow.policy_reader import PolicyReader
from prodigy.workflow.reader import Reader
from prodigy.workflow.retry_reader import RetryReader
from prodigy.workflow.sandbox_reader import SandboxReader
from prodigy.workflow.sandbox_settings import merged
from prodigy.workflow.setup_reader import SetupReader
from prodigy.workflow.steps import StepReader
from prodigy.workflow.tree import build_tree
from prodigy.workflow.use import Use

if TYPE_CHECKING:
    from collections.abc import Mapping as Names

MAX_BYTES = 1 << 20

_MAPREDUCE_ONLY = ("setup", "map", "reduce", "error_policy", *sorted(spellings.POLICY_KEYS))
_STANDARD_ONLY = ("commands", "max_iterations")
_MODELS: dict[str, type[Phase]] = {"setup": SetupPhase, "reduce": Phase, "merge": MergePhase}
_PLACES = {"setup": spellings.SETUP, "reduce": spellings.REDUCE, "merge": spellings.MERGE}


def load_workflow(
    data: bytes, file: str, *, environ: Names[str, str] | None = None, memory: int | None = None
) -> Workflow:
    """Return the workflow that the bytes of a file describe.

    ``file`` names it in messages and gives the default name; ``environ`` is the caller's environment, for
    settings written as ``$NAME``; ``memory`` is what the machine has, in bytes.
    Raises WorkflowInvalid with every error, by position.
    """
    start = Mark(1, 1)
    try:
        text = data.decode("utf-8-sig") if len(data) <= MAX_BYTES else ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        findings = Findings(file, "")
        findings.error("P101", Mark(line, 1), "not UTF-8 text")
        raise WorkflowInvalid(findings.errors) from None
    findings = Findings(file, text)
    if len(data) > MAX_BYTES:
        findings.error("P104", start, "larger than 1 MiB")
    root = build_tree(text, findings) if not findings.errors else None
    draft = _FileReader(findings, environ or {}).read(root) if root is not None else {}
    if root is None and not findings.errors:
        findings.error("P203", start, "the file is empty")
    if findings.errors:
        raise WorkflowInvalid(findings.errors)
    draft.setdefault("name", PurePath(file).stem[:100] or "workflow")
    flow = Workflow.model_validate(draft)
    if root is not None and memory is not None:
        _check_memory(flow, root, memory, findings)
    return flow.model_copy(update={"warnings": tuple(findings.warnings)})


def _check_memory(flow: Workflow, root: Node, memory: int, findings: Findings) -> None:
    """Warn where what is written lets agents use more memory at a time than there is."""
    if flow.map is None:
        return
    settings = merged(flow.sandbox, flow.sandbox_of.get("map", {}))
    written = "memory" in settings.model_fields_set or "max_parallel" in flow.map.model_fields_set
    wanted = flow.map.max_parallel * settings.memory
    if written and wanted > memory:
        message = (
            f"{flow.map.max_parallel} agents at a time may use {wanted >> 30} GiB of memory; "
            f"this machine has {memory >> 30}"
        )
        findings.warning("W08", root.start, message)


class _FileReader:
    """Reads the top level; collects each phase's texts for the check at the end."""

    def __init__(self, findings: Findings, environ: Names[str, str]) -> None:
        self.findings = findings
        self.environ = environ
        self.reader = Reader(findings, environ)
        self.uses: dict[str, list[Use]] = {}
        self.draft: dict[str, Any] = {}
        self.retry_defaults: dict[str, Node] | None = None

    def read(self, root: Node) -> dict[str, Any]:
        """Return the workflow's plain data."""
        if isinstance(root, Sequence):
            self.draft["commands"] = {"steps": self.steps("commands", root)}
        elif isinstance(root, Mapping):
            self.mapping(root)
        else:
            self.findings.error("P202", root.start, "a workflow is a mapping, or a list of steps")
        check_uses(self.findings, self.uses, self.draft)
        return self.draft

    def mapping(self, root: Mapping) -> None:
        """Read every top-level key."""
        keys = self.reader.keys(root, spellings.FILE, "the workflow file")
        self.variables(keys)
        simple = ("name", "description", "version", "mode", "timeout", "uncommitted", "max_iterations")
        self.draft |= self.reader.fields(
            Workflow, {k: keys[k] for k in simple if k in keys}, "the workflow file"
        )
        if "sandbox" in keys:
            settings, phases = SandboxReader(self.reader).block(keys["sandbox"], "`sandbox`")
            self.draft |= {"sandbox": settings, "sandbox_of": phases}
        if "claude" in keys:
            nodes = self.reader.keys(keys["claude"], spellings.CLAUDE, "`claude`")
            self.draft["claude"] = self.reader.fields(ClaudeSettings, nodes, "`claude`")
        if "retry_defaults" in keys:
            self.defaults(keys["retry_defaults"])
        self.check_mode(root, keys)
        self.error_policy(keys)
        for name in ("commands", "setup", "map", "reduce", "merge"):
            if name in keys:
                self.sandbox_of(name, keys[name])
                self.draft[name] = self.phase(name, keys[name])

    def sandbox_of(self, phase: str, node: Node) -> None:
        """Read the settings of one phase, which may stand in it or in the file's own block."""
        for key, value in node.pairs if isinstance(node, Mapping) else ():
            if key.text != "sandbox" or phase == "commands":
                continue
            found = self.draft.setdefault("sandbox_of", {})
            if phase in found:
                message = f"the sandbox of `{phase}` stands twice"
                self.findings.error("P205", key.start, message)
            found[phase] = SandboxReader(self.reader).phase(value, f"the sandbox of `{phase}`")

    def variables(self, keys: dict[str, Node]) -> None:
        """Read variables, their files, and secrets."""
        texts: list[Use] = []
        env = EnvReader(self.reader, lambda kind, node, text: texts.append(Use(kind, node, text)))
        if "secrets" in keys:
            self.draft["secrets"] = env.secrets(keys["secrets"])
        if "env_files" in keys:
            self.draft["env_files"] = env.files(keys["env_files"])
        if "env" in keys:
            block = self.draft["env"] = env.block(keys["env"], "the workflow file")
            renderer = EnvRenderer(self.findings, self.environ)
            renderer.render(block, keys["env"])
            self.reader.environ |= renderer.done
            for name in sorted(block.keys() & self.draft.get("secrets", {}).keys()):
                message = f"{name!r} is both a variable and a secret"
                self.findings.error("P305", keys["env"].start, message)
        self.uses["env"] = [use for use in texts if use.kind in ("shell", "expression")]

    def defaults(self, node: Node) -> None:
        """Read the retry rule of steps that have none."""
        reader = RetryReader(self.reader)
        self.retry_defaults = reader.keys(node, "`retry_defaults`")
        ending = self.retry_defaults.get("on_failure")
        if isinstance(ending, Mapping):
            self.findings.error("P208", ending.start, "a `fallback` belongs to a step's own `retry`")
            del self.retry_defaults["on_failure"]
        reader.rule(self.retry_defaults, "`retry_defaults`")

    def error_policy(self, keys: dict[str, Node]) -> None:
        """Read what failing items mean, wherever it is written."""
        blocks = [("the workflow file", keys["error_policy"])] if "error_policy" in keys else []
        block = keys.get("map")
        for key, value in block.pairs if isinstance(block, Mapping) else ():
            if key.text == "error_policy":
                blocks.append(("`map`", value))
        policy = PolicyReader(self.reader).policy(keys, blocks)
        if policy is not None:
            self.draft["error_policy"] = policy

    def check_mode(self, root: Mapping, keys: dict[str, Node]) -> None:
        """Report what the mode does not have, or lacks."""
        is_mapreduce = self.draft.get("mode") == "mapreduce"
        wrong = _STANDARD_ONLY if is_mapreduce else _MAPREDUCE_ONLY
        advice = "name them `setup`, `map` and `reduce`" if is_mapreduce else "add `mode: mapreduce`"
        placed = {spellings.FILE.aliases.get(key.text, key.text): key for key, _ in root.pairs}
        for name in wrong:
            if name in keys:
                key = placed[name]
                mode = "mapreduce" if is_mapreduce else "standard"
                message = f"`{key.text}` does not belong in the mode {mode}"
                hint = f": {advice}" if name in ("commands", "setup", "map", "reduce") else ""
                self.findings.error("P208", key.start, f"{message}{hint}", width=len(key.text))
        needed = "map" if is_mapreduce else "commands"
        if needed not in keys and not self.findings.errors:
            self.findings.error("P203", root.start, f"the workflow needs `{needed}`")

    def phase(self, name: str, node: Node) -> dict[str, Any]:
        """Read one phase, which may be a list of steps or a mapping around it."""
        if name == "map":
            steps = StepReader(self.reader, self.retry_defaults)
            block = MapReader(self.reader, steps)
            draft = block.read(node)
            self.uses |= {"input": block.input_uses, "map": steps.uses}
            return draft
        if isinstance(node, Sequence) or name == "commands":
            return {"steps": self.steps(name, node)}
        keys = self.reader.keys(node, _PLACES[name], f"`{name}`")
        if name == "reduce" and keys.keys() == {"commands"}:
            message = "`reduce` is an old spelling with `commands` alone: write the list"
            self.findings.warning("W01", node.start, message)
        simple = ("timeout", "on_conflict")
        draft = self.reader.fields(_MODELS[name], {k: keys[k] for k in simple if k in keys}, f"`{name}`")
        if "commands" in keys:
            draft["steps"] = self.steps(name, keys["commands"])
        elif not (name == "merge" and keys) and isinstance(node, Mapping):
            self.findings.error("P203", node.start, f"`{name}` needs `commands`")
        if name == "setup":
            SetupReader(self.reader, self.uses.setdefault("setup", [])).read(keys, draft)
        return draft

    def steps(self, name: str, node: Node) -> list[dict[str, Any]]:
        """Read the steps of a phase and keep their texts."""
        steps = StepReader(self.reader, None if name == "merge" else self.retry_defaults)
        found = steps.phase_steps(node, name)
        self.uses[name] = steps.uses
        return found
