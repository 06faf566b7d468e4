"""Setting a session back to the state after one of its finished steps: ``resume --from-checkpoint``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.errors import EnvironmentUnavailable, UsageError
from prodigy.run.session_workspace import SessionWorkspace

if TYPE_CHECKING:
    from prodigy.run.context import RunContext
    from prodigy.values import StepResult

_ORDER = ("setup", "commands", "map", "reduce", "merge")
_OWN_STEP = re.compile(r"([a-z]+)\[(\d+)\]")


def rewind(context: RunContext, point: str) -> None:
    """Forget all that came after a step, and bring branch and workspace to where it left them.

    ``point``: the step's path, or its number in ``checkpoints show``. What was committed later is kept under
    a ref of the store, ``kept/before-…``. Raises UsageError for what is no such step, EnvironmentUnavailable
    when its commit is gone.
    """
    steps = context.journal.steps(item="")
    position = _find(steps, point)
    step = steps[position]
    found = _OWN_STEP.fullmatch(step.path)
    if found is None:
        raise UsageError(f"{step.path} lies inside another step: name a step of a phase")
    if any(one.iterations > 1 for one in context.plan.passes) or len(context.plan.passes) > 1:
        raise UsageError("a run of several passes can only go on where it ended")
    heads = [one.head_after for one in steps[: position + 1] if one.head_after]
    commit = heads[-1] if heads else context.store.base
    if not context.store.holds(commit):
        raise EnvironmentUnavailable(
            f"the commit {commit[:12]}, where {step.path} ended, is not in the store"
        )
    _forget(context, found[1], int(found[2]), step.path)
    _move(context, commit)
    context.bus.emit("checkpoint_loaded", path=step.path, commit=commit)
    context.bus.warn(
        f"set back to the end of {step.path}; files it had left uncommitted are not there any more"
    )


def _find(steps: list[StepResult], point: str) -> int:
    if point.isdigit():
        position = int(point) - 1
        if not 0 <= position < len(steps):
            raise UsageError(
                f"no checkpoint has the number {point}", help="`prodigy checkpoints show` lists them"
            )
        return position
    for position in reversed(range(len(steps))):
        if steps[position].path == point and steps[position].status not in ("failed", "cancelled"):
            return position
    raise UsageError(f"no finished step is {point}", help="`prodigy checkpoints show` lists them")


def _forget(context: RunContext, phase: str, index: int, path: str) -> None:
    """Drop what is recorded of later steps, and of later phases."""
    journal = context.journal
    journal.forget(f"phase/{phase}")
    for later in range(index + 1, len(context.plan.workflow.phases()[phase].steps)):
        journal.forget(f"steps/{phase}/done:{phase}[{later}]")
        journal.forget(f"steps/{phase}/{phase}[{later}]/")
    for name in _ORDER[_ORDER.index(phase) + 1 :]:
        journal.forget(f"phase/{name}")
        journal.forget(f"steps/{name}")
    with_items = phase in ("setup", "commands")
    if with_items:
        for prefix in ("map/", "agent/", "due/", "dlq/"):
            journal.forget(prefix)
    journal.drop_after(path, with_items=with_items)


def _move(context: RunContext, commit: str) -> None:
    """Bring the session's branch and workspace to a commit."""
    store, head = context.store, context.store.head()
    if head != commit:
        store.set_ref(f"kept/before-{head[:12]}", head)
        if not store.advance(commit, head):
            raise EnvironmentUnavailable("the session's branch moved meanwhile")
    workspace = context.workspaces.open_session()
    if workspace is not None:
        workspace.remove()
    SessionWorkspace.create(context, commit)
