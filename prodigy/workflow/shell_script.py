"""Finds what the parser and the shells read differently, so that no text with it gets a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prodigy.workflow.shell_words import BOUNDARIES, UndecidableError, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node

_CONTINUATION = re.compile(rb"(?<!\\)(?:\\\\)*\\\n")
_BLANKS = b" \t\n"
_STRANGE = re.compile(r"(?![ \t\n])[\s\x00-\x1f\x7f]")
_NESTED = frozenset(
    ("expansion", "command_substitution", "simple_expansion", "arithmetic_expansion", "string")
)


def check_script(text: str, source: bytes, root: Node) -> None:
    """Pass scripts that the parser reads as shells do. Raises UndecidableError for all others."""
    if root.has_error:
        raise UndecidableError("the shell text around it cannot be understood for certain")
    if strange := _STRANGE.search(text):
        raise UndecidableError(f"the shell text around it holds an unusual blank (U+{ord(strange[0]):04X})")
    for node in _descendants(root):
        if node.type == "expansion":
            _check_expansion(node)
    for found in _CONTINUATION.finditer(source):
        before, after = source[: found.end() - 2][-1:], source[found.end() :][:1]
        if before.strip(_BLANKS) and after.strip(_BLANKS) and not _is_quoted(root, found.end() - 1):
            raise UndecidableError(
                "a backslash at a line's end joins the halves of a word; write it on one line"
            )


def _is_quoted(root: Node, position: int) -> bool:
    node = root.descendant_for_byte_range(position, position)
    while node is not None and node.type not in ("string", "raw_string", "heredoc_body", "comment"):
        node = None if node.type in BOUNDARIES else node.parent
    return node is not None


def _check_expansion(node: Node) -> None:
    """Refuse `${x#{…}` and quotes inside `"${…}"`, whose ends the shells find elsewhere."""
    own, position = b"", 2
    for child in node.children:
        if child.type in _NESTED:
            own += text_of(node)[position : child.start_byte - node.start_byte]
            position = child.end_byte - node.start_byte
    own += text_of(node)[position:]
    if b"{" in own or (b"'" in own and _is_quoted_by_parent(node)):
        raise UndecidableError("the shell text around it has braces or quotes inside `${…}`")


def _is_quoted_by_parent(node: Node) -> bool:
    return node.parent is not None and node.parent.type in ("string", "heredoc_body", "expansion")


def _descendants(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.children
