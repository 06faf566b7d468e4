"""Untracked files of setup that every agent gets a copy of: a tar stream from sandbox to sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.errors import ProdigyError, SandboxFailure, StepError
from prodigy.git.process import CHUNK
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prodigy.run.context import RunContext
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.run.station import Station

_LIMIT = 4 << 30
"""Bytes all shared paths may have together."""
_SECONDS = 1800.0

# What is tracked is in every workspace already; a copy would be a change of it.
_CHECK = """\
for path; do
    [ -e "./$path" ] || [ -L "./$path" ] || { echo "missing $path"; exit 3; }
    [ -z "$(git ls-files -- ":(literal)$path" | head -n 1)" ] || { echo "tracked $path"; exit 4; }
done
"""
_PACK = 'exec tar -cf - -- "$@"'
_UNPACK = """\
for path; do printf '/%s\\n' "$path"; done >>.git/info/exclude && exec tar -xf - --no-same-owner
"""


def collect_shared(context: RunContext, workspace: SessionWorkspace, paths: tuple[str, ...]) -> Path | None:
    """Keep the shared paths of the session workspace as a stream; None where nothing is shared.

    Raises ProdigyError for a path that is missing, tracked, or too large.
    """
    if not paths:
        return None
    file = context.directory / "shared.tar"
    with workspace.read_only("share") as station:
        sandbox = station.sandbox()
        with sandbox.pipe(("sh", "-c", _CHECK, "sh", *paths), timeout=120) as pipe:
            said = pipe.stdout.read(4096).decode(errors="replace").strip()
            if pipe.wait():
                problem, _, path = said.partition(" ")
                if problem == "tracked":
                    raise ProdigyError(f"[P204] `share`: {path} is tracked: agents have it already")
                raise ProdigyError(f"`share`: {path or 'a path'} does not exist after setup")
        with (
            sandbox.pipe(("sh", "-c", _PACK, "sh", *paths), timeout=_SECONDS) as pipe,
            file.open("wb") as out,
        ):
            size = 0
            while data := pipe.stdout.read(CHUNK):
                size += len(data)
                if size > _LIMIT:
                    raise ProdigyError(f"`share`: the paths are larger than {_LIMIT >> 30} GiB together")
                out.write(data)
            if pipe.wait():
                raise ProdigyError("`share`: the paths could not be packed in the sandbox")
    return file


def receive_shared(station: Station, file: Path, paths: tuple[str, ...]) -> None:
    """Put the shared paths into an agent's workspace, left out of its commits. Raises StepError."""

    def chunks() -> Iterator[bytes]:
        with file.open("rb") as stream:
            while data := stream.read(CHUNK):
                yield data

    try:
        with station.sandbox().pipe(
            ("sh", "-c", _UNPACK, "sh", *paths), stdin=chunks(), timeout=_SECONDS
        ) as pipe:
            if pipe.wait():
                why = pipe.stderr_tail().decode(errors="replace").strip()[-500:]
                raise StepError(ErrorKind.SANDBOX, f"the shared files could not be unpacked: {why}")
    except SandboxFailure as error:
        raise StepError(
            ErrorKind.SANDBOX, f"the shared files could not be unpacked: {error.message}"
        ) from error
