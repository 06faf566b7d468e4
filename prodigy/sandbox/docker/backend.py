"""Opening containers."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from typing import TYPE_CHECKING

from prodigy.errors import ImageUnavailable, OverlayUnavailable, SandboxFailure
from prodigy.sandbox.classify import Trouble
from prodigy.sandbox.docker.container import Container, remove
from prodigy.sandbox.docker.engine import EngineRefused
from prodigy.sandbox.docker.gateways import Gateways
from prodigy.sandbox.docker.leftovers import HOME_LABEL
from prodigy.sandbox.docker.options import Identity, container

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.images import Images
    from prodigy.sandbox.protocol import SandboxSpec
    from prodigy.values import MountSpec


class DockerBackend:
    """Opens one container for each sandbox."""

    def __init__(self, engine: Engine, images: Images) -> None:
        self.engine = engine
        self._images = images
        self._gateways = Gateways(engine, images)
        engine.require_limits()

    def answers(self) -> bool:
        """Whether the engine answers, and has not been restarted since the first sandbox was opened."""
        return self.engine.uninterrupted()

    def close(self) -> None:
        """Remove the gateways. Idempotent. Raises SandboxFailure."""
        self._gateways.close()

    def open(self, spec: SandboxSpec) -> Container:
        """Create and start a container.

        Raises SandboxFailure when the engine refused or died, OverlayUnavailable when it cannot mount the
        workspace's overlay, ImageUnavailable when the image is gone or lacks what every image must hold.
        """
        self.engine.keep_watch()
        facts = self._images.probe(spec.image)
        name = f"{spec.name}-{secrets.token_hex(3)}"
        volume = name if spec.mount.kind == "overlay" else None
        user = {None: self.engine.user, "root": "0:0"}.get(spec.user, spec.user or "")
        self._provide_caches(spec)
        link = self._gateways.link(spec, name) if spec.egress else None
        body = container(
            spec,
            name=name,
            image=facts.id,
            identity=Identity(user, keep_id=self.engine.facts.rootless and self.engine.facts.podman),
            mount=self._translated(spec.mount),
            volumes=facts.volumes,
            link=link,
        )
        lifeline = None
        try:
            identifier = self._create(body, name)
            if link and spec.network != "none":
                self.engine.ask(self.engine.api.connect_container_to_network, identifier, spec.network)
            lifeline = self.engine.attach(identifier)
            self.engine.ask(self.engine.api.start, identifier)
            if link:
                link.watch(identifier, spec.on_denied)
        except BaseException as error:
            if lifeline:
                lifeline.close()
            with contextlib.suppress(SandboxFailure):
                remove(self.engine, name, volume)
                if link:
                    link.close()
            if isinstance(error, EngineRefused):
                raise _meaning(error, spec) from error
            raise
        return Container(
            self.engine,
            name=name,
            identifier=identifier,
            lifeline=lifeline,
            volume=volume,
            interpreter="bash" if "bash" in facts.programs else "sh",
            stop_grace=spec.stop_grace,
            environment={**spec.environment, **(link.environment if link else {})},
            disk=spec.disk,
            link=link,
        )

    def _provide_caches(self, spec: SandboxSpec) -> None:
        """Create the volumes that are not there yet, and give them to the containers' user."""
        for cache in spec.caches:
            try:
                self.engine.ask(self.engine.api.inspect_volume, cache.volume)
            except EngineRefused as error:
                if error.status != 404:  # noqa: PLR2004 - there is none yet
                    raise
                labels = {"prodigy.cache": cache.volume, HOME_LABEL: spec.labels.get(HOME_LABEL, "")}
                self.engine.ask(self.engine.api.create_volume, cache.volume, labels=labels)

    def _create(self, body: dict[str, object], name: str) -> str:
        try:
            created = self.engine.ask(self.engine.api.create_container_from_config, body, name)
        except EngineRefused as error:
            if error.trouble is not Trouble.NAME_TAKEN:
                raise
            # The name is random: a first request had arrived, only its answer was lost.
            return name
        return str(created["Id"])

    def _translated(self, mount: MountSpec) -> MountSpec:
        def seen(path: Path | None) -> Path | None:
            return path and self.engine.host_path(path)

        return dataclasses.replace(
            mount,
            source=self.engine.host_path(mount.source),
            lower=seen(mount.lower),
            upper=seen(mount.upper),
            work=seen(mount.work),
        )


def _meaning(error: EngineRefused, spec: SandboxSpec) -> SandboxFailure | ImageUnavailable:
    if error.trouble is Trouble.NO_OVERLAY:
        return OverlayUnavailable(f"the engine cannot mount an overlay: {error.message}")
    if error.trouble is Trouble.NO_IMAGE:
        return ImageUnavailable(f"the image {spec.image} is not there any more")
    return SandboxFailure(f"the container could not be started: {error.message}")
