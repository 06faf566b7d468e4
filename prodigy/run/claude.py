"""Claude Code as a step's command: its arguments, its variables, its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prodigy.run.credentials import LOGIN
from prodigy.sandbox.protocol import INPUT
from prodigy.workflow.claude_settings import ClaudeSettings, with_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.run.spending import Spending, SpendingPart
    from prodigy.workflow.step import Step

# The prompt is on standard input, whatever its size. A login is put where the program looks for it.
_LAUNCH = f"""\
input=$1; shift
if [ -n "${{{LOGIN}-}}" ]; then
    (umask 077; mkdir -p "$HOME/.claude" && printf '%s' "${LOGIN}" >"$HOME/.claude/.credentials.json") || exit
    unset {LOGIN}
fi
exec "$@" <"$input"
"""
_QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}


@dataclass(frozen=True, slots=True)
class Claude:
    """How Claude runs in one run of a workflow."""

    settings: ClaudeSettings
    spending: Spending | SpendingPart
    sealed: bool
    """Whether steps run in containers."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of the process that are never shown."""

    def command(self, step: Step) -> tuple[str, ...]:
        """Return the argument vector. Raises StepError (budget) when nothing may be spent any more."""
        own = self.of(step)
        ceiling = self.spending.ceiling(own.max_budget_usd)
        mode = own.permission_mode or ("bypassPermissions" if self.sealed else "acceptEdits")
        found = [own.command, "-p"]
        for flag, tools in (
            ("--allowedTools", own.allowed_tools),
            ("--disallowedTools", own.disallowed_tools),
        ):
            found += [flag, *tools] if tools else []
        found += ["--output-format", "stream-json", "--verbose", "--permission-mode", mode]
        limits = {
            "--model": own.model,
            "--append-system-prompt": own.append_system_prompt,
            "--max-turns": own.max_turns,
            "--max-budget-usd": None if ceiling is None else f"{ceiling:.6f}",
        }
        for flag, value in limits.items():
            found += [flag, str(value)] if value is not None else []
        return ("sh", "-c", _LAUNCH, "sh", INPUT, *found, *own.extra_args)

    def environment(self, step: Step) -> dict[str, str]:
        """Return the variables of the process, secrets among them."""
        return _QUIET | self.of(step).env | dict(self.secrets)

    def of(self, step: Step) -> ClaudeSettings:
        """Return the settings of one step."""
        return with_options(self.settings, step.claude_options)
