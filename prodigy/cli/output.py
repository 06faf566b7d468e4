"""Results on stdout, questions at the terminal."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from prodigy.errors import UsageError
from prodigy.text import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prodigy.cli.settings import Settings


def write(text: str) -> None:
    """Print text that is ours on stdout."""
    sys.stdout.write(text + "\n")


def warn(message: str) -> None:
    """Say on stderr that something is not as expected."""
    sys.stderr.write(f"prodigy: warning: {printable_lines(message)}\n")


def print_document(name: str, data: Mapping[str, Any]) -> None:
    """Print the JSON document ``prodigy.<name>/1``."""
    from prodigy.report.document import document, dumps

    write(dumps(document(name, data)))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], settings: Settings) -> None:
    """Print a table: columns that fit the terminal, or one unbroken line per row in a pipe."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(headers, cells, color=settings.colored(sys.stdout))
        return
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    for row in (headers, *cells):
        write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rich_table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, color: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headers, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console(no_color=not color, highlight=False).print(table)


def interactive() -> bool:
    """Whether a question can be asked and answered."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask a yes/no question; the end of input is no."""
    sys.stderr.write(f"{printable_lines(question)} [y/N] ")
    sys.stderr.flush()
    answer = _answer()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() in ("y", "yes")


def _answer() -> str:
    """Read a line; a signal is no answer. A run's own handlers would leave the question standing."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in signals}
    try:
        return sys.stdin.readline()
    except KeyboardInterrupt:
        return ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def confirm(question: str, *, yes: bool) -> bool:
    """Ask before something is destroyed, unless ``yes``.

    Raises UsageError where nobody can be asked.
    """
    if yes:
        return True
    if not interactive():
        raise UsageError("nothing was done: there is no terminal to ask at", help="-f answers yes")
    return ask(question)
