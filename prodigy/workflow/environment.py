"""The workflow's own variables, as far as they are known when the file is loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.workflow.nodes import Mapping, Node, Scalar
from prodigy.workflow.placeholder import Placeholder, PlaceholderError, scan
from prodigy.workflow.positions import place_in
from prodigy.workflow.render import render_plain
from prodigy.workflow.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping as Names

    from prodigy.workflow.findings import Findings

_CALLERS = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")
"""A variable of prodigy's own environment; it is taken once, when the file is loaded."""


class EnvRenderer:
    """Fills in what variables say of each other, in the order of the file."""

    def __init__(self, findings: Findings, environ: Names[str, str]) -> None:
        self.findings = findings
        self.environ = environ
        self.done: dict[str, str] = {}

    def render(self, block: dict[str, Any], node: Node) -> None:
        """Replace each text by what it means; one that uses a computed value stays a template."""
        nodes = {key.text: value for key, value in node.pairs} if isinstance(node, Mapping) else {}
        computed: set[str] = set()
        for name, draft in block.items():
            value = nodes.get(name)
            text = draft.get("text")
            if text is None or not isinstance(value, Scalar):
                computed.add(name)
                continue
            try:
                rendered = self.text(text, computed)
            except PlaceholderError as error:
                mark = place_in(self.findings, value, error.offset)
                self.findings.error(error.code, mark, error.message, error.help)
            except StepError as error:
                self.findings.error("P301", value.start, f"variable {name!r}: {error.message}")
            except LookupError as error:
                message = f"variable {name!r}: {error.args[0]} is not set in the environment"
                self.findings.error("P204", value.start, message)
            else:
                if rendered is None:
                    draft["template"] = True
                    computed.add(name)
                else:
                    draft["text"] = self.done[name] = rendered

    def text(self, text: str, computed: set[str]) -> str | None:
        """Return what a text means; None when that is known only at the start of a run.

        Raises PlaceholderError, StepError for a name without a value, LookupError for one of the
        caller's variables that is not set.
        """
        known = Scope(exported={**self.done, **dict.fromkeys(computed, "")})
        parts = []
        position = 0
        for match in [*_CALLERS.finditer(text), None]:
            literal = text[position : match.start() if match else len(text)]
            pieces = scan(literal, known, in_shell=False)
            if any(isinstance(piece, Placeholder) and piece.head in computed for piece in pieces):
                return None
            parts.append(render_plain(literal, known))
            if match is not None:
                parts.append(self.callers(match))
                position = match.end()
        return "".join(parts)

    def callers(self, match: re.Match[str]) -> str:
        """Return the value of one of the caller's variables."""
        value = self.environ.get(match[1], match[2])
        if value is None:
            raise LookupError(match[1])
        return value
