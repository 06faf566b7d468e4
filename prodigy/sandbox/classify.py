"""Telling apart a command that failed, a sandbox that died, and an engine that refused. Pure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from enum import Enum, auto

from prodigy.values import ErrorKind


class Trouble(Enum):
    """What an engine's refusal means for the caller."""

    ENDED = auto()
    """The container has ended or is gone."""
    NO_IMAGE = auto()
    NO_PATH = auto()
    """The engine does not see a host directory."""
    NO_OVERLAY = auto()
    """The overlay volume cannot be mounted."""
    NO_PROGRAM = auto()
    """The image lacks the program it was to start."""
    NAME_TAKEN = auto()
    OTHER = auto()


# Texts as engines say them; the tests hold the full originals.
_REFUSALS: tuple[tuple[Trouble, re.Pattern[str]], ...] = (
    (Trouble.NO_OVERLAY, re.compile(r"failed to mount local volume|error mounting volume", re.IGNORECASE)),
    (Trouble.NO_PATH, re.compile(r"bind source path does not exist|statfs .*: no such file", re.IGNORECASE)),
    (Trouble.NO_IMAGE, re.compile(r"no such image|image not known|pull access denied", re.IGNORECASE)),
    (
        Trouble.NO_PROGRAM,
        re.compile(r"executable file not found in|exec: .*no such file or dir", re.IGNORECASE),
    ),
    (Trouble.NAME_TAKEN, re.compile(r"name .* is already in use", re.IGNORECASE)),
    (
        Trouble.ENDED,
        re.compile(
            r"container \S+ is not running|no such container|no such exec instance|cannot exec in a stopped"
            r"|is paused|state improper|removal of container \S+ is already in progress",
            re.IGNORECASE,
        ),
    ),
)


def refusal(text: str) -> Trouble:
    """Return what an engine's error text means."""
    return next((trouble for trouble, pattern in _REFUSALS if pattern.search(text)), Trouble.OTHER)


def finished(exit_code: int, oom_kills: int) -> tuple[ErrorKind | None, str]:
    """Judge a step whose report is complete. ``oom_kills``: processes killed for memory meanwhile."""
    if exit_code == 0:
        return None, ""
    if oom_kills > 0:
        return ErrorKind.OOM, "the memory limit was reached and the kernel ended a process of the step"
    name = _signal_name(exit_code)
    if name:
        return ErrorKind.SIGNAL, f"ended by {name} (exit code {exit_code})"
    hint = {126: ": found, but it cannot be executed", 127: ": a program was not found"}.get(exit_code, "")
    return ErrorKind.COMMAND, f"exit code {exit_code}{hint}"


def _signal_name(exit_code: int) -> str | None:
    try:
        return signal.Signals(exit_code - 128).name if exit_code > 128 else None  # noqa: PLR2004 - sh's rule
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an execution whose report did not come."""

    running: bool | None
    """Whether the sandbox still runs; None: its engine did not answer."""
    exit_code: int | None = None
    """The execution's own exit code, as the engine has it."""
    oom_kills: int = 0
    state: str = ""
    """The dead sandbox's state in words."""
    began: bool = False
    """Whether the step had begun."""
    said: str = ""
    """The end of what the execution printed: an engine puts its own failures there."""


_ENGINE_SAYS = re.compile(r"OCI runtime exec failed: (.*)|runc(?: exec)? failed: (.*)|crun: (.*)", re.DOTALL)


def unreported(evidence: Evidence) -> tuple[ErrorKind, str]:
    """Judge an execution without a complete report. Never a success."""
    if evidence.oom_kills > 0:
        return ErrorKind.OOM, "the memory limit was reached and the kernel ended the step"
    if evidence.running is None:
        return ErrorKind.SANDBOX, "the container engine stopped answering while the step ran"
    if not evidence.running:
        detail = f" ({evidence.state})" if evidence.state else ""
        return ErrorKind.SANDBOX, f"the container ended while the step ran{detail}"
    said = _ENGINE_SAYS.search(evidence.said)
    if said and not evidence.began:
        text = next(group for group in said.groups() if group is not None)
        return ErrorKind.SANDBOX, f"the engine could not start the step: {text.strip()}"
    if not evidence.began:
        return ErrorKind.SANDBOX, f"the step did not start{_with_code(evidence.exit_code)}"
    return (
        ErrorKind.COMMAND,
        f"the step's own shell was ended before it could report{_with_code(evidence.exit_code)}",
    )


def _with_code(exit_code: int | None) -> str:
    return "" if exit_code is None else f" (exit code {exit_code})"
