"""The gateway: the only way out of a sandbox with an egress list, and the only holder of a credential."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from prodigy.errors import SandboxFailure
from prodigy.sandbox import gateway_files
from prodigy.sandbox.builtin import certificates
from prodigy.sandbox.docker.container import remove
from prodigy.sandbox.docker.stream import SocketChannel
from prodigy.text import printable

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.egress import Egress

START_LIMIT = 60.0
"""Seconds the servers have to come up."""
LOG_LIMIT = 10.0
"""Seconds to wait for what the proxy has logged already."""
_MEMORY = 512 << 20
_TMPFS = dict.fromkeys(("/run", "/tmp", "/var/log", "/var/spool/squid"), "rw,nosuid,nodev,size=64m")  # noqa: S108
_AS_PROXY = ("setpriv", "--reuid", "proxy", "--regid", "proxy", "--clear-groups")
_SYNC = f'read -r _; wc -l <"{gateway_files.ACCESS_LOG}"'

Denied = tuple[str, int]
"""Host and port of a connection that was refused."""


class Gateway:
    """One gateway at work. It ends with this process: its main process waits on a stdin held open here."""

    def __init__(
        self, engine: Engine, *, name: str, image: str, egress: Egress, labels: Mapping[str, str]
    ) -> None:
        """Start it. Raises SandboxFailure: then nothing is left, and no sandbox may be opened."""
        self.egress = egress
        self.name = name
        self._engine = engine
        self._clients: dict[str, Callable[[str, int], None]] = {}
        self._seen = 0
        self._lines = threading.Condition()
        self._lifeline: socket.socket | None = None
        self._log: SocketChannel | None = None
        try:
            created = engine.ask(engine.api.create_container_from_config, _body(image, labels), name)
            self.identifier = str(created["Id"])
            self._lifeline = engine.attach(self.identifier)
            engine.ask(engine.api.start, self.identifier)
            self._configure()
            arguments = (*_AS_PROXY, "tail", "-n", "+1", "-F", gateway_files.ACCESS_LOG)
            self._log = SocketChannel(engine.execute(self.identifier, arguments, {}))
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._follow, args=(self._log,), daemon=True).start()

    def _configure(self) -> None:
        """Hand the servers their configuration over a stream: the engine never knows what is in it."""
        egress = self.egress
        files = {
            "squid.conf": gateway_files.squid_conf(egress).encode(),
            "firewall.nft": gateway_files.firewall(egress).encode(),
            "ca.crt": certificates(),
        }
        ports = [gateway_files.PROXY_PORT]
        if egress.model is not None:
            files["nginx.conf"] = gateway_files.nginx_conf(egress.model).encode()
            ports.append(gateway_files.MODEL_PORT)
        said = self._exchange(("start-gateway", *map(str, ports)), _tar(files), START_LIMIT)
        if said["stdout"] != b"ready\n":
            lines = said["stderr"].decode(errors="replace").splitlines() or ["it said nothing"]
            reason = next((line for line in lines if re.search("FATAL|emerg|rror:", line)), lines[-1])
            raise SandboxFailure(f"the gateway could not be started: {printable(reason.strip())}")

    def _exchange(self, arguments: tuple[str, ...], data: bytes, limit: float) -> dict[str, bytes]:
        channel = SocketChannel(self._engine.execute(self.identifier, arguments, {}))
        said = {"stdout": b"", "stderr": b""}
        deadline = time.monotonic() + limit
        try:
            channel.send(data)
            channel.finish()
            while not channel.ended:
                chunks = channel.receive(deadline - time.monotonic())
                if chunks is None or time.monotonic() > deadline:
                    break
                for name, part in chunks:
                    said[name] += part
        except OSError as error:
            raise SandboxFailure(f"the gateway does not answer: {error}") from error
        finally:
            channel.close()
        return said

    def alive(self) -> bool:
        """Whether it still stands between sandboxes and the world."""
        try:
            return bool(
                self._engine.ask(self._engine.api.inspect_container, self.identifier)["State"]["Running"]
            )
        except SandboxFailure:
            return False

    def watch(self, address: str, on_denied: Callable[[str, int], None]) -> None:
        """Tell of each connection that is refused to the sandbox with an address."""
        with self._lines:
            self._clients[address] = on_denied

    def forget(self, address: str) -> None:
        """Tell of what was refused so far, then no more: the address may soon be another's."""
        with contextlib.suppress(SandboxFailure):
            count = self._exchange((*_AS_PROXY, "sh", "-c", _SYNC), b"\n", LOG_LIMIT)["stdout"].strip()
            with self._lines:
                self._lines.wait_for(lambda: self._seen >= int(count or 0), LOG_LIMIT)
        with self._lines:
            self._clients.pop(address, None)

    def close(self) -> None:
        """Remove it. Raises SandboxFailure."""
        if self._lifeline is not None:
            self._lifeline.close()
        remove(self._engine, self.name, None)

    def _follow(self, channel: SocketChannel) -> None:
        pending = b""
        try:
            while not channel.ended and (chunks := channel.receive(None)) is not None:
                pending += b"".join(part for name, part in chunks if name == "stdout")
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self._take(line.decode(errors="replace"))
        finally:
            channel.close()

    def _take(self, line: str) -> None:
        with self._lines:
            found = _denied(line)
            address, _, _ = line.partition(" ")
            told = self._clients.get(address)
        if found is not None and told is not None:
            told(*found)
        with self._lines:
            self._seen += 1
            self._lines.notify_all()


def _denied(line: str) -> Denied | None:
    """Read one line of the proxy's log; None for what was let through."""
    _, status, method, target = (line.split(" ", 3) + [""] * 3)[:4]
    if not status.startswith("TCP_DENIED"):
        return None
    parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
    try:
        return parts.hostname or target, parts.port or 80
    except ValueError:
        return target, 0


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _body(image: str, labels: Mapping[str, str]) -> dict[str, object]:
    return {
        "Image": image,
        "User": "0:0",
        "Entrypoint": ["bash", "-c", "read -r _"],
        "Cmd": [],
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "Labels": dict(labels),
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "NetworkMode": "bridge",
            "ReadonlyRootfs": True,
            "Tmpfs": _TMPFS,
            "CapDrop": ["ALL"],
            # The firewall is its own; then its servers become users without any rights.
            "CapAdd": ["NET_ADMIN", "SETUID", "SETGID", "CHOWN"],
            "SecurityOpt": ["no-new-privileges"],
            "ExtraHosts": ["host.docker.internal:host-gateway"],
            "Init": True,
            "IpcMode": "private",
            "CgroupnsMode": "private",
            "Memory": _MEMORY,
            "MemorySwap": _MEMORY,
            "PidsLimit": 256,
            "LogConfig": {"Type": "none"},
        },
    }
