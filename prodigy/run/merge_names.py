"""The ``merge`` namespace: what merge steps know of the session and its target."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prodigy.git.store import Store

MOST_COMMITS = 100
MOST_FILES = 500
_FIELDS = "%H%x00%h%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%P%x00%T%x00%B%x00"
_KINDS = {"A": "Added", "M": "Modified", "T": "Modified", "D": "Deleted"}


def merge_names(
    store: Store, session: str, target: str | None, conflicts: tuple[bytes, ...]
) -> dict[str, Any]:
    """Return the names of a merge phase; lists are bounded, and ``truncated`` tells of it."""
    base, head = store.base, store.head()
    every = store.commits(base, head)
    changed = _files(store, base, head)
    return {
        "worktree": session,
        "session_id": session,
        "source_branch": store.branch,
        "target_branch": target or "",
        "commits": _commits(store, base, head),
        "commit_count": len(every),
        "commit_ids": ",".join(commit[:7] for commit in reversed(every[-MOST_COMMITS:])),
        "modified_files": changed[:MOST_FILES],
        "file_count": len(changed),
        "file_list": ",".join(entry["path"] for entry in changed[:MOST_FILES]),
        "conflicts": [path.decode(errors="replace") for path in conflicts],
        "truncated": len(every) > MOST_COMMITS or len(changed) > MOST_FILES,
    }


def _commits(store: Store, base: str, head: str) -> list[dict[str, Any]]:
    """Return the session's commits, newest first."""
    flags = (f"--max-count={MOST_COMMITS}", f"--format={_FIELDS}%x00", "-z")
    out = store.git.run("log", *flags, f"{base}..{head}", limited=True, most=64 << 20).out
    found = []
    for record in out.decode(errors="replace").split("\0\0\0"):
        cells = record.lstrip("\0").split("\0")
        if len(cells) < 11:  # noqa: PLR2004 - the fields above
            continue
        commit = cells[0].strip()
        changes = store.changes(f"{commit}^", commit)
        found.append(
            {
                "id": commit,
                "short_id": cells[1],
                "author": _person(cells[2:5]),
                "committer": _person(cells[5:8]),
                "message": cells[10].rstrip("\n"),
                "timestamp": _when(cells[7]),
                "parent_ids": cells[8].split(),
                "tree_id": cells[9],
                "stats": {
                    "files_changed": len(changes),
                    "insertions": sum(change.insertions or 0 for change in changes),
                    "deletions": sum(change.deletions or 0 for change in changes),
                },
                "files_changed": [change.path.decode(errors="replace") for change in changes[:MOST_FILES]],
            }
        )
    return found


def _person(cells: list[str]) -> dict[str, str]:
    return {"name": cells[0], "email": cells[1], "timestamp": _when(cells[2])}


def _when(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def _files(store: Store, base: str, head: str) -> list[dict[str, Any]]:
    """Return the files that differ between the base and the session."""
    flags = ("-r", "-z", "-M", "-C", "--raw", "--no-abbrev", "--numstat")
    out = store.git.run("diff-tree", *flags, base, head, limited=True, most=256 << 20).out
    cells = iter(out.decode("utf-8", "replace").split("\0"))
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        if cell.startswith(":"):
            _, _, before, after, kind = cell.split(" ")
            source = next(cells)
            path = next(cells) if kind[0] in "RC" else source
            named = {"R": {"Renamed": {"from": source}}, "C": {"Copied": {"from": source}}}
            found[path] = {
                "path": path,
                "modification_type": named.get(kind[0], _KINDS.get(kind[0], "Modified")),
                "blobs": (before, after),
            }
        elif "\t" in cell:
            added, removed, path = cell.split("\t", 2)
            if not path:
                next(cells)
                path = next(cells)
            if path in found:
                found[path]["diff_stats"] = {"lines_added": _number(added), "lines_removed": _number(removed)}
    entries = list(found.values())
    _add_sizes(store, entries)
    _add_commits(store, base, head, entries)
    return entries


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _add_sizes(store: Store, entries: list[dict[str, Any]]) -> None:
    blobs = [blob for entry in entries for blob in entry["blobs"]]
    data = "".join(f"{blob}\n" for blob in blobs).encode()
    out = (
        store.git.run("cat-file", "--batch-check=%(objectsize)", data=data, limited=True).out
        if blobs
        else b""
    )
    sizes = iter(out.decode().splitlines())
    for entry in entries:
        del entry["blobs"]
        entry["size_before"], entry["size_after"] = _number(next(sizes)), _number(next(sizes))


def _add_commits(store: Store, base: str, head: str, entries: list[dict[str, Any]]) -> None:
    """Add the last commit of each file, and its time."""
    out = store.git.run(
        "log",
        "--format=%x01%H %ct",
        "--name-only",
        "-z",
        "-m",
        f"{base}..{head}",
        limited=True,
        most=256 << 20,
    ).out.decode("utf-8", "replace")
    last: dict[str, tuple[str, str]] = {}
    for block in out.split("\x01")[1:]:
        first, *names = block.replace("\n", "\0").split("\0")
        commit, seconds = first.split(" ")
        for name in names:
            if name:
                last.setdefault(name, (commit, _when(seconds)))
    for entry in entries:
        entry["commit_id"], entry["last_modified"] = last.get(entry["path"], (None, None))
