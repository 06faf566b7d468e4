"""The target branch inside a workspace: offered to merge steps, and the result they made found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.errors import GitFailed
from prodigy.git.pipe import OpenPipe, chunks, complaint, shell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.git.store import Store

_MARKER = re.compile(rb"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)
_MOST_FILES = 2000
_MOST_BYTES = 4 << 20

# `origin` is the workspace itself, so that fetching needs no network and brings nothing else.
_OFFER = """\
git index-pack --stdin --fix-thin >/dev/null || exit
hush() { git -c core.hooksPath=/dev/null -c core.fsmonitor=false "$@"; }
hush update-ref "refs/prodigy/origin/$2" "$1" && hush update-ref "refs/remotes/origin/$2" "$1" || exit
[ "$(git symbolic-ref -q HEAD)" = "refs/heads/$2" ] || hush update-ref "refs/heads/$2" "$1" || exit
git config remote.origin.url . && \
    git config remote.origin.fetch '+refs/prodigy/origin/*:refs/remotes/origin/*'
"""
_RESULT = """\
holds() { git merge-base --is-ancestor "$2" "$1" && git merge-base --is-ancestor "$3" "$1"; }
if [ -n "$(git ls-files -u | head -n 1)" ]; then echo 'unmerged files are left in the index' >&2; exit 3; fi
if holds HEAD "$2" "$3"; then exit 0; fi
if ! holds "refs/heads/$1" "$2" "$3"; then
    echo 'neither HEAD nor the target branch holds both the session and the target' >&2
    exit 3
fi
git -c core.hooksPath=/dev/null checkout -q --detach "refs/heads/$1"
"""


def offer_target(store: Store, open_pipe: OpenPipe, have: str, target: str, tip: str) -> None:
    """Bring the target's tip into a workspace, as the branch ``target`` and as ``origin/target``.

    Raises GitFailed when the workspace cannot take it.
    """
    flags = ("--revs", "--thin", "--stdout", "-q", "--delta-base-offset")
    with store.git.stream("pack-objects", *flags, data=f"{tip}\n^{have}\n".encode(), timeout=300) as running:
        with open_pipe(shell(_OFFER, tip, target), stdin=chunks(running.stdout), timeout=300) as pipe:
            if code := pipe.wait():
                raise GitFailed(f"the workspace cannot take {target} (exit code {code}): {complaint(pipe)}")
        running.finish()


def choose_result(open_pipe: OpenPipe, target: str, session: str, tip: str) -> None:
    """Have HEAD of a workspace at what merge steps made of session and target.

    That is HEAD itself, or the branch ``target`` where a step had checked it out. Raises GitFailed where
    neither holds both.
    """
    with open_pipe(shell(_RESULT, target, session, tip), timeout=300) as pipe:
        if pipe.wait():
            raise GitFailed(complaint(pipe))


def left_markers(store: Store, head: str, files: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the files of a commit that still hold conflict markers."""
    found = []
    for path in list(files)[:_MOST_FILES]:
        answer = store.git.run(
            "ls-tree", "-z", "-l", "--full-tree", head, "--", _literal(path), ok=(0, 128), limited=True
        )
        fields = answer.out.partition(b"\t")[0].split()
        if len(fields) != 4 or fields[1] != b"blob" or int(fields[3]) > _MOST_BYTES:  # noqa: PLR2004 - columns
            continue
        blob = store.git.run("cat-file", "blob", fields[2].decode(), limited=True, most=_MOST_BYTES).out
        if len(_MARKER.findall(blob)) > 2:  # noqa: PLR2004 - one conflict has three
            found.append(path)
    return tuple(found)


def _literal(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
