"""Plain text with its placeholders filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.workflow.plain_values import as_text, single_quoted
from prodigy.workflow.scope import read

if TYPE_CHECKING:
    from prodigy.workflow.placeholder import Placeholder
    from prodigy.workflow.scope import Computer, Scope

INLINE_LIMIT = 64 << 10
"""Bytes of one value that stand in a prompt themselves; a longer one is read from a file."""


def render_plain(text: str, scope: Scope) -> str:
    """Return a path, message or file content with every placeholder replaced by its value.

    No value is scanned again. Raises StepError of kind ``interpolation``.
    """
    pieces = read(text, scope, in_shell=False)
    return "".join(piece if isinstance(piece, str) else _text(piece, scope) for piece in pieces)


def render_prompt(text: str, scope: Scope, computer: Computer) -> tuple[str, list[str]]:
    """Return a prompt, and what there is to say of it.

    A value above 64 KiB is kept in a file of the sandbox, whose path stands in its place; the filter
    ``raw`` keeps it in the text. Raises StepError of kind ``interpolation``.
    """
    parts, notes = [], []
    for piece in read(text, scope, in_shell=False):
        if isinstance(piece, str):
            parts.append(piece)
            continue
        value = _text(piece, scope)
        size = len(value.encode(errors="surrogateescape"))
        if size > INLINE_LIMIT and not piece.has_filter("raw"):
            path = computer.stash(value)
            notes.append(f"`{piece.text}` has {size} bytes: the prompt names the file {path} instead")
            value = f"[{size} bytes in {path}]"
        parts.append(value)
    return "".join(parts), notes


def _text(placeholder: Placeholder, scope: Scope) -> str:
    text = as_text(scope.resolve(placeholder))
    return single_quoted(text) if placeholder.has_filter("q") else text
