"""What a run says of itself before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.run.policy import policy_files

if TYPE_CHECKING:
    from prodigy.git.repository import UserRepository
    from prodigy.run.context import RunContext
    from prodigy.run.machine import Machine
    from prodigy.run.plan import Plan
    from prodigy.workflow.sandbox_settings import SandboxSettings


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


CREDENTIALS = {
    "gateway": "gateway: the Claude credential stays out of every sandbox",
    "env": "env: claude steps, and all they start, can read your Claude credentials",
    "host_login": "host_login: claude steps, and all they start, can read a copy of your Claude login",
    "none": "none: claude steps have no credentials",
}


def settings(plan: Plan, machine: Machine | None) -> list[tuple[str, str]]:
    """What the sandboxes of a plan are like; without a machine the image stays a name."""
    if plan.sandbox == "host":
        rows = [
            ("sandbox", "HOST: steps run as ordinary processes of this machine and can do all that you can")
        ]
        unenforced = machine.unenforced if machine else ()
        return [*rows, *((("not enforced", ", ".join(unenforced)),) if unenforced else ())]
    rows = []
    for name, settings in _different(plan).items():
        rows += _containers(plan, name, settings, machine)
    taken = sorted({name for settings in plan.all_settings().values() for name in settings.env})
    if taken:
        reach = any(settings.network_kind != "none" for settings in plan.all_settings().values())
        label = "warning" if reach else "environment"
        tail = ": steps that reach a network can send them away" if reach else ""
        rows.append((label, f"taken from your environment: {', '.join(taken)}{tail}"))
    if plan.uses_claude:
        rows.append(("credentials", CREDENTIALS[plan.workflow.claude.credentials]))
    if plan.workflow.mode == "mapreduce":
        rows.append(("parallel", f"up to {plan.max_parallel} agents at a time"))
    return rows


def _different(plan: Plan) -> dict[str, SandboxSettings]:
    """The settings of the run, and of phases that have their own."""
    others = {name: one for name, one in plan.all_settings().items() if one != plan.settings}
    return {"": plan.settings, **others} if len(others) < len(plan.all_settings()) else others


def _containers(
    plan: Plan, phase: str, settings: SandboxSettings, machine: Machine | None
) -> list[tuple[str, str]]:
    """What the containers of a phase are like; of all others where no phase is named."""
    where = f"{phase}: " if phase else ""
    name = phase or next((n for n in plan.all_settings() if plan.settings_of(n) == settings), "")
    choice = machine.image_of(name) if machine else None
    size = f"{settings.memory / (1 << 30):g} GiB"
    disk = f"{settings.disk / (1 << 30):g} GiB"
    limits = f"{settings.cpus:g} CPUs, {size} memory, {settings.pids} processes, {disk} of disk"
    built = "built from the base commit" if settings.build or settings.devcontainer else None
    image = choice.name if choice else settings.image or built or "built-in"
    network = _network(plan, name, settings)
    rows = [
        ("image", f"{where}{image}"),
        ("network", f"{where}{network}"),
        ("limits", f"{where}{limits} for each container"),
    ]
    if choice and choice.ignored:
        rows.append(("ignored", f"{where}of the devcontainer: {', '.join(choice.ignored)}"))
    if settings.caches:
        named = ", ".join(f"{cache.name} at {cache.path} ({cache.scope})" for cache in settings.caches)
        rows.append(("caches", f"{where}{named}"))
    special = [
        *([f"user {settings.user}"] if settings.user else []),
        *([f"runtime {settings.runtime}"] if settings.runtime else []),
        *(["a writable root file system"] if not settings.read_only else []),
        *([f"gpus {settings.gpus}"] if settings.gpus is not None else []),
    ]
    return [*rows, *((("container", f"{where}{', '.join(special)}"),) if special else ())]


def _network(plan: Plan, phase: str, settings: SandboxSettings) -> str:
    """What the steps of a phase reach."""
    if settings.network_kind == "bridge":
        return "bridge: steps can reach the internet"
    names, claude = list(settings.egress), plan.workflow.claude
    if phase in plan.workflow.claude_phases():
        names += [*(["the model"] if claude.credentials != "none" else []), *claude.egress]
    return f"through the gateway to {', '.join(dict.fromkeys(names))}" if names else "none"


def notes(plan: Plan, repository: UserRepository) -> list[tuple[str, str]]:
    """What a user should know of the repository's state."""
    rows = []
    if repository.dirty:
        rows.append(
            ("note", f"{repository.dirty} uncommitted files of your checkout are not part of this run")
        )
    rows += [("note", note) for note in repository.notes]
    rows += [("policy", str(file)) for file in policy_files() if file.is_file()]
    return rows + [("warning", warning.message) for warning in plan.workflow.warnings]
