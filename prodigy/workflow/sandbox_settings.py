"""The ``sandbox`` block: the containers that run the steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from prodigy.workflow.fields import Duration, Model, Size


class SandboxSettings(Model):
    """The containers that run the steps."""

    image: Annotated[str, Field(min_length=1)] | None = None
    """The image; prodigy's own unless given. It must hold git and a shell."""
    network: Literal["none", "bridge"] = "none"
    """Whether steps reach a network."""
    cpus: Annotated[float, Field(gt=0, le=4096)] = 2.0
    """Processors a container may use."""
    memory: Size = 4 << 30
    """Memory of a container; swap is never added."""
    pids: Annotated[int, Field(ge=1, le=4_194_304)] = 1024
    """Processes of a container."""
    stop_grace: Duration = 10.0
    """Between the polite signal and the final one."""
    interpreter: Literal[
        "auto", "bash", "sh", "/bin/bash", "/usr/bin/bash", "/bin/sh", "dash", "/bin/dash"
    ] = "auto"
    """The shell of shell steps; ``auto``: bash where the image has it, else sh."""
