"""The machine a table was taken on, without anything that names it."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime

from prodigy import __version__
from prodigy.sandbox.docker.engine import connect


def describe() -> str:
    """Facts for the head of the table, one a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    facts = connect().facts
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    lines = (
        f"prodigy {__version__}, {datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} CPUs, {memory:.0f} GB of memory, load before the first round {load}",
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}",
        f"{facts.name} {facts.version}, {git.strip()}",
    )
    return "".join(f"- {line}\n" for line in lines)
