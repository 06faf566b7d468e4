"""What an image holds: found out once, before the run."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prodigy.errors import ImageUnavailable
from prodigy.owner import Owner
from prodigy.sandbox.classify import Trouble
from prodigy.sandbox.docker.container import remove
from prodigy.sandbox.docker.engine import EngineRefused
from prodigy.sandbox.docker.leftovers import HOME_LABEL, find_leftovers, remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.sandbox.docker.engine import Engine

OLDEST_GIT = (2, 30)
PROBE_LIMIT = 60
"""Seconds for the probe's container to end."""
_PROBE = "git --version || echo none; for p in bash claude; do command -v $p >/dev/null 2>&1 && echo $p; done"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the container code must know of an image."""

    id: str
    git_version: str
    programs: tuple[str, ...]
    """Which of bash and claude it holds."""
    volumes: tuple[str, ...]
    """Paths the image declares as volumes."""


class FactStore:
    """Facts by image id, kept in a file: an id never changes its content.

    ``directory`` lies in the data root, by which a killed probe's container is found.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._engine = engine
        self._home = directory.parent
        self._file = directory / "images.json"
        self._lock = threading.Lock()
        self._known: dict[str, ImageFacts] = {}

    def of(self, reference: str, name: str = "") -> ImageFacts:
        """Return the facts of a local image; the first answer for a reference counts from then on.

        ``name``: what messages call it, where the reference is an id.

        Raises ImageUnavailable: not there, without git (2.30 or newer) or without sh.
        """
        with self._lock:
            if reference not in self._known:
                self._known[reference] = self._find(reference, name or reference)
            return self._known[reference]

    def _find(self, reference: str, name: str) -> ImageFacts:
        try:
            image = self._engine.ask(self._engine.api.inspect_image, reference)
        except EngineRefused as error:
            raise ImageUnavailable(f"the image {name} is not on this machine: {error.message}") from error
        identifier = str(image["Id"])
        stored = self._stored()
        known = stored.get(identifier, {})
        if known.keys() == ImageFacts.__dataclass_fields__.keys():
            return ImageFacts(
                identifier, known["git_version"], tuple(known["programs"]), tuple(known["volumes"])
            )
        config = image.get("Config") or {}
        self._remove_stale()
        git, programs = self._look_inside(name, identifier)
        facts = ImageFacts(identifier, git, programs, tuple(sorted(config.get("Volumes") or ())))
        self._store({**stored, identifier: asdict(facts)})
        return facts

    def _remove_stale(self) -> None:
        """Remove the containers of killed probes: what they found is not stored, so the next one comes by."""
        stale = [
            found
            for found in find_leftovers(self._engine, str(self._home))
            if "prodigy.probe" in found.labels and found.orphaned
        ]
        remove_leftovers(self._engine, stale)

    def _look_inside(self, name: str, identifier: str) -> tuple[str, tuple[str, ...]]:
        answer = self._answer(name, identifier).splitlines()
        version = re.match(r"git version (\d+)\.(\d+)\S*", answer[0]) if answer else None
        if not version:
            raise ImageUnavailable(f"the image {name} does not hold git", help="install git in the image")
        text = version[0].removeprefix("git version ")
        if (int(version[1]), int(version[2])) < OLDEST_GIT:
            raise ImageUnavailable(f"the image {name} holds git {text}; 2.30 or newer is needed")
        return text, tuple(answer[1:])

    def _answer(self, name: str, identifier: str) -> str:
        api = self._engine.api
        config = {
            "Image": identifier,
            "Entrypoint": ["sh", "-c", _PROBE],
            "Cmd": [],
            "Labels": {
                "prodigy.probe": "image",
                HOME_LABEL: str(self._home),
                "prodigy.owner": str(Owner.current()),
            },
            "HostConfig": {"NetworkMode": "none", "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
        }
        container = str(self._engine.ask(api.create_container_from_config, config)["Id"])
        try:
            self._engine.ask(api.start, container)
            self._engine.ask(api.wait, container, timeout=PROBE_LIMIT)
            said: Any = self._engine.ask(api.logs, container, stderr=False)
            return bytes(said).decode("utf-8", "replace")
        except EngineRefused as error:
            if error.trouble is Trouble.NO_PROGRAM:
                raise ImageUnavailable(f"the image {name} does not hold sh") from error
            raise ImageUnavailable(f"the image {name} cannot be started: {error.message}") from error
        finally:
            remove(self._engine, container, None)

    def _stored(self) -> dict[str, Any]:
        try:
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _store(self, facts: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{threading.get_native_id()}")
        fresh.write_text(json.dumps(facts), encoding="utf-8")
        fresh.replace(self._file)
