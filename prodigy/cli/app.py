"""The program: ``prodigy`` on the command line."""

from __future__ import annotations

import gc
import sys

from prodigy import __version__

_COLLECT_EVERY = 50_000
"""Objects made between two collections. A start makes many that stay; to look at them again costs a tenth."""


def main() -> None:
    """Run the command line and exit with its code."""
    # Asked for by scripts again and again: answered before the parser is imported.
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"prodigy {__version__}\n")
        return
    gc.set_threshold(_COLLECT_EVERY, 20, 20)
    from prodigy.cli.boundary import guarded  # see above

    code = guarded(sys.argv[1:])
    gc.freeze()  # else the interpreter, on its way out, looks for garbage among everything once more
    sys.exit(code)
