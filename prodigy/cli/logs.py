"""``prodigy logs``: what steps printed."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prodigy.cli import run_options as options
from prodigy.cli.command import command, new_app
from prodigy.cli.output import print_document, print_table, write
from prodigy.cli.records import Records
from prodigy.cli.settings import Settings
from prodigy.errors import UsageError
from prodigy.owner import Owner
from prodigy.report.units import size
from prodigy.text import printable

if TYPE_CHECKING:
    from pathlib import Path

    from prodigy.state.sessions import SessionRecord

app = new_app()

_POLL = 0.3
_STREAMS = {".out": "stdout", ".err": "stderr", ".claude": "claude"}


@command(app)
def logs(
    settings: Settings,
    name: Annotated[str | None, typer.Argument(metavar="[ID]", help="Session or job; the latest.")] = None,
    *,
    latest: Annotated[bool, typer.Option("--latest", help="The latest session.")] = False,
    step: Annotated[
        str | None, typer.Option(metavar="PATH", help="Only of this step, as commands[1].")
    ] = None,
    item: Annotated[str | None, typer.Option(metavar="ID", help="Only of this item.")] = None,
    stream: Annotated[
        Literal["stdout", "stderr", "claude"] | None, typer.Option(help="Only this stream.")
    ] = None,
    tail: Annotated[bool, typer.Option("--tail", help="Go on while the run does.")] = False,
    lines: Annotated[int | None, typer.Option(metavar="N", help="Only the last lines of each.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only what there is.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> int:
    """Show what the steps of a run printed."""
    if name is not None and latest:
        raise UsageError("name a session, or give --latest")
    options.positive("--lines", lines)
    with closing(Records(settings)) as records:
        record = records.find(name or "latest")
        reader = _Logs(records, record, step, item, stream)
        files = reader.files()
        if json or summary:
            _print_summary(files, settings, as_json=json, with_text=not summary, lines=lines)
        elif tail:
            reader.follow(lines)
        elif not files:
            write("no logs")
        else:
            for file in files:
                _print(file, file["path"].read_bytes(), lines)
    return 0


class _Logs:
    """The log files of one session, chosen by step, item and stream."""

    def __init__(
        self, records: Records, record: SessionRecord, step: str | None, item: str | None, stream: str | None
    ) -> None:
        from prodigy.state.journal import Journal

        self._records = records
        self._record = record
        self._top = records.home / "sessions" / record.id / "logs"
        self._step = step
        self._stream = stream
        self._agents: list[str] | None = None
        if item is not None:
            found = [
                one for one in Journal(records.database, record.id).item_results() if one.item_id == item
            ]
            if not found:
                raise UsageError(f"{record.id} has no item '{item}'")
            self._agents = [f"{found[0].index}-"]

    def files(self) -> list[dict[str, Any]]:
        """Return the files in the order they were written."""
        found = []
        for path in self._top.rglob("*"):
            where = path.relative_to(self._top)
            kind = _STREAMS.get(path.suffix)
            if kind is None or (self._stream is not None and kind != self._stream):
                continue
            step, _, attempt = where.stem.rpartition(".")
            if self._step is not None and step != self._step:
                continue
            if self._agents is not None and not (
                where.parts[0] == "map" and where.parts[1].startswith(tuple(self._agents))
            ):
                continue
            place = "/".join(where.parts[:-1])
            status = path.stat()
            found.append(
                {
                    "path": path,
                    "place": place,
                    "step": step,
                    "attempt": attempt,
                    "stream": kind,
                    "size": status.st_size,
                    "at": datetime.fromtimestamp(status.st_mtime, UTC),
                }
            )
        return sorted(found, key=lambda one: (one["at"], str(one["path"])))

    def follow(self, lines: int | None) -> None:
        """Show what is there, then what comes, until the run ends."""
        seen: dict[Path, int] = {}
        while True:
            runs = self._runs()
            for file in self.files():
                begin = seen.get(file["path"], 0)
                if file["size"] > begin:
                    with file["path"].open("rb") as opened:
                        opened.seek(begin)
                        data = opened.read()
                    if runs:  # a line that is being written is shown when it is whole
                        data = data[: data.rfind(b"\n") + 1]
                    seen[file["path"]] = begin + len(data)
                    _print(file, data, lines if begin == 0 else None)
            if not runs:
                return
            time.sleep(_POLL)

    def _runs(self) -> bool:
        record = self._records.sessions.get(self._record.id)
        owner = Owner.parse(record.owner)
        return record.status == "running" and owner is not None and owner.alive()


def _print(file: dict[str, Any], data: bytes, lines: int | None) -> None:
    from prodigy.run.claude_stream import readable_log

    is_claude = file["stream"] == "claude"
    text = list(readable_log(data)) if is_claude else data.decode(errors="replace").splitlines()
    for line in text[-lines:] if lines is not None else text:
        write(
            f"{file['at'].astimezone():%H:%M:%S} [{file['place']}/{file['step']} {file['stream']}] "
            f"{printable(line)}"
        )


def _print_summary(
    files: list[dict[str, Any]], settings: Settings, *, as_json: bool, with_text: bool, lines: int | None
) -> None:
    if as_json:
        found = []
        for file in files:
            one = {**file, "path": str(file["path"])}
            if with_text:
                text = file["path"].read_bytes().decode(errors="replace")
                one["text"] = "\n".join(text.splitlines()[-lines:]) if lines is not None else text
            found.append(one)
        print_document("logs", {"logs": found})
        return
    rows = [
        (
            f"{file['at'].astimezone():%H:%M:%S}",
            file["place"],
            file["step"],
            file["attempt"],
            file["stream"],
            size(file["size"]),
        )
        for file in files
    ]
    print_table(("TIME", "PLACE", "STEP", "ATTEMPT", "STREAM", "SIZE"), rows, settings)
