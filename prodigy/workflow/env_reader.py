"""Reads variables and secrets in any of their forms into plain data of the model's shape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.env_value import EnvFile, EnvValue
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.workflow.reader import Reader
    from prodigy.workflow.use import UseKind

MAX_VALUE = 100 * 1024
"""Bytes of a value; the kernel could not pass a much longer one."""
PROVIDERS = ("env", "file")
_VARIABLE = re.compile(
    r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$?([A-Za-z_][A-Za-z0-9_]*)"
)
_GONE = "read it into an environment variable or file first"


class EnvReader:
    """Reads ``env``, ``secrets`` and ``env_files``."""

    def __init__(self, reader: Reader, note: Callable[[UseKind, Node, str], None]) -> None:
        self.reader = reader
        self.findings = reader.findings
        self.note = note

    def block(self, node: Node, where: str) -> dict[str, Any]:
        """Return the variables of a block."""
        found: dict[str, Any] = {}
        for name, key, value in self.named(node, f"`env` of {where}"):
            draft = self.value(name, value, where)
            if draft is not None:
                found[name] = draft
                self.note("env", key, name)
        return found

    def named(self, node: Node, what: str) -> list[tuple[str, Scalar, Node]]:
        """Return the pairs of a block whose names may be variables."""
        if not isinstance(node, Mapping):
            self.findings.error("P202", node.start, f"{what} must be a mapping")
            return []
        found = []
        for key, value in node.pairs:
            name = key.text
            if not (name.isascii() and name.isidentifier()):
                self.findings.error("P204", key.start, f"{name!r} is not a variable name", width=len(name))
            elif name.startswith("PRODIGY_"):
                self.findings.error("P305", key.start, f"{name!r} is reserved for prodigy", width=len(name))
            else:
                found.append((name, key, value))
        return found

    def value(self, name: str, node: Node, where: str) -> dict[str, Any] | None:
        """Return one variable in the form it is written in."""
        if isinstance(node, Scalar) and node.value is not None:
            return {"text": self.static(name, node)}
        what = f"variable {name!r} of {where}"
        written = {key.text for key, _ in node.pairs} if isinstance(node, Mapping) else set()
        if "secret" in written and "default" not in written:
            return self.secret_value(node, what)
        if "command" in written:
            return self.command(node, what)
        if "condition" in written:
            return self.condition(node, what)
        if "default" in written:
            self.findings.error("P202", node.start, f"{what}: values by profile are not available yet")
        else:
            self.findings.error(
                "P202", node.start, f"{what} must be a text, a number, a boolean or a mapping"
            )
        return None

    def static(self, name: str, value: Scalar) -> str:
        """Return a text, a number as written, or ``true``/``false``."""
        text = value.text.lower() if isinstance(value.value, bool) else value.text
        if len(text.encode()) > MAX_VALUE:
            self.findings.error("P204", value.start, f"variable {name!r} is longer than 100 KiB")
        if "\0" in text:
            self.findings.error("P204", value.start, f"variable {name!r} holds a NUL character")
        if isinstance(value.value, str):
            self.note("plain", value, value.value)
        return text

    def command(self, node: Node, what: str) -> dict[str, Any]:
        """Return a value that a command prints."""
        keys = self.reader.keys(node, spellings.ENV_COMMAND, what)
        if isinstance(text := keys.get("command"), Scalar) and isinstance(text.value, str):
            self.note("shell", text, text.value)
        return self.reader.fields(EnvValue, keys, what)

    def condition(self, node: Node, what: str) -> dict[str, Any]:
        """Return a value that a condition chooses."""
        keys = self.reader.keys(node, spellings.ENV_CONDITION, what)
        missing = {"condition", "when_true", "when_false"} - keys.keys()
        for key in sorted(missing):
            self.findings.error("P203", node.start, f"{what} needs `{key}`")
        draft: dict[str, Any] = {}
        for key, value in keys.items():
            if not isinstance(value, Scalar) or value.value is None:
                self.findings.error("P202", value.start, f"`{key}` of {what} must be a text")
            else:
                draft[key] = value.text.lower() if isinstance(value.value, bool) else value.text
                self.note("expression" if key == "condition" else "plain", value, draft[key])
        return draft

    def secret_value(self, node: Node, what: str) -> dict[str, Any] | None:
        """Return a secret written among the variables."""
        keys = self.reader.keys(node, spellings.ENV_SECRET, what)
        flag = keys.get("secret")
        if not isinstance(flag, Scalar) or flag.value is not True:
            self.findings.error("P204", node.start, f"`secret` of {what} must be true")
            return None
        if "value" in keys and "provider" in keys:
            self.findings.error("P205", node.start, f"{what} has both a `value` and a `provider`")
        source = self.source(keys, node, what)
        return {"secret": source} if source else None

    def secrets(self, node: Node) -> dict[str, Any]:
        """Return the secrets of a file."""
        found: dict[str, Any] = {}
        for name, key, value in self.named(node, "`secrets`"):
            what = f"secret {name!r}"
            if isinstance(value, Mapping):
                source = self.source(self.reader.keys(value, spellings.SECRET, what), value, what)
            else:
                source = self.variable(value, what)
            if source is not None:
                found[name] = source
                self.note("env", key, name)
        return found

    def source(self, keys: dict[str, Node], node: Node, what: str) -> dict[str, Any] | None:
        """Return where a secret is read from."""
        if "value" in keys:
            return self.variable(keys["value"], what)
        provider = keys.get("provider")
        name = provider.value if isinstance(provider, Scalar) else None
        if provider is None or "key" not in keys:
            self.findings.error("P203", node.start, f"{what} needs `provider` and `key`")
            return None
        if name in ("vault", "aws", "custom"):
            self.findings.error("P207", provider.start, f"{what}: the provider {name!r} is removed; {_GONE}")
            return None
        if name not in PROVIDERS:
            self.findings.error("P204", provider.start, f"`provider` of {what} must be env or file")
            return None
        if "version" in keys:
            message = f"`version` of {what}: {name} secrets have no versions"
            self.findings.error("P207", keys["version"].start, message)
        key = keys["key"]
        if not isinstance(key, Scalar) or not isinstance(key.value, str) or not key.value:
            self.findings.error("P202", key.start, f"`key` of {what} must be a text")
            return None
        return {"provider": name, "key": key.value}

    def variable(self, node: Node, what: str) -> dict[str, Any] | None:
        """Return a secret named by its variable. The text is not repeated: it may be the secret itself."""
        text = node.value if isinstance(node, Scalar) else None
        if isinstance(text, str) and text.startswith("${vault:"):
            self.findings.error("P207", node.start, f"{what}: vault references are removed; {_GONE}")
            return None
        match = _VARIABLE.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            self.findings.error(
                "P204", node.start, f"{what} must name a variable: write VAR, $VAR or ${{env:VAR}}"
            )
            return None
        return {"provider": "env", "key": match[1] or match[2] or match[3]}

    def files(self, node: Node) -> list[dict[str, Any]]:
        """Return the files of variables."""
        nodes = node.items if isinstance(node, Sequence) else [node]
        found = []
        for item in nodes:
            keys = {"path": item}
            if isinstance(item, Mapping):
                keys = self.reader.keys(item, spellings.ENV_FILE, "`env_files`")
                if "path" not in keys:
                    self.findings.error("P203", item.start, "an entry of `env_files` needs `path`")
            if isinstance(path := keys.get("path"), Scalar) and isinstance(path.value, str):
                self.note("plain", path, path.value)
            found.append(self.reader.fields(EnvFile, keys, "`env_files`"))
        return found
