"""Everything the phases of one run share."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prodigy.egress_rule import EgressRule
from prodigy.owner import Owner
from prodigy.run.credentials import model_host
from prodigy.run.station import Station
from prodigy.sandbox.egress import Egress
from prodigy.sandbox.protocol import SandboxSpec
from prodigy.values import CacheSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from prodigy.git.merging import SessionMerger
    from prodigy.git.repository import UserRepository
    from prodigy.git.store import Store
    from prodigy.git.workspace import Workspaces
    from prodigy.run.claude import Claude
    from prodigy.run.events import Bus
    from prodigy.run.ledger import Ledger
    from prodigy.run.machine import Machine
    from prodigy.run.place import Place
    from prodigy.run.plan import Plan
    from prodigy.run.stop import Stop
    from prodigy.run.variables import Variables
    from prodigy.sandbox.egress import Model
    from prodigy.state.journal import Journal
    from prodigy.state.sessions import SessionRecord, Sessions
    from prodigy.values import MountSpec
    from prodigy.workflow.sandbox_settings import Cache, SandboxSettings
    from prodigy.workflow.scope import Scope


@dataclass(frozen=True, slots=True)
class RunContext:
    """One session at work."""

    home: Path
    record: SessionRecord
    plan: Plan
    repository: UserRepository
    store: Store
    merger: SessionMerger
    workspaces: Workspaces
    machine: Machine
    sessions: Sessions
    journal: Journal
    bus: Bus
    stop: Stop
    variables: Variables
    claude: Claude | None = None
    """How Claude runs, where some step may run it."""
    model: Model | None = None
    """The endpoint that gateways lead to."""
    ask: Callable[[str], bool | None] = lambda _question: None
    """Asks the user; None: there is nobody to ask."""
    resumed: bool = False
    """Whether an earlier process has done a part of the run."""
    started: float = field(default_factory=time.monotonic)

    @property
    def directory(self) -> Path:
        """The session's own directory: logs and artifacts."""
        return self.home / "sessions" / self.record.id

    def station(
        self,
        mount: MountSpec,
        *,
        phase: str,
        item: str = "",
        name: str = "",
        stop_grace: float | None = None,
    ) -> Station:
        """A sandbox for one phase or agent, not opened yet."""
        settings, choice = self.plan.settings_of(phase), self.machine.image_of(phase)
        bus = self.bus.at(phase=phase, item=item or None)
        spec = SandboxSpec(
            name="-".join(("prodigy", self.record.id.removeprefix("session-"), name or phase)),
            mount=mount,
            labels={
                "prodigy.home": str(self.home),
                "prodigy.session": self.record.id,
                "prodigy.phase": phase,
                "prodigy.item": item,
                "prodigy.owner": str(Owner.current()),
            },
            image=choice.id,
            network="bridge" if settings.network_kind == "bridge" else "none",
            egress=self._egress(phase, settings),
            on_denied=lambda host, port: bus.emit("egress_denied", host=host, port=port),
            limits=self.plan.limits_of(phase),
            stop_grace=settings.stop_grace if stop_grace is None else stop_grace,
            disk=settings.disk,
            tmpfs=settings.tmpfs,
            user=settings.user or choice.user,
            read_only=settings.read_only,
            runtime=settings.runtime,
            gpus=settings.gpus,
            caches=tuple(self._cache(cache) for cache in settings.caches),
            environment=choice.environment,
        )
        return Station(self.machine.backend, spec, journal=self.journal, bus=bus, stop=self.stop)

    def _egress(self, phase: str, settings: SandboxSettings) -> Egress | None:
        """What a phase's sandboxes reach through the gateway; None where they need none."""
        names, model = list(settings.egress), None
        if phase in self.plan.workflow.claude_phases():
            claude = self.plan.workflow.claude
            names += claude.egress
            model = self.model
            if claude.credentials in ("env", "host_login"):
                names.append(model_host())
        if settings.network_kind == "bridge":
            names = []
        rules = tuple(dict.fromkeys(map(EgressRule.parse, names)))
        return Egress(rules, model) if rules or model else None

    def _cache(self, cache: Cache) -> CacheSpec:
        """The volume of a cache: one for each repository unless it is global."""
        owner = hashlib.sha256(self.record.repository.encode()).hexdigest()[:12]
        owner = "global" if cache.scope == "global" else owner
        return CacheSpec(f"prodigy-cache-{owner}-{cache.name}", cache.path, cache.read_only)

    def environment(
        self, phase: str, root: str, item_id: str = "", values: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The variables every step of a phase sees, besides its own and secrets.

        ``values``: those of the workflow, computed for the phase.
        """
        fixed = {
            "PRODIGY_AUTOMATION": "true",
            "PRODIGY_SESSION_ID": self.record.id,
            "PRODIGY_WORKFLOW": self.record.workflow_name,
            "PRODIGY_PHASE": phase,
            "PROJECT_ROOT": root,
            "WORKTREE": root,
        }
        if item_id:
            fixed["PRODIGY_ITEM_ID"] = item_id
        wanted = self.plan.settings_of(phase).env
        taken = {name: os.environ[name] for name in wanted if name in os.environ}
        return {**taken, **(self.variables.values() if values is None else values), **fixed}

    def deadline(self, phase_timeout: float | None) -> float | None:
        """Monotonic time at which a phase that starts now must be over."""
        ends = []
        if phase_timeout is not None:
            ends.append(time.monotonic() + phase_timeout)
        if self.plan.timeout is not None:
            ends.append(self.started + self.plan.timeout)
        return min(ends, default=None)

    def base_scope(self, values: Mapping[str, str] | None = None) -> Scope:
        """The names every phase sees."""
        from prodigy.workflow.scope import Scope

        workflow = {
            "name": self.record.workflow_name,
            "id": self.record.id,
            "mode": self.record.mode,
            "iteration": 1,
        }
        exported = dict(self.variables.values() if values is None else values)
        return Scope({"workflow": workflow}, exported | dict.fromkeys(self.variables.shown_to_all, ""))

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.started

    def ledger(self, *parts: str) -> Ledger:
        """Where the finished steps of a list of the session's own are kept."""
        from prodigy.run.ledger import Ledger

        return Ledger(self.journal, "/".join(("steps", *parts)))

    def place(
        self,
        station: Station,
        *,
        phase: str,
        worktree: Path,
        timeout: float | None = None,
        item_id: str = "",
        name: str = "",
        survey: bool = True,
        values: Mapping[str, str] | None = None,
        ledger: Ledger | None = None,
    ) -> Place:
        """Where the steps of a phase or agent run."""
        from prodigy.run.ledger import Ledger
        from prodigy.run.place import Place
        from prodigy.run.tracker import Tracker, wants_facts

        tracker = Tracker(
            station, self.record.base, self.record.target or "", wants_facts(self.plan.workflow)
        )
        return Place(
            station=station,
            bus=self.bus.at(phase=phase, item=item_id or None),
            journal=self.journal,
            stop=self.stop,
            logs=self.directory / "logs" / (name or phase),
            worktree=str(worktree),
            environment=self.environment(phase, station.sandbox().root, item_id, values),
            tracker=tracker,
            ledger=ledger or Ledger(None, ""),
            masker=self.variables.masker or None,
            secrets=self.variables.shown_to_all,
            read_secret=self.variables.read_secret,
            claude=self.claude,
            ask=self.ask,
            interpreter=self.plan.settings_of(phase).interpreter,
            guarded=str(self.repository.root) if self.plan.sandbox == "docker" else "",
            deadline=self.deadline(timeout),
            survey=survey,
        )
