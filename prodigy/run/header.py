"""What a run says of itself before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodigy.git.repository import UserRepository
    from prodigy.run.context import RunContext
    from prodigy.run.machine import Machine
    from prodigy.run.plan import Plan


def header(context: RunContext) -> list[tuple[str, str]]:
    """The header of a run: label and value, in order."""
    record = context.record
    rows = [
        ("session", record.id),
        ("file", record.workflow_file),
        ("workspace", record.workspace),
        ("base", record.base[:12]),
        ("target", record.target or "none: HEAD is detached, merging needs --into BRANCH"),
    ]
    flow = context.plan.workflow
    said = [("version", flow.version), ("description", flow.description)]
    rows[:0] = [(label, text) for label, text in said if text]
    return rows + settings(context.plan, context.machine) + notes(context.plan, context.repository)


def settings(plan: Plan, machine: Machine | None) -> list[tuple[str, str]]:
    """What the sandboxes of a plan are like; without a machine the image stays a name."""
    if plan.sandbox == "host":
        rows = [
            ("sandbox", "HOST: steps run as ordinary processes of this machine and can do all that you can")
        ]
        unenforced = machine.unenforced if machine else ()
        return [*rows, *((("not enforced", ", ".join(unenforced)),) if unenforced else ())]
    limits = plan.limits
    size = f"{limits.memory / (1 << 30):g} GiB"
    rows = [
        ("image", machine.image_name if machine else plan.settings.image or "built-in"),
        (
            "network",
            plan.settings.network
            + (": steps can reach the internet" if plan.settings.network == "bridge" else ""),
        ),
        ("limits", f"{limits.cpus:g} CPUs, {size} memory, {limits.pids} processes for each container"),
    ]
    if plan.uses_claude:
        rows.append(
            ("credentials", "env: claude steps, and all they start, can read your Claude credentials")
        )
    if plan.workflow.mode == "mapreduce":
        rows.append(("parallel", f"up to {plan.max_parallel} agents at a time"))
    return rows


def notes(plan: Plan, repository: UserRepository) -> list[tuple[str, str]]:
    """What a user should know of the repository's state."""
    rows = []
    if repository.dirty:
        rows.append(
            ("note", f"{repository.dirty} uncommitted files of your checkout are not part of this run")
        )
    rows += [("note", note) for note in repository.notes]
    return rows + [("warning", warning.message) for warning in plan.workflow.warnings]
