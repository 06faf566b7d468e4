"""Reads retry rules in any of their spellings into plain data of the model's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.nodes import Mapping, Node, Scalar, plain
from prodigy.workflow.retry import Retry

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

_SIMPLE = (
    "attempts",
    "initial_delay",
    "max_delay",
    "jitter",
    "jitter_factor",
    "retry_on",
    "retry_budget",
)


class RetryReader:
    """Reads ``retry``, ``retry_defaults`` and ``retry_config``."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings = reader.findings

    def keys(self, node: Node, where: str) -> dict[str, Node]:
        """Return a rule's values by canonical key: a number of attempts is a rule too."""
        if isinstance(node, Scalar) and node.value is True:
            return {}
        if isinstance(node, Scalar) and not isinstance(node.value, bool):
            return {"attempts": node}
        return self.reader.keys(node, spellings.RETRY, where)

    def rule(self, keys: dict[str, Node], where: str) -> dict[str, Any]:
        """Return the rule that these values describe; a fallback's command is left to the caller."""
        draft: dict[str, Any] = {}
        if "backoff" in keys:
            draft |= self.backoff(keys["backoff"], where)
        draft |= self.reader.fields(Retry, {key: keys[key] for key in _SIMPLE if key in keys}, where)
        if "on_failure" in keys:
            draft["on_failure"] = self.ending(keys["on_failure"], where)
        if draft.get("backoff") == "custom" and not draft.get("delays"):
            self.findings.error(
                "P203", keys["backoff"].start, f"the custom backoff of {where} needs `delays`"
            )
        return draft

    def backoff(self, node: Node, where: str) -> dict[str, Any]:
        """Return the fields that a backoff sets: its name, and perhaps its numbers."""
        if not isinstance(node, Mapping):
            return {"backoff": self.reader.field(Retry, "backoff", node, where)}
        written = {key.text: value for key, value in node.pairs}
        if "type" in written:
            name = plain(written["type"])
            inner: Node = Mapping(node.start, node.end, pairs=[p for p in node.pairs if p[0].text != "type"])
        elif len(written) == 1:
            name, inner = next(iter(written.items()))
        else:
            name, inner = None, node
        place = spellings.BACKOFFS.get(name.lower()) if isinstance(name, str) else None
        if place is None:
            known = ", ".join(spellings.BACKOFFS)
            self.findings.error("P204", node.start, f"`backoff` of {where} must name one of {known}")
            return {}
        draft: dict[str, Any] = {"backoff": str(name).lower()}
        names = {"initial": "initial_delay", "delay": "initial_delay"}
        for key, value in self.reader.keys(inner, place, f"`backoff` of {where}").items():
            field = names.get(key, key)
            draft[field] = self.reader.field(Retry, field, value, where)
        return draft

    def ending(self, node: Node, where: str) -> str:
        """Return what happens after the last run."""
        if isinstance(node, Mapping):
            return "fallback"
        if not isinstance(node, Scalar) or node.value not in ("stop", "continue"):
            message = f"`on_failure` of {where} must be stop, continue or {{fallback: …}}"
            self.findings.error("P204", node.start, message)
            return "stop"
        return str(node.value)
