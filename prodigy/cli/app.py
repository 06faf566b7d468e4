"""The program: ``prodigy`` on the command line."""

from __future__ import annotations

import sys

from prodigy import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    # Asked for by scripts again and again: answered before the parser is imported.
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"prodigy {__version__}\n")
        return
    from prodigy.cli.boundary import guarded  # see above

    sys.exit(guarded(sys.argv[1:]))
