"""Who owns a running session: a process, told apart from a later one with the same number."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


def _start_time(pid: int) -> str | None:
    """Kernel start time of a process (clock ticks since boot), None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else fields[18]


def _machine() -> str:
    """Host name and boot: process numbers and start times mean nothing beyond one boot."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{platform.node()}/{boot[:8]}"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process on a machine, as sessions and container labels record it."""

    pid: int
    started: str
    machine: str

    @classmethod
    def current(cls) -> Owner:
        """The calling process."""
        return cls(os.getpid(), _start_time(os.getpid()) or "0", _machine())

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """The owner a label names; None when the text is none."""
        pid, _, rest = text.partition(":")
        started, _, machine = rest.partition(":")
        return cls(int(pid), started, machine) if pid.isdigit() and machine else None

    def __str__(self) -> str:
        return f"{self.pid}:{self.started}:{self.machine}"

    @property
    def host(self) -> str:
        """The name of its host."""
        return self.machine.partition("/")[0]

    @property
    def elsewhere(self) -> bool:
        """Whether it was started on another host, where nobody here can see whether it lives."""
        return self.host != _machine().partition("/")[0]

    @classmethod
    def is_dead(cls, label: str) -> bool:
        """Whether a label names an owner, and that one is gone."""
        owner = cls.parse(label)
        return owner is not None and not owner.alive()

    def alive(self) -> bool:
        """Whether that very process still runs; an owner on another host is taken as alive."""
        name, _, boot = self.machine.partition("/")
        here, _, this_boot = _machine().partition("/")
        if name != here:
            return True
        return boot == this_boot and _start_time(self.pid) == self.started
