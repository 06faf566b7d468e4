"""Checks every text of a workflow before anything runs: names, placeholders, places in shell text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prodigy.workflow.findings import suggestion
from prodigy.workflow.namespaces import ANY, LATER, PHASES, fields_of, phases_with
from prodigy.workflow.nodes import Mark, Scalar
from prodigy.workflow.placeholder import NAMESPACES, Placeholder, PlaceholderError, scan

if TYPE_CHECKING:
    from prodigy.workflow.findings import Findings
    from prodigy.workflow.use import Use


@dataclass
class _Known:
    """The names that exist at one point of one phase."""

    phase: str
    exported: set[str]
    captures: set[str] = field(default_factory=set)
    setup: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        return name in self.captures or name in self.exported

    def is_exported(self, name: str) -> bool:
        return name in self.exported and name not in self.captures


def check_uses(findings: Findings, uses: dict[str, list[Use]], draft: dict[str, Any]) -> None:
    """Report every text whose placeholders cannot work, with their position in the file."""
    variables = set(draft.get("env") or {})
    captured: dict[str, set[str]] = {}
    for phase in PHASES:
        setup = frozenset(captured.get("setup", ()))
        known = _Known(phase, set(variables), set(setup), setup)
        if phase == "merge":
            known.captures |= captured.get("commands", set()) | captured.get("reduce", set())
        for use in uses.get(phase, []):
            _check_use(findings, use, known, variables, draft)
        captured[phase] = known.captures


def _check_use(
    findings: Findings, use: Use, known: _Known, variables: set[str], draft: dict[str, Any]
) -> None:
    if use.kind == "capture":
        if use.text in variables:
            message = f"a capture cannot be named {use.text!r}: the workflow's `env` has it"
            findings.error("P305", use.node.start, message)
        known.captures.add(use.text)
    elif use.kind == "env":
        known.exported.add(use.text)
    else:
        if use.kind == "prompt":
            _check_claude(findings, use, draft)
        if "$" in use.text and isinstance(use.node, Scalar):
            _check_text(findings, use, use.node, known)


def _check_claude(findings: Findings, use: Use, draft: dict[str, Any]) -> None:
    claude, sandbox = draft.get("claude") or {}, draft.get("sandbox") or {}
    if claude.get("credentials") != "env" or sandbox.get("network") != "bridge":
        message = "a claude step runs only with both `credentials: env` and `network: bridge` written out"
        advice = "write `claude: {credentials: env}` and `sandbox: {network: bridge}` at the top level"
        findings.error("P602", use.node.start, message, advice)


def _check_text(findings: Findings, use: Use, node: Scalar, known: _Known) -> None:
    in_shell = use.kind == "shell"
    try:
        pieces = scan(use.text, known, in_shell=in_shell)
        placeholders = [piece for piece in pieces if isinstance(piece, Placeholder)]
        for placeholder in placeholders:
            _check_names(findings, use, node, known, placeholder)
        if in_shell and placeholders:
            from prodigy.workflow.shell_context import parse_script

            parse_script(pieces)
    except PlaceholderError as error:
        findings.error(error.code, place_in(findings, node, error.offset), error.message, error.help)


def _check_names(
    findings: Findings,
    use: Use,
    node: Scalar,
    known: _Known,
    placeholder: Placeholder,
    offset: int | None = None,
) -> None:
    """Report a name that does not exist, or not in this phase; then those of the default."""
    where = placeholder.offset if offset is None else offset
    problem = _problem(placeholder, known, in_handler=use.in_handler)
    if problem is not None:
        code, message = problem
        width = len(placeholder.text.partition("\n")[0])
        findings.error(code, place_in(findings, node, where), message, width=width)
    if placeholder.default:
        for piece in scan(placeholder.default, known, in_shell=False):
            if isinstance(piece, Placeholder):
                _check_names(findings, use, node, known, piece, where)


def _problem(placeholder: Placeholder, known: _Known, *, in_handler: bool) -> tuple[str, str] | None:
    head, shown = placeholder.head, f"`${{{placeholder.dotted}}}`"
    if known.has(head):
        return None
    if head in LATER:
        return "P301", f"{shown}: `{head}` is not available yet in this version of prodigy"
    if head not in NAMESPACES:
        if placeholder.default is not None and len(placeholder.path) == 1:
            return None
        hint = suggestion(head, known.captures | known.exported | (NAMESPACES - LATER))
        return "P301", f"{shown}: there is no variable {head!r} here{hint}"
    fields = fields_of(head, known.phase, in_handler=in_handler)
    if fields is None:
        return "P302", f"{shown}: `{head}` exists only {phases_with(head)}"
    return _field_problem(placeholder, fields | known.setup if head == "setup" else fields)


def _field_problem(placeholder: Placeholder, fields: frozenset[str]) -> tuple[str, str] | None:
    """Report a field that a namespace does not have."""
    head, shown = placeholder.head, f"`${{{placeholder.dotted}}}`"
    name = placeholder.path[1] if len(placeholder.path) > 1 else ""
    if fields == ANY or name in fields or (not name and not fields):
        return None
    if not name:
        return "P301", f"{shown}: name one of its fields: {', '.join(sorted(fields))}"
    elsewhere = [phase for phase in PHASES if name in (fields_of(head, phase, in_handler=True) or ())]
    if elsewhere:
        return "P302", f"{shown} exists only in {', '.join(elsewhere)}"
    hint = suggestion(name, fields)
    hint = (
        hint.replace("'", f"'{head}.", 1) if hint else f"; it has {', '.join(sorted(fields)) or 'no fields'}"
    )
    return "P301", f"{shown}: `{head}` has no field {name!r}{hint}"


def place_in(findings: Findings, node: Scalar, offset: int) -> Mark:
    """Return where in the file an offset of a scalar's value stands; its start where that is unclear."""
    text = str(node.value)
    line, column = node.start
    if node.style == "|":
        row = text.count("\n", 0, offset)
        value_line = text.split("\n")[row]
        index = line + row
        if index < len(findings.lines) and findings.lines[index].endswith(value_line):
            indent = len(findings.lines[index]) - len(value_line)
            return Mark(index + 1, indent + 1 + offset - (text.rfind("\n", 0, offset) + 1))
        return node.start
    begin = column - 1 + (node.style in ("'", '"'))
    if line <= len(findings.lines) and findings.lines[line - 1].startswith(text, begin):
        return Mark(line, begin + 1 + offset)
    return node.start
