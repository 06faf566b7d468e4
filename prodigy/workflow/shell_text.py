"""Shell text with its placeholders filled in, so that every value stays data.

A value is written literally in the quoting its place needs: outside quotes between single quotes, inside
double quotes and heredocs with backslashes before active characters. Nothing is ever left to how the shell
would expand a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.values import ErrorKind
from prodigy.workflow.placeholder import Placeholder, PlaceholderError
from prodigy.workflow.plain_values import as_text, single_quoted
from prodigy.workflow.scope import read
from prodigy.workflow.shell_context import Quoting, parse_script

if TYPE_CHECKING:
    from prodigy.workflow.scope import Scope
    from prodigy.workflow.shell_context import Context, ParsedScript

Edit = tuple[int, int, bytes]
"""Bytes from, to, and what replaces them."""

NOTHING = "${IFS+}"
"""Expands to nothing, whether or not IFS is set; unquoted it leaves no word, yet is not empty syntax."""

_BLANKS = re.compile(r"[ \t\n]+")
_INTEGER = re.compile(r"[ \t\n]*([-+]?[0-9]+)[ \t\n]*")
_INTEGER_BITS = 63
_ACTIVE_IN_DOUBLE = re.compile(r'([\\$`"])')
_ACTIVE_IN_HEREDOC = re.compile(r"([\\$`])")
_ACTIVE_BYTES = re.compile(rb"([\\$`])")


def render_shell(text: str, scope: Scope) -> str:
    """Return the script to run. Names the shell resolves itself stay as they are.

    Raises StepError of kind ``interpolation``: a missing value, one that does not fit its place (not an
    integer in arithmetic, a NUL character), or a place that cannot be told for certain.
    """
    pieces = read(text, scope, in_shell=True)
    placeholders = [piece for piece in pieces if isinstance(piece, Placeholder)]
    if not placeholders:
        return "".join(str(piece) for piece in pieces)
    try:
        script = parse_script(pieces)
    except PlaceholderError as error:
        raise StepError(ErrorKind.INTERPOLATION, error.message, help=error.help) from None
    edits: list[Edit] = []
    left: list[Edit] = []
    for placeholder, context in zip(placeholders, script.contexts, strict=True):
        written = _write(placeholder, context, scope)
        if written != placeholder.text:
            edits.append((context.start, context.end, _encode(written, placeholder)))
        else:
            left.append((context.start, context.end, placeholder.text.encode()))
    return _apply(script, left + edits + _heredoc_edits(script, edits)).decode()


def _write(placeholder: Placeholder, context: Context, scope: Scope) -> str:
    """Return the shell's spelling of a placeholder's value at its place."""
    if context.quoting is Quoting.COMMENT:
        return placeholder.text.replace("\n", " ")
    value = scope.resolve(placeholder)
    if placeholder.has_filter("raw"):
        return as_text(value)
    if context.integer:
        number = _integer(value, placeholder)
        return placeholder.text if _left_to_shell(placeholder, context, scope) else str(number)
    if _left_to_shell(placeholder, context, scope):
        return placeholder.text
    if context.splits and not placeholder.has_filter("q"):
        words = _words(value)
        written = " ".join(map(single_quoted, words)) if words else NOTHING
    else:
        written = _one_text(as_text(value), context)
    if context.in_heredoc and context.quoting is not Quoting.DOUBLE:
        # Reading a heredoc removes backslash and line end, even between single quotes further in.
        written = written.replace("\\\n", "\\''\n")
    return _ACTIVE_IN_HEREDOC.sub(r"\\\1", written) if context.in_backquotes else written


def _left_to_shell(placeholder: Placeholder, context: Context, scope: Scope) -> bool:
    return context.expands and placeholder.is_bare and scope.is_exported(placeholder.head)


def _one_text(text: str, context: Context) -> str:
    if context.quoting is Quoting.DOUBLE:
        return _ACTIVE_IN_DOUBLE.sub(r"\\\1", text)
    if context.quoting is Quoting.SINGLE:
        return text.replace("'", "'\\''")
    if context.quoting is Quoting.HEREDOC:
        # An expansion of nothing begins every line, so that `<<-` strips no leading tab of a value.
        return NOTHING + _ACTIVE_IN_HEREDOC.sub(r"\\\1", text).replace("\n", "\n" + NOTHING)
    return single_quoted(text)


def _words(value: Any) -> list[str]:
    """Return the words of an unquoted value: elements of a plain list, or a text's parts between blanks."""
    if isinstance(value, list) and not any(isinstance(element, list | dict) for element in value):
        return [as_text(element) for element in value]
    if isinstance(value, list | dict):
        return [as_text(value)]
    return [part for part in _BLANKS.split(as_text(value)) if part]


def _integer(value: Any, placeholder: Placeholder) -> int:
    match = _INTEGER.fullmatch(as_text(value)[:100])
    if match is None or int(match[1]).bit_length() > _INTEGER_BITS:
        shown = as_text(value)[:100]
        raise StepError(
            ErrorKind.INTERPOLATION, f"`{placeholder.text}` must be an integer in arithmetic, not {shown!r}"
        )
    return int(match[1])


def _encode(written: str, placeholder: Placeholder) -> bytes:
    if "\0" in written:
        message = f"the value of `{placeholder.text}` holds a NUL character, which no shell text can"
        raise StepError(ErrorKind.INTERPOLATION, message)
    try:
        return written.encode()
    except UnicodeEncodeError:
        message = f"the value of `{placeholder.text}` holds a lone surrogate, which is no character"
        raise StepError(ErrorKind.INTERPOLATION, message) from None


def _heredoc_edits(script: ParsedScript, edits: list[Edit]) -> list[Edit]:
    """Return the edits that give heredocs delimiters no value can hold, and make all of them unquoted."""
    more = []
    for heredoc in script.heredocs.values():
        offset, stop = heredoc.body.start_byte, heredoc.body.end_byte
        if not any(offset <= start < stop for start, _, _ in edits):
            continue
        body = script.source[offset:stop]
        delimiter = f"{heredoc.delimiter}_".encode()
        while delimiter in body or any(delimiter in replacement for _, _, replacement in edits):
            delimiter += b"x"
        more += [(node.start_byte, node.end_byte, delimiter) for node in (heredoc.start, heredoc.end)]
        if heredoc.quoted:
            active = _ACTIVE_BYTES.finditer(body)
            more += [(offset + found.start(), offset + found.end(), b"\\" + found[1]) for found in active]
    return more


def _apply(script: ParsedScript, edits: list[Edit]) -> bytes:
    done: list[bytes] = []
    position = 0
    for start, end, replacement in sorted(edits):
        done += [script.source[position:start], replacement]
        position = end
    return b"".join([*done, script.source[position:]])
