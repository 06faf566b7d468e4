"""The keys of every place in a workflow file: accepted, also accepted, not yet accepted, and gone."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """What one kind of mapping may hold."""

    keys: frozenset[str]
    aliases: dict[str, str] = field(default_factory=dict)
    later: frozenset[str] = frozenset()
    """Keys of the language that this version does not know how to obey, so it refuses them."""
    removed: dict[str, str] = field(default_factory=dict)
    """Keys that meant something once, and what to use now."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_REMOVED = {
    "temporary": "removed; every workspace is temporary",
    "inherit": "removed; use `sandbox.env`",
    "checkpoint": "removed; every step is durable",
    "agent_merge": "removed; agents are always merged one at a time",
    "skip_permissions": "removed; use `claude.permission_mode`",
}

FILE = Place(
    _names("name description version mode commands setup map reduce merge env timeout sandbox claude"),
    {"steps": "commands"},
    _names(
        "env_files secrets profiles active_profile parameters defaults imports extends template templates "
        "workflows sub_workflows error_policy on_item_failure continue_on_failure max_failures "
        "failure_threshold error_collection circuit_breaker retry_defaults uncommitted max_iterations"
    ),
    _REMOVED
    | {
        "variables": "removed; use `env`",
        "max_parallel": "removed here; write it inside `map`",
        "timeout_per_agent": "removed; use `map.agent_timeout_secs`",
        "retry_on_failure": "removed; use `retry`",
    },
)

STEP_KINDS = ("shell", "claude", "write_file")

STEP = Place(
    _names(
        "shell claude write_file name env timeout working_dir capture_output commit_required on_failure retry"
    ),
    {"cwd": "working_dir", "capture": "capture_output", "retry_config": "retry"},
    _names(
        "id when condition clear_env capture_format capture_streams output_file outputs auto_commit "
        "commit_config on_exit_code on_success continue_on_error validate step_validate skip_validation "
        "validation_timeout ignore_validation_failure foreach do max_items use with test"
    ),
    _REMOVED
    | {
        "analyze": "removed; run your analyser with `shell`",
        "goal_seek": "removed; use `validate` with `on_incomplete`",
        "handler": "removed; use `on_failure`",
        "command": "removed; use `shell`",
        "metadata": "removed",
        "analysis": "removed",
        "parallel": "removed on a step; use `map`",
        "args": 'removed; write `claude: "/name args"`',
        "options": 'removed; write `claude: "/name args"`',
    },
)

CONTROL_KEYS = _names("max_attempts fail_workflow commit_required")
CONTROL_ALIASES = {"max_retries": "max_attempts"}
_CONTROL_LATER = _names("retry_original strategy handler_failure_fatal prompt")

HANDLER_LIST = Place(
    CONTROL_KEYS | {"commands"},
    CONTROL_ALIASES | {"steps": "commands"},
    _CONTROL_LATER | {"timeout", "capture"},
)
HANDLER_STEP = Place(
    STEP.keys | CONTROL_KEYS,
    STEP.aliases | CONTROL_ALIASES,
    STEP.later | _CONTROL_LATER,
    STEP.removed,
)

RETRY = Place(
    _names("attempts backoff initial_delay max_delay"),
    {"max_attempts": "attempts"},
    _names("jitter jitter_factor retry_on retry_budget on_failure type multiplier"),
)

WRITE_FILE = Place(_names("path content format mode create_dirs"))

_CLAUDE_LATER = _names(
    "model append_system_prompt max_turns max_budget_usd run_budget_usd allowed_tools disallowed_tools "
    "permission_mode extra_args env egress command"
)
CLAUDE = Place(_names("credentials"), {}, _CLAUDE_LATER, _REMOVED)
CLAUDE_STEP = Place(_names("prompt"), {}, _CLAUDE_LATER | {"credentials"}, _REMOVED)

SETUP = Place(_names("commands timeout"), {"steps": "commands"}, _names("capture_outputs share sandbox"))
REDUCE = Place(_names("commands timeout"), {"steps": "commands"}, _names("sandbox"))
MERGE = Place(_names("commands timeout on_conflict"), {"steps": "commands"}, _names("sandbox"))
AGENT = Place(_names("commands"), {"steps": "commands"})

MAP = Place(
    _names("input items json_path max_items max_parallel agent_template on_conflict"),
    {"limit": "max_items"},
    _names(
        "filter sort_by distinct offset output variables agent_timeout_secs timeout_config merge_order "
        "on_empty uncommitted sandbox error_policy"
    ),
    {
        "key": "removed",
        "timeout_per_agent": "removed; use `agent_timeout_secs`",
        "retry_on_failure": "removed; use `error_policy`",
    },
)
INPUT_FILE = Place(_names("file format"))
INPUT_COMMAND = Place(_names("command timeout"))
INPUT_GLOB = Place(_names("glob exclude"))

SANDBOX = Place(
    _names("image network cpus memory pids stop_grace interpreter"),
    {},
    _names(
        "pull build devcontainer disk shm_size tmpfs user read_only runtime gpus env caches setup map reduce "
        "merge"
    ),
)

RESERVED_NAMES = _names(
    "item item_index item_total item_id item_json map setup shell test claude last write_file foreach "
    "handler step workflow steps validation error merge env param git worker agent file cmd json date uuid "
    "PATH HOME USER SHELL LANG IFS"
)
"""Names no capture may have."""
