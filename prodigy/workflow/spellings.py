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

POLICY_KEYS = _names(
    "on_item_failure continue_on_failure max_failures failure_threshold error_collection circuit_breaker"
)
"""Keys of `error_policy` that may also stand at the top level."""

FILE = Place(
    _names(
        "name description version mode commands setup map reduce merge env env_files secrets timeout sandbox "
        "claude error_policy retry_defaults uncommitted max_iterations"
    )
    | POLICY_KEYS,
    {"steps": "commands"},
    _names(
        "profiles active_profile parameters defaults imports extends template templates workflows "
        "sub_workflows"
    ),
    _REMOVED
    | {
        "variables": "removed; use `env`",
        "max_parallel": "removed here; write it inside `map`",
        "timeout_per_agent": "removed; use `map.agent_timeout_secs`",
        "retry_on_failure": "removed; use `retry`",
    },
)

STEP_KINDS = ("shell", "claude", "write_file", "foreach", "test")
FOREACH_KEYS = _names("do parallel max_items continue_on_error")
"""Keys of a loop that may also stand beside `foreach`."""

STEP = Place(
    frozenset(STEP_KINDS)
    | FOREACH_KEYS
    | _names(
        "id name when env clear_env timeout working_dir capture_output capture_format capture_streams "
        "output_file outputs commit_required auto_commit commit_config retry on_exit_code on_failure "
        "on_success validate step_validate skip_validation validation_timeout ignore_validation_failure"
    ),
    {
        "condition": "when",
        "cwd": "working_dir",
        "capture": "capture_output",
        "retry_config": "retry",
    },
    _names("use with"),
    _REMOVED
    | {
        "analyze": "removed; run your analyser with `shell`",
        "goal_seek": "removed; use `validate` with `on_incomplete`",
        "handler": "removed; use `on_failure`",
        "command": "removed; use `shell`",
        "metadata": "removed",
        "analysis": "removed",
        "args": 'removed; write `claude: "/name args"`',
        "options": 'removed; write `claude: "/name args"`',
    },
)

CONTROL_KEYS = _names(
    "max_attempts strategy fail_workflow commit_required timeout handler_failure_fatal capture retry_original"
)
"""Keys of a handler that are not those of a step."""
CONTROL_ALIASES = {"max_retries": "max_attempts"}

HANDLER_LIST = Place(CONTROL_KEYS | {"commands", "prompt"}, CONTROL_ALIASES | {"steps": "commands"})
HANDLER_STEP = Place(
    STEP.keys | CONTROL_KEYS | {"prompt"},
    {**{alias: name for alias, name in STEP.aliases.items() if alias != "capture"}, **CONTROL_ALIASES},
    STEP.later,
    STEP.removed,
)

RETRY = Place(
    _names("attempts backoff initial_delay max_delay jitter jitter_factor retry_on retry_budget on_failure"),
    {"max_attempts": "attempts"},
)
BACKOFFS = {
    "fixed": Place(_names("delay")),
    "linear": Place(_names("initial increment")),
    "exponential": Place(_names("initial base"), {"multiplier": "base"}),
    "fibonacci": Place(_names("initial")),
    "custom": Place(_names("delays")),
}
FALLBACK = Place(_names("shell claude"), {"command": "shell"})

WRITE_FILE = Place(_names("path content format mode create_dirs"))
CAPTURE_STREAMS = Place(_names("stdout stderr exit_code success duration"))
OUTPUT_SPEC = Place(_names("file_pattern multiple required"))
COMMIT_CONFIG = Place(
    _names("message_template message_pattern author include_files exclude_files squash"),
    {},
    frozenset(),
    {"sign": "removed; no keys enter the sandbox"},
)
FOREACH = Place(FOREACH_KEYS | _names("foreach input items command glob"))
VALIDATE = Place(
    _names("shell claude commands result_file threshold timeout expected_schema on_incomplete"),
    {"command": "shell"},
)
STEP_VALIDATE = Place(_names("commands success_criteria max_attempts retry_delay"))
CHECK = Place(_names("command expect_output expect_exit_code command_type"))
TEST = Place(_names("command on_failure"))

_CLAUDE = _names(
    "model append_system_prompt max_turns max_budget_usd allowed_tools disallowed_tools permission_mode "
    "extra_args env command"
)
_CLAUDE_ONCE = _names("run_budget_usd credentials egress")
CLAUDE = Place(_CLAUDE | _CLAUDE_ONCE, {}, frozenset(), _REMOVED)
CLAUDE_STEP = Place(
    _CLAUDE | {"prompt"},
    {},
    frozenset(),
    _REMOVED | dict.fromkeys(_CLAUDE_ONCE, "it holds for the whole run; write it in the file's `claude`"),
)
NETWORK = Place(_names("egress"))

ENV_COMMAND = Place(_names("command cache"))
ENV_CONDITION = Place(_names("condition when_true when_false"))
ENV_SECRET = Place(_names("secret value provider key version"))
SECRET = Place(_names("provider key version"))
ENV_FILE = Place(_names("path required"))

SETUP = Place(_names("commands timeout capture_outputs share sandbox"), {"steps": "commands"})
CAPTURE_OUTPUTS = Place(_names("command_index source pattern json_path max_size default multiline"))
REDUCE = Place(_names("commands timeout sandbox"), {"steps": "commands"})
MERGE = Place(_names("commands timeout on_conflict sandbox"), {"steps": "commands"})
AGENT = Place(_names("commands"), {"steps": "commands"})

MAP = Place(
    _names(
        "input items json_path filter sort_by distinct offset max_items max_parallel agent_template output "
        "variables agent_timeout_secs timeout_config merge_order on_conflict on_empty uncommitted sandbox "
        "error_policy"
    ),
    {"limit": "max_items"},
    frozenset(),
    {
        "key": "removed",
        "timeout_per_agent": "removed; use `agent_timeout_secs`",
        "retry_on_failure": "removed; use `error_policy`",
    },
)
VARIABLE = Place(_names("type from initial filter separator order key wins sample"))
AGENT_OUTPUT = Place(_names("file format"))
TIMEOUT_CONFIG = Place(
    _names(
        "agent_timeout_secs timeout_policy command_timeouts timeout_action cleanup_grace_period_secs "
        "enable_monitoring"
    )
)
ERROR_POLICY = Place(POLICY_KEYS | {"retry_config"})
BREAKER = Place(_names("failure_threshold success_threshold timeout half_open_requests"))
BATCHED = Place(_names("size"))
INPUT_FILE = Place(_names("file format"))
INPUT_COMMAND = Place(_names("command timeout"))
INPUT_GLOB = Place(_names("glob exclude"))
INPUT_STDIN = Place(_names("stdin format"))

_SANDBOX = _names(
    "image pull build devcontainer network cpus memory pids disk shm_size tmpfs user read_only runtime gpus "
    "env caches stop_grace interpreter"
)
SANDBOX_OF_PHASE = Place(_SANDBOX)
SANDBOX = Place(_SANDBOX | _names("setup map reduce merge"))
BUILD = Place(_names("context dockerfile args target"))
CACHE = Place(_names("name path scope read_only"))

_NAMESPACES = _names(
    "item item_index item_total item_id item_json map setup shell test claude last write_file foreach "
    "handler step workflow steps validation error merge env param git worker agent"
)
RESERVED_IDS = _NAMESPACES - {"test"}
"""Names no step may have as its id."""
RESERVED_NAMES = _NAMESPACES | _names("file cmd json date uuid PATH HOME USER SHELL LANG IFS")
"""Names no capture may have."""
