"""Commits that prodigy makes of what a step left changed, inside the step's own sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prodigy.errors import StepError
from prodigy.sandbox.protocol import INPUT, Call
from prodigy.values import ErrorKind
from prodigy.workflow.globs import match_glob
from prodigy.workflow.render import render_plain
from prodigy.workflow.step import CommitConfig

if TYPE_CHECKING:
    from prodigy.run.place import Place
    from prodigy.run.tracker import Snapshot
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.step import Step

_LIMIT = 64 << 20
_LISTED = ("git", "-c", "core.fsmonitor=false", "status", "--porcelain=v1", "-z", "--no-renames", "-uall")

# Hooks never run: an agent could have written them. Paths come NUL-separated on standard input.
_ADD = (
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false "
    "add -A --pathspec-from-file=- --pathspec-file-nul"
)
_COMMIT = """\
file=$1 author=$2 onto=$3
hush() { git -c core.hooksPath=/dev/null -c core.fsmonitor=false -c commit.gpgSign=false "$@"; }
[ -z "$onto" ] || hush reset -q --soft "$onto" || exit
if [ -n "$author" ]; then set -- --author="$author"; else set --; fi
hush commit -q --no-verify --cleanup=whitespace -F "$file" "$@"
"""


@dataclass(frozen=True, slots=True)
class Committed:
    """Where the workspace stands after a commit."""

    head: str | None
    dirty: int | None


def auto_commit(
    step: Step, place: Place, scope: Scope, start_head: str | None, before: Snapshot | None
) -> Committed | None:
    """Commit what a step left changed, as it asks; None when there was nothing to commit.

    Raises StepError when the message is not as it must be, or git refuses.
    """
    config = step.commit_config or CommitConfig()
    paths = _chosen(place, config)
    moved = config.squash and start_head is not None and _count(place, start_head) > 1 - bool(paths)
    if not paths and not moved:
        return None
    message = _message(step, config, place, scope, before)
    if paths:
        _stage(place, paths)
    onto = start_head if moved and start_head else ""
    return commit_staged(place, message, author=config.author or "", onto=onto)


def commit_everything(place: Place, message: str) -> Committed | None:
    """Commit all that is changed and not ignored; None when there is nothing."""
    paths = _chosen(place, CommitConfig())
    if not paths:
        return None
    _stage(place, paths)
    return commit_staged(place, message)


def commit_staged(place: Place, message: str, *, author: str = "", onto: str = "") -> Committed:
    """Commit the index. Raises StepError."""
    outcome = place.station.run(
        Call(
            argv=("sh", "-c", _COMMIT, "sh", INPUT, author, onto),
            input=message.encode(errors="surrogateescape"),
            timeout=600,
            survey=True,
        )
    )
    if outcome.kind is not None:
        said = outcome.stderr_tail.decode(errors="replace").strip()[-500:]
        raise StepError(ErrorKind.COMMAND, f"the changes could not be committed: {said or outcome.message}")
    return Committed(outcome.head_after, outcome.dirty)


def _message(step: Step, config: CommitConfig, place: Place, scope: Scope, before: Snapshot | None) -> str:
    facts = place.tracker.since(before)[0].fields() if before is not None else {}
    about = {"name": step.name, "id": step.id or "", **facts}
    message = render_plain(config.message_template, scope.child({"step": about}))
    if config.message_pattern is not None and not re.search(config.message_pattern, message):
        text = f"the commit message {message[:200]!r} does not match {config.message_pattern!r}"
        raise StepError(ErrorKind.COMMAND, text)
    if not message.strip():
        raise StepError(ErrorKind.COMMAND, "the commit message is empty")
    return message


def _chosen(place: Place, config: CommitConfig) -> list[str]:
    """Return the changed paths that are to be committed."""
    with place.station.sandbox().pipe(_LISTED, timeout=300) as pipe:
        data = pipe.stdout.read(_LIMIT + 1)
        if len(data) > _LIMIT or pipe.wait():
            raise StepError(ErrorKind.SANDBOX, "the changes cannot be listed: the workspace's git failed")
    paths = [entry[3:].decode(errors="surrogateescape") for entry in data.split(b"\0") if entry]
    if config.include_files or config.exclude_files:
        return match_glob(config.include_files or ("**",), config.exclude_files, paths)
    return paths


def _stage(place: Place, paths: list[str]) -> None:
    data = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in paths)
    with place.station.sandbox().pipe(("sh", "-c", _ADD), stdin=[data], timeout=600) as pipe:
        if pipe.wait():
            said = pipe.stderr_tail().decode(errors="replace").strip()[-500:]
            raise StepError(ErrorKind.COMMAND, f"the changes could not be staged: {said}")


def _count(place: Place, since: str) -> int:
    argv = ("git", "rev-list", "--count", f"{since}..HEAD")
    with place.station.sandbox().pipe(argv, timeout=120) as pipe:
        text = pipe.stdout.read(32)
        return int(text) if pipe.wait() == 0 and text.strip().isdigit() else 0
