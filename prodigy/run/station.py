"""The sandbox of one phase or agent: opened when needed, opened again when it died."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    from prodigy.run.events import Bus
    from prodigy.run.stop import Stop
    from prodigy.sandbox.protocol import Backend, Call, Outcome, Sandbox, SandboxSpec
    from prodigy.state.journal import Journal


class Station:
    """Holds at most one open sandbox; its intent is on disk before the engine is asked for it."""

    def __init__(
        self, backend: Backend, spec: SandboxSpec, *, journal: Journal, bus: Bus, stop: Stop
    ) -> None:
        self._backend = backend
        self._spec = spec
        self._journal = journal
        self._bus = bus
        self._stop = stop
        self._sandbox: Sandbox | None = None
        self._effect = 0
        self._opened = 0

    def sandbox(self) -> Sandbox:
        """The open sandbox; a new one when there is none or it died.

        Raises SandboxFailure or ImageUnavailable when none can be opened.
        """
        if self._sandbox is not None and not self._sandbox.alive():
            self._bus.warn(
                f"{self._sandbox.place} ended; a new one goes on, without what was outside the workspace"
            )
            self.close()
        if self._sandbox is None:
            self._sandbox = self._open()
        return self._sandbox

    def run(self, call: Call) -> Outcome:
        """Execute a call; the run's stop reaches it."""
        sandbox = self.sandbox()
        self._stop.check()
        return sandbox.run(call)

    def _open(self) -> Sandbox:
        self._opened += 1
        name = self._spec.name if self._opened == 1 else f"{self._spec.name}-{self._opened}"
        (self._effect,) = self._journal.intend(("container", name))
        sandbox = self._backend.open(replace(self._spec, name=name))
        self._stop.watch(sandbox)
        self._bus.emit(
            "container_started",
            container=sandbox.place.removeprefix("container "),
            image=self._spec.image,
            network="gateway" if self._spec.egress else self._spec.network,
            mount=str(self._spec.mount.source),
        )
        return sandbox

    def close(self) -> None:
        """Remove the sandbox. Idempotent."""
        if self._sandbox is None:
            return
        sandbox, self._sandbox = self._sandbox, None
        self._stop.forget(sandbox)
        sandbox.close()
        self._journal.settle(self._effect)
        self._bus.emit("container_stopped", container=sandbox.place, reason="closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
