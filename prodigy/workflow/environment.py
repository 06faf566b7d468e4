"""The workflow's own variables, whose values may use those before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.workflow.check import place_in
from prodigy.workflow.nodes import Mapping, Node, Scalar
from prodigy.workflow.placeholder import PlaceholderError, scan
from prodigy.workflow.render import render_plain
from prodigy.workflow.scope import Scope

if TYPE_CHECKING:
    from prodigy.workflow.findings import Findings
    from prodigy.workflow.steps import StepReader


def render_env(steps: StepReader, node: Node, findings: Findings) -> dict[str, str]:
    """Return the final texts of a block of variables, each one seeing those above it."""
    written = steps.env(node, "the workflow file")
    done: dict[str, str] = {}
    nodes = {key.text: value for key, value in node.pairs} if isinstance(node, Mapping) else {}
    for name, text in written.items():
        scope = Scope(exported=done)
        value = nodes[name]
        try:
            scan(text, scope, in_shell=False)
            done[name] = render_plain(text, scope)
        except PlaceholderError as error:
            if isinstance(value, Scalar):
                findings.error(error.code, place_in(findings, value, error.offset), error.message, error.help)
        except StepError as error:
            findings.error("P301", value.start, f"variable {name!r}: {error.message}")
    return done
