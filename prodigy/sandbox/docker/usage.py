"""What running containers use of the machine just now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.errors import SandboxFailure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prodigy.sandbox.docker.engine import Engine

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one container."""

    cpu: float
    """Processors: 1.0 is one that is busy all the time."""
    memory: int
    """Bytes, without what the kernel can give back at once."""


def usage_of(engine: Engine, containers: Sequence[str]) -> dict[str, Usage]:
    """Measure running containers over a second; one that ends meanwhile is not in the answer."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda one: _measured(engine, one), containers)
        return {one: usage for one, usage in zip(containers, found, strict=True) if usage is not None}


def _measured(engine: Engine, container: str) -> Usage | None:
    try:
        # The engine takes two samples for this answer.
        found: dict[str, Any] = engine.ask(engine.api.stats, container, stream=False)
        now, before = found["cpu_stats"], found["precpu_stats"]
        used = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
        passed = now["system_cpu_usage"] - before["system_cpu_usage"]
        memory = found["memory_stats"]
        spare = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
        processors = now.get("online_cpus") or 1
        return Usage(cpu=used / passed * processors if passed else 0.0, memory=memory["usage"] - spare)
    except (SandboxFailure, KeyError):
        return None
