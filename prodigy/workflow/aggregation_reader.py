"""Reads ``map.variables``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.aggregation import NUMERIC, Variable
from prodigy.workflow.expression_nodes import ExpressionError
from prodigy.workflow.expressions import parse_expression
from prodigy.workflow.nodes import Mapping, Node, Scalar

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

_ONLY_FOR = {
    "separator": ("concat",),
    "order": ("sort",),
    "key": ("group_by",),
    "wins": ("merge",),
    "sample": ("variance", "stddev"),
}


class AggregationReader:
    """Reads values computed over results; an option that cannot act on a kind is refused."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings = reader.findings

    def variables(self, node: Node) -> dict[str, Any]:
        """Return the variables by name."""
        if not isinstance(node, Mapping) or not node.pairs:
            self.findings.error("P202", node.start, "`variables` of `map` must be a mapping of names")
            return {}
        found = {}
        for key, value in node.pairs:
            name = key.text
            if name in spellings.RESERVED_NAMES or not (name.isascii() and name.isidentifier()):
                self.findings.error("P305", key.start, f"a variable of `map` cannot be named {name!r}")
            found[name] = self.variable(value, f"variable {name!r} of `map`")
        return found

    def variable(self, node: Node, where: str) -> dict[str, Any]:
        """Return one variable."""
        keys = self.reader.keys(node, spellings.VARIABLE, where)
        kind = keys.get("type")
        if isinstance(kind, Scalar) and isinstance(kind.value, str):
            lowered = kind.value.lower()
            kind.value = "average" if lowered == "avg" else lowered
        if kind is None and isinstance(node, Mapping):
            self.findings.error("P203", node.start, f"{where} needs `type`")
        source = keys.pop("from", None)
        draft = self.reader.fields(Variable, keys, where)
        if source is not None:
            draft["from"] = self.reader.field(Variable, "source", source, where)
            self.path(source, where)
        name = draft.get("type")
        for option, kinds in _ONLY_FOR.items():
            if option in keys and name not in kinds:
                message = f"`{option}` of {where} acts only with {' and '.join(kinds)}"
                self.findings.error("P208", keys[option].start, message)
        if name == "group_by" and "key" not in keys:
            self.findings.error("P203", node.start, f"{where} needs `key`")
        if source is None and name in NUMERIC | {"min", "max", "merge", "flatten", "concat"}:
            self.findings.error("P203", node.start, f"{where} needs `from`")
        if "key" in keys:
            self.path(keys["key"], where)
        if isinstance(text := draft.get("filter"), str):
            self.expression(text, keys["filter"], where)
        return draft

    def path(self, node: Node, where: str) -> None:
        """Report what is no path into a result."""
        text = node.value if isinstance(node, Scalar) else None
        if isinstance(text, str):
            parsed = self.expression(text, node, where)
            if parsed is not None and len(parsed.references) != 1:
                self.findings.error("P401", node.start, f"{where}: {text!r} is not a path")

    def expression(self, text: str, node: Node, where: str) -> Any:
        """Return a parsed expression; report one that cannot be read."""
        try:
            return parse_expression(text)
        except ExpressionError as error:
            self.findings.error(error.code, node.start, f"{where}: {error}")
            return None
