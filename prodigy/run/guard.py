"""The watch over the user's repository where nothing can protect it: host mode."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from prodigy.errors import SecurityViolation
from prodigy.git.fingerprint import changed, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.run.context import RunContext


@contextmanager
def guarded(context: RunContext, phase: str) -> Iterator[None]:
    """See in host mode that the user's repository is after the block what it was before.

    Raises SecurityViolation, naming what changed: it detects, it cannot prevent.
    """
    if context.plan.sandbox == "docker":
        yield
        return
    repository, bus = context.repository, context.bus.at(phase=phase)
    before = fingerprint(repository)
    yield
    names = changed(before, fingerprint(repository))
    if names:
        message = (
            f"security violation: during {phase} the repository {repository.root} changed: {', '.join(names)}"
        )
        bus.emit("security_violation", files=list(names), message=message)
        raise SecurityViolation(
            message,
            help="a process on this machine cannot be kept from writing there; use --sandbox docker",
        )
