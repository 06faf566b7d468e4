"""Tells where in a shell script a placeholder stands, or that this cannot be told.

Every placeholder is replaced by a harmless identifier, the script is parsed, and the identifier's
ancestors say what the shell would do with a word there. A script the parser does not fully understand,
and every place not listed here, is refused: a wrong guess would turn data into code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING

from prodigy.workflow.placeholder import Placeholder, PlaceholderError
from prodigy.workflow.shell_script import check_script
from prodigy.workflow.shell_words import BOUNDARIES, UndecidableError, WordPlace, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Language, Node

_ADVICE = "assign it to a variable first (`x=${…}`), then use `$x`"

_PLAIN_DELIMITER = re.compile(r"(['\"]?)([A-Za-z0-9_]+)\1|\\([A-Za-z0-9_]+)")
_OVERLOOKED = re.compile(rb"`|\$[({\[]")
_ACTIVE_IN_PATTERN = re.compile(rb"['\"\\`]|\$[^)|]")


class Quoting(Enum):
    """How the characters around a placeholder are read."""

    NONE = auto()
    DOUBLE = auto()
    SINGLE = auto()
    HEREDOC = auto()
    COMMENT = auto()


@dataclass(frozen=True, slots=True)
class Context:
    """What the shell does with a word that stands where the placeholder stands."""

    start: int
    end: int
    """The identifier's bytes in the parsed source."""
    quoting: Quoting
    splits: bool = False
    """Unquoted words here may become several."""
    integer: bool = False
    """The shell evaluates what stands here as arithmetic."""
    expands: bool = True
    """The shell expands ``${NAME}`` here."""
    in_backquotes: bool = False
    in_heredoc: bool = False
    """A command substitution inside a heredoc's body holds it."""


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A heredoc that holds a placeholder, at whatever depth."""

    start: Node
    """Its first delimiter."""
    body: Node
    end: Node
    """Its last delimiter."""
    delimiter: str
    quoted: bool
    """Nothing is expanded in it."""
    strips_tabs: bool


@dataclass(slots=True)
class ParsedScript:
    """A script whose placeholders became identifiers."""

    source: bytes
    contexts: list[Context] = field(default_factory=list)
    """One for each placeholder, in order."""
    heredocs: dict[int, Heredoc] = field(default_factory=dict)
    """Those that hold placeholders, by the body's position."""


def parse_script(pieces: Sequence[str | Placeholder]) -> ParsedScript:
    """Return the contexts of all placeholders. Raises PlaceholderError where one cannot be told."""
    from tree_sitter import Parser

    text = "".join(piece for piece in pieces if isinstance(piece, str))
    mark = "prodigyv"
    while mark in text:
        mark += "x"
    chunks, places, length = [], [], 0
    for number, piece in enumerate(pieces):
        chunk = (piece if isinstance(piece, str) else f"{mark}{number}q").encode(errors="replace")
        if isinstance(piece, Placeholder):
            places.append((piece, length, length + len(chunk)))
        chunks.append(chunk)
        length += len(chunk)
    script = ParsedScript(b"".join(chunks))
    root = Parser(_language()).parse(script.source).root_node
    placeholder = places[0][0]
    try:
        check_script(text, script.source, root)
        for placeholder, start, end in places:  # noqa: B007 - the handler below names the last one tried
            script.contexts.append(_Place(script, start, end, root).context())
    except UndecidableError as error:
        message = f"`{placeholder.text}`: {error}"
        raise PlaceholderError("P303", placeholder.offset, message, _ADVICE) from None
    return script


@cache
def _language() -> Language:
    import tree_sitter_bash
    from tree_sitter import Language

    return Language(tree_sitter_bash.language())


class _Place:
    """One identifier and the nodes around it, innermost first."""

    def __init__(self, script: ParsedScript, start: int, end: int, root: Node) -> None:
        self.script, self.start, self.end = script, start, end
        node = root.named_descendant_for_byte_range(start, end)
        self.chain: list[Node] = []
        while node is not None:
            self.chain.append(node)
            node = node.parent

    def context(self) -> Context:
        """Return the context. Raises UndecidableError."""
        if self.chain[0].type == "comment":
            return Context(self.start, self.end, Quoting.COMMENT, expands=False)
        self.note_heredocs()
        quoting, expands = self.quoting()
        backslashes = len(before := self.script.source[: self.start]) - len(before.rstrip(b"\\"))
        in_heredoc = quoting is not Quoting.HEREDOC and any(n.type == "heredoc_body" for n in self.chain)
        if backslashes % 2 and (expands or in_heredoc):
            raise UndecidableError("a backslash stands before it; write `$${` for a literal `${`")
        in_backquotes = self.in_backquotes()
        if quoting is Quoting.HEREDOC:
            return Context(self.start, self.end, quoting, expands=expands)
        word = WordPlace(self.chain, self.script.source, self.start)
        if word.is_integer():
            return Context(self.start, self.end, quoting, integer=True, expands=expands)
        return Context(
            self.start,
            self.end,
            quoting,
            splits=word.splits() and quoting is Quoting.NONE,
            expands=expands,
            in_backquotes=in_backquotes,
            in_heredoc=in_heredoc,
        )

    def quoting(self) -> tuple[Quoting, bool]:
        """Return the innermost quoting and whether the shell expands in it."""
        for node in self.chain:
            if node.type == "string":
                return Quoting.DOUBLE, True
            if node.type == "raw_string":
                return Quoting.SINGLE, False
            if node.type == "heredoc_body":
                self.check_heredoc_text(node)
                return Quoting.HEREDOC, not self.script.heredocs[node.start_byte].quoted
            if node.type in ("ansi_c_string", "heredoc_start", "heredoc_end"):
                raise UndecidableError(
                    "it stands in a delimiter, or in quotes that have escapes of their own"
                )
            if node.type in ("regex", "extglob_pattern") and _ACTIVE_IN_PATTERN.search(text_of(node)):
                raise UndecidableError("the pattern around it cannot be understood for certain")
            if node.type in BOUNDARIES:
                break
        return Quoting.NONE, True

    def note_heredocs(self) -> None:
        """Note every heredoc around it. Raises UndecidableError when one cannot be told for certain."""
        bodies = [node for node in self.chain if node.type == "heredoc_body"]
        for depth, body in enumerate(bodies):
            heredoc = self.heredoc(body)
            inside_more = depth > 0 or any(node.type in BOUNDARIES for node in self.below(body))
            if heredoc.strips_tabs and inside_more:
                raise UndecidableError("a command substitution inside a heredoc that strips tabs")
            self.script.heredocs[body.start_byte] = heredoc

    def below(self, node: Node) -> list[Node]:
        return self.chain[: self.chain.index(node)]

    def heredoc(self, body: Node) -> Heredoc:
        """Return the heredoc of a body."""
        redirect = body.parent
        parts = {child.type: child for child in redirect.children} if redirect is not None else {}
        start, end = parts.get("heredoc_start"), parts.get("heredoc_end")
        match = _PLAIN_DELIMITER.fullmatch(text_of(start).decode()) if start is not None else None
        if start is None or end is None or match is None:
            raise UndecidableError("the delimiter of its heredoc is not a plain word")
        delimiter = match[2] or match[3]
        if text_of(end).decode() != delimiter or body.end_byte > end.start_byte:
            raise UndecidableError("the end of its heredoc cannot be told for certain")
        return Heredoc(start, body, end, delimiter, bool(match[1] or match[3]), "<<-" in parts)

    def check_heredoc_text(self, body: Node) -> None:
        """Refuse a heredoc in which the parser overlooked an expansion that the shell will see."""
        if self.script.heredocs[body.start_byte].quoted:
            return
        kept, position = b"", body.start_byte
        for child in body.named_children:
            if child.type != "heredoc_content":
                kept += self.script.source[position : child.start_byte] + b" "
                position = child.end_byte
        kept += self.script.source[position : body.end_byte]
        if _OVERLOOKED.search(re.sub(rb"\\.", b"", kept, flags=re.DOTALL)):
            raise UndecidableError("the heredoc around it cannot be understood for certain")

    def in_backquotes(self) -> bool:
        """Return whether one pair of backquotes surrounds it."""
        pairs = [n for n in self.chain if n.type == "command_substitution" and text_of(n).startswith(b"`")]
        if len(pairs) > 1 or any(b"\\" in text_of(node) for node in pairs):
            raise UndecidableError("nested backquotes, or backslashes inside them; write `$(…)`")
        if pairs and any(node.type == "heredoc_body" for node in self.chain):
            raise UndecidableError("backquotes and a heredoc around each other; write `$(…)`")
        if pairs and sum(node.type == "string" for node in self.chain) > 1:
            raise UndecidableError("double quotes around backquotes around double quotes; write `$(…)`")
        return bool(pairs)
