"""The images prodigy brings its own sources for."""

from __future__ import annotations

import hashlib
import io
import os
import ssl
import tarfile
from dataclasses import dataclass
from pathlib import Path

from prodigy.errors import EnvironmentUnavailable

_AUTHORITIES = ("PIP_CERT", "SSL_CERT_FILE")
"""Variables by which programs of this machine are told whom to trust."""


@dataclass(frozen=True, slots=True)
class Builtin:
    """One of them; ``on``: the one it is built on, where that is not an image of the open world."""

    name: str
    on: Builtin | None = None
    needs_certificates: bool = False
    """Whether its build speaks TLS, so that it must know whom this machine trusts."""

    @property
    def reference(self) -> str:
        """Its reference: the tag is a key of all that goes into it."""
        key = hashlib.sha256((self.on.reference if self.on else "").encode())
        for path in self._files():
            key.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
        return f"prodigy-{self.name}:{key.hexdigest()[:12]}"

    @property
    def arguments(self) -> dict[str, str]:
        """The arguments of its build."""
        return {"BASE": self.on.reference} if self.on else {}

    @property
    def foreign_base(self) -> str | None:
        """The image of the open world that it starts from."""
        if self.on is not None:
            return None
        lines = (sources() / self.name / "Dockerfile").read_text(encoding="utf-8").splitlines()
        return next(line.split()[1] for line in lines if line.upper().startswith("FROM "))

    def context(self) -> io.BytesIO:
        """Pack its build context; the bytes depend on nothing but names and contents."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in self._files():
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                _add(archive, path.name, path.read_bytes(), mode)
            if self.needs_certificates:
                _add(archive, "ca.crt", certificates(), 0o644)
        buffer.seek(0)
        return buffer

    def _files(self) -> list[Path]:
        return sorted(path for path in (sources() / self.name).iterdir() if path.is_file())


BASE = Builtin("base")
"""What steps find when a workflow names no image."""
CLAUDE = Builtin("claude", BASE, needs_certificates=True)
"""The same, with Claude Code."""
EGRESS = Builtin("egress")
"""The gateway."""


def sources() -> Path:
    """Return the directory of the image sources: packaged with prodigy, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for place in (package / "_images", package.parent / "images"):
        if (place / "base" / "Dockerfile").is_file():
            return place
    raise EnvironmentUnavailable(
        "this installation of prodigy lacks its image sources", help="install it again"
    )


def certificates() -> bytes:
    """Return the certificates that this machine's programs trust, as PEM; empty where none are found."""
    paths = ssl.get_default_verify_paths()
    named = [os.environ.get(name) for name in _AUTHORITIES]
    for place in (*named, paths.cafile, "/etc/ssl/certs/ca-certificates.crt", paths.openssl_cafile):
        if place and Path(place).is_file():
            return Path(place).read_bytes()
    return b""


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
