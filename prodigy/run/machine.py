"""What this machine offers a run: a backend, the owner of its workspaces, an image."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prodigy.errors import EnvironmentUnavailable, ImageUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.run.plan import Plan
    from prodigy.sandbox.protocol import Backend


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the sandboxes of a run are opened."""

    backend: Backend
    owner: tuple[int, int]
    """uid and gid a workspace must belong to while a sandbox has it."""
    image: str
    """Image id, empty for the host backend."""
    image_name: str
    unenforced: tuple[str, ...] = ()
    """Settings this backend cannot enforce."""
    workspaces: Literal["auto", "copy"] = "auto"
    """How agents' workspaces are made."""


def prepare_ahead(plan: Plan, home: Path) -> Future[Machine]:
    """Begin to ``prepare`` while the caller does something else; what it raises is in the result.

    An interrupted caller does not wait for it: an image may be on its way.
    """
    machine: Future[Machine] = Future()

    def work() -> None:
        try:
            machine.set_result(prepare(plan, home))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            machine.set_exception(error)

    threading.Thread(target=work, name="prepare", daemon=True).start()
    return machine


def prepare(plan: Plan, home: Path) -> Machine:
    """Find the engine and the image, and see that both can do what the plan asks.

    Raises EngineUnavailable, ImageUnavailable, EnvironmentUnavailable: nothing was created.
    """
    if plan.uses_claude:
        _require_credentials()
    if plan.sandbox == "host":
        from prodigy.sandbox.host import HostBackend

        backend = HostBackend()
        owner = (os.getuid(), os.getgid())
        return Machine(backend, owner, "", "", unenforced=tuple(HostBackend.NOT_ENFORCED))
    from prodigy.sandbox.docker.backend import DockerBackend
    from prodigy.sandbox.docker.engine import connect
    from prodigy.sandbox.images import Images

    engine = connect()
    engine.require_local(home)
    images = Images(engine, home / "images")
    info = images.resolve(plan.settings.image)
    facts = images.probe(plan.settings.image or info.reference)
    shell = plan.settings.interpreter
    if shell.endswith("bash") and "bash" not in facts.programs:
        raise ImageUnavailable(
            f"the image {info.reference} has no bash, which `interpreter: {shell}` asks for"
        )
    if plan.uses_claude and "claude" not in facts.programs:
        raise ImageUnavailable(
            f"the image {info.reference} does not hold the program claude, which the workflow's steps run",
            help="name an image with Claude Code in it: `sandbox: {image: …}`, or --image",
        )
    return Machine(
        DockerBackend(engine, images),
        engine.owner,
        info.id,
        f"{info.reference} ({info.digest or info.id})",
        # An overlay that is mounted in this container is not there for the engine outside it.
        workspaces="auto" if engine.sees_our_mounts else "copy",
    )


def _require_credentials() -> None:
    from prodigy.run.command import claude_environment

    if not claude_environment():
        raise EnvironmentUnavailable(
            "the workflow has claude steps with `credentials: env`, but no Claude credentials are set here",
            help="set ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN or CLAUDE_CODE_OAUTH_TOKEN",
        )
