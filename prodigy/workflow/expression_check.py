"""Checks conditions before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import parse_expression
from prodigy.workflow.name_check import path_problem
from prodigy.workflow.namespaces import UNSUPPORTED
from prodigy.workflow.placeholder import NAMESPACES
from prodigy.workflow.positions import place_in

if TYPE_CHECKING:
    from prodigy.workflow.findings import Findings
    from prodigy.workflow.name_check import Known
    from prodigy.workflow.nodes import Node


def check_expression(findings: Findings, node: Node, text: str, known: Known) -> None:
    """Report an expression that cannot be read, and names in it that lead nowhere; warn of doubtful ones."""
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        findings.error(error.code, place_in(findings, node, error.column - 1), error.message)
        return
    for reference in expression.references:
        mark = place_in(findings, node, reference.column - 1)
        head = reference.path[0]
        if reference.bare_operand and not known.has(head):
            message = f"{head!r} is read as a name here: put quotes around a text"
            findings.warning("W04", mark, message)
        decidable = head in NAMESPACES or head in known.ids or head in UNSUPPORTED
        path = reference.path[:-1] if reference.path[-1] == "exists" else reference.path
        if not decidable:
            if not known.has(head) and not reference.has_default and not reference.bare_operand:
                findings.warning("W03", mark, f"nothing sets {head!r}: it is null here")
            continue
        problem = path_problem(path, known, has_default=reference.has_default)
        if problem is not None:
            findings.error(problem[0], mark, problem[1], width=len(".".join(reference.path)))
