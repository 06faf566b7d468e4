"""What this machine offers a run: a backend, the owner of its workspaces, an image."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from prodigy.errors import ImageUnavailable, PolicyViolation
from prodigy.run.credentials import process_secrets, read_model
from prodigy.run.image_choice import ImageChoice, ImageChooser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prodigy.git.committed import Committed
    from prodigy.run.plan import Plan
    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.images import Images
    from prodigy.sandbox.protocol import Backend
    from prodigy.workflow.claude_settings import ClaudeSettings
    from prodigy.workflow.sandbox_settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the sandboxes of a run are opened."""

    backend: Backend
    owner: tuple[int, int]
    """uid and gid a workspace must belong to while a sandbox has it."""
    images: dict[str, ImageChoice] = field(default_factory=dict)
    """By phase; none for the host backend."""
    unenforced: tuple[str, ...] = ()
    """Settings this backend cannot enforce."""
    workspaces: Literal["auto", "copy"] = "auto"
    """How agents' workspaces are made."""

    def image_of(self, phase: str) -> ImageChoice:
        """The image of a phase's containers; that of the first phase where it has none of its own."""
        if phase in self.images:
            return self.images[phase]
        return next(iter(self.images.values()), ImageChoice("", ""))


def prepare_ahead(plan: Plan, home: Path, source: Callable[[], Committed] | None = None) -> Future[Machine]:
    """Begin to ``prepare`` while the caller does something else; what it raises is in the result.

    An interrupted caller does not wait for it: an image may be on its way.
    """
    machine: Future[Machine] = Future()

    def work() -> None:
        try:
            machine.set_result(prepare(plan, home, source))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            machine.set_exception(error)

    threading.Thread(target=work, name="prepare", daemon=True).start()
    return machine


def prepare(
    plan: Plan,
    home: Path,
    source: Callable[[], Committed] | None = None,
    *,
    phases: frozenset[str] | None = None,
) -> Machine:
    """Find the engine and the images, and see that they can do what the plan asks.

    ``source``: the base commit, for images that are built from it. ``phases``: those that may run Claude
    this time; all that can, unless given.

    Raises EngineUnavailable, ImageUnavailable, EnvironmentUnavailable: nothing was created.
    """
    phases = plan.workflow.claude_phases() if phases is None else phases
    if phases:
        process_secrets(plan.workflow.claude)
        if plan.workflow.claude.credentials == "gateway":
            read_model()
    if plan.sandbox == "host":
        from prodigy.sandbox.host import HostBackend

        backend = HostBackend()
        owner = (os.getuid(), os.getgid())
        return Machine(backend, owner, unenforced=_unenforced(plan, HostBackend.NOT_ENFORCED))
    from prodigy.sandbox.docker.backend import DockerBackend
    from prodigy.sandbox.docker.engine import connect
    from prodigy.sandbox.images import Images

    engine = connect()
    engine.require_local(home)
    images = Images(engine, home / "images")
    chooser = ImageChooser(images, source)
    chosen = {
        name: chooser.choose(settings, claude=name in phases)
        for name, settings in plan.all_settings().items()
    }
    for name, settings in plan.all_settings().items():
        _check_image(settings, images, chosen[name], claude=plan.workflow.claude if name in phases else None)
    return Machine(
        DockerBackend(engine, images),
        _owner(plan, engine),
        chosen,
        # An overlay that is mounted in this container is not there for the engine outside it.
        workspaces="auto" if engine.sees_our_mounts else "copy",
    )


def _check_image(
    settings: SandboxSettings, images: Images, choice: ImageChoice, *, claude: ClaudeSettings | None
) -> None:
    """See that an image holds what the phase's steps need. Raises ImageUnavailable."""
    facts = images.probe(choice.id, choice.name)
    if settings.interpreter.endswith("bash") and "bash" not in facts.programs:
        raise ImageUnavailable(
            f"the image {choice.name} has no bash, which `interpreter: {settings.interpreter}` asks for"
        )
    # Whether a program of another name is there shows when it is run.
    if claude is not None and claude.command == "claude" and "claude" not in facts.programs:
        raise ImageUnavailable(
            f"the image {choice.name} does not hold the program claude, which the workflow's steps run",
            help="name no image: prodigy's own then has it; or one with Claude Code in it",
        )


def _owner(plan: Plan, engine: Engine) -> tuple[int, int]:
    """Return whose files workspaces are. Raises PolicyViolation for a user that cannot be given any."""
    users = {settings.user for settings in plan.all_settings().values()}
    if users <= {None}:
        return engine.owner
    if len(users) > 1:
        raise PolicyViolation("[P602] `user` must be the same in all phases: they share the workspace")
    uid, _, gid = str(users.pop()).replace("root", "0:0").partition(":")
    owner = int(uid), int(gid or uid)
    if os.getuid() != 0 and owner != engine.owner:
        raise PolicyViolation(
            f"[P602] `user: {uid}` cannot be enforced: only root can give files to other users"
        )
    return owner


def _unenforced(plan: Plan, always: Sequence[str]) -> tuple[str, ...]:
    """Return all that a process of this machine is not kept from, and written settings without effect."""
    written = {name for settings in plan.all_settings().values() for name in settings.model_fields_set}
    without = sorted(written - {"interpreter", "stop_grace", "env", *always})
    return (*always, *without)
