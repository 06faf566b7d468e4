"""The machine's policy: found, and held against what a run asks for."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from prodigy.errors import PolicyViolation
from prodigy.workflow.policy import MachinePolicy, load_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.run.plan import Plan
    from prodigy.workflow.claude_settings import ClaudeSettings
    from prodigy.workflow.sandbox_settings import SandboxSettings

_BOUNDS = {"memory": "max_memory", "cpus": "max_cpus", "pids": "max_pids", "disk": "max_disk"}


def policy_files() -> list[Path]:
    """Return where a policy may stand: the user's own, wherever the data root is, and one more."""
    found = [Path("~/.prodigy/policy.yml").expanduser()]
    if extra := os.environ.get("PRODIGY_POLICY"):
        found.append(Path(extra).expanduser())
    return found


def read_policy() -> MachinePolicy:
    """Return this machine's policy, the stricter of two where there are two.

    Raises PolicyViolation for one that cannot be read, WorkflowInvalid for one with errors.
    """
    policy = MachinePolicy()
    for number, file in enumerate(policy_files()):
        try:
            data = file.read_bytes()
        except FileNotFoundError as error:
            if number == 0:
                continue
            raise PolicyViolation(f"the policy {file}, which PRODIGY_POLICY names, does not exist") from error
        except OSError as error:
            raise PolicyViolation(f"the policy {file} cannot be read: {error.strerror}") from error
        policy = policy.stricter(load_policy(data, str(file)))
    return policy


def clamped(settings: SandboxSettings, policy: MachinePolicy) -> SandboxSettings:
    """Return settings whose defaults are not above the policy; what was written stays as it is."""
    changes = {}
    for name, rule in _BOUNDS.items():
        limit = getattr(policy, rule)
        if limit is not None and name not in settings.model_fields_set and getattr(settings, name) > limit:
            changes[name] = limit
    return settings.model_copy(update=changes)


def policy_problems(settings: SandboxSettings, policy: MachinePolicy) -> list[str]:
    """Return what of some settings a policy forbids."""
    return list(_broken_settings(settings, policy))


def check_plan(plan: Plan, policy: MachinePolicy) -> None:
    """Raise PolicyViolation that names every rule the plan breaks."""
    broken = list(dict.fromkeys(_broken(plan, policy)))
    if broken:
        raise PolicyViolation(
            "\n".join(f"[P601] {one}" for one in broken),
            help=f"the rules stand in {' and '.join(str(file) for file in policy_files())}",
        )


def _broken(plan: Plan, policy: MachinePolicy) -> Iterator[str]:
    if plan.sandbox == "host":
        if not policy.allow_host:
            yield "--sandbox host is forbidden (allow_host)"
    else:
        for name, settings in ({"": plan.settings} | plan.settings_by).items():
            where = f" of {name}" if name else ""
            yield from (f"{text}{where}" for text in _broken_settings(settings, policy))
    if policy.max_parallel is not None and plan.max_parallel > policy.max_parallel:
        yield f"{plan.max_parallel} agents at a time are more than {policy.max_parallel} (max_parallel)"
    if policy.max_timeout is not None and (plan.timeout or 0) > policy.max_timeout:
        yield f"a timeout of {plan.timeout:g} s is longer than {policy.max_timeout:g} s (max_timeout)"
    if plan.uses_claude:
        yield from _broken_claude(plan.workflow.claude, policy)


def _broken_claude(claude: ClaudeSettings, policy: MachinePolicy) -> Iterator[str]:
    allowed, most = policy.allowed_credentials, policy.max_run_budget_usd
    if allowed is not None and claude.credentials not in allowed:
        yield f"Claude's credentials mode `{claude.credentials}` is not allowed (allowed_credentials)"
    yield from _broken_egress("claude.egress", claude.egress, policy)
    if most is not None and claude.run_budget_usd is not None and claude.run_budget_usd > most:
        yield f"a budget of {claude.run_budget_usd:g} USD is more than {most:g} USD (max_run_budget_usd)"


def _broken_settings(settings: SandboxSettings, policy: MachinePolicy) -> Iterator[str]:
    for name, rule in _BOUNDS.items():
        limit, value = getattr(policy, rule), getattr(settings, name)
        if limit is not None and value > limit:
            yield f"`{name}` {value} is more than {limit} ({rule})"
    yield from _broken_image(settings, policy)
    kind = settings.network_kind
    if policy.allowed_networks is not None and kind not in policy.allowed_networks:
        yield f"`network: {kind}` is not allowed (allowed_networks)"
    yield from _broken_egress("network", settings.egress, policy)
    yield from _broken_rights(settings, policy)


def _broken_egress(where: str, names: tuple[str, ...], policy: MachinePolicy) -> Iterator[str]:
    allowed = policy.allowed_egress
    for name in names:
        if allowed is not None and name not in allowed:
            yield f"`{where}` may not reach {name} (allowed_egress)"


def _broken_rights(settings: SandboxSettings, policy: MachinePolicy) -> Iterator[str]:
    is_root = str(settings.user).replace("root", "0").partition(":")[0] == "0"
    runtimes = policy.allowed_runtimes
    if is_root and not policy.allow_root:
        yield "`user: root` is not allowed (allow_root)"
    if settings.gpus is not None and not policy.allow_gpus:
        yield "`gpus` are not allowed (allow_gpus)"
    if settings.caches and not policy.allow_caches:
        yield "`caches` are not allowed (allow_caches)"
    if settings.runtime is not None and runtimes is not None and settings.runtime not in runtimes:
        yield f"`runtime: {settings.runtime}` is not allowed (allowed_runtimes)"
    for name in settings.env:
        if policy.allowed_env is not None and not any(fnmatchcase(name, glob) for glob in policy.allowed_env):
            yield f"the variable {name} may not be taken over (allowed_env)"


def _broken_image(settings: SandboxSettings, policy: MachinePolicy) -> Iterator[str]:
    image = settings.image
    if image is not None:
        globs = policy.allowed_images
        if globs is not None and not any(fnmatchcase(image, glob) for glob in globs):
            yield f"the image {image} is not allowed (allowed_images)"
        if policy.require_digest and "@sha256:" not in image:
            yield f"the image {image} is not named by its digest (require_digest)"
    elif (settings.build is not None or settings.devcontainer) and policy.allowed_images is not None:
        yield "images that the workflow builds are not allowed (allowed_images)"
