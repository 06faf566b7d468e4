"""Checks every text of a workflow before anything runs: names, placeholders, places in shell text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prodigy.workflow.expression_check import check_expression
from prodigy.workflow.name_check import OLD_NAMES, Known, problem_of
from prodigy.workflow.namespaces import PHASES
from prodigy.workflow.nodes import Scalar
from prodigy.workflow.placeholder import Placeholder, PlaceholderError, scan
from prodigy.workflow.positions import place_in
from prodigy.workflow.shell_warnings import shell_warnings

if TYPE_CHECKING:
    from prodigy.workflow.findings import Findings
    from prodigy.workflow.use import Use

_IN_SHELL = ("shell",)


def check_uses(findings: Findings, uses: dict[str, list[Use]], draft: dict[str, Any]) -> None:
    """Report every text whose placeholders cannot work, with their position in the file."""
    checker = _Checker(findings, draft)
    captured: dict[str, Known] = {}
    for phase in PHASES:
        known = checker.begin(phase, captured)
        for use in uses.get(phase, []):
            checker.use(use, known)
        captured[phase] = known


@dataclass
class _Checker:
    findings: Findings
    draft: dict[str, Any]
    variables: set[str] = field(default_factory=set)
    secrets: frozenset[str] = frozenset()
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        env = self.draft.get("env") or {}
        self.secrets = frozenset(self.draft.get("secrets") or {}) | {
            name for name, value in env.items() if isinstance(value, dict) and value.get("secret")
        }
        arguments = {"ARG", "ARG_FILE", "ITERATION", *(f"ARG_{number}" for number in range(1, 10))}
        self.variables = set(env) | set(self.secrets) | arguments

    def begin(self, phase: str, captured: dict[str, Known]) -> Known:
        """Return the names that exist at the start of a phase."""
        known = Known(phase, exported=set(self.variables), secrets=self.secrets)
        setup = captured.get("setup")
        if setup is not None and phase in ("input", "map", "reduce", "merge"):
            known.captures |= setup.captures
            known.ids |= setup.ids
            known.setup = frozenset(setup.captures | {"steps"})
        if phase == "merge":
            for earlier in ("commands", "reduce"):
                known.captures |= captured[earlier].captures
                known.ids |= captured[earlier].ids
        if phase in ("reduce", "merge"):
            flow = self.draft.get("map") or {}
            known.captures |= set(flow.get("variables") or ())
        return known

    def use(self, use: Use, known: Known) -> None:
        """Take one text or name into account."""
        if use.kind == "enter":
            known.enter(use.text)
        elif use.kind == "leave":
            known.leave()
        elif use.kind == "env":
            known.exported.add(use.text)
        elif use.kind == "capture":
            self.capture(use, known)
        elif use.kind == "id":
            self.step_id(use, known)
        elif use.kind == "expression":
            if isinstance(use.node, Scalar):
                check_expression(self.findings, use.node, use.text, known)
        else:
            if use.kind == "prompt":
                self.claude(use, known.phase)
            if "$" in use.text and isinstance(use.node, Scalar):
                self.text(use, use.node, known)

    def claude(self, use: Use, phase: str) -> None:
        """Report a prompt where the model is cut off by what the file says."""
        own = (self.draft.get("sandbox_of") or {}).get(phase) or {}
        network = own.get("network") or (self.draft.get("sandbox") or {}).get("network")
        if network == "none":
            message = "a claude step reaches its model through the gateway, which `network: none` rules out"
            self.findings.error("P602", use.node.start, message, "remove `network: none`, or list names")

    def capture(self, use: Use, known: Known) -> None:
        """Note a name that is set from here on; report one that would hide another."""
        if use.text in self.draft.get("env", {}) or use.text in self.secrets:
            message = f"a capture cannot be named {use.text!r}: the workflow's `env` has it"
            self.findings.error("P305", use.node.start, message)
        if use.text in known.ids:
            message = f"a capture cannot be named {use.text!r}: a step has this id"
            self.findings.error("P305", use.node.start, message)
        known.captures.add(use.text)

    def step_id(self, use: Use, known: Known) -> None:
        """Note a step's id; report one that stands twice in a phase."""
        key = (known.phase, use.text)
        if key in self._ids:
            message = f"two steps have the id {use.text!r}"
            self.findings.error("P209", use.node.start, message)
        self._ids[key] = use.text
        known.ids.add(use.text)

    def text(self, use: Use, node: Scalar, known: Known) -> None:
        """Report what cannot work in a text."""
        in_shell = use.kind in _IN_SHELL
        try:
            pieces = scan(use.text, known, in_shell=in_shell)
            placeholders = [piece for piece in pieces if isinstance(piece, Placeholder)]
            for placeholder in placeholders:
                self.placeholder(use, node, known, placeholder)
            if in_shell:
                self.shell(node, known, pieces)
        except PlaceholderError as error:
            mark = place_in(self.findings, node, error.offset)
            self.findings.error(error.code, mark, error.message, error.help)

    def shell(self, node: Scalar, known: Known, pieces: list[Any]) -> None:
        """Check the places of placeholders in a script, and warn of what looks wrong."""
        if any(isinstance(piece, Placeholder) for piece in pieces):
            from prodigy.workflow.shell_context import parse_script

            parse_script(pieces)
        for offset, code, message in shell_warnings(pieces, known):
            self.findings.warning(code, place_in(self.findings, node, offset), message)

    def placeholder(
        self,
        use: Use,
        node: Scalar,
        known: Known,
        placeholder: Placeholder,
        offset: int | None = None,
    ) -> None:
        """Report a name that does not exist, or not in this phase; then those inside it."""
        where = placeholder.offset if offset is None else offset
        problem = None if placeholder.is_computed else problem_of(placeholder, known)
        if known.phase == "map" and placeholder.head in OLD_NAMES and placeholder.head not in known.captures:
            message = f"`{placeholder.head}` is an old name: write `item`, or a field of it"
            self.findings.warning("W01", place_in(self.findings, node, where), message)
        in_plain = use.kind != "shell"
        if in_plain and placeholder.head in known.secrets and not known.hides(placeholder.head):
            text = f"`${{{placeholder.head}}}` is a secret: processes have it as a variable, texts never do"
            problem = ("P302", text)
        if problem is not None:
            code, message = problem
            width = len(placeholder.text.partition("\n")[0])
            self.findings.error(code, place_in(self.findings, node, where), message, width=width)
        for inner in (placeholder.default, placeholder.argument):
            if inner:
                for piece in scan(
                    inner, known, in_shell=placeholder.head == "cmd" and inner != placeholder.default
                ):
                    if isinstance(piece, Placeholder):
                        self.placeholder(use, node, known, piece, where)
