"""One entry of a list of what may be reached: a host, or all below a name, and its ports."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_PORTS = (80, 443)
"""Of a name written without a port."""
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""One part of a host name."""
_RULE = re.compile(rf"(?P<wild>\*\.)?(?P<name>{LABEL}(?:\.{LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?")


@dataclass(frozen=True, slots=True)
class EgressRule:
    """Hosts of one name, or all below it, at some ports."""

    name: str
    """Lower case, without a trailing dot."""
    below: bool = False
    """Whether the hosts below the name are meant, and not the name itself."""
    ports: tuple[int, ...] = DEFAULT_PORTS

    @classmethod
    def parse(cls, text: str) -> EgressRule:
        """Read ``host``, ``*.host`` or ``host:port``.

        Raises ValueError: no such thing, or an address, which the gateway never connects to.
        """
        found = _RULE.fullmatch(text)
        if found is None or len(found["name"]) > 253:  # noqa: PLR2004 - the longest name there can be
            raise ValueError(f"{text!r} is no host name (`host`, `*.host` or `host:port`)")
        if re.fullmatch(r"[0-9.]+|0[xX].*", found["name"]):
            raise ValueError(f"{text!r} is an address: name the host")
        port = int(found["port"]) if found["port"] else None
        if port is not None and not 0 < port < 65536:  # noqa: PLR2004 - the last port
            raise ValueError(f"{text!r} has no valid port")
        ports = DEFAULT_PORTS if port is None else (port,)
        return cls(found["name"].lower(), bool(found["wild"]), ports)

    def __str__(self) -> str:
        star = "*." if self.below else ""
        port = "" if self.ports == DEFAULT_PORTS else f":{self.ports[0]}"
        return f"{star}{self.name}{port}"
