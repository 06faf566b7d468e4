"""Tells how the shell treats a word where a placeholder stands: split, kept whole, or evaluated."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node

_INTEGER_OPERATORS = frozenset(("-eq", "-ne", "-lt", "-le", "-gt", "-ge"))
_STATEMENTS = frozenset(("do_group", "command", "subshell", "compound_statement"))
BOUNDARIES = frozenset(("command_substitution", "process_substitution"))
"""What stands in these is read as a script of its own."""

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
_EVALUATED = frozenset(
    {"RANDOM", "SRANDOM", "SECONDS", "OPTIND", "HISTCMD", "LINENO", "EPOCHSECONDS", "EPOCHREALTIME"}
    | {"PS0", "PS1", "PS2", "PS4", "ENV", "BASH_ENV", "PROMPT_COMMAND"}
)
"""Variables whose values shells compute or expand."""

_BEFORE_WORD = frozenset((b"", *(bytes([c]) for c in b" \t\n;|&(`!")))
_AFTER_WORD = frozenset((b"", *(bytes([c]) for c in b" \t\n;|&)`<>")))
_INTEGER_DECLARED = re.compile(rb"\b(?:declare|typeset|local|readonly|export)\b[^;&|\n]*\s[-+][A-Za-z]*i")


class UndecidableError(ValueError):
    """Raised when a place cannot be told for certain; the text is the reason."""


def text_of(node: Node) -> bytes:
    """Return a node's source."""
    return node.text or b""


class WordPlace:
    """Where a word stands: the node of the placeholder and those around it, innermost first."""

    def __init__(self, chain: list[Node], source: bytes, start: int) -> None:
        self.chain, self.source, self.start = chain, source, start

    def is_integer(self) -> bool:
        """Return whether the shell evaluates what stands here, through any quotes."""
        for child, node in zip(self.chain, self.chain[1:], strict=False):
            if node.type in ("arithmetic_expansion", "c_style_for_statement") or _opens_arithmetic(node):
                return True
            if node.type == "subscript" and child != node.children[0]:
                return True
            if node.type == "file_redirect":
                # bash expands the word after these twice.
                return any(part.type in (">&", "<&") for part in node.children)
            if node.type in BOUNDARIES or node.type in _STATEMENTS:
                break
            if node.type == "binary_expression" and self._in_double_bracket(node):
                operators = {text_of(part).decode() for part in node.children}
                if operators & _INTEGER_OPERATORS:
                    return True
        return False

    def _in_double_bracket(self, node: Node | None) -> bool:
        while node is not None and node.type != "test_command":
            node = node.parent
        return node is not None and text_of(node).startswith(b"[[")

    def splits(self) -> bool:
        """Return whether an unquoted word here is split. Raises UndecidableError for unlisted places."""
        for child, node in zip(self.chain, self.chain[1:], strict=False):
            if child.type == "variable_name":
                raise UndecidableError("it stands where the shell wants a name")
            role = self._role(node)
            if role is not None:
                return role
        raise UndecidableError("the shell's treatment of this place is not known for certain")

    def _role(self, node: Node) -> bool | None:
        """Return whether words split in this node; None: ask further up."""
        kind = node.type
        if kind in _TRANSPARENT:
            if kind == "unary_expression" and text_of(node).lstrip().startswith((b"-v", b"-R")):
                raise UndecidableError("it stands where the shell wants a name")
            return None
        if kind == "command":
            self._check_command(node)
            return not self._after_equals_sign() and self._stands_alone(node)
        if kind in ("array", "variable_assignment"):
            self._check_assignment(node.parent if kind == "array" else node)
            return kind == "array"
        if kind == "test_command":
            return not text_of(node).startswith(b"[[")
        if kind == "for_statement":
            self._check_integer_variables()
        if kind in _SPLITTING:
            return _SPLITTING[kind]
        raise UndecidableError(f"the shell's treatment of this place is not known for certain ({kind})")

    def _stands_alone(self, command: Node) -> bool:
        """Refuse a word that touches what is not part of it, which shells may read as one word."""
        word = next(node for node, above in pairwise(self.chain) if above == command)
        before, after = self.source[: word.start_byte][-1:], self.source[word.end_byte :][:1]
        if before not in _BEFORE_WORD or after not in _AFTER_WORD:
            raise UndecidableError("blanks must stand before and after the word it is in")
        return True

    def _after_equals_sign(self) -> bool:
        """Return whether the word begins ``NAME=``, as arguments of ``env`` and ``make`` do."""
        word = next(
            (n for n, up in zip(self.chain, self.chain[1:], strict=False) if up.type == "command"), None
        )
        begin = word.start_byte if word is not None else self.start
        return re.match(rb"[A-Za-z_][A-Za-z0-9_]*\+?=", self.source[begin : self.start]) is not None

    def _check_command(self, node: Node) -> None:
        """Refuse arguments that built-in commands take as names of variables, or evaluate."""
        words = [
            text_of(child)
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
        if takes_name and in_arguments and not self._in_prefix_assignment(node):
            raise UndecidableError(f"`{name}` takes names of variables, or evaluates what it is given")

    def _in_prefix_assignment(self, node: Node) -> bool:
        return any(
            child.type == "variable_assignment" and child.start_byte <= self.start < child.end_byte
            for child in node.children
        )

    def _check_assignment(self, node: Node | None) -> None:
        """Refuse assignments whose value the shell may evaluate."""
        above = node.parent if node is not None else None
        if above is not None and above.type == "declaration_command":
            flags = b"".join(
                text_of(c) for c in above.children[1:] if text_of(c)[:1] in b"-+" and c.type == "word"
            )
            if re.search(rb"[naAi]", flags):
                raise UndecidableError("a declaration with these options evaluates what it is given")
        name = text_of(node.children[0]).decode() if node is not None and node.children else ""
        if name in _EVALUATED:
            raise UndecidableError(f"the shell evaluates the value of `{name}`")
        self._check_integer_variables()

    def _check_integer_variables(self) -> None:
        if _INTEGER_DECLARED.search(self.source):
            raise UndecidableError("the script has integer variables, whose values the shell evaluates")


def _opens_arithmetic(node: Node) -> bool:
    return bool(node.children) and node.children[0].type == "(("
