"""The ``claude`` block: how Claude Code runs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from prodigy.workflow.fields import EnvName, Model
from prodigy.workflow.sandbox_settings import HostName

OWN_FLAGS = (
    *("-p", "--print", "--output-format", "--input-format", "--verbose", "--include-partial-messages"),
    *("--model", "--append-system-prompt", "--max-turns", "--max-budget-usd", "--permission-mode"),
    *("--allowedTools", "--allowed-tools", "--disallowedTools", "--disallowed-tools"),
    *("--dangerously-skip-permissions", "--allow-dangerously-skip-permissions", "-r", "--resume", "-c"),
    *("--continue", "--session-id", "--bg", "--background", "--cloud"),
)
"""What prodigy sets itself, from the keys of the block."""


def _foreign_flag(text: str) -> str:
    if text.partition("=")[0] in OWN_FLAGS:
        raise ValueError(
            f"{text.partition('=')[0]} is set by prodigy: there is a key for it, or it cannot act"
        )
    return text


def _argument(text: str) -> str:
    if not text or text.startswith("-") or re.search(r"[\x00\n]", text):
        raise ValueError("must be a word that does not begin with a dash")
    return text


Word = Annotated[str, AfterValidator(_argument)]


class ClaudeSettings(Model):
    """How Claude Code runs."""

    model: Word | None = None
    """The model; the program's default unless given."""
    append_system_prompt: Annotated[str, Field(min_length=1)] | None = None
    """Text that is added to the program's own system prompt."""
    max_turns: Annotated[int, Field(ge=1)] | None = None
    """Turns after which a step fails."""
    max_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What one step may cost."""
    run_budget_usd: Annotated[float, Field(gt=0)] | None = None
    """What all claude steps of a run may cost together; then none starts any more."""
    allowed_tools: tuple[Word, ...] = ()
    """Tools that are used without asking."""
    disallowed_tools: tuple[Word, ...] = ()
    """Tools that are never used."""
    permission_mode: Literal["default", "acceptEdits", "plan", "bypassPermissions"] | None = None
    """How the program asks for permission; `bypassPermissions` in a container, `acceptEdits` without one."""
    extra_args: tuple[Annotated[str, AfterValidator(_foreign_flag)], ...] = ()
    """Further arguments of the program."""
    env: dict[EnvName, str] = Field(default_factory=dict)
    """Variables of the Claude process alone."""
    credentials: Literal["gateway", "env", "host_login", "none"] = "gateway"
    """Where the credential is. `gateway`: with prodigy's gateway, never in a sandbox. `env`: in the process's
    environment. `host_login`: a copy of the caller's login, in the sandbox. `none`: nowhere."""
    egress: tuple[HostName, ...] = ()
    """Names that phases with claude steps reach besides the model."""
    command: Word = "claude"
    """The program in the image."""


def with_options(settings: ClaudeSettings, options: dict[str, Any]) -> ClaudeSettings:
    """Return settings with those of one step over them, key by key."""
    if not options:
        return settings
    return ClaudeSettings.model_validate(settings.model_dump(exclude_unset=True) | options)
