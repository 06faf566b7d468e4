"""Reads ``sandbox`` blocks: of the file, of one phase, of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.workflow import spellings
from prodigy.workflow.nodes import Mapping, Node, Scalar, Sequence, plain
from prodigy.workflow.sandbox_settings import Build, Cache, EgressList, SandboxSettings

if TYPE_CHECKING:
    from prodigy.workflow.reader import Reader

PHASES = ("setup", "map", "reduce", "merge")
_OWN = ("build", "caches", "tmpfs", "gpus", "network", "env")
_IMAGES = ("image", "build", "devcontainer")
_TMPFS_SIZE = 1 << 30


class SandboxReader:
    """Reads settings and reports those that contradict each other."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.findings = reader.findings

    def block(self, node: Node, where: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings, and those of single phases."""
        keys = self.reader.keys(node, spellings.SANDBOX, where)
        phases = {}
        for name in PHASES:
            if name in keys:
                phases[name] = self.phase(keys[name], f"`{name}` of {where}")
        return self.settings(keys, where), phases

    def phase(self, node: Node, where: str) -> dict[str, Any]:
        """Return the settings of one phase."""
        return self.settings(self.reader.keys(node, spellings.SANDBOX_OF_PHASE, where), where)

    def settings(self, keys: dict[str, Node], where: str) -> dict[str, Any]:
        """Return plain settings."""
        keys = {key: value for key, value in keys.items() if key not in PHASES}
        simple = {key: value for key, value in keys.items() if key not in _OWN}
        draft = self.reader.fields(SandboxSettings, simple, where)
        for key in _OWN:
            if key in keys:
                value = getattr(self, key)(keys[key], where)
                if value is not None:
                    draft[key] = value
        given = [key for key in _IMAGES if key in keys and draft.get(key) is not False]
        if len(given) > 1:
            message = f"{' and '.join(f'`{key}`' for key in given)} of {where} exclude each other"
            self.findings.error("P602", keys[given[1]].start, message)
        if draft.get("pull") is not None and ("build" in keys or draft.get("devcontainer")):
            message = f"`pull` of {where} acts only on an image that is named"
            self.findings.error("P602", keys["pull"].start, message)
        return draft

    def build(self, node: Node, where: str) -> dict[str, Any]:
        """Return how an image is built."""
        place = f"`build` of {where}"
        keys = self.reader.keys(node, spellings.BUILD, place)
        args = keys.pop("args", None)
        draft = self.reader.fields(Build, keys, place)
        if args is not None:
            pairs = args.pairs if isinstance(args, Mapping) else []
            if not isinstance(args, Mapping):
                self.findings.error("P202", args.start, f"`args` of {place} must be a mapping")
            draft["args"] = {key.text: _text(value) for key, value in pairs}
        for key in ("context", "dockerfile"):
            path = draft.get(key)
            if isinstance(path, str) and (path.startswith("/") or ".." in path.split("/")):
                message = f"`{key}` of {place} must be a path inside the base commit"
                self.findings.error("P204", keys[key].start, message)
        return draft

    def caches(self, node: Node, where: str) -> list[dict[str, Any]]:
        """Return the volumes that outlive containers."""
        place = f"`caches` of {where}"
        if not isinstance(node, Sequence):
            self.findings.error("P202", node.start, f"{place} must be a list")
            return []
        found = []
        for item in node.items:
            keys = self.reader.keys(item, spellings.CACHE, place)
            for name in ("name", "path"):
                if name not in keys and isinstance(item, Mapping):
                    self.findings.error("P203", item.start, f"an entry of {place} needs `{name}`")
            draft = self.reader.fields(Cache, keys, place)
            if str(draft.get("path", "")).startswith(("/workspace", "/run", "/proc", "/sys", "/dev")):
                self.findings.error("P602", keys["path"].start, f"no cache can be at {draft['path']}")
            found.append(draft)
        return found

    def tmpfs(self, node: Node, where: str) -> Any:
        """Return places of scratch memory, from a list of paths or a mapping to sizes."""
        if isinstance(node, Sequence):
            paths = self.reader.texts(node, "tmpfs", where)
            value: Any = dict.fromkeys(paths, _TMPFS_SIZE)
        else:
            value = plain(node)
        draft = (
            self.reader.field(SandboxSettings, "tmpfs", node, where) if isinstance(node, Mapping) else value
        )
        for path in value if isinstance(value, dict) else ():
            if str(path).startswith(("/workspace", "/proc", "/sys", "/dev")):
                self.findings.error("P602", node.start, f"no scratch memory can be at {path}")
        return draft

    def gpus(self, node: Node, where: str) -> Any:
        """Return the graphics processors."""
        if isinstance(node, Sequence):
            return self.reader.texts(node, "gpus", where)
        return self.reader.field(SandboxSettings, "gpus", node, where)

    def network(self, node: Node, where: str) -> Any:
        """Return the network."""
        if isinstance(node, Mapping):
            place = f"`network` of {where}"
            keys = self.reader.keys(node, spellings.NETWORK, place)
            draft = self.reader.fields(EgressList, keys, place)
            if not draft.get("egress") and (node.pairs == [] or "egress" in keys):
                self.findings.error("P203", node.start, f"{place} needs names in `egress`")
            return draft
        value = plain(node)
        if value not in ("none", "bridge"):
            message = f"`network` of {where}: must be 'none', 'bridge', or a mapping with `egress`"
            self.findings.error("P204", node.start, message)
        return value

    def env(self, node: Node, where: str) -> Any:
        """Return the names taken from the caller's environment."""
        names = self.reader.texts(node, "env", where)
        for name in names:
            if name.startswith("PRODIGY_") or not (name.isascii() and name.isidentifier()):
                self.findings.error("P204", node.start, f"`env` of {where}: {name!r} cannot be taken over")
        return names


def _text(node: Node) -> str:
    if isinstance(node, Scalar):
        return node.text.lower() if isinstance(node.value, bool) else node.text
    return str(plain(node))
