"""Claude's credentials: found in the caller's environment, and given to nobody they are not meant for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prodigy.errors import EnvironmentUnavailable
from prodigy.sandbox.egress import Model

if TYPE_CHECKING:
    from typing import Literal

    from prodigy.workflow.claude_settings import ClaudeSettings

API_KEY, AUTH_TOKEN, OAUTH_TOKEN = "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"
BASE_URL = "ANTHROPIC_BASE_URL"
DEFAULT_URL = "https://api.anthropic.com"
PLACEHOLDER = "prodigy-placeholder"
"""What a sandbox sees in place of a key: the gateway replaces whatever a client sends."""
LOGIN = "PRODIGY_CLAUDE_LOGIN"
"""The variable that carries a copy of the caller's login into the Claude process."""
_KINDS: tuple[tuple[str, Literal["api_key", "auth_token", "oauth_token"]], ...] = (
    (API_KEY, "api_key"),
    (AUTH_TOKEN, "auth_token"),
    (OAUTH_TOKEN, "oauth_token"),
)


def known_secrets() -> tuple[str, ...]:
    """Return every credential for Claude that the caller's environment holds: none may ever be shown."""
    return tuple(os.environ[name] for name, _ in _KINDS if os.environ.get(name))


def read_model() -> Model:
    """Return the endpoint and the credential for it. Raises EnvironmentUnavailable."""
    found = next(((kind, os.environ[name]) for name, kind in _KINDS if os.environ.get(name)), None)
    if found is None:
        raise _missing("the workflow has claude steps, but no Claude credentials are set here")
    try:
        return Model(os.environ.get(BASE_URL) or DEFAULT_URL, *found)
    except ValueError as error:
        raise EnvironmentUnavailable(
            f"the gateway cannot reach the model: {error}",
            help=f"set {BASE_URL} to an address that the engine's containers reach, such as "
            "http://host.docker.internal:PORT for a server of this machine",
        ) from error


def model_host() -> str:
    """Return the host of the model's endpoint, with its port where that is unusual."""
    parts = urlsplit(os.environ.get(BASE_URL) or DEFAULT_URL)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def process_secrets(settings: ClaudeSettings) -> dict[str, str]:
    """Return what the Claude process itself is given. Raises EnvironmentUnavailable."""
    if settings.credentials == "gateway":
        return {API_KEY: PLACEHOLDER}
    if settings.credentials == "none":
        return {}
    if settings.credentials == "host_login":
        return {LOGIN: _login()}
    given = {name: os.environ[name] for name, _ in _KINDS if os.environ.get(name)}
    if not given:
        raise _missing(
            "the workflow has claude steps with `credentials: env`, but no Claude credentials are set here"
        )
    return given | ({BASE_URL: os.environ[BASE_URL]} if os.environ.get(BASE_URL) else {})


def _login() -> str:
    file = Path("~/.claude/.credentials.json").expanduser()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentUnavailable(
            f"the workflow asks for `credentials: host_login`, but {file} cannot be read",
            help="log in with Claude Code on this machine first",
        ) from error


def _missing(message: str) -> EnvironmentUnavailable:
    return EnvironmentUnavailable(message, help=f"set {API_KEY}, {AUTH_TOKEN} or {OAUTH_TOKEN}")
