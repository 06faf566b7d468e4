"""What a sandbox may reach through the gateway: names and ports, and the model's endpoint. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from prodigy.egress_rule import LABEL, EgressRule

_SECRET = re.compile(r"[!#%-\[\]-~]+")
"""What a credential may hold: printable, and nothing that a server's configuration gives a meaning."""
MODEL_PATHS = ("/v1/messages", "/v1/messages/count_tokens")
"""All that Claude Code needs of the model's endpoint."""


@dataclass(frozen=True, slots=True)
class Model:
    """The endpoint of the model, and the credential that only the gateway knows."""

    url: str
    kind: Literal["api_key", "auth_token", "oauth_token"]
    credential: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError(f"{self.url!r} is no base URL (https://host, with a port or path where needed)")
        if not re.fullmatch(rf"(?:{LABEL}\.)*{LABEL}", parts.hostname):
            raise ValueError(f"{parts.hostname!r} is no host name")
        if not re.fullmatch(r"[A-Za-z0-9._~/-]*", parts.path):
            raise ValueError(f"the path of {self.url!r} holds characters that none may have")
        if not _SECRET.fullmatch(self.credential):
            raise ValueError("the credential holds characters that none of Anthropic's has")
        if parts.hostname == "localhost" or parts.hostname.startswith("127."):
            raise ValueError(f"the gateway's container cannot reach {parts.hostname} of this machine")

    @property
    def host(self) -> str:
        """The host name, in lower case."""
        return str(urlsplit(self.url).hostname)

    @property
    def port(self) -> int:
        """The port it is reached at."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.startswith("https:")

    @property
    def path(self) -> str:
        """What stands before the paths of the interface; without a slash at its end."""
        return urlsplit(self.url).path.rstrip("/")


@dataclass(frozen=True, slots=True)
class Egress:
    """All that one sandbox may reach."""

    rules: tuple[EgressRule, ...] = ()
    model: Model | None = None
