"""The parts of a parsed expression, and how each is evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from prodigy.workflow.expression_functions import FUNCTIONS, FunctionError, ends_with, search, starts_with
from prodigy.workflow.expression_values import equal, holds_member, less, ordered, truth


class ExpressionError(ValueError):
    """Raised when an expression cannot be read or evaluated; columns of its text count from 1."""

    def __init__(self, code: str, column: int, message: str) -> None:
        super().__init__(message)
        self.code, self.column, self.message = code, column, message


class Names(Protocol):
    """Where an expression finds the values of its names."""

    def lookup(self, path: tuple[str, ...], *, braced: bool) -> Any:
        """Return a value. Raises LookupError where it is missing, which counts as null."""


class Node(Protocol):
    """One part of an expression."""

    @property
    def depth(self) -> int:
        """How many parts stand inside one another here."""

    def value(self, names: Names) -> Any:
        """Return what it means. Raises ExpressionError."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as written."""

    constant: Any
    column: int
    depth: int = 1

    def value(self, names: Names) -> Any:  # noqa: ARG002 - nodes are alike
        """Return it."""
        return self.constant


@dataclass(frozen=True, slots=True)
class Many:
    """A list of expressions."""

    elements: tuple[Node, ...]
    depth: int

    def value(self, names: Names) -> Any:
        """Return the list of their values."""
        return [element.value(names) for element in self.elements]


@dataclass(frozen=True, slots=True)
class Reference:
    """A name and what follows it."""

    path: tuple[str, ...]
    column: int
    braced: bool = False
    has_default: bool = False
    bare_operand: bool = False
    depth: int = 1

    def value(self, names: Names) -> Any:
        """Return its value, null where it has none."""
        try:
            return names.lookup(self.path, braced=self.braced)
        except LookupError:
            if len(self.path) > 1 and self.path[-1] == "exists":
                return self._exists(names)
            return None

    def _exists(self, names: Names) -> bool:
        try:
            names.lookup(self.path[:-1], braced=self.braced)
        except LookupError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts joined by and, or by or; later ones are looked at only where they count."""

    parts: tuple[Node, ...]
    stops_at: bool
    """The truth that settles it: false for and, true for or."""
    depth: int

    def value(self, names: Names) -> Any:
        """Return the truth of the whole."""
        for part in self.parts:
            if truth(part.value(names)) is self.stops_at:
                return self.stops_at
        return not self.stops_at


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite of a part."""

    part: Node
    depth: int
    is_bang: bool = False

    def value(self, names: Names) -> Any:
        """Return it."""
        return not truth(self.part.value(names))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values and how they are compared."""

    left: Node
    operator: str
    right: Node
    column: int
    depth: int

    def value(self, names: Names) -> Any:
        """Return whether it holds."""
        left, right = self.left.value(names), self.right.value(names)
        try:
            return _COMPARE[self.operator](left, right)
        except FunctionError as error:
            raise ExpressionError("P403", self.column, str(error)) from None


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    name: str
    arguments: tuple[Node, ...]
    column: int
    depth: int

    def value(self, names: Names) -> Any:
        """Return what the function gives."""
        function, _, _ = FUNCTIONS[self.name]
        if self.name == "exists" and isinstance(argument := self.arguments[0], Reference):
            return (
                Reference((*argument.path, "exists"), self.column, argument.braced).value(names) is not False
            )
        try:
            return function(*(argument.value(names) for argument in self.arguments))
        except FunctionError as error:
            raise ExpressionError("P403", self.column, str(error)) from None


@dataclass(frozen=True, slots=True)
class Braced:
    """An expression in ``${…}``, with filters and a default."""

    inner: Node
    filters: tuple[tuple[str, str], ...]
    default: str | None
    column: int
    depth: int

    def value(self, names: Names) -> Any:
        """Return the filtered value, or the default where it is null."""
        from prodigy.workflow.filters import FilterError, apply_filter

        found = self.inner.value(names)
        if found is None and self.default is not None:
            found = self.default
        try:
            for name, argument in self.filters:
                found = apply_filter(name, argument, found)
        except FilterError as error:
            raise ExpressionError("P401", self.column, str(error)) from None
        return found


_COMPARE = {
    "==": equal,
    "!=": lambda a, b: not equal(a, b),
    "<": less,
    ">": lambda a, b: less(b, a),
    "<=": lambda a, b: ordered(a, b) and not less(b, a),
    ">=": lambda a, b: ordered(a, b) and not less(a, b),
    "=~": search,
    "matches": search,
    "in": lambda a, b: holds_member(b, a),
    "contains": holds_member,
    "starts_with": starts_with,
    "ends_with": ends_with,
}
