"""A look at the container engine from outside: what belongs to a data root."""

from __future__ import annotations

import subprocess
from pathlib import Path

HOME_LABEL = "prodigy.home"


def docker(*arguments: str) -> str:
    """Run the engine's client and give its output."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def containers(home: Path, *, every: bool = True) -> list[str]:
    """Ids of the containers that belong to a data root."""
    flags = ["-a"] if every else []
    return docker("ps", "-q", "--no-trunc", *flags, "--filter", f"label={HOME_LABEL}={home}").split()


def volumes(home: Path) -> list[str]:
    """Names of the volumes that belong to a data root."""
    return docker("volume", "ls", "-q", "--filter", f"label={HOME_LABEL}={home}").split()


def networks(home: Path) -> list[str]:
    """Ids of the networks that belong to a data root."""
    return docker("network", "ls", "-q", "--filter", f"label={HOME_LABEL}={home}").split()


def remove_all(home: Path) -> list[str]:
    """Remove what belongs to a data root; gives what there was."""
    left, kept, between = containers(home), volumes(home), networks(home)
    if left:
        docker("rm", "-f", "-v", *left)
    if kept:
        docker("volume", "rm", "-f", *kept)
    if between:
        docker("network", "rm", *between)
    return left + kept + between
