"""Which image each phase's containers are made from: named, built from the base commit, or prodigy's own."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prodigy.errors import EnvironmentUnavailable, ImageUnavailable
from prodigy.sandbox.builtin import CLAUDE

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.git.committed import Committed
    from prodigy.sandbox.images import ImageInfo, Images
    from prodigy.workflow.sandbox_settings import Build, SandboxSettings

_DEVCONTAINER = (".devcontainer/devcontainer.json", ".devcontainer.json")
_LIMIT = 1 << 20
_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_USED = frozenset(("image", "build", "containerEnv", "remoteUser", "name", "$schema"))


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """An image, and what goes with it."""

    id: str
    name: str
    """For people: reference and digest."""
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    ignored: tuple[str, ...] = ()
    """Parts of a devcontainer that have no effect here."""


class ImageChooser:
    """Finds or builds images; the same settings give the same image."""

    def __init__(self, images: Images, source: Callable[[], Committed] | None) -> None:
        self._images = images
        self._source = source
        self._known: dict[str, ImageChoice] = {}

    def choose(self, settings: SandboxSettings, *, claude: bool = False) -> ImageChoice:
        """Return the image of these settings.

        ``claude``: whether Claude Code must be in it, where prodigy chooses.
        Raises ImageUnavailable, EnvironmentUnavailable.
        """
        wanted = f"{claude} " + settings.model_dump_json(include={"image", "pull", "build", "devcontainer"})
        if wanted not in self._known:
            self._known[wanted] = self._find(settings, claude=claude)
        return self._known[wanted]

    def _find(self, settings: SandboxSettings, *, claude: bool) -> ImageChoice:
        if settings.devcontainer:
            return self._devcontainer(settings)
        if settings.build is not None:
            return _choice(self.build(settings.build))
        if settings.image is None and claude:
            return _choice(self._images.provide(CLAUDE))
        return _choice(self._images.resolve(settings.image, pull=settings.pull))

    def build(self, build: Build, base: str = "") -> ImageInfo:
        """Build an image from the base commit, unless the same was built before. ``base``: a directory."""
        committed = self._committed()
        context = posixpath.normpath(posixpath.join(base, build.context))
        dockerfile = posixpath.normpath(build.dockerfile)
        if context.startswith(("..", "/")):
            raise ImageUnavailable(f"the build context {context} lies outside the repository")
        tree = committed.tree(context)
        if tree is None:
            raise ImageUnavailable(f"the build context {context} is no directory of the base commit")
        key = hashlib.sha256(f"{tree} {dockerfile} {build.model_dump_json()}".encode()).hexdigest()[:12]
        return self._images.build_context(
            f"prodigy-build:{key}",
            committed.archive(context),
            dockerfile=dockerfile,
            args=build.args,
            target=build.target,
        )

    def _devcontainer(self, settings: SandboxSettings) -> ImageChoice:
        committed = self._committed()
        for path in _DEVCONTAINER:
            data = committed.file(path, _LIMIT)
            if data is not None:
                break
        else:
            raise ImageUnavailable("the base commit has no .devcontainer/devcontainer.json")
        found = _relaxed_json(data, path)
        base = posixpath.dirname(path)
        if isinstance(found.get("build"), dict):
            choice = _choice(self.build(_devcontainer_build(found["build"]), base))
        elif isinstance(found.get("image"), str):
            choice = _choice(self._images.resolve(found["image"], pull=settings.pull))
        else:
            raise ImageUnavailable(f"{path} names neither an image nor a build")
        environment = found.get("containerEnv") or {}
        user = found.get("remoteUser")
        return ImageChoice(
            choice.id,
            choice.name,
            {str(name): str(value) for name, value in environment.items()},
            str(user) if user is not None else None,
            tuple(sorted(found.keys() - _USED)),
        )

    def _committed(self) -> Committed:
        if self._source is None:
            raise EnvironmentUnavailable(
                "an image is to be built, but there is no repository to build it from"
            )
        return self._source()


def _choice(info: ImageInfo) -> ImageChoice:
    return ImageChoice(info.id, f"{info.reference} ({info.digest or info.id})")


def _devcontainer_build(found: dict[str, Any]) -> Build:
    from prodigy.workflow.sandbox_settings import Build

    return Build(
        context=str(found.get("context", ".")),
        dockerfile=str(found.get("dockerfile", "Dockerfile")),
        args={str(name): str(value) for name, value in (found.get("args") or {}).items()},
        target=found.get("target"),
    )


def _relaxed_json(data: bytes, path: str) -> dict[str, Any]:
    """Return JSON that may hold comments and trailing commas."""
    text = data.decode("utf-8-sig", "replace")
    text = _COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    text = _TRAILING_COMMA.sub(lambda found: found[0] if found[0].startswith('"') else "", text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ImageUnavailable(f"{path} of the base commit is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ImageUnavailable(f"{path} of the base commit is no JSON object")
    return value
