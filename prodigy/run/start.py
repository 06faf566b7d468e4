"""Starting a run: everything that must hold is checked before anything is created."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.run.cleanup import discard
from prodigy.run.header import header
from prodigy.run.orchestrator import Orchestrator
from prodigy.run.session import new_session
from prodigy.run.stop import Stop
from prodigy.run.variables import read_variables

if TYPE_CHECKING:
    from concurrent.futures import Future

    from prodigy.git.repository import UserRepository
    from prodigy.run.context import RunContext
    from prodigy.run.events import Watcher
    from prodigy.run.machine import Machine
    from prodigy.run.plan import Plan
    from prodigy.run.publishing import Approve
    from prodigy.values import RunResult


def run_workflow(
    plan: Plan,
    repository: UserRepository,
    home: Path,
    preparing: Future[Machine],
    watcher: Watcher,
    approve: Approve,
) -> RunResult:
    """Run a plan over a repository, on the machine that is being prepared for it.

    Raises EnvironmentUnavailable and its kin before anything was created; what happens later is in
    the result.
    """
    variables = read_variables(
        plan.workflow,
        Path(plan.workflow_file),
        repository.root,
        plan.policy.allowed_files,
        repository.branch or "",
    )
    machine = preparing.result()
    stop = Stop()
    with stop.signals(), new_session(home, plan, repository, machine, watcher, stop, variables) as context:
        context.bus.emit(
            "job_started",
            workflow=context.record.workflow_name,
            mode=context.record.mode,
            header=[list(row) for row in header(context)],
        )
        stop.announce = partial(
            context.bus.emit, "warning", message="stopping what runs; Ctrl-C again stops at once"
        )
        orchestrator = Orchestrator(context, approve)
        result = orchestrator.run()
        finish_session(context, orchestrator, result)
        return result


def finish_session(context: RunContext, orchestrator: Orchestrator, result: RunResult) -> None:
    """Remove workspace and store of a session that has nothing left in them."""
    nothing_left = result.merge.status in ("merged", "nothing") and not result.uncommitted
    if result.status not in ("success", "partial") or not nothing_left or context.plan.keep:
        return
    if not orchestrator.visited and not any(item.ref for item in result.results):
        discard(context)
