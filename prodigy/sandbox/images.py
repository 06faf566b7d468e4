"""Images: prodigy's own, those a workflow names, and those prodigy has built."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from prodigy.errors import ImageUnavailable, SandboxFailure
from prodigy.sandbox.builtin import BASE, sources
from prodigy.sandbox.classify import Trouble
from prodigy.sandbox.docker.engine import EngineRefused
from prodigy.sandbox.facts import FactStore, ImageFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from prodigy.sandbox.builtin import Builtin
    from prodigy.sandbox.docker.engine import Engine

LABEL = "prodigy.image"
"""On every image prodigy builds; nothing else is ever pruned."""
BUILD_LIMIT = 3600
"""Seconds the engine may be silent while it builds or pulls."""
LAST_LINES = 50
"""Lines of a failed build that are shown."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image on this machine."""

    reference: str
    id: str
    digest: str | None
    """As the registry knows it; None for one that was never in a registry."""
    size: int
    """Bytes."""
    created: datetime
    used_by: tuple[str, ...] = ()
    """Names of the containers made from it."""


class BuildFailed(ImageUnavailable):
    """Raised when the engine could not build an image; holds the last lines it said."""

    exit_code = 1

    def __init__(self, message: str, lines: list[str]) -> None:
        super().__init__(message)
        self.lines = lines[-LAST_LINES:]


class Images:
    """The images of one engine. ``cache``: a directory in the data root, for what was found out."""

    def __init__(self, engine: Engine, cache: Path) -> None:
        self._engine = engine
        self._facts = FactStore(engine, cache)

    @cached_property
    def builtin(self) -> str:
        """The built-in image's reference."""
        return BASE.reference

    def provide(self, builtin: Builtin, on_line: Callable[[str], None] | None = None) -> ImageInfo:
        """Return one of prodigy's own images, built when it is missing. Raises ImageUnavailable."""
        return self._inspect(builtin.reference) or self.build(builtin, on_line=on_line)

    def resolve(
        self,
        reference: str | None,
        on_line: Callable[[str], None] | None = None,
        *,
        pull: Literal["missing", "always", "never"] = "missing",
    ) -> ImageInfo:
        """Return an image, pulled or (None: the built-in one) built when it is missing.

        Raises ImageUnavailable.
        """
        if not reference:
            return self.provide(BASE, on_line)
        found = self._inspect(reference)
        if found and pull != "always":
            return replace(found, reference=reference)  # it may have several names: the one asked for counts
        if pull == "never":
            raise ImageUnavailable(
                f"the image {reference} is not here, and `pull: never` forbids to fetch it"
            )
        self._pull(reference)
        pulled = self._inspect(reference)
        if not pulled:
            raise ImageUnavailable(f"the image {reference} was pulled, but is not there")
        return replace(pulled, reference=reference)

    def probe(self, reference: str, name: str = "") -> ImageFacts:
        """Find out what a local image holds; asked once for each image, and then known.

        ``name``: what messages call it, where the reference is an id.
        Raises ImageUnavailable: not there, without git (2.30 or newer) or without sh.
        """
        return self._facts.of(reference, name)

    def build(
        self,
        builtin: Builtin = BASE,
        *,
        no_cache: bool = False,
        pull: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> ImageInfo:
        """Build one of prodigy's own images. Raises ImageUnavailable, BuildFailed."""
        if builtin.on is not None:
            self.provide(builtin.on, on_line)
        foreign = builtin.foreign_base
        if foreign and (pull or not self._inspect(foreign)):
            self._provide(foreign, on_line)
        return self._build(
            builtin.reference,
            builtin.context(),
            on_line,
            nocache=no_cache,
            buildargs=builtin.arguments,
            labels={LABEL: builtin.name},
        )

    def build_context(
        self,
        tag: str,
        context: AbstractContextManager[Iterator[bytes]],
        *,
        dockerfile: str,
        args: dict[str, str],
        target: str | None,
        on_line: Callable[[str], None] | None = None,
        no_cache: bool = False,
    ) -> ImageInfo:
        """Build an image from a tar stream, unless one of this tag is here.

        The tag is a key of all that goes into the image. Raises ImageUnavailable, BuildFailed.
        """
        found = None if no_cache else self._inspect(tag)
        if found:
            return found
        with context as chunks, tempfile.TemporaryFile() as file:
            for data in chunks:
                file.write(data)
            file.seek(0)
            return self._build(
                tag,
                file,
                on_line,
                nocache=no_cache,
                dockerfile=dockerfile,
                buildargs=args,
                target=target or "",
                labels={LABEL: "workflow"},
            )

    def _build(
        self, tag: str, context: Any, on_line: Callable[[str], None] | None, **options: Any
    ) -> ImageInfo:
        lines: list[str] = []
        events = self._engine.ask(
            self._engine.api.build,
            fileobj=context,
            custom_context=True,
            tag=tag,
            decode=True,
            rm=True,
            forcerm=True,
            timeout=BUILD_LIMIT,
            **options,
        )
        failures = []
        try:
            for event in events:  # to the end, so that the connection is free again
                failures += _follow(event, lines, on_line)
        except (OSError, ValueError) as error:
            raise ImageUnavailable(
                f"the engine stopped answering while it built the image: {error}"
            ) from error
        if failures:
            raise BuildFailed(f"the image could not be built: {failures[0]}", lines)
        built = self._inspect(tag)
        if not built:
            raise BuildFailed("the image was built, but is not there", lines)
        return built

    def list_images(self) -> list[ImageInfo]:
        """Return the images prodigy has built, newest first."""
        api = self._engine.api
        found = self._engine.ask(api.images, filters={"label": LABEL})
        containers = self._engine.ask(api.containers, all=True)
        infos = [_info(image, containers) for image in found]
        return sorted(infos, key=lambda info: info.created, reverse=True)

    def prune(self, *, older_than: float | None, dry_run: bool) -> list[ImageInfo]:
        """Remove the images prodigy built that no container uses; return them.

        ``older_than`` is an age in seconds, None for any. ``dry_run`` removes nothing.
        """
        limit = time.time() - older_than if older_than is not None else None
        doomed = [
            info
            for info in self.list_images()
            if not info.used_by and (limit is None or info.created.timestamp() < limit)
        ]
        return doomed if dry_run else [info for info in doomed if self.remove(info)]

    def remove(self, info: ImageInfo) -> bool:
        """Remove an image; give whether it is gone."""
        try:
            self._engine.ask(self._engine.api.remove_image, info.id, force=False)
        except EngineRefused as error:
            # A container may have come since, or another tag may hold it.
            if error.status in {404, 409}:
                return False
            raise
        return True

    def _inspect(self, reference: str) -> ImageInfo | None:
        try:
            return _info(self._engine.ask(self._engine.api.inspect_image, reference), [])
        except EngineRefused as error:
            if error.trouble is Trouble.NO_IMAGE:
                return None
            raise ImageUnavailable(f"{reference}: {error.message}") from error

    def _pull(self, reference: str) -> None:
        try:
            self._engine.ask(self._engine.api.pull, reference)
        except SandboxFailure as error:
            raise ImageUnavailable(
                f"the image {reference} is not here and cannot be pulled: {error.message}"
            ) from error

    def _provide(self, base: str, on_line: Callable[[str], None] | None) -> None:
        """Pull the image the built-in one starts from, or make it from the distribution's packages."""
        try:
            self._pull(base)
        except ImageUnavailable as refused:
            if self._inspect(base):
                return
            self._bootstrap(base, refused, on_line)

    def _bootstrap(self, base: str, refused: ImageUnavailable, on_line: Callable[[str], None] | None) -> None:
        program = sources() / "debian-slim"
        if os.getuid() != 0 or not program.is_file():
            raise ImageUnavailable(
                f"{refused.message}; as root on Debian or Ubuntu, prodigy can make it from packages",
                help="load the image by hand, or name another with --image",
            )
        if on_line:
            on_line(f"{base} cannot be pulled; making it from Debian's packages")
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self._engine.facts.socket}"}
        made = subprocess.run([str(program)], env=environment, capture_output=True, text=True, check=False)
        if made.returncode or not self._inspect(base):
            raise ImageUnavailable(made.stderr.strip() or f"{base} could not be made")


def _follow(event: dict[str, Any], lines: list[str], on_line: Callable[[str], None] | None) -> list[str]:
    """Pass on what a build says; return its error, if this is one."""
    for line in str(event.get("stream", "")).splitlines():
        if line.strip():
            lines.append(line)
            if on_line:
                on_line(line)
    return [str(event["error"])] if "error" in event else []


def _info(image: dict[str, Any], containers: list[dict[str, Any]]) -> ImageInfo:
    created = image["Created"]
    when = (
        datetime.fromtimestamp(created, UTC)
        if isinstance(created, int)
        else datetime.fromisoformat(f"{created[:19]}+00:00")
    )
    identifier = str(image["Id"])
    users = [
        box["Names"][0].lstrip("/")
        for box in containers
        if box.get("ImageID") == identifier and box.get("Names")
    ]
    tags = image.get("RepoTags") or []
    digests = image.get("RepoDigests") or []
    return ImageInfo(
        reference=tags[0] if tags else identifier,
        id=identifier,
        digest=digests[0].partition("@")[2] if digests else None,
        size=int(image.get("Size", 0)),
        created=when,
        used_by=tuple(sorted(users)),
    )
