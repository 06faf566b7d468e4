"""What a killed orchestrator left on the engine: found by label, and only by label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from prodigy.errors import SandboxFailure
from prodigy.owner import Owner
from prodigy.sandbox.docker.container import clear_work, remove
from prodigy.sandbox.docker.engine import EngineRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.sandbox.docker.engine import Engine

HOME_LABEL = "prodigy.home"
"""The data root whose sessions an object belongs to."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One object on the engine."""

    kind: Literal["container", "volume", "network"]
    id: str
    """What the engine removes it by."""
    name: str
    labels: dict[str, str]
    running: bool = False
    overlay: bool = False
    """Whether a container has an overlay volume."""
    created: datetime | None = None
    """When a container was made."""

    @property
    def orphaned(self) -> bool:
        """Whether the process that made it is named, and gone."""
        return Owner.is_dead(self.labels.get("prodigy.owner", ""))


def find_leftovers(engine: Engine, home: str) -> list[Leftover]:
    """Return every container, volume and network of a data root, in the order they can be removed.

    Those of live sessions are among them: ``prodigy.owner`` tells. Raises SandboxFailure.
    """
    api, chosen = engine.api, {"label": f"{HOME_LABEL}={home}"}
    containers = engine.ask(api.containers, all=True, filters=chosen)
    volumes = engine.ask(api.volumes, filters=chosen).get("Volumes") or ()
    networks = engine.ask(api.networks, filters=chosen)
    return [
        *(_container(found) for found in containers),
        *(Leftover("volume", found["Name"], found["Name"], found.get("Labels") or {}) for found in volumes),
        *(Leftover("network", found["Id"], found["Name"], found.get("Labels") or {}) for found in networks),
    ]


def remove_leftovers(engine: Engine, leftovers: Iterable[Leftover]) -> list[str]:
    """Remove them, running or not; return a sentence for each that could not be removed."""
    failures = []
    for leftover in leftovers:
        try:
            _remove(engine, leftover)
        except SandboxFailure as error:
            failures.append(f"{leftover.kind} {leftover.name} could not be removed: {error.message}")
    return failures


def _container(found: dict[str, Any]) -> Leftover:
    names = found.get("Names") or [found["Id"]]
    labels = found.get("Labels") or {}
    overlay = any(mount["Type"] == "volume" for mount in found.get("Mounts") or ())
    running = found.get("State") == "running"
    created = datetime.fromtimestamp(found.get("Created") or 0, UTC)
    return Leftover("container", found["Id"], names[0].lstrip("/"), labels, running, overlay, created)


def _remove(engine: Engine, leftover: Leftover) -> None:
    if leftover.kind == "container":
        if leftover.overlay:
            clear_work(engine, leftover.id)
        remove(engine, leftover.id, None)
        return
    request = engine.api.remove_volume if leftover.kind == "volume" else engine.api.remove_network
    try:
        engine.ask(request, leftover.id)
    except EngineRefused as error:
        if error.status != 404:  # noqa: PLR2004 - gone already
            raise
