"""Everything found wrong with one file, and what its author may have meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.values import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prodigy.values import Severity
    from prodigy.workflow.nodes import Mark

_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_SHORT_NAME = 4


class Findings:
    """Collects diagnostics. Positions are those of the original file."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = _LINE_BREAK.split(text)
        self.all: set[Diagnostic] = set()

    @property
    def errors(self) -> list[Diagnostic]:
        """The errors, by position."""
        return self._by_severity("error")

    @property
    def warnings(self) -> list[Diagnostic]:
        """The warnings, by position."""
        return self._by_severity("warning")

    def error(
        self, code: str, mark: Mark, message: str, advice: str | None = None, *, width: int = 1
    ) -> None:
        """Record an error at a place; ``width`` characters of the line are marked."""
        self._add("error", code, mark, message, advice, width)

    def warning(self, code: str, mark: Mark, message: str, advice: str | None = None) -> None:
        """Record a warning at a place."""
        self._add("warning", code, mark, message, advice, 1)

    def _by_severity(self, severity: Severity) -> list[Diagnostic]:
        found = (diagnostic for diagnostic in self.all if diagnostic.severity == severity)
        return sorted(found, key=lambda d: (d.line, d.column, d.code, d.message))

    def _add(
        self, severity: Severity, code: str, mark: Mark, message: str, advice: str | None, width: int
    ) -> None:
        line, column = mark
        source = self.lines[line - 1] if line <= len(self.lines) else None
        self.all.add(
            Diagnostic(
                file=self.file,
                line=line,
                column=column,
                end_line=line,
                end_column=column + width,
                severity=severity,
                code=code,
                message=message,
                help=advice,
                source=source,
            )
        )


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, or nothing if none is near."""
    limit = 1 if len(name) <= _SHORT_NAME else 2
    near = ((_distance(name, other, limit), other) for other in known)
    best = min((pair for pair in near if pair[0] <= limit), default=None)
    return f" (did you mean {best[1]!r}?)" if best else ""


def _distance(a: str, b: str, limit: int) -> int:
    """Damerau-Levenshtein distance (optimal string alignment), or ``limit + 1`` when it is larger."""
    if abs(len(a) - len(b)) > limit or not a:
        return limit + 1
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
