"""The options every command has, as one frozen value."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prodigy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

Color = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the caller asked of every command: how much to say, in which colours, about which directory."""

    verbosity: int = 0
    """0 progress and summary, 1 live step output, 2 debug, 3 everything."""
    quiet: bool = False
    color: Color | None = None
    path: Path = Path()
    json: bool = False
    """stdout is exactly one JSON document, errors included."""

    def at_level(self, level: str) -> Settings:
        """Return these settings with a default of how much to say, where no option says it."""
        if self.verbosity or self.quiet:
            return self
        return replace(self, verbosity={"debug": 2, "trace": 3}.get(level, 0), quiet=level == "error")

    def directory(self) -> Path:
        """Return the absolute directory to act on. Raises UsageError when it is none."""
        directory = self.path.expanduser()
        if not directory.exists():
            raise UsageError(f"--path {self.path}: no such directory")
        if not directory.is_dir():
            raise UsageError(f"--path {self.path}: not a directory")
        return directory.absolute()

    def colored(self, stream: TextIO) -> bool:
        """Whether to write colours: the flag decides, then NO_COLOR, FORCE_COLOR, and the terminal."""
        if self.color in ("always", "never"):
            return self.color == "always"
        if "NO_COLOR" in os.environ:
            return False
        return "FORCE_COLOR" in os.environ or (stream.isatty() and os.environ.get("TERM") != "dumb")

    def merged(self, *, verbosity: int, quiet: bool, color: Color | None, path: Path | None) -> Settings:
        """Return these settings with what one more level of the command line said.

        Raises UsageError for ``-q`` together with ``-v``.
        """
        settings = Settings(
            verbosity=min(self.verbosity + verbosity, 3),
            quiet=self.quiet or quiet,
            color=color or self.color,
            path=path or self.path,
            json=self.json,
        )
        if settings.quiet and settings.verbosity:
            raise UsageError("-q and -v exclude each other")
        return settings


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON; known before it is parsed, as its errors are JSON too."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own
