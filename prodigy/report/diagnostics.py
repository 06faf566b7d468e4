"""Diagnostics as text: position, message, the source line with a caret, help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from prodigy.report.paint import paint
from prodigy.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.values import Diagnostic, Severity

_INDENT = "    "


def render_diagnostics(diagnostics: Iterable[Diagnostic], *, color: bool = False) -> str:
    """All of them, by file and position."""
    return "\n".join(render_diagnostic(one, color=color) for one in sorted(diagnostics, key=_position))


def render_diagnostic(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """Several lines of text without a final line end."""
    style = "bold red" if diagnostic.severity == "error" else "bold yellow"
    severity = paint(f"{diagnostic.severity}[{diagnostic.code}]", style, color=color)
    place = f"{printable(diagnostic.file)}:{diagnostic.line}:{diagnostic.column}"
    lines = [f"{place}: {severity}: {printable(diagnostic.message)}"]
    if diagnostic.source is not None:
        lines += [
            _INDENT + printable(diagnostic.source).rstrip(),
            _INDENT + _caret(diagnostic, diagnostic.source),
        ]
    if diagnostic.help:
        lines.append(f"{_INDENT}help: {printable(diagnostic.help)}")
    return "\n".join(lines)


def render_github(diagnostic: Diagnostic, *, severity: Severity) -> str:
    """One workflow command of GitHub Actions, which annotates the line of the file."""
    properties = {
        "file": diagnostic.file,
        "line": str(diagnostic.line),
        "endLine": str(diagnostic.end_line),
        "col": str(diagnostic.column),
        "endColumn": str(diagnostic.end_column),
        "title": diagnostic.code,
    }
    named = ",".join(f"{key}={_escape(value, ':,')}" for key, value in properties.items())
    text = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    return f"::{severity} {named}::{_escape(text)}"


def _position(diagnostic: Diagnostic) -> tuple[str, int, int, str]:
    return diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.code


def _caret(diagnostic: Diagnostic, source: str) -> str:
    start = diagnostic.column - 1
    end = diagnostic.end_column - 1 if diagnostic.end_line == diagnostic.line else len(source)
    width = cell_len(printable(source[start:end].rstrip()))
    return " " * cell_len(printable(source[:start])) + "^" * max(width, 1)


def _escape(text: str, more: str = "") -> str:
    return "".join(f"%{ord(one):02X}" if one in "%\r\n" + more else one for one in text)
