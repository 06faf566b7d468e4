"""Reads what failing items mean, and how long agents may take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.error_policy import AgentTimeouts, Batched, CircuitBreaker, ErrorPolicy
from prodigy.workflow.nodes import Mapping, Node, Scalar
from prodigy.workflow.retry_reader import RetryReader

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

_SIMPLE = ("on_item_failure", "continue_on_failure", "max_failures", "failure_threshold")
_TIMEOUTS = ("agent_timeout_secs", "cleanup_grace_period_secs", "enable_monitoring")
_COMMAND = re.compile(r"(?:shell|claude|write_file|foreach)(?:_[0-9]{1,4})?")
_OLD_SPELLINGS = {
    "PerAgent": "per_agent",
    "PerCommand": "per_command",
    "Hybrid": "hybrid",
    "Dlq": "dlq",
    "Skip": "skip",
    "Fail": "fail",
    "GracefulTerminate": "dlq",
    "graceful_terminate": "dlq",
}


class PolicyReader:
    """Reads ``error_policy``, its shortcuts, and ``timeout_config``."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings = reader.findings

    def policy(self, keys: dict[str, Node], blocks: list[tuple[str, Node]]) -> dict[str, Any] | None:
        """Return the policy from top-level shortcuts and from the one block that may hold it."""
        for where, node in blocks[1:]:
            self.findings.error("P205", node.start, f"the error policy stands twice, also in {where}")
        found = {key: keys[key] for key in spellings.POLICY_KEYS if key in keys}
        for where, node in blocks[:1]:
            inner = self.reader.keys(node, spellings.ERROR_POLICY, f"the error policy in {where}")
            for key in sorted(inner.keys() & found.keys()):
                message = f"`{key}` stands both at the top level and in the error policy"
                self.findings.error("P205", inner[key].start, message)
            found |= inner
        return self.draft(found, "the error policy") if found else None

    def draft(self, found: dict[str, Node], where: str) -> dict[str, Any]:
        """Return the policy's plain data."""
        handling = found.get("on_item_failure")
        if isinstance(handling, Scalar) and str(handling.value).startswith("custom:"):
            message = "`on_item_failure: custom:…` is removed; use `on_failure` of the agents' steps"
            self.findings.error("P207", handling.start, message)
            del found["on_item_failure"]
        draft = self.reader.fields(ErrorPolicy, {key: found[key] for key in _SIMPLE if key in found}, where)
        if "retry_config" in found:
            reader, place = RetryReader(self.reader), f"`retry_config` of {where}"
            keys = reader.keys(found["retry_config"], place)
            if "on_failure" in keys:
                message = f"`on_failure` in {place}: what is not mended becomes a dead letter"
                self.findings.error("P208", keys.pop("on_failure").start, message)
            draft["retry_config"] = reader.rule(keys, place)
            if draft.get("on_item_failure") != "retry":
                message = f"`retry_config` of {where} acts only with `on_item_failure: retry`"
                self.findings.error("P203", found["retry_config"].start, message)
        if "error_collection" in found:
            draft["error_collection"] = self.collection(found["error_collection"], where)
        if "circuit_breaker" in found:
            place = f"`circuit_breaker` of {where}"
            keys = self.reader.keys(found["circuit_breaker"], spellings.BREAKER, place)
            draft["circuit_breaker"] = self.reader.fields(CircuitBreaker, keys, place)
        return draft

    def collection(self, node: Node, where: str) -> Any:
        """Return when failures are told."""
        if isinstance(node, Mapping):
            inner = {key.text: value for key, value in node.pairs}
            if inner.keys() != {"batched"}:
                self.findings.error(
                    "P204", node.start, f"`error_collection` of {where}: write {{batched: {{size: N}}}}"
                )
                return "aggregate"
            keys = self.reader.keys(inner["batched"], spellings.BATCHED, f"`batched` of {where}")
            if "size" not in keys:
                self.findings.error("P203", node.start, f"`batched` of {where} needs `size`")
            return self.reader.fields(Batched, keys, f"`batched` of {where}")
        text = node.value if isinstance(node, Scalar) else None
        if isinstance(text, str) and (match := re.fullmatch(r"batched:([1-9][0-9]{0,6})", text)):
            return {"size": int(match[1])}
        if text not in ("aggregate", "immediate"):
            message = f"`error_collection` of {where} must be aggregate, immediate or batched:N"
            self.findings.error("P204", node.start, message)
            return "aggregate"
        return text

    def timeouts(self, keys: dict[str, Node]) -> dict[str, Any] | None:
        """Return how long agents may take, from the short key or the block."""
        where = "`timeout_config`"
        block, short = keys.get("timeout_config"), keys.get("agent_timeout_secs")
        if block is None:
            if short is None:
                return None
            return self.reader.fields(AgentTimeouts, {"agent_timeout_secs": short}, "`map`")
        found = self.reader.keys(block, spellings.TIMEOUT_CONFIG, where)
        if short is not None and "agent_timeout_secs" in found:
            message = "`agent_timeout_secs` stands in `map` and in its `timeout_config`"
            self.findings.error("P205", short.start, message)
        elif short is not None:
            found["agent_timeout_secs"] = short
        for key in ("timeout_policy", "timeout_action"):
            node = found.get(key)
            if isinstance(node, Scalar) and isinstance(node.value, str):
                node.value = _OLD_SPELLINGS.get(node.value, node.value)
        simple = ("timeout_policy", "timeout_action", *_TIMEOUTS)
        draft = self.reader.fields(AgentTimeouts, {key: found[key] for key in simple if key in found}, where)
        if "command_timeouts" in found:
            draft["command_timeouts"] = self.by_command(found["command_timeouts"], draft, where)
        return draft

    def by_command(self, node: Node, draft: dict[str, Any], where: str) -> Any:
        """Return the times of some commands."""
        if draft.get("timeout_policy") != "hybrid":
            self.findings.error("P203", node.start, f"`command_timeouts` of {where} need the policy `hybrid`")
        for key, _ in node.pairs if isinstance(node, Mapping) else ():
            if not _COMMAND.fullmatch(key.text):
                message = (
                    f"`command_timeouts` of {where}: {key.text!r} names no command; write shell or shell_0"
                )
                self.findings.error("P204", key.start, message)
        return self.reader.field(AgentTimeouts, "command_timeouts", node, where)
