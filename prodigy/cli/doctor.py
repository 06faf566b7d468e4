"""``prodigy doctor``: what this machine has of what a run needs."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prodigy import home
from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table
from prodigy.cli.settings import Settings
from prodigy.errors import ProdigyError
from prodigy.owner import Owner
from prodigy.report.units import plural, size
from prodigy.values import Check, MountSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prodigy.sandbox.docker.engine import Engine
    from prodigy.sandbox.images import ImageInfo, Images

app = new_app()

_UNAVAILABLE = 3
_SCARCE = 2 << 30
"""Free bytes below which a run is likely to fill the disk."""


@command(app)
def doctor(
    settings: Settings,
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="Also start a container and look around in it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> int:
    """Check what this machine has of what a run needs."""
    checks = [*_machine(settings.directory()), *_engine(sandbox=sandbox)]
    if json:
        print_document("doctor", {"checks": [asdict(check) for check in checks]})
    else:
        rows = [(check.id, check.status, check.detail, check.fix or "") for check in checks]
        print_table(("CHECK", "STATUS", "DETAIL", "FIX"), rows, settings)
    return _UNAVAILABLE if any(check.status == "fail" for check in checks) else 0


def _attempt(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except ProdigyError as error:
        return Check(name, "fail", error.message, error.help)


def _machine(directory: Path) -> Iterator[Check]:
    yield _attempt("git", _git)
    yield _attempt("repository", lambda: _repository(directory))
    yield _attempt("data root", _data_root)
    yield _attempt("disk", _disk)


def _git() -> Check:
    from prodigy.git.repository import OLDEST_GIT  # GitPython is heavy
    from prodigy.git.runner import Git

    text = Git.reading(Path("/")).text("version").removeprefix("git version ")
    found = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if found < OLDEST_GIT:
        oldest = ".".join(map(str, OLDEST_GIT))
        return Check("git", "fail", f"{text} is too old", f"install git {oldest} or newer")
    return Check("git", "ok", text, None)


def _repository(directory: Path) -> Check:
    from prodigy.git.repository import open_repository  # GitPython is heavy

    repository = open_repository(directory)
    detail = f"{repository.root}, {repository.branch or 'detached'} at {repository.head[:12]}"
    notes = [*repository.notes]
    if repository.dirty:
        notes.append(f"{plural(repository.dirty, 'changed file')} would not be part of a run")
    return Check("repository", "warn" if notes else "ok", "; ".join((detail, *notes)), None)


def _data_root() -> Check:
    root = home.data_root()
    status = root.stat()
    if status.st_uid != os.geteuid():
        return Check(
            "data root", "fail", f"{root} belongs to another user", "set PRODIGY_HOME to your own directory"
        )
    if stat.S_IMODE(status.st_mode) & 0o077:
        return Check("data root", "warn", f"{root} is open to other users", f"chmod 700 {root}")
    return Check("data root", "ok", str(root), None)


def _disk() -> Check:
    root = home.data_root()
    free = shutil.disk_usage(root).free
    fix = "free some space, or set PRODIGY_HOME to a larger disk" if free < _SCARCE else None
    return Check("disk", "warn" if fix else "ok", f"{size(free)} free at {root}", fix)


def _engine(*, sandbox: bool) -> Iterator[Check]:
    from prodigy.run.claude_check import check_credential, check_program
    from prodigy.sandbox.docker.engine import connect  # the engine's client is heavy
    from prodigy.sandbox.images import Images

    try:
        engine = connect()
    except ProdigyError as error:
        yield Check("engine", "fail", error.message, error.help)
        return
    try:
        yield _facts(engine)
        yield _attempt("limits", lambda: _limits(engine))
        yield _attempt("bind mount", lambda: _bind_mount(engine))
        yield _attempt("leftovers", lambda: _leftovers(engine))
        found: list[ImageInfo] = []
        images = Images(engine, home.data_root() / "images")
        yield _attempt("image", lambda: _image(images, found))
        yield _attempt("claude", lambda: check_program(images.list_images()))
        yield check_credential()
        if sandbox:
            yield from _inside(engine, images, found)
    finally:
        engine.close()


def _facts(engine: Engine) -> Check:
    facts = engine.facts
    rights = "rootless" if facts.rootless else "rootful"
    return Check(
        "engine",
        "ok",
        f"{facts.name} {facts.version} at {facts.socket}, {rights}, cgroup v{facts.cgroup_version}",
        None,
    )


def _limits(engine: Engine) -> Check:
    engine.require_limits()
    return Check("limits", "ok", "cpu, memory and process limits are enforced", None)


def _bind_mount(engine: Engine) -> Check:
    root = home.data_root()
    engine.require_local(root)
    uid, gid = engine.owner
    return Check(
        "bind mount", "ok", f"containers run as {engine.user}, files belong to {uid}:{gid} here", None
    )


def _leftovers(engine: Engine) -> Check:
    from prodigy.sandbox.docker.leftovers import find_leftovers

    found = find_leftovers(engine, str(home.data_root()))
    owners = [(one, Owner.parse(one.labels.get("prodigy.owner", ""))) for one in found]
    stale = [one for one, owner in owners if owner is None or not owner.alive()]
    if stale:
        names = ", ".join(one.name for one in stale)
        return Check("leftovers", "warn", f"of ended runs: {names}", "prodigy worktree clean-orphaned")
    return Check("leftovers", "ok", "none", None)


def _image(images: Images, found: list[ImageInfo]) -> Check:
    info = next((info for info in images.list_images() if info.reference == images.builtin), None)
    if info is None:
        return Check("image", "warn", "not here yet: the first run builds it", "prodigy images build")
    facts = images.probe(info.id)
    found.append(info)
    return Check("image", "ok", f"{info.reference} {info.id[:19]}, git {facts.git_version}", None)


def _inside(engine: Engine, images: Images, found: list[ImageInfo]) -> list[Check]:
    from prodigy.run.claude_check import check_endpoint
    from prodigy.sandbox.docker.backend import DockerBackend
    from prodigy.sandbox.protocol import SandboxSpec
    from prodigy.sandbox.selfcheck import inspect_sandbox

    if not found:
        return [Check("sandbox", "fail", "not started: there is no image", "prodigy images build")]
    root = home.data_root()
    with tempfile.TemporaryDirectory(dir=root, prefix="doctor-") as directory:
        os.chown(directory, *engine.owner)
        spec = SandboxSpec(
            name="prodigy-doctor",
            mount=MountSpec("bind", Path(directory)),
            labels={
                "prodigy.home": str(root),
                "prodigy.session": "doctor",
                "prodigy.owner": str(Owner.current()),
            },
            image=found[0].id,
        )
        backend = DockerBackend(engine, images)
        try:
            checks = inspect_sandbox(backend, spec)
            endpoint = check_endpoint(lambda egress: backend.open(replace(spec, egress=egress)))
        except ProdigyError as error:
            return [Check("sandbox", "fail", error.message, error.help)]
        else:
            return [*checks, *([endpoint] if endpoint else [])]
        finally:
            backend.close()
