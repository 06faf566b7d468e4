"""The ``sandbox`` block: the containers that run the steps."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from prodigy.egress_rule import EgressRule
from prodigy.workflow.fields import Duration, EnvName, Model, Size

Interpreter = Literal[
    "auto", "bash", "sh", "/bin/bash", "/usr/bin/bash", "/bin/sh", "dash", "/bin/dash"
]  # fmt: skip
ContainerPath = Annotated[str, Field(pattern=r"^/[^:\x00\n]*[^/:\x00\n]$")]


class Build(Model):
    """An image built from the base commit."""

    context: Annotated[str, Field(min_length=1)] = "."
    """The directory of the base commit that is sent to the engine."""
    dockerfile: Annotated[str, Field(min_length=1)] = "Dockerfile"
    """The Dockerfile, relative to the context."""
    args: dict[str, str] = Field(default_factory=dict)
    """Build arguments."""
    target: Annotated[str, Field(min_length=1)] | None = None
    """The stage to build; the last one unless given."""


class Cache(Model):
    """A volume that outlives its container: the only state that containers share."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    """What it is known by."""
    path: ContainerPath
    """Where it is mounted."""
    scope: Literal["repo", "global"] = "repo"
    """Whether other repositories share it."""
    read_only: bool = False
    """Whether it may only be read."""


def _host_name(text: str) -> str:
    EgressRule.parse(text)
    return text


HostName = Annotated[str, AfterValidator(_host_name)]


class EgressList(Model):
    """A network of names: nothing else is reached, and those only by HTTP and HTTPS through the gateway."""

    egress: tuple[HostName, ...]
    """Hosts: `host`, `*.host` for all below it, `host:port`; ports 80 and 443 unless one is written."""


class SandboxSettings(Model):
    """The containers that run the steps."""

    image: Annotated[str, Field(min_length=1)] | None = None
    """The image; prodigy's own unless given. It must hold git and a shell."""
    pull: Literal["missing", "always", "never"] = "missing"
    """When the image is pulled."""
    build: Build | None = None
    """An image built from the base commit, in place of a named one."""
    devcontainer: bool = False
    """Take image, variables and user from the base commit's `.devcontainer/devcontainer.json`."""
    network: Literal["none", "bridge"] | EgressList = "none"
    """What steps reach: nothing, the internet, or the names of a list."""
    cpus: Annotated[float, Field(gt=0, le=4096)] = 2.0
    """Processors a container may use."""
    memory: Size = 4 << 30
    """Memory of a container; swap is never added."""
    pids: Annotated[int, Field(ge=1, le=4_194_304)] = 1024
    """Processes of a container."""
    disk: Size = 20 << 30
    """The most a workspace may hold; measured in its container while steps run and after them."""
    shm_size: Size = 256 << 20
    """Shared memory of a container."""
    tmpfs: dict[ContainerPath, Size] = Field(default_factory=dict)
    """Further places of scratch memory, by path."""
    user: Annotated[str, Field(pattern=r"^(root|[0-9]{1,9}(:[0-9]{1,9})?)$")] | None = None
    """Who the processes are: `uid`, `uid:gid` or `root`; the caller unless given."""
    read_only: bool = True
    """Whether the root file system is read-only."""
    runtime: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """The engine's runtime; its default unless given."""
    gpus: Literal["all"] | Annotated[int, Field(ge=1, le=1024)] | tuple[str, ...] | None = None
    """Graphics processors: all, a number, or their ids."""
    env: tuple[EnvName, ...] = ()
    """Variables taken from the caller's environment."""
    caches: tuple[Cache, ...] = ()
    """Volumes that outlive their containers."""
    stop_grace: Duration = 10.0
    """Between the polite signal and the final one."""
    interpreter: Interpreter = "auto"
    """The shell of shell steps; ``auto``: bash where the image has it, else sh."""

    @property
    def network_kind(self) -> Literal["none", "bridge", "egress"]:
        """The kind of network, as the machine's policy names it."""
        return "egress" if isinstance(self.network, EgressList) else self.network

    @property
    def egress(self) -> tuple[str, ...]:
        """The names that are reached through the gateway."""
        return self.network.egress if isinstance(self.network, EgressList) else ()


def merged(base: SandboxSettings, override: dict[str, Any]) -> SandboxSettings:
    """Return settings with others over them: mappings merge, everything else is replaced."""
    data = base.model_dump(exclude_unset=True)
    for key, value in override.items():
        both = isinstance(value, dict) and isinstance(data.get(key), dict)
        data[key] = {**data[key], **value} if both else value
    if override.get("image") is not None:
        data.pop("build", None)
        data.pop("devcontainer", None)
    elif override.get("build") is not None or override.get("devcontainer"):
        data.pop("image", None)
    return SandboxSettings.model_validate(data)
