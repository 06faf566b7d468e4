"""What computed placeholders ask of a running step: files, commands, the time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.sandbox.protocol import INPUT, Call
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.run.place import Place

_LIMIT = 16 << 20
"""Bytes of a file or output that may become part of a text."""

# The path must stay inside the workspace, links resolved.
_READ = r"""
case $1 in /* | "") exit 3 ;; esac
root=$(pwd -P); directory=$(dirname -- "$1")
cd -P -- "./$directory" 2>/dev/null || exit 4
case $(pwd -P) in "$root" | "$root"/*) ;; *) exit 3 ;; esac
file=./$(basename -- "$1")
[ -f "$file" ] || exit 4
if [ -L "$file" ]; then
    real=$(readlink -f -- "$file") || exit 4
    case $real in "$root"/*) ;; *) exit 3 ;; esac
fi
exec cat -- "$file"
"""
_STASH = (
    'umask 077; directory=$1; mkdir -p "$directory" && cat >"$directory/$2" && chmod 0444 "$directory/$2"'
)


def read_file(place: Place, path: str, limit: int = _LIMIT) -> bytes:
    """Return a file of the workspace, as the sandbox sees it.

    Raises StepError when it is not there, leads outside, or is too large.
    """
    with place.station.sandbox().pipe(("sh", "-c", _READ, "sh", path), timeout=120) as pipe:
        data = pipe.stdout.read(limit + 1)
        if len(data) > limit:
            raise StepError(ErrorKind.INTERPOLATION, f"the file {path} is larger than {limit >> 20} MiB")
        code = pipe.wait()
    if code == 3:  # noqa: PLR2004 - the script's
        raise StepError(ErrorKind.INTERPOLATION, f"the file {path} lies outside the workspace")
    if code:
        raise StepError(ErrorKind.INTERPOLATION, f"the file {path} does not exist")
    return data


class StepComputer:
    """Answers for one attempt: the same question is asked of the sandbox once."""

    def __init__(self, place: Place, environment: Mapping[str, str], cwd: str) -> None:
        self._place = place
        self._environment = environment
        self._cwd = cwd
        self._files: dict[str, str] = {}
        self._commands: dict[str, str] = {}
        self.now = datetime.now(UTC)

    def file(self, path: str) -> str:
        """Return a file's text without its last newline. Raises StepError."""
        if path not in self._files:
            try:
                text = read_file(self._place, path).decode()
            except UnicodeDecodeError as error:
                raise StepError(ErrorKind.INTERPOLATION, f"the file {path} is not UTF-8 text") from error
            self._files[path] = text.removesuffix("\n")
        return self._files[path]

    def cmd(self, script: str) -> str:
        """Return what a shell text prints, without trailing newlines. Raises StepError."""
        if script not in self._commands:
            logs = self._place.logs / "computed"
            logs.mkdir(parents=True, exist_ok=True)
            log = logs / f"{secrets.token_hex(6)}.out"
            outcome = self._place.station.run(
                Call(
                    argv=(self._place.shell, INPUT),
                    input=script.encode(errors="surrogateescape"),
                    env=self._environment,
                    cwd=self._cwd,
                    timeout=self._place.remaining(),
                    stdout=log,
                    masker=self._place.masker,
                )
            )
            if outcome.kind is not None:
                said = outcome.stderr_tail.decode(errors="replace").strip()[-500:]
                raise StepError(ErrorKind.INTERPOLATION, f"${{cmd:…}} failed: {outcome.message}: {said}")
            if log.stat().st_size > _LIMIT:
                raise StepError(ErrorKind.INTERPOLATION, f"${{cmd:…}} printed more than {_LIMIT >> 20} MiB")
            self._commands[script] = log.read_bytes().decode(errors="replace").rstrip("\n")
        return self._commands[script]

    def stash(self, value: str) -> str:
        """Keep a value in a read-only file of the sandbox; gives its path. Raises StepError."""
        sandbox = self._place.station.sandbox()
        name = f"value-{secrets.token_hex(8)}"
        argv = ("sh", "-c", _STASH, "sh", sandbox.scratch, name)
        data = value.encode(errors="surrogateescape")
        with sandbox.pipe(argv, stdin=[data], timeout=120) as pipe:
            if pipe.wait():
                raise StepError(ErrorKind.INTERPOLATION, "a value could not be stored in the sandbox")
        return f"{sandbox.scratch}/{name}"
