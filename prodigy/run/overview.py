"""What earlier sessions hold, read from the record and the store, never from a workspace."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prodigy.errors import UsageError
from prodigy.run.cleanup import abandoned
from prodigy.run.worktrees import session_store
from prodigy.state.journal import Journal
from prodigy.text import printable, printable_lines
from prodigy.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.git.store import Store
    from prodigy.state.database import Database
    from prodigy.state.sessions import SessionRecord
    from prodigy.values import ItemResult

_STATES = {
    "none": "removed",
    "at_rest": "at rest",
    "in_use": "in a container, or cut off: do not use its .git",
}


class Overview(Frozen):
    """One line of ``worktree ls``. Size in bytes, of what prodigy keeps beside the workspace."""

    name: str
    branch: str
    status: str
    created_at: datetime
    ahead: int
    size: int
    workflow: str
    base: str
    target: str | None
    files: int
    state: str
    agents: int
    path: str

    def cells(self) -> list[str]:
        """The columns of the short table."""
        created = self.created_at.astimezone().strftime("%Y-%m-%d %H:%M")
        return [
            self.name,
            self.branch,
            self.status,
            created,
            str(self.ahead),
            f"{self.size / (1 << 20):.1f}M",
        ]

    def more_cells(self) -> list[str]:
        """The further columns of the detailed table."""
        return [
            self.workflow,
            self.base[:12],
            self.target or "-",
            str(self.files),
            self.state,
            str(self.agents),
        ]


def overview(home: Path, record: SessionRecord) -> Overview:
    """A session in one line."""
    store = session_store(home, record)
    head = store.head() if store else record.base
    merged = record.merge is not None and record.merge.status == "merged"
    counts = record.result.items if record.result and record.result.items else {}
    return Overview(
        name=record.id,
        branch=record.branch,
        status="merged" if merged else "orphaned" if abandoned(record) else record.status,
        created_at=record.created_at,
        ahead=0 if merged or store is None else len(store.commits(record.base, head)),
        size=_size(home / "sessions" / record.id),
        workflow=record.workflow_name,
        base=record.base,
        target=record.target,
        files=len(store.changes(record.base, head)) if store else 0,
        state=_STATES[record.workspace_state],
        agents=counts.get("total", 0),
        path=record.workspace,
    )


def _size(directory: Path) -> int:
    """Bytes below a directory that only prodigy writes."""
    return sum(entry.lstat().st_size for entry in directory.rglob("*"))


def details(home: Path, database: Database, record: SessionRecord) -> dict[str, Any]:
    """The document of ``worktree show``."""
    store = session_store(home, record)
    head = store.head() if store else None
    items = Journal(database, record.id).item_results()
    return {
        **overview(home, record).model_dump(mode="json"),
        "head": head,
        "error": record.error,
        "commits": [vars_of(commit) for commit in store.log(record.base, head)] if store and head else [],
        "changed": changes(home, database, record, None, counts=True) if store else [],
        "uncommitted": list(record.result.uncommitted) if record.result else [],
        "failed_items": [_failed(item) for item in items if item.status == "failed"],
        "merge": record.merge.model_dump(mode="json") if record.merge else None,
    }


def vars_of(commit: Any) -> dict[str, Any]:
    """A commit's fields."""
    return {name: getattr(commit, name) for name in ("sha", "author", "when", "subject")}


def _failed(item: ItemResult) -> dict[str, Any]:
    return {
        "item_id": item.item_id,
        "error": item.error.model_dump(mode="json") if item.error else None,
        "ref": item.ref,
        "conflict": item.conflict,
        "log": item.log,
    }


def details_text(found: dict[str, Any]) -> str:
    """``worktree show`` for people."""
    names = ("name", "status", "workflow", "branch", "base", "head", "target", "state", "path", "error")
    lines = [f"{name:<10} {printable(str(found[name]))}" for name in names if found[name] is not None]
    lines.append(f"commits    {found['ahead']} ahead of the base, {found['files']} files changed")
    lines += [
        f"  {c['sha'][:12]} {printable(c['subject'])} ({printable(c['author'])})" for c in found["commits"]
    ]
    lines += [f"  {line}" for line in found["changed"]]
    lines += [
        f"leftover   {len(one['files'])} files of {one['owner']}: {one['patch']}"
        for one in found["uncommitted"]
    ]
    for item in found["failed_items"]:
        error = item["error"] or {}
        kept = f", its commits are kept as {item['ref']}" if item["ref"] else ""
        message = printable(error.get("message", ""))
        lines.append(f"failed     {printable(item['item_id'])}: {error.get('kind', '')}: {message}{kept}")
    merge = found["merge"]
    if merge:
        lines.append(f"merge      {merge['status']}{': ' + merge['command'] if merge['command'] else ''}")
    return "\n".join(lines)


def _range(home: Path, database: Database, record: SessionRecord, item: str | None) -> tuple[Store, str, str]:
    store = session_store(home, record)
    if store is None:
        raise UsageError(f"{record.id} holds no commits any more: its store was removed")
    if item is None:
        return store, record.base, store.head()
    for result in Journal(database, record.id).item_results():
        if result.item_id == item:
            head = store.ref(result.ref or f"agents/{result.agent_id}")
            if head is None:
                raise UsageError(f"item '{item}' made no commits")
            return store, result.base or record.base, head
    raise UsageError(f"{record.id} has no item '{item}'")


def changes(
    home: Path, database: Database, record: SessionRecord, item: str | None, *, counts: bool
) -> list[str]:
    """Changed paths, with or without counts, one a line."""
    store, base, head = _range(home, database, record, item)
    lines = []
    for change in store.changes(base, head):
        name = printable(change.path.decode(errors="replace"))
        added, removed = ("-", "-") if change.insertions is None else (change.insertions, change.deletions)
        lines.append(f"{added}\t{removed}\t{name}" if counts else name)
    return lines


def patch(home: Path, database: Database, record: SessionRecord, item: str | None) -> Iterator[str]:
    """The patch of a session or of one agent, safe to show."""
    store, base, head = _range(home, database, record, item)
    with store.diff(base, head) as chunks:
        yield from _shown(chunks)


def _shown(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield printable_lines(line.decode(errors="replace")) + "\n"
    if rest:
        yield printable_lines(rest.decode(errors="replace")) + "\n"


def patch_of_leftovers(database: Database, record: SessionRecord, item: str | None) -> Iterator[str]:
    """What the run, or one agent, left uncommitted."""
    kept = list(record.result.uncommitted) if record.result else []
    kept += [r.uncommitted for r in Journal(database, record.id).item_results() if r.uncommitted]
    for one in kept:
        if item is None or one["owner"] == item:
            with Path(one["patch"]).open("rb") as file:
                yield from _shown(iter(lambda: file.read(1 << 16), b""))
