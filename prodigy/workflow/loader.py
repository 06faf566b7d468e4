"""From a workflow file's bytes to a workflow, or to everything that is wrong with it."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from prodigy.errors import WorkflowInvalid
from prodigy.workflow import spellings
from prodigy.workflow.check import check_uses
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.environment import render_env
from prodigy.workflow.findings import Findings
from prodigy.workflow.map_reader import MapReader
from prodigy.workflow.models import Phase, Workflow
from prodigy.workflow.nodes import Mapping, Mark, Node, Scalar, Sequence
from prodigy.workflow.reader import Reader
from prodigy.workflow.sandbox_settings import SandboxSettings
from prodigy.workflow.steps import StepReader, Use
from prodigy.workflow.tree import build_tree

if TYPE_CHECKING:
    from collections.abc import Mapping as Names

MAX_BYTES = 1 << 20

_MAPREDUCE_ONLY = ("setup", "map", "reduce")
_PLACES = {"setup": spellings.SETUP, "reduce": spellings.REDUCE, "merge": spellings.MERGE}


def load_workflow(data: bytes, file: str, *, environ: Names[str, str] | None = None) -> Workflow:
    """Return the workflow that the bytes of a file describe.

    ``file`` names it in messages and gives the default name; ``environ`` is the caller's environment, for
    settings written as ``$NAME``. Raises WorkflowInvalid with every error, by position.
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
    return Workflow.model_validate(draft | {"warnings": findings.warnings})


class _FileReader:
    """Reads the top level; collects each phase's texts for the check at the end."""

    def __init__(self, findings: Findings, environ: Names[str, str]) -> None:
        self.findings = findings
        self.environ = environ
        self.reader = Reader(findings, environ)
        self.uses: dict[str, list[Use]] = {}
        self.draft: dict[str, Any] = {}

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
        if "env" in keys:
            self.draft["env"] = render_env(StepReader(self.reader), keys["env"], self.findings)
            self.reader.environ |= self.draft["env"]
        simple = ("name", "description", "version", "mode", "timeout")
        self.draft |= self.reader.fields(
            Workflow, {k: keys[k] for k in simple if k in keys}, "the workflow file"
        )
        for key, place, model in (
            ("sandbox", spellings.SANDBOX, SandboxSettings),
            ("claude", spellings.CLAUDE, ClaudeSettings),
        ):
            if key in keys:
                nodes = self.reader.keys(keys[key], place, f"`{key}`")
                self.draft[key] = self.reader.fields(model, nodes, f"`{key}`")
        self.check_mode(root, keys)
        for name in ("commands", "setup", "map", "reduce", "merge"):
            if name in keys:
                self.draft[name] = self.phase(name, keys[name])

    def check_mode(self, root: Mapping, keys: dict[str, Node]) -> None:
        """Report phases that the mode does not have, or lacks."""
        is_mapreduce = self.draft.get("mode") == "mapreduce"
        wrong = ("commands",) if is_mapreduce else _MAPREDUCE_ONLY
        advice = "name them `setup`, `map` and `reduce`" if is_mapreduce else "add `mode: mapreduce`"
        placed = {key.text: key.start for key, _ in root.pairs}
        for name in wrong:
            if name in keys:
                mark = placed.get(name) or placed.get("steps") or keys[name].start
                message = (
                    f"`{name}` does not belong in the mode {'mapreduce' if is_mapreduce else 'standard'}"
                )
                self.findings.error("P208", mark, f"{message}: {advice}", width=len(name))
        needed = "map" if is_mapreduce else "commands"
        if needed not in keys and not self.findings.errors:
            self.findings.error("P203", root.start, f"the workflow needs `{needed}`")

    def phase(self, name: str, node: Node) -> dict[str, Any]:
        """Read one phase, which may be a list of steps or a mapping around it."""
        if name == "map":
            steps = StepReader(self.reader)
            block = MapReader(self.reader, steps)
            draft = block.read(node)
            self.uses |= {"input": block.input_uses, "map": steps.uses}
            return draft
        if isinstance(node, Sequence) or name == "commands":
            return {"steps": self.steps(name, node)}
        keys = self.reader.keys(node, _PLACES[name], f"`{name}`")
        draft = self.reader.fields(Phase, {k: keys[k] for k in ("timeout",) if k in keys}, f"`{name}`")
        if "on_conflict" in keys:
            refuse_other(self.findings, keys["on_conflict"], "fail", f"`on_conflict` of `{name}`")
        if "commands" not in keys:
            self.findings.error("P203", node.start, f"`{name}` needs `commands`")
        return draft | {"steps": self.steps(name, keys["commands"]) if "commands" in keys else []}

    def steps(self, name: str, node: Node) -> list[dict[str, Any]]:
        """Read the steps of a phase and keep their texts."""
        steps = StepReader(self.reader)
        found = steps.phase_steps(node, name)
        self.uses[name] = steps.uses
        return found


def refuse_other(findings: Findings, node: Node, accepted: str, what: str) -> None:
    """Report any value but the accepted one."""
    if not isinstance(node, Scalar) or node.value != accepted:
        findings.error("P204", node.start, f"{what}: only `{accepted}` is available yet")
