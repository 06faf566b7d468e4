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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tree_sitter import Node, Parser

_ADVICE = "assign it to a variable first (`x=${…}`), then use `$x`"

_INTEGER_OPERATORS = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge"))
_BOUNDARIES = frozenset(("command_substitution", "process_substitution"))
_ARITHMETIC = frozenset(("arithmetic_expansion", "subscript"))
_TRANSPARENT = frozenset(
    (
        "concatenation",
        "string",
        "raw_string",
        "command_name",
        "extglob_pattern",
        "regex",
        "binary_expression",
        "unary_expression",
        "negation_expression",
        "parenthesized_expression",
    )
)
_SPLITTING = {
    "for_statement": True,
    "file_redirect": False,
    "herestring_redirect": False,
    "case_statement": False,
    "case_item": False,
}
_NAME_TAKERS = frozenset(
    {"read", "readarray", "mapfile", "getopts", "let", "unset"}
    | {"export", "readonly", "declare", "local", "typeset"}
)
_PLAIN_DELIMITER = re.compile(r"(['\"]?)([A-Za-z0-9_]+)\1|\\([A-Za-z0-9_]+)")
_OVERLOOKED = re.compile(rb"`|\$[({\[]")
_ACTIVE = re.compile(rb"['\"\\$`]")


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
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    mark = "prodigyv"
    while mark in text:
        mark += "x"
    source, places = b"", []
    chunks: list[bytes] = []
    length = 0
    for number, piece in enumerate(pieces):
        chunk = (piece if isinstance(piece, str) else f"{mark}{number}q").encode()
        if isinstance(piece, Placeholder):
            places.append((piece, length, length + len(chunk)))
        chunks.append(chunk)
        length += len(chunk)
    source = b"".join(chunks)
    script = ParsedScript(source)
    tree = _parser().parse(source)
    if tree.root_node.has_error:
        raise _refusal(places[0][0], "the shell text around it cannot be understood for certain")
    facts = _ScriptFacts(source)
    for placeholder, start, end in places:
        script.contexts.append(_Walk(script, facts, placeholder, start, end, tree.root_node).context())
    return script


@cache
def _language() -> object:
    import tree_sitter
    import tree_sitter_bash

    return tree_sitter.Language(tree_sitter_bash.language())


def _parser() -> Parser:
    from tree_sitter import Parser

    return Parser(_language())  # type: ignore[arg-type]


def _refusal(placeholder: Placeholder, reason: str) -> PlaceholderError:
    return PlaceholderError("P303", placeholder.offset, f"`{placeholder.text}`: {reason}", _ADVICE)


class _ScriptFacts:
    """What holds for the whole script."""

    def __init__(self, source: bytes) -> None:
        flags = rb"\b(?:declare|typeset|local|readonly|export)\b[^;&|\n]*\s[-+][A-Za-z]*i"
        self.has_integer_variables = re.search(flags, source) is not None


class _Walk:
    """The way from one identifier up to the root."""

    def __init__(
        self,
        script: ParsedScript,
        facts: _ScriptFacts,
        placeholder: Placeholder,
        start: int,
        end: int,
        root: Node,
    ) -> None:
        self.script, self.facts, self.placeholder = script, facts, placeholder
        self.start, self.end = start, end
        node = root.named_descendant_for_byte_range(start, end)
        self.chain: list[Node] = []
        while node is not None:
            self.chain.append(node)
            node = node.parent

    def refuse(self, reason: str) -> PlaceholderError:
        return _refusal(self.placeholder, reason)

    def context(self) -> Context:
        """Return the context. Raises PlaceholderError."""
        if self.chain[0].type == "comment":
            return Context(self.start, self.end, Quoting.COMMENT, expands=False)
        self.note_heredocs()
        quoting, expands = self.quoting()
        backslashes = len(before := self.script.source[: self.start]) - len(before.rstrip(b"\\"))
        in_heredoc = quoting is not Quoting.HEREDOC and any(n.type == "heredoc_body" for n in self.chain)
        if backslashes % 2 and (expands or in_heredoc):
            raise _refusal(self.placeholder, "a backslash stands before it; write `$${` for a literal `${`")
        in_backquotes = self.in_backquotes()
        if quoting is Quoting.HEREDOC:
            return Context(self.start, self.end, quoting, expands=expands)
        if self.is_integer():
            return Context(self.start, self.end, quoting, integer=True, expands=expands)
        splits = self.splits() and quoting is Quoting.NONE
        return Context(
            self.start,
            self.end,
            quoting,
            splits=splits,
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
                raise self.refuse("it stands in a quoted form that has escapes of its own, or in a delimiter")
            if node.type in ("regex", "extglob_pattern") and _ACTIVE.search(_text(node)):
                raise self.refuse("the pattern around it cannot be understood for certain")
            if node.type in _BOUNDARIES:
                break
        return Quoting.NONE, True

    def note_heredocs(self) -> None:
        """Note every heredoc around it. Raises PlaceholderError when one cannot be told for certain."""
        bodies = [node for node in self.chain if node.type == "heredoc_body"]
        for depth, body in enumerate(bodies):
            heredoc = self.heredoc(body)
            inside_more = depth > 0 or any(node.type in _BOUNDARIES for node in self.below(body))
            if heredoc.strips_tabs and inside_more:
                raise self.refuse("a command substitution inside a heredoc that strips tabs")
            self.script.heredocs[body.start_byte] = heredoc

    def below(self, node: Node) -> list[Node]:
        return self.chain[: self.chain.index(node)]

    def heredoc(self, body: Node) -> Heredoc:
        """Return the heredoc of a body."""
        redirect = body.parent
        parts = {child.type: child for child in redirect.children} if redirect is not None else {}
        start, end = parts.get("heredoc_start"), parts.get("heredoc_end")
        match = _PLAIN_DELIMITER.fullmatch(_text(start).decode()) if start is not None else None
        if start is None or end is None or match is None:
            raise self.refuse("the delimiter of its heredoc is not a plain word")
        delimiter = match[2] or match[3]
        if _text(end).decode() != delimiter or body.end_byte > end.start_byte:
            raise self.refuse("the end of its heredoc cannot be told for certain")
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
            raise self.refuse("the heredoc around it cannot be understood for certain")

    def in_backquotes(self) -> bool:
        """Return whether one pair of backquotes surrounds it."""
        pairs = [n for n in self.chain if n.type == "command_substitution" and _text(n).startswith(b"`")]
        if len(pairs) > 1 or any(b"\\" in _text(node) for node in pairs):
            raise self.refuse("nested backquotes, or backslashes inside them; write `$(…)`")
        if pairs and any(node.type == "heredoc_body" for node in self.chain):
            raise self.refuse("backquotes and a heredoc around each other; write `$(…)`")
        if pairs and sum(node.type == "string" for node in self.chain) > 1:
            raise self.refuse("double quotes around backquotes around double quotes; write `$(…)`")
        return bool(pairs)

    def is_integer(self) -> bool:
        """Return whether the shell evaluates what stands here, through any quotes."""
        for child, node in zip(self.chain, self.chain[1:], strict=False):
            if node.type in _BOUNDARIES or node.type in ("do_group", "command", "subshell"):
                return False
            if node.type in _ARITHMETIC and not (node.type == "subscript" and child == node.children[0]):
                return True
            if node.type == "c_style_for_statement" or (node.children and node.children[0].type == "(("):
                return True
            if node.type == "file_redirect":
                # bash expands the word after these twice.
                return any(part.type in (">&", "<&") for part in node.children)
            if node.type == "binary_expression" and self.in_double_bracket(node):
                operators = {_text(part).decode() for part in node.children}
                if operators & _INTEGER_OPERATORS:
                    return True
            if node.type == "compound_statement":
                return False
        return False

    def in_double_bracket(self, node: Node | None) -> bool:
        while node is not None and node.type != "test_command":
            node = node.parent
        return node is not None and _text(node).startswith(b"[[")

    def splits(self) -> bool:
        """Return whether an unquoted word here is split. Raises PlaceholderError for unlisted places."""
        for child, node in zip(self.chain, self.chain[1:], strict=False):
            if child.type == "variable_name":
                raise self.refuse("it stands where the shell wants a name")
            role = self.role(node)
            if role is not None:
                return role
        raise self.refuse("the shell's treatment of this place is not known for certain")

    def role(self, node: Node) -> bool | None:
        """Return whether words split in this node; None: ask further up."""
        kind = node.type
        if kind in _TRANSPARENT:
            if kind == "unary_expression" and _text(node).lstrip().startswith((b"-v", b"-R")):
                raise self.refuse("it stands where the shell wants a name")
            return None
        if kind == "command":
            self.check_command(node)
            return not self.after_equals_sign()
        if kind in ("array", "variable_assignment"):
            self.check_assignment(node.parent if kind == "array" else node)
            return kind == "array"
        if kind == "test_command":
            return not _text(node).startswith(b"[[")
        if kind in _SPLITTING:
            return _SPLITTING[kind]
        raise self.refuse(f"the shell's treatment of this place is not known for certain ({kind})")

    def after_equals_sign(self) -> bool:
        """Return whether the word begins ``NAME=``, as arguments of ``env`` and ``make`` do."""
        word = next(
            (n for n, up in zip(self.chain, self.chain[1:], strict=False) if up.type == "command"), None
        )
        begin = word.start_byte if word is not None else self.start
        return re.match(rb"[A-Za-z_][A-Za-z0-9_]*\+?=", self.script.source[begin : self.start]) is not None

    def check_command(self, node: Node) -> None:
        """Refuse arguments that built-in commands take as names of variables, or evaluate."""
        words = [
            _text(child)
            for child in node.children
            if child.type in ("command_name", "word", "concatenation", "string", "raw_string")
        ]
        while words and words[0].strip(b"'\"\\") in (b"builtin", b"command"):
            words.pop(0)
        name = words[0].strip(b"'\"\\").decode() if words else ""
        options = [word for word in words[1:] if word.startswith(b"-")]
        takes_name = name in _NAME_TAKERS
        takes_name |= name in ("printf", "test") and any(word.startswith(b"-v") for word in options)
        takes_name |= name == "wait" and any(word.startswith(b"-p") for word in options)
        in_arguments = any(n.start_byte <= self.start < n.end_byte for n in node.children[1:])
        if takes_name and in_arguments and not self.in_prefix_assignment(node):
            raise self.refuse(f"`{name}` takes names of variables, or evaluates what it is given")

    def in_prefix_assignment(self, node: Node) -> bool:
        return any(
            child.type == "variable_assignment" and child.start_byte <= self.start < child.end_byte
            for child in node.children
        )

    def check_assignment(self, node: Node | None) -> None:
        """Refuse assignments whose value the shell may evaluate."""
        above = node.parent if node is not None else None
        if above is not None and above.type == "declaration_command":
            flags = b"".join(
                _text(c) for c in above.children[1:] if _text(c)[:1] in b"-+" and c.type == "word"
            )
            if re.search(rb"[naAi]", flags):
                raise self.refuse("a declaration with these options evaluates what it is given")
        if self.facts.has_integer_variables:
            raise self.refuse("the script has integer variables, whose values the shell evaluates")


def _text(node: Node) -> bytes:
    return node.text or b""
