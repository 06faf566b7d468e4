"""Where work items come from: a list, a file, paths, or a command, all read inside a sandbox."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.run.names import ScopeNames
from prodigy.sandbox.protocol import INPUT, Call
from prodigy.text import printable
from prodigy.values import ErrorKind
from prodigy.workflow import items
from prodigy.workflow.globs import match_glob
from prodigy.workflow.pipeline import Selected, select_items
from prodigy.workflow.render import render_plain
from prodigy.workflow.shell_text import render_shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.run.context import RunContext
    from prodigy.run.session_workspace import SessionWorkspace
    from prodigy.run.station import Station
    from prodigy.workflow.models import MapInput
    from prodigy.workflow.scope import Scope

INPUT_LIMIT = 64 << 20
"""Bytes an input may have."""

_LIST_FILES = (
    "git",
    "-c",
    "core.fsmonitor=false",
    "ls-files",
    "-z",
    "--cached",
    "--others",
    "--exclude-standard",
)


def read_items(
    context: RunContext, workspace: SessionWorkspace, scope: Scope, values: Mapping[str, str]
) -> Selected:
    """The items of the map phase with their ids, as they are to be run.

    Raises StepError or InputError with the reason when there is no usable input.
    """
    flow = context.plan.workflow.map
    if flow is None:
        return Selected([])
    document, notes = _document(context, workspace, scope, values, flow.input), []
    found = items.select(document, flow.json_path)
    if flow.json_path is not None and isinstance(document, list | dict) and document and not found:
        notes.append("json_path matches nothing in the input")
    selected = select_items(items.number_items(found), flow, ScopeNames(scope))
    return replace(selected, notes=tuple(notes))


def _document(
    context: RunContext,
    workspace: SessionWorkspace,
    scope: Scope,
    values: Mapping[str, str],
    spec: MapInput,
) -> Any:
    if spec.kind == "inline":
        return spec.document
    if spec.kind == "value":
        return items.from_value(scope.value(spec.text))
    if spec.kind == "stdin":
        data = (context.plan.stdin or "").encode(errors="surrogateescape")
        if spec.format is not None:
            return items.parse_document(data, "standard input", spec.format)
        return items.parse_command_output(data)
    with workspace.read_only("map") as station:
        return _Reader(context, station, workspace, scope, values).read(spec)


def _utf8(paths: list[str]) -> list[str]:
    odd = [path for path in paths if any("\udc80" <= char <= "\udcff" for char in path)]
    if odd:
        raise StepError(
            ErrorKind.COMMAND,
            f"{len(odd)} paths that the glob matches are not UTF-8 and cannot be items "
            f"({', '.join(printable(path) for path in odd[:3])}): leave them out with `exclude`",
        )
    return paths


class _Reader:
    """Reads an input through a sandbox that has the session workspace read-only."""

    def __init__(
        self,
        context: RunContext,
        station: Station,
        workspace: SessionWorkspace,
        scope: Scope,
        values: Mapping[str, str],
    ) -> None:
        self._values = values
        self._context = context
        self._station = station
        self._scope = scope
        self._worktree = workspace.workspace.path

    def read(self, spec: MapInput) -> Any:
        spec = items.classify_input(spec, self._exists)
        match spec.kind:
            case "file":
                path = render_plain(spec.text, self._scope)
                if not self._exists(path):
                    raise StepError(ErrorKind.COMMAND, f"input file not found: {path}")
                return items.parse_document(self._output(("cat", "--", path)), path, spec.format)
            case "glob":
                listed = self._output(_LIST_FILES).split(b"\0")[:-1]
                paths = sorted({path.decode(errors="surrogateescape") for path in listed})
                return _utf8(match_glob(spec.patterns, spec.exclude, paths))
            case "command":
                return items.parse_command_output(self._command(spec))
        raise TypeError(spec.kind)

    def _exists(self, path: str) -> bool:
        with self._station.sandbox().pipe(("test", "-f", path)) as pipe:
            return pipe.wait() == 0

    def _output(self, argv: tuple[str, ...]) -> bytes:
        with self._station.sandbox().pipe(argv) as pipe:
            data = pipe.stdout.read(INPUT_LIMIT + 1)
            if len(data) > INPUT_LIMIT:
                raise StepError(ErrorKind.COMMAND, f"the input is larger than {INPUT_LIMIT >> 20} MiB")
            if pipe.wait() != 0:
                why = pipe.stderr_tail().decode(errors="replace").strip()
                raise StepError(ErrorKind.COMMAND, f"the input cannot be read: {why}")
            return data

    def _command(self, spec: MapInput) -> bytes:
        sandbox = self._station.sandbox()
        logs = self._context.directory / "logs" / "map-input"
        logs.mkdir(parents=True, exist_ok=True)
        bus = self._context.bus.at(phase="map", step="input")
        bus.emit(
            "step_started",
            name="input",
            kind="shell",
            place=sandbox.place,
            worktree=str(self._worktree),
            index=1,
            total=1,
        )
        outcome = self._station.run(
            Call(
                argv=(sandbox.interpreter, INPUT),
                input=render_shell(spec.text, self._scope).encode(errors="surrogateescape"),
                env=self._context.environment("map", sandbox.root, values=self._values)
                | self._context.variables.shown_to_all,
                masker=self._context.variables.masker or None,
                timeout=spec.timeout,
                stdout=logs / "input.out",
                stderr=logs / "input.err",
                on_line=bus.on_line,
            )
        )
        if outcome.kind is not None:
            why = outcome.stderr_tail.decode(errors="replace").strip()[-2000:]
            raise StepError(outcome.kind, f"the input command failed: {outcome.message}\n{why}".rstrip())
        if outcome.stdout_bytes > INPUT_LIMIT:
            raise StepError(ErrorKind.COMMAND, f"the input is larger than {INPUT_LIMIT >> 20} MiB")
        return (logs / "input.out").read_bytes()
