"""Files of a workspace that steps ask for: written from their output, or found among what they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.run.command import WRITE_FILE, safe_path
from prodigy.sandbox.protocol import INPUT, Call
from prodigy.values import ErrorKind
from prodigy.workflow.globs import match_glob
from prodigy.workflow.plain_values import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.run.place import Place
    from prodigy.run.tracker import Facts
    from prodigy.workflow.step import OutputSpec

_SHOWN = 5


def write_output(place: Place, path: str, data: bytes) -> None:
    """Write a step's output to a file of the workspace, making its directories. Raises StepError."""
    arguments = (safe_path(path), "0644", "yes", INPUT, str(len(data)))
    outcome = place.station.run(
        Call(argv=("sh", "-c", WRITE_FILE, "sh", *arguments), input=data, timeout=300)
    )
    if outcome.kind is not None:
        said = outcome.stderr_tail.decode(errors="replace").strip()
        raise StepError(ErrorKind.WRITE_FILE, f"output_file: {said or outcome.message}")


def find_outputs(wanted: Mapping[str, OutputSpec], facts: Facts) -> dict[str, Any]:
    """Return the files a step added or modified, by the names it promised them under.

    Raises StepError (output_missing) when one that is required is not there, or is not one.
    """
    changed = (*facts.added, *facts.modified)
    found: dict[str, Any] = {}
    for name, spec in wanted.items():
        paths = match_glob((spec.file_pattern,), (), changed)
        if not paths and spec.required:
            message = f"output '{name}': the step made no file that matches {spec.file_pattern}"
            raise StepError(ErrorKind.OUTPUT_MISSING, message)
        if spec.multiple:
            found[name] = Paths(paths)
        elif len(paths) > 1:
            shown = ", ".join(paths[:_SHOWN])
            message = f"output '{name}': {len(paths)} files match {spec.file_pattern} ({shown}); one may"
            raise StepError(ErrorKind.OUTPUT_MISSING, message)
        else:
            found[name] = paths[0] if paths else None
    return found
