"""The JSON Schema of workflow and policy files, made from the declarations that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from prodigy.workflow import spellings
from prodigy.workflow.aggregation import Variable
from prodigy.workflow.claude_settings import ClaudeSettings
from prodigy.workflow.env_value import EnvFile, EnvValue
from prodigy.workflow.error_policy import AgentTimeouts, Batched, CircuitBreaker, ErrorPolicy
from prodigy.workflow.fields import Resolvable
from prodigy.workflow.models import (
    AgentOutput,
    CaptureOutput,
    MapInput,
    MapPhase,
    MergePhase,
    Phase,
    SetupPhase,
    Workflow,
)
from prodigy.workflow.policy import MachinePolicy
from prodigy.workflow.retry import Retry
from prodigy.workflow.sandbox_settings import Build, Cache, EgressList, SandboxSettings
from prodigy.workflow.step import (
    CaptureStreams,
    Check,
    CommitConfig,
    Foreach,
    Handler,
    OutputSpec,
    Step,
    StepChecks,
    Validation,
    WriteFile,
)

if TYPE_CHECKING:
    from prodigy.workflow.fields import Model
    from prodigy.workflow.spellings import Place

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}
_SCALAR: Schema = {"type": ["string", "number", "boolean"]}
_STEPS: Schema = {"$ref": "#/$defs/steps"}
_HANDLER: Schema = {"$ref": "#/$defs/handler"}
_EXPRESSION: Schema = {"type": ["string", "boolean"]}
_DURATION: Schema = {
    "description": "Seconds, or a text like 500ms, 30s, 5m, 1h30m, 2d.",
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*([0-9]+(\.[0-9]+)?(ms|s|m|h|d)?)+\s*$"},
        {
            "type": "object",
            "properties": {"secs": {"type": "number"}, "nanos": {"type": "number"}},
            "required": ["secs"],
            "additionalProperties": False,
        },
    ],
}
_SIZE: Schema = {
    "description": "Bytes, or a text like 512k, 200m, 4g; units are powers of 1024.",
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*[0-9.]+\s*[kmgtKMGT]?([iI]?[bB])?\s*$"},
    ],
}
_FROM_ENVIRONMENT: Schema = {
    "type": "string",
    "pattern": r"^\$(\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)$",
    "description": "A variable that is resolved when the file is read.",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _map_of(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def workflow_schema() -> Schema:
    """Return the JSON Schema (2020-12) of workflow files."""
    document = _object(spellings.FILE, Workflow, _FILE)
    return {
        "$schema": DIALECT,
        "title": "A prodigy workflow",
        "anyOf": [document, _STEPS],
        "$defs": _definitions(),
    }


def policy_schema() -> Schema:
    """Return the JSON Schema (2020-12) of machine policies."""
    place = spellings.Place(frozenset(MachinePolicy.model_fields))
    lists = {
        name: _either(_TEXT, _plain(MachinePolicy, name))
        for name in MachinePolicy.model_fields
        if name.startswith("allowed_")
    }
    return {
        "$schema": DIALECT,
        "title": "A machine policy",
        **_object(place, MachinePolicy, lists),
        "$defs": {"duration": _DURATION, "size": _SIZE},
    }


def _plain(model: type[Model], name: str) -> Schema:
    """Return the schema of a model's field, as pydantic knows it, with its description and default."""
    field = model.model_fields[name]
    annotation: Any = field.annotation
    schema: Schema = TypeAdapter(annotation).json_schema() if not field.metadata else {}
    if field.metadata:
        from typing import Annotated

        for extra in field.metadata:
            annotation = Annotated[annotation, extra]
        schema = TypeAdapter(annotation).json_schema()
    schema = _with_kinds(schema)
    schema.pop("$defs", None)
    options = schema.get("anyOf")
    if options is not None:
        schema["anyOf"] = [option for option in options if option != {"type": "null"}]
    schema.pop("title", None)
    if any(isinstance(extra, Resolvable) for extra in field.metadata):
        schema = {"anyOf": [*schema.pop("anyOf", [schema]), _FROM_ENVIRONMENT]}
    return schema


def _with_kinds(schema: Any) -> Any:
    """Return a schema in which durations and sizes are what people write for them."""
    if isinstance(schema, list):
        return [_with_kinds(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-kind" in schema:
        return _ref(schema["x-kind"])
    return {key: _with_kinds(value) for key, value in schema.items()}


def _object(place: Place, model: type[Model], special: dict[str, Schema]) -> Schema:
    """Return the schema of a mapping: every key the reader accepts, and no other."""
    properties: dict[str, Schema] = {}
    spelt = {key: key for key in place.keys} | place.aliases
    for key, name in sorted(spelt.items()):
        schema = dict(special[name]) if name in special else _plain(model, name)
        field = model.model_fields.get(name)
        if field is not None and field.description:
            schema["description"] = " ".join(field.description.split())
        if field is not None and not field.is_required() and _is_shown(field.default):
            schema["default"] = field.default
        if key != name:
            schema["description"] = f"The same as `{name}`."
        properties[key] = schema
    description = " ".join((model.__doc__ or "").split("\n\n")[0].split())
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def _is_shown(default: Any) -> bool:
    return isinstance(default, str | int | float | bool)


_ENV = _map_of(_ref("env_value"))
_SANDBOX_SPECIAL: dict[str, Schema] = {
    "build": _ref("build"),
    "caches": {"type": "array", "items": _ref("cache")},
    "tmpfs": _either({"type": "array", "items": _TEXT}, _map_of(_ref("size"))),
    "gpus": _either({"const": "all"}, {"type": "integer", "minimum": 1}, {"type": "array", "items": _TEXT}),
    "env": _TEXTS,
    "network": _either({"enum": ["none", "bridge"]}, _ref("network")),
    **{phase: _ref("sandbox_of_phase") for phase in ("setup", "map", "reduce", "merge")},
}
_FILE: dict[str, Schema] = {
    "commands": _STEPS,
    "setup": _either(_STEPS, _ref("setup")),
    "map": _ref("map"),
    "reduce": _either(_STEPS, _ref("reduce")),
    "merge": _either(_STEPS, _ref("merge")),
    "env": _ENV,
    "env_files": {"type": "array", "items": _either(_TEXT, _ref("env_file"))},
    "secrets": _map_of(_either(_TEXT, _ref("secret"))),
    "sandbox": _ref("sandbox"),
    "claude": _ref("claude"),
    "error_policy": _ref("error_policy"),
    "retry_defaults": _ref("retry"),
    "on_item_failure": _plain(ErrorPolicy, "on_item_failure"),
    "continue_on_failure": _plain(ErrorPolicy, "continue_on_failure"),
    "max_failures": _plain(ErrorPolicy, "max_failures"),
    "failure_threshold": _plain(ErrorPolicy, "failure_threshold"),
    "error_collection": _ref("error_collection"),
    "circuit_breaker": _ref("circuit_breaker"),
}
_STEP: dict[str, Schema] = {
    "claude": _either(_TEXT, _ref("claude_step")),
    "test": _either(_TEXT, _ref("test")),
    "write_file": _ref("write_file"),
    "foreach": _either({"type": "array"}, _TEXT, _ref("foreach")),
    "do": _STEPS,
    "parallel": {"type": ["boolean", "integer"]},
    "max_items": {"type": "integer", "minimum": 1},
    "when": _EXPRESSION,
    "env": _ENV,
    "capture_output": {"type": ["boolean", "string"]},
    "capture_streams": _either({"enum": ["stdout", "stderr", "both"]}, _ref("capture_streams")),
    "outputs": _map_of(_ref("output_spec")),
    "commit_config": _ref("commit_config"),
    "retry": _either({"type": ["boolean", "integer"]}, _ref("retry")),
    "on_exit_code": _map_of(_HANDLER),
    "on_failure": _HANDLER,
    "on_success": _either(_ref("handler_steps"), _ref("step"), _TEXT),
    "validate": _either(_STEPS, _ref("validate")),
    "step_validate": _either(_TEXTS, {"type": "array"}, _ref("step_validate")),
}
_CONTROLS: dict[str, Schema] = {
    "commands": _ref("handler_steps"),
    "capture": _either(_TEXT, {"type": "boolean"}, _map_of(_TEXT)),
    "retry_original": {"type": "boolean", "description": "Write `max_attempts` instead.", "deprecated": True},
    "prompt": _TEXT,
}


def _definitions() -> dict[str, Schema]:
    made: dict[str, Schema] = {
        "duration": _DURATION,
        "size": _SIZE,
        "steps": {"type": "array", "items": _ref("step"), "minItems": 1},
        "step": _either(_TEXT, _object(spellings.STEP, Step, _STEP)),
        "handler_steps": {
            "type": "array",
            "items": _either(_ref("step"), _ref("handler_step")),
            "minItems": 1,
        },
        "handler_step": _object(spellings.HANDLER_STEP, _HandlerStep, {**_STEP, **_CONTROLS}),
        "handler": _either(
            {"type": "boolean"},
            _TEXT,
            _ref("handler_steps"),
            _object(spellings.HANDLER_LIST, Handler, _CONTROLS),
            _ref("handler_step"),
        ),
        "env_value": _either(
            _SCALAR,
            _object(spellings.ENV_COMMAND, EnvValue, {}),
            _object(
                spellings.ENV_CONDITION,
                EnvValue,
                {"condition": _EXPRESSION, "when_true": _SCALAR, "when_false": _SCALAR},
            ),
            _object(spellings.ENV_SECRET, EnvValue, _SECRET),
        ),
        "secret": _object(spellings.SECRET, EnvValue, _SECRET),
        "retry": _object(
            spellings.RETRY,
            Retry,
            {
                "backoff": _either(_TEXT, {"type": "object"}),
                "retry_on": {"type": "array", "items": _either(_TEXT, _map_of(_TEXT))},
                "on_failure": _either({"enum": ["stop", "continue"]}, {"type": "object"}),
            },
        ),
        "test": _object(spellings.TEST, Step, {"command": _TEXT, "on_failure": _HANDLER}),
        "foreach": _object(
            spellings.FOREACH,
            Foreach,
            {
                "foreach": {"type": ["array", "string"]},
                "input": {"type": ["array", "string"]},
                "items": {"type": "array"},
                "command": _TEXT,
                "glob": _TEXTS,
                "do": _STEPS,
                "parallel": {"type": ["boolean", "integer"]},
            },
        ),
        "validate": _object(
            spellings.VALIDATE,
            Validation,
            {
                "shell": _TEXT,
                "claude": _either(_TEXT, _ref("claude_step")),
                "commands": _STEPS,
                "expected_schema": {"type": ["string", "object"]},
                "on_incomplete": _HANDLER,
            },
        ),
        "step_validate": _object(
            spellings.STEP_VALIDATE,
            StepChecks,
            {
                "commands": _either(_TEXT, {"type": "array", "items": _either(_TEXT, _ref("check"))}),
                "success_criteria": _either({"enum": ["all", "any"]}, {"type": "object"}),
            },
        ),
    }
    phase = {"commands": _STEPS, "sandbox": _ref("sandbox_of_phase")}
    plain: dict[str, tuple[Place, type[Model], dict[str, Schema]]] = {
        "write_file": (spellings.WRITE_FILE, WriteFile, {}),
        "capture_streams": (spellings.CAPTURE_STREAMS, CaptureStreams, {}),
        "output_spec": (spellings.OUTPUT_SPEC, OutputSpec, {}),
        "commit_config": (
            spellings.COMMIT_CONFIG,
            CommitConfig,
            {"include_files": _TEXTS, "exclude_files": _TEXTS},
        ),
        "check": (spellings.CHECK, Check, {}),
        "claude": (spellings.CLAUDE, ClaudeSettings, {}),
        "claude_step": (spellings.CLAUDE_STEP, ClaudeSettings, {"prompt": _TEXT}),
        "env_file": (spellings.ENV_FILE, EnvFile, {}),
        "sandbox": (spellings.SANDBOX, SandboxSettings, _SANDBOX_SPECIAL),
        "sandbox_of_phase": (spellings.SANDBOX_OF_PHASE, SandboxSettings, _SANDBOX_SPECIAL),
        "network": (spellings.NETWORK, EgressList, {}),
        "build": (spellings.BUILD, Build, {"args": _map_of(_SCALAR)}),
        "cache": (spellings.CACHE, Cache, {}),
        "setup": (
            spellings.SETUP,
            SetupPhase,
            {
                **phase,
                "share": _TEXTS,
                "capture_outputs": _map_of(
                    _either({"type": "integer", "minimum": 0}, _ref("capture_output"))
                ),
            },
        ),
        "capture_output": (spellings.CAPTURE_OUTPUTS, CaptureOutput, {}),
        "reduce": (spellings.REDUCE, Phase, phase),
        "merge": (spellings.MERGE, MergePhase, phase),
        "map": (spellings.MAP, MapPhase, _MAP),
        "variable": (spellings.VARIABLE, Variable, {"from": _TEXT, "type": _TEXT}),
        "agent_output": (spellings.AGENT_OUTPUT, AgentOutput, {}),
        "timeout_config": (
            spellings.TIMEOUT_CONFIG,
            AgentTimeouts,
            {"timeout_policy": _TEXT, "timeout_action": _TEXT},
        ),
        "error_policy": (
            spellings.ERROR_POLICY,
            ErrorPolicy,
            {
                "retry_config": _ref("retry"),
                "circuit_breaker": _ref("circuit_breaker"),
                "error_collection": _ref("error_collection"),
            },
        ),
        "circuit_breaker": (spellings.BREAKER, CircuitBreaker, {}),
        "batched": (spellings.BATCHED, Batched, {}),
        "input_file": (spellings.INPUT_FILE, MapInput, {"file": _TEXT}),
        "input_command": (spellings.INPUT_COMMAND, MapInput, {"command": _TEXT}),
        "input_glob": (spellings.INPUT_GLOB, MapInput, {"glob": _TEXTS, "exclude": _TEXTS}),
        "input_stdin": (spellings.INPUT_STDIN, MapInput, {"stdin": {"const": True}}),
    }
    made |= {name: _object(*arguments) for name, arguments in plain.items()}
    made["error_collection"] = _either(
        {"enum": ["aggregate", "immediate"]},
        {"type": "string", "pattern": "^batched:[1-9][0-9]*$"},
        {"type": "object", "properties": {"batched": _ref("batched")}, "additionalProperties": False},
    )
    return made


_SECRET: dict[str, Schema] = {
    "secret": {"const": True},
    "value": _TEXT,
    "provider": {"enum": ["env", "file"]},
    "key": _TEXT,
    "version": {"not": {}},
}
_MAP: dict[str, Schema] = {
    "input": _either(
        {"type": ["array", "string"]},
        _ref("input_file"),
        _ref("input_command"),
        _ref("input_glob"),
        _ref("input_stdin"),
    ),
    "items": {"type": "array"},
    "agent_template": _either(
        _STEPS,
        {
            "type": "object",
            "properties": {"commands": _STEPS, "steps": _STEPS},
            "additionalProperties": False,
        },
    ),
    "output": _either(_TEXT, _ref("agent_output"), _map_of(_TEXT)),
    "variables": _map_of(_ref("variable")),
    "agent_timeout_secs": _plain(AgentTimeouts, "agent_timeout_secs"),
    "timeout_config": _ref("timeout_config"),
    "sandbox": _ref("sandbox_of_phase"),
    "error_policy": _ref("error_policy"),
}


class _HandlerStep(Handler, Step):
    """One step that is the handler, with the keys that control it."""
