"""``python -m benchmarks [NAME ...]``: measure, print the table; all of them: keep it in RESULTS.md."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.finding import table
from benchmarks.machine import describe

if TYPE_CHECKING:
    from benchmarks.finding import Finding

NAMES = ("startup", "one_step", "agents", "workspaces", "commits", "memory", "planning", "gateway", "records")
RESULTS = Path(__file__).with_name("RESULTS.md")
TORTURE = "## Torture"
"""Where the part of RESULTS.md begins that `make torture` writes."""
HEAD = """\
# Results

Written by `make bench`. Both sides of a line are timed in turns, in the same run; a ratio is the median
of the rounds' ratios. Times are medians, with the shortest and the longest round.

"""


def main() -> int:
    """Measure what is asked for; exit code 1 when a goal is missed."""
    chosen = sys.argv[1:] or NAMES
    if unknown := set(chosen) - set(NAMES):
        raise SystemExit(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    machine = describe()
    findings: list[Finding] = []
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix="prodigy-bench-") as directory:
            # The data root must not be open to others, but containers must reach their mount.
            place = Path(directory)
            place.chmod(0o755)
            for finding in import_module(f"benchmarks.{name}").measure(place):
                print(table([finding]).splitlines()[-1], file=sys.stderr, flush=True)
                findings.append(finding)
    text = f"{machine}\n{table(findings)}"
    print(text)
    if tuple(chosen) == NAMES:
        _, found, torture = RESULTS.read_text(encoding="utf-8").partition(TORTURE)
        RESULTS.write_text(HEAD + text + (f"\n{found}{torture}" if found else ""), encoding="utf-8")
    return int(any(finding.met is False for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
