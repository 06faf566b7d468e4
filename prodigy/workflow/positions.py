"""Where in a file a part of a value stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.workflow.nodes import Mark, Node, Scalar

if TYPE_CHECKING:
    from prodigy.workflow.findings import Findings


def place_in(findings: Findings, node: Node, offset: int) -> Mark:
    """Return where in the file an offset of a scalar's value stands; its start where that is unclear."""
    if not isinstance(node, Scalar):
        return node.start
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
