"""The network between one sandbox and the gateway: nobody else is on it, the host least of all."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
from typing import TYPE_CHECKING

from docker.types import IPAMConfig, IPAMPool

from prodigy.errors import SandboxFailure
from prodigy.sandbox.docker.engine import EngineRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.sandbox.docker.engine import Engine

POOL = ipaddress.ip_network("100.96.0.0/11")
"""Where the small networks are cut from: shared address space (RFC 6598), which the gateway never reaches."""
PREFIX = 29
TRIES = 20
"""How often another piece of the pool is tried when somebody has the one chosen."""
ISOLATED_SINCE = 27
"""The engine's version that has a name for a network without an address of the host."""


class AgentNetwork:
    """One network, made and removed with the sandbox that is on it."""

    def __init__(self, engine: Engine, name: str, labels: Mapping[str, str], gateway: str) -> None:
        """Make it, with the container ``gateway`` on it. Raises SandboxFailure; then nothing is left."""
        self._engine = engine
        self._gateway = gateway
        self.name = name
        self.identifier = self._create(labels)
        try:
            engine.ask(engine.api.connect_container_to_network, gateway, self.identifier)
            self.gateway_address = self._address(gateway)
        except BaseException:
            with contextlib.suppress(SandboxFailure):
                self.remove()
            raise

    def address_of(self, container: str) -> str:
        """Return the address a running container has here. Raises SandboxFailure."""
        return self._address(container)

    def remove(self) -> None:
        """Take the gateway off and remove the network; the sandbox must be gone. Raises SandboxFailure."""
        api = self._engine.api
        with contextlib.suppress(EngineRefused):  # it may be gone already, and its end with it
            self._engine.ask(
                api.disconnect_container_from_network, self._gateway, self.identifier, force=True
            )
        try:
            self._engine.ask(api.remove_network, self.identifier)
        except EngineRefused as error:
            if error.status != 404:  # noqa: PLR2004 - gone already
                raise

    def _create(self, labels: Mapping[str, str]) -> str:
        refused: EngineRefused | None = None
        for _ in range(TRIES):
            try:
                return self._create_at(_piece(), labels)
            except EngineRefused as error:
                if "overlap" not in error.message.lower():
                    raise
                refused = error
        raise SandboxFailure(f"no network is left for a sandbox: {refused and refused.message}")

    def _create_at(self, subnet: str, labels: Mapping[str, str]) -> str:
        major = self._engine.facts.version.partition(".")[0]
        options = {"com.docker.network.bridge.inhibit_ipv4": "true"}
        if major.isdigit() and int(major) >= ISOLATED_SINCE and not self._engine.facts.podman:
            options = {"com.docker.network.bridge.gateway_mode_ipv4": "isolated"}
        created = self._engine.ask(
            self._engine.api.create_network,
            self.name,
            driver="bridge",
            internal=True,
            options=options,
            labels=dict(labels),
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)]),
        )
        return str(created["Id"])

    def _address(self, container: str) -> str:
        found = self._engine.ask(self._engine.api.inspect_container, container)
        network = found["NetworkSettings"]["Networks"].get(self.name) or {}
        address = str(network.get("IPAddress") or "")
        if not address:
            raise SandboxFailure(f"the container is not on the network {self.name}")
        return address


def _piece() -> str:
    """Return a random piece of the pool: other processes take theirs without asking this one."""
    count = 1 << (PREFIX - POOL.prefixlen)
    start = int(POOL.network_address) + (secrets.randbelow(count) << (32 - PREFIX))
    return f"{ipaddress.ip_address(start)}/{PREFIX}"
