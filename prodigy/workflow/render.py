"""Plain text with its placeholders filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prodigy.workflow.plain_values import as_text
from prodigy.workflow.scope import read

if TYPE_CHECKING:
    from prodigy.workflow.scope import Scope


def render_plain(text: str, scope: Scope) -> str:
    """Return a prompt, path or file content with every placeholder replaced by its value.

    No value is scanned again. Raises StepError of kind ``interpolation``.
    """
    pieces = read(text, scope, in_shell=False)
    return "".join(piece if isinstance(piece, str) else as_text(scope.resolve(piece)) for piece in pieces)
