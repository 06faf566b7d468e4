"""``python -m benchmarks.torture REPORT``: put the outcome of `make torture` into RESULTS.md.

REPORT is what pytest writes with ``--junit-xml``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.__main__ import RESULTS, TORTURE
from benchmarks.machine import describe

KINDS = {
    "test_killed_at_a_durable_point": "killed right after the N-th transaction",
    "test_killed_at_a_random_moment": "killed at a random moment",
    "test_the_engine_dies": "the container engine killed, and started again",
    "test_asked_to_stop": "SIGTERM",
    "test_the_disk_is_full": "the disk full, and given room again",
}


def main() -> int:
    """Count the cases; exit code 1 when one did not end like the undisturbed run."""
    ends: dict[str, list[bool]] = defaultdict(list)
    for case in ET.parse(Path(sys.argv[1])).iter("testcase"):
        name = case.get("name", "").partition("[")[0]
        ends[name].append(case.find("failure") is None and case.find("error") is None)
    rows = "".join(
        f"| {KINDS[name]} | {len(found)} | {sum(found)} |\n" for name, found in ends.items() if name in KINDS
    )
    head = "| A run that was disturbed by | Cases | Ended like an undisturbed one |\n| --- | --- | --- |\n"
    kept = RESULTS.read_text(encoding="utf-8").partition(TORTURE)[0].rstrip()
    text = f"{kept}\n\n{TORTURE}\n\nWritten by `make torture`.\n\n{describe()}\n{head}{rows}"
    RESULTS.write_text(text, encoding="utf-8")
    sys.stdout.write(text.partition(TORTURE)[2])
    return int(not all(all(found) for found in ends.values()))


if __name__ == "__main__":
    sys.exit(main())
