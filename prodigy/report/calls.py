"""The calls to git and to the container engine, shown from ``-vv`` on."""

from __future__ import annotations

import logging
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prodigy.report.reporter import Reporter

_LOGGERS = ("git.cmd", "urllib3.connectionpool")
"""Who logs them: GitPython every command, the engine client's HTTP library every request line."""


class Calls(logging.Handler):
    """Hands what the libraries log to a reporter, so that it never breaks the live view."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.DEBUG)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Show one call."""
        self._reporter.output(None, None, None, "stderr", _words(record))


def _words(record: logging.LogRecord) -> str:
    command = record.args[0] if isinstance(record.args, tuple) and record.args else None
    if isinstance(command, list) and "git" in command:
        # What stands before is our own `env -i NAME=VALUE ...`, the same in every call.
        return shlex.join(command[command.index("git") :])
    return f"{record.name}: {record.getMessage()}"


def show_calls(reporter: Reporter) -> None:
    """Show every call from now on."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(Calls(reporter))
