"""The one place where errors become exit codes and sentences. No traceback ever reaches the user."""

from __future__ import annotations

import os
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from typer.completion import completion_init  # type: ignore[attr-defined] # its own apps use it

from prodigy import home
from prodigy.cli.commands import root
from prodigy.cli.settings import Settings, wants_json
from prodigy.errors import Interrupted, ProdigyError, UsageError, WorkflowInvalid
from prodigy.text import printable_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIGINT = 2
_COMPLETE = "_PRODIGY_COMPLETE"
"""Set by the completion scripts: the shell asks what could stand at the cursor."""
_PARSER_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""The parser's usage errors, by the one name typer exports of their family."""


def guarded(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code; whatever goes wrong is said in one sentence."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            if _COMPLETE in os.environ:
                completion_init()
            settings = Settings(json=wants_json(arguments))
            value = root().main(list(arguments), prog_name="prodigy", standalone_mode=False, obj=settings)
            return value if isinstance(value, int) else 0
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _report(Interrupted(_SIGINT), arguments)
    except _PARSER_ERROR as error:
        return _report(_usage_error(error), arguments)
    except ProdigyError as error:
        return _report(error, arguments)
    except Exception as error:  # noqa: BLE001 - the boundary
        return _report(_internal(error), arguments)


def _usage_error(error: Any) -> UsageError:
    near = getattr(error, "possibilities", None)
    hint = f" (did you mean '{min(near)}'?)" if near else ""
    context = getattr(error, "ctx", None)
    message = str(error.message if near else error.format_message()).rstrip(".").replace("Value error, ", "")
    command = context.command_path if context else "prodigy"
    return UsageError(
        f"{message[:1].lower()}{message[1:]}{hint}", help=f"'{command} --help' lists what it accepts"
    )


def _internal(error: Exception) -> ProdigyError:
    now = datetime.now(UTC)
    text = "".join(traceback.format_exception(error))
    try:
        directory = home.data_root() / "logs"
        directory.mkdir(mode=0o700, exist_ok=True)
        log = directory / f"error-{now:%Y%m%d-%H%M%S}-{os.getpid()}.log"
        log.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, ProdigyError):
        return ProdigyError(f"internal error ({type(error).__name__}); its log could not be written")
    return ProdigyError(f"internal error ({type(error).__name__})", help=f"the details are in {log}")


def _report(error: ProdigyError, arguments: Sequence[str]) -> int:
    from prodigy.report import diagnostics, document

    if wants_json(arguments):
        sys.stdout.write(document.dumps(document.error_document(error)) + "\n")
    if isinstance(error, WorkflowInvalid):
        sys.stderr.write(diagnostics.render_diagnostics(error.diagnostics) + "\n")
    sys.stderr.write(f"prodigy: {printable_lines(error.message)}\n")
    if error.help:
        sys.stderr.write(f"  help: {printable_lines(error.help)}\n")
    return error.exit_code
