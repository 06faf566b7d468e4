"""What a finished command is known by: its streams as values, and captures made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.values import ErrorKind

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.sandbox.protocol import Outcome

CAPTURE_LIMIT = 16 << 20
"""Bytes of a stream that may become a value; a longer one fails a capture, and is abridged elsewhere."""

_KEPT_EACH_END = 1 << 20


@dataclass(frozen=True, slots=True)
class Streams:
    """A finished command's output. The logs are the host's own files, so they may be read."""

    outcome: Outcome
    stdout: Path
    stderr: Path

    def fields(self) -> dict[str, Any]:
        """The fields of ``${shell.…}``: output of a failed command is stdout followed by stderr."""
        out, err = _text(self.stdout), _text(self.stderr)
        failed = self.outcome.kind is not None
        return {
            "output": _without_newlines(out + err if failed else out),
            "stdout": _without_newlines(out),
            "stderr": _without_newlines(err),
            "exit_code": self.outcome.exit_code,
            "success": not failed,
            "duration": self.outcome.duration,
            "truncated": max(self.outcome.stdout_bytes, self.outcome.stderr_bytes) > CAPTURE_LIMIT,
        }

    def capture(self, *, stdout: bool = True, stderr: bool = False) -> str:
        """The chosen streams as a value, whole; standard error after standard output.

        Raises StepError (capture) when it is not UTF-8 or longer than CAPTURE_LIMIT: never cut.
        """
        chosen = [log for log, wanted in ((self.stdout, stdout), (self.stderr, stderr)) if wanted]
        size = sum(log.stat().st_size for log in chosen)
        if size > CAPTURE_LIMIT:
            raise StepError(
                ErrorKind.CAPTURE,
                f"the output to capture has {size} bytes, more than {CAPTURE_LIMIT}",
                help="write it to a file in the workspace instead",
            )
        try:
            return _without_newlines(b"".join(log.read_bytes() for log in chosen).decode())
        except UnicodeDecodeError as error:
            raise StepError(ErrorKind.CAPTURE, f"the output to capture is not UTF-8: {error}") from error


def _without_newlines(text: str) -> str:
    return text.rstrip("\n")


def _text(log: Path) -> str:
    size = log.stat().st_size
    if size <= CAPTURE_LIMIT:
        return log.read_bytes().decode(errors="replace")
    with log.open("rb") as file:
        head = file.read(_KEPT_EACH_END)
        file.seek(-_KEPT_EACH_END, 2)
        tail = file.read()
    marker = f"\n[… {size - 2 * _KEPT_EACH_END} bytes left out …]\n"
    return head.decode(errors="replace") + marker + tail.decode(errors="replace")
