"""Host paths as the engine sees them, also when prodigy itself runs in a container."""

from __future__ import annotations

import re
import secrets
import socket
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.errors import EngineUnavailable, SandboxFailure
from prodigy.sandbox.classify import Trouble

if TYPE_CHECKING:
    from prodigy.sandbox.docker.engine import Engine

_CONTAINER_ID = re.compile(r"(?:containers|libpod-|docker-|docker)[/-]?([0-9a-f]{64})")


class HostPaths:
    """Translates a path here to the engine's own; the same path where prodigy is not in a container."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def translated(self) -> bool:
        """Whether prodigy's paths are not the engine's: it runs in a container itself."""
        return self._mounts is not None

    def translate(self, path: Path) -> Path:
        """Return the engine's path of ``path``. Raises EngineUnavailable when no mount covers it."""
        if self._mounts is None:
            return path
        inside = [(host, here) for host, here in self._mounts if path.is_relative_to(here)]
        if not inside:
            raise EngineUnavailable(
                f"prodigy runs in a container, and the engine does not see {path}: it is on no mount of it",
                help=f"start this container with a host directory mounted at {path} (or above it)",
            )
        host, here = max(inside, key=lambda pair: len(pair[1].parts))
        return host / path.relative_to(here)

    def require(self, directory: Path) -> None:
        """Check with the engine that ``directory`` is the same there. Raises EngineUnavailable."""
        directory.mkdir(parents=True, exist_ok=True)
        host = self.translate(directory)
        probe = directory / f".seen-{secrets.token_hex(8)}"
        probe.mkdir()
        try:
            visible = self._visible(host / probe.name)
        finally:
            probe.rmdir()
        if not visible:
            raise EngineUnavailable(
                f"the engine at {self._engine.facts.socket} does not see {directory}: "
                "it runs on another machine, or in another file system",
                help="use an engine that sees this machine's files under the same paths",
            )

    def _visible(self, path: Path) -> bool:
        # The engine looks at the mounts before it looks for the image, which does not exist: whatever
        # the answer, nothing was created.
        config = {
            "Image": f"prodigy-no-such-image:{secrets.token_hex(8)}",
            "HostConfig": {"Mounts": [{"Type": "bind", "Source": str(path), "Target": "/probe"}]},
        }
        try:
            self._engine.ask(self._engine.api.create_container_from_config, config)
        except SandboxFailure as error:
            trouble = getattr(error, "trouble", None)
            if trouble is Trouble.NO_IMAGE:
                return True
            if trouble is Trouble.NO_PATH:
                return False
            raise EngineUnavailable(f"the engine could not be asked for {path}: {error.message}") from error
        raise EngineUnavailable("the engine created a container from an image that does not exist")

    @cached_property
    def _mounts(self) -> list[tuple[Path, Path]] | None:
        """(host path, path here) of the mounts of the container prodigy runs in; None outside of one."""
        if not (Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()):
            return None
        for name in _own_ids():
            mounts = self._inspected(name)
            if mounts is not None:
                return mounts
        return None

    def _inspected(self, name: str) -> list[tuple[Path, Path]] | None:
        try:
            found: dict[str, Any] = self._engine.ask(self._engine.api.inspect_container, name)
        except SandboxFailure:
            return None
        # A volume has a place on the host too, but the engine does not let another container bind it so.
        mounts = [mount for mount in found.get("Mounts", ()) if mount.get("Type") == "bind"]
        return [(Path(mount["Source"]), Path(mount["Destination"])) for mount in mounts]


def _own_ids() -> list[str]:
    """Return what may be the id of the container this process is in, best guess first."""
    ids: dict[str, None] = {}
    for file in ("/proc/self/mountinfo", "/proc/self/cgroup"):
        text = Path(file).read_text(encoding="utf-8", errors="replace")
        ids.update(dict.fromkeys(_CONTAINER_ID.findall(text)))
    ids[socket.gethostname()] = None
    return list(ids)
