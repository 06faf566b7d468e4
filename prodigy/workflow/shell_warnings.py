"""What looks wrong in shell texts without being so for certain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.workflow.placeholder import Placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prodigy.workflow.name_check import Known

_RUNS_CODE = re.compile(
    r"(?:^|[\s;|&(])(?:eval|(?:ba|da|z|k)?sh\s+(?:-\S+\s+)*-\w*c|python[0-9.]*\s+-c|perl\s+-\w*e|"
    r"ruby\s+-e|node\s+-e|awk)\s[^;|&\n]*$"
)
_DOLLAR = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


def shell_warnings(pieces: Sequence[str | Placeholder], known: Known) -> Iterator[tuple[int, str, str]]:
    """Give the offset, code and sentence of each doubtful place in a script."""
    offset = 0
    before = ""
    for piece in pieces:
        if isinstance(piece, Placeholder):
            if piece.has_filter("raw"):
                yield piece.offset, "W06", f"`{piece.text}` is inserted as it is: its value is code here"
            elif _RUNS_CODE.search(before):
                message = (
                    f"`{piece.text}` is part of a text that another program runs: its value is code there"
                )
                yield piece.offset, "W05", message
            before += "x"
            offset = piece.offset + len(piece.text)
            continue
        yield from _dollar_names(piece, offset, before, known)
        before += piece
        offset += len(piece)


def _dollar_names(text: str, offset: int, before: str, known: Known) -> Iterator[tuple[int, str, str]]:
    for match in _DOLLAR.finditer(text):
        name = match[1]
        if name in known.captures or name in known.locals:
            message = f"`${name}` is no variable of the process: write ${{{name}}} for the captured value"
            yield offset + match.start(), "W10", message
        elif name in known.exported and _in_single_quotes(before + text[: match.start()]):
            message = f"`${name}` stands in single quotes, where the shell leaves it: write ${{{name}}}"
            yield offset + match.start(), "W10", message


def _in_single_quotes(text: str) -> bool:
    """Whether a simple script has an open single quote at its end."""
    inside = ""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and inside != "'":
            escaped = True
        elif inside:
            inside = "" if char == inside else inside
        elif char in "'\"":
            inside = char
        elif char == "\n":
            inside = ""
    return inside == "'"
