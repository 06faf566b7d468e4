"""Expressions: conditions of steps, filters of items."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from prodigy.workflow.expression_functions import FUNCTIONS, canonical
from prodigy.workflow.expression_nodes import (
    Braced,
    Call,
    Comparison,
    ExpressionError,
    Joined,
    Literal,
    Many,
    Names,
    Negation,
    Node,
    Reference,
)
from prodigy.workflow.expression_values import truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Lark, Token

MAX_DEPTH = 100
MAX_LENGTH = 100_000
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    root: Node
    references: tuple[Reference, ...]
    """Every name it uses, in order."""

    def evaluate(self, names: Names) -> Any:
        """Return its value. Raises ExpressionError."""
        return self.root.value(names)

    def holds(self, names: Names) -> bool:
        """Return whether it is true. Raises ExpressionError."""
        return truth(self.evaluate(names))


class ItemNames:
    """The names of a filter: an item's fields, also after ``item.``; ``_index``; ``${…}`` variables first."""

    def __init__(self, item: Any, index: int, variables: Names | None = None) -> None:
        self._item = item
        self._index = index
        self._variables = variables

    def lookup(self, path: tuple[str, ...], *, braced: bool) -> Any:
        """Return a value. Raises LookupError where it is missing."""
        if braced and self._variables is not None and path[0] != "item":
            try:
                return self._variables.lookup(path, braced=True)
            except LookupError:
                pass
        if path[0] == "item" and not (
            isinstance(self._item, dict) and "item" in self._item and len(path) == 1
        ):
            return reach(self._item, path[1:])
        if path == ("_index",):
            return self._index
        return reach(self._item, path)


def reach(value: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at a path inside a value. Raises LookupError."""
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise LookupError(part)
    return value


@lru_cache(maxsize=1024)
def parse_expression(text: str) -> Expression:
    """Return the parsed expression. Raises ExpressionError: P401 syntax, P402 functions, P403 patterns."""
    from lark.exceptions import UnexpectedInput, VisitError

    if not text.strip():
        raise ExpressionError("P401", 1, "the expression is empty")
    if len(text) > MAX_LENGTH:
        raise ExpressionError("P401", 1, f"the expression is longer than {MAX_LENGTH} characters")
    try:
        root: Any = _parser().parse(text)
    except UnexpectedInput as error:
        ended = getattr(getattr(error, "token", None), "type", "") == "$END"
        position: Any = error.pos_in_stream
        at = len(text) if ended or position is None or position < 0 else position
        found = repr(text[at]) if at < len(text) else "its end"
        raise ExpressionError("P401", at + 1, f"unexpected {found}") from None
    except VisitError as error:
        raise error.orig_exc from None
    return Expression(text, root, tuple(_references(root)))


@cache
def _parser() -> Lark:
    from lark import Lark

    grammar = files("prodigy.workflow").joinpath("expressions.lark").read_text(encoding="utf-8")
    return Lark(
        grammar, parser="lalr", transformer=_Builder(), maybe_placeholders=False, propagate_positions=False
    )


def _references(node: Any) -> Iterator[Reference]:
    pending = [node]
    while pending:
        one = pending.pop(0)
        if isinstance(one, Reference):
            yield one
        inner: list[Any] = []
        for name in ("left", "right", "inner", "part"):
            inner += [getattr(one, name)] if hasattr(one, name) else []
        for name in ("parts", "elements", "arguments"):
            inner += getattr(one, name, ())
        pending[:0] = inner


def _deep(column: int, *nodes: Node) -> int:
    depth = 1 + max((node.depth for node in nodes), default=0)
    if depth > MAX_DEPTH:
        raise ExpressionError("P401", column, f"nested deeper than {MAX_DEPTH} levels")
    return depth


def _column(token: Token) -> int:
    return (token.start_pos or 0) + 1


def _unquoted(token: Token) -> str:
    def plain(match: re.Match[str]) -> str:
        what = match[1]
        if len(what) > 1:
            return chr(int(what[1:], 16))
        return _ESCAPES.get(what, match[0])

    return _ESCAPE.sub(plain, str(token)[1:-1])


class _Builder:
    """Builds nodes as the parser goes; each method is named for its rule."""

    def or_(self, parts: list[Node]) -> Node:
        return Joined(tuple(parts), stops_at=True, depth=_deep(1, *parts))

    def and_(self, parts: list[Node]) -> Node:
        return Joined(tuple(parts), stops_at=False, depth=_deep(1, *parts))

    def negation(self, parts: list[Node]) -> Node:
        return Negation(parts[0], _deep(1, *parts))

    def bang(self, parts: list[Any]) -> Node:
        return Negation(parts[1], _deep(_column(parts[0]), parts[1]), is_bang=True)

    def group(self, parts: list[Node]) -> Node:
        (inner,) = parts
        return replace(inner, is_bang=False) if isinstance(inner, Negation) else inner

    def comparison(self, parts: list[Any]) -> Node:
        left, token, right = parts
        return _compare(left, token, right)

    def negative_comparison(self, parts: list[Any]) -> Node:
        made = _compare(*parts)
        return Negation(made, _deep(_column(parts[1]), made))

    def chained(self, parts: list[Any]) -> Node:
        token = parts[3]
        raise ExpressionError("P401", _column(token), "comparisons cannot be chained: join two with `&&`")

    def number(self, parts: list[Token]) -> Node:
        text = str(parts[0])
        whole = re.fullmatch(r"-?[0-9]{1,400}", text)
        number: int | float = int(text) if whole else float(text)
        if number in (float("inf"), float("-inf")):
            raise ExpressionError("P401", _column(parts[0]), "a number beyond all bounds")
        return Literal(number, _column(parts[0]))

    def string(self, parts: list[Token]) -> Node:
        return Literal(_unquoted(parts[0]), _column(parts[0]))

    def true(self, parts: list[Token]) -> Node:
        return Literal(constant=True, column=_column(parts[0]))

    def false(self, parts: list[Token]) -> Node:
        return Literal(constant=False, column=_column(parts[0]))

    def null(self, parts: list[Token]) -> Node:
        return Literal(None, _column(parts[0]))

    def many(self, parts: list[Node]) -> Node:
        return Many(tuple(parts), _deep(1, *parts))

    def field(self, parts: list[Token]) -> str:
        return str(parts[0])

    def index(self, parts: list[Token]) -> str:
        if not re.fullmatch(r"[0-9]{1,9}", parts[0]):
            raise ExpressionError("P401", _column(parts[0]), "an index is a whole number from 0")
        return str(int(parts[0]))

    def key(self, parts: list[Token]) -> str:
        return _unquoted(parts[0])

    def reference(self, parts: list[Any]) -> Node:
        name, *rest = parts
        return Reference((str(name), *rest), _column(name))

    def arguments(self, parts: list[Node]) -> tuple[Node, ...]:
        return tuple(parts)

    def call(self, parts: list[Any]) -> Node:
        given = parts[-1] if isinstance(parts[-1], tuple) else ()
        head, *rest = parts[:-1] if isinstance(parts[-1], tuple) else parts
        path = (str(head), *rest)
        column = _column(head)
        arguments = given
        if rest:
            arguments = (Reference(path[:-1], column), *given)
        return _call(path[-1], arguments, column)

    def placeholder(self, parts: list[Any]) -> Node:
        opening, inner, *rest = parts[:-1]
        column = _column(opening)
        filters = tuple(_filter(str(token), column) for token in rest if token.type == "FILTER")
        default = next((str(token)[2:] for token in rest if token.type == "DEFAULT"), None)
        if isinstance(inner, Reference):
            inner = replace(inner, braced=True, has_default=default is not None)
        return Braced(inner, filters, default, column, _deep(column, inner))


def _filter(text: str, column: int) -> tuple[str, str]:
    from prodigy.workflow.filters import FilterError, read_filter

    try:
        return read_filter(text[1:])
    except FilterError as error:
        raise ExpressionError("P304", column, str(error)) from None


def _compare(left: Node, token: Token, right: Node) -> Node:
    column = _column(token)
    operator = canonical(str(token)) if str(token)[0].isalpha() else str(token)
    operator = "==" if operator == "=" else operator
    if isinstance(left, Negation) and left.is_bang:
        raise ExpressionError("P401", column, "`!` binds closer than a comparison: write !(a == b)")
    if operator == "in" and isinstance(right, Literal) and not isinstance(right.constant, str | None):
        raise ExpressionError("P401", column, "`in` looks into a list, a text or an object")
    if operator in ("=~", "matches"):
        _check_pattern(right)
    if isinstance(right, Reference) and len(right.path) == 1:
        right = replace(right, bare_operand=True)
    return Comparison(left, operator, right, column, _deep(column, left, right))


def _check_pattern(node: Node) -> None:
    if isinstance(node, Literal) and isinstance(node.constant, str):
        try:
            re.compile(node.constant)
        except (re.error, RecursionError) as error:
            raise ExpressionError("P403", node.column, f"not a regular expression: {error}") from None


def _call(written: str, arguments: tuple[Node, ...], column: int) -> Node:
    name = canonical(written)
    if name not in FUNCTIONS:
        known = ", ".join(sorted(FUNCTIONS))
        raise ExpressionError("P402", column, f"unknown function {written!r}; there are {known}")
    _, least, most = FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        wanted = str(least) if least == most else f"{least} or {most}"
        raise ExpressionError("P402", column, f"{name} takes {wanted} arguments, not {len(arguments)}")
    if name == "matches":
        _check_pattern(arguments[1])
    return Call(name, arguments, column, _deep(column, *arguments))
