"""The gateways of one run, one for each list of what may be reached, and the ways to them."""

from __future__ import annotations

import contextlib
import secrets
import threading
from typing import TYPE_CHECKING

from prodigy.errors import SandboxFailure
from prodigy.sandbox.builtin import EGRESS
from prodigy.sandbox.docker.agent_network import AgentNetwork
from prodigy.sandbox.docker.gateway import Gateway
from prodigy.sandbox.gateway_files import MODEL_PORT, PROXY_PORT

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.egress import Egress
    from prodigy.sandbox.images import Images
    from prodigy.sandbox.protocol import SandboxSpec

_PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


class Link:
    """One sandbox's way to a gateway: a network on which nobody else is."""

    def __init__(self, gateway: Gateway, network: AgentNetwork, *, proxied: bool) -> None:
        """``proxied``: whether programs are to use the forward proxy, having no other way out."""
        self._gateway = gateway
        self._network = network
        self._proxied = proxied
        self._address: str | None = None

    @property
    def network(self) -> str:
        """The name of the network."""
        return self._network.name

    @property
    def gateway_address(self) -> str:
        """The gateway's address there."""
        return self._network.gateway_address

    @property
    def environment(self) -> dict[str, str]:
        """What tells programs of the way."""
        address = self.gateway_address
        found: dict[str, str] = {}
        if self._proxied:
            found |= dict.fromkeys(_PROXY_VARIABLES, f"http://{address}:{PROXY_PORT}")
            found |= dict.fromkeys(("NO_PROXY", "no_proxy"), f"{address},localhost,127.0.0.1")
        if self._gateway.egress.model is not None:
            found["ANTHROPIC_BASE_URL"] = f"http://{address}:{MODEL_PORT}"
        return found

    def watch(self, container: str, on_denied: Callable[[str, int], None] | None) -> None:
        """Tell of what is refused to a running container."""
        if on_denied is not None:
            self._address = self._network.address_of(container)
            self._gateway.watch(self._address, on_denied)

    def close(self) -> None:
        """Remove the network; the sandbox must be gone. Raises SandboxFailure."""
        if self._address is not None:
            self._gateway.forget(self._address)
            self._address = None
        self._network.remove()


class Gateways:
    """Starts gateways when the first sandbox needs them."""

    def __init__(self, engine: Engine, images: Images) -> None:
        self._engine = engine
        self._images = images
        self._lock = threading.Lock()
        self._running: dict[Egress, Gateway] = {}

    def link(self, spec: SandboxSpec, name: str) -> Link:
        """Make the way of one sandbox. Raises SandboxFailure, ImageUnavailable: then nothing is left."""
        if spec.egress is None:
            raise ValueError(name)
        gateway = self._gateway(spec.egress, spec)
        network = AgentNetwork(self._engine, name, spec.labels, gateway.identifier)
        return Link(gateway, network, proxied=spec.network == "none")

    def _gateway(self, egress: Egress, spec: SandboxSpec) -> Gateway:
        with self._lock:
            gateway = self._running.get(egress)
            if gateway is None or not gateway.alive():
                if gateway is not None:
                    with contextlib.suppress(SandboxFailure):
                        gateway.close()
                labels = {**spec.labels, "prodigy.phase": "gateway", "prodigy.item": ""}
                session = spec.labels.get("prodigy.session", "").removeprefix("session-") or "run"
                gateway = Gateway(
                    self._engine,
                    name=f"prodigy-{session}-gateway-{secrets.token_hex(3)}",
                    image=self._images.provide(EGRESS).id,
                    egress=egress,
                    labels=labels,
                )
                self._running[egress] = gateway
            return gateway

    def close(self) -> None:
        """Remove them all. Idempotent. Raises SandboxFailure."""
        with self._lock:
            while self._running:
                _, gateway = self._running.popitem()
                gateway.close()
