"""Whether the names of placeholders exist at their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prodigy.workflow.findings import suggestion
from prodigy.workflow.namespaces import ANY, PHASES, STEP_FIELDS, UNSUPPORTED, fields_of, phases_with
from prodigy.workflow.placeholder import NAMESPACES

if TYPE_CHECKING:
    from prodigy.workflow.placeholder import Placeholder

_ALL_BLOCKS = frozenset(("handler", "foreach"))
OLD_NAMES = frozenset(("ARG", "ARGUMENT", "FILE", "FILE_PATH"))
"""What agents also know their item by."""


@dataclass
class Known:
    """The names that exist at one point of one phase."""

    phase: str
    exported: set[str]
    captures: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    setup: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    _blocks: list[tuple[str, set[str], set[str]]] = field(default_factory=list)

    @property
    def blocks(self) -> frozenset[str]:
        """The blocks around this point."""
        return frozenset(name for name, _, _ in self._blocks)

    @property
    def locals(self) -> set[str]:
        """Names that the blocks around give."""
        names = {"index", "total"} if "foreach" in self.blocks else set()
        return names | (OLD_NAMES if self.phase == "map" else set())

    def enter(self, block: str) -> None:
        """Begin a block; what a loop's steps set is known only in it."""
        self._blocks.append((block, set(self.captures), set(self.ids)))

    def leave(self) -> None:
        """End the innermost block."""
        block, captures, ids = self._blocks.pop()
        if block == "foreach":
            self.captures, self.ids = captures, ids

    def has(self, name: str) -> bool:
        """Whether a bare name is a variable of prodigy."""
        return name in self.captures or name in self.exported or name in self.locals or name in self.ids

    def is_exported(self, name: str) -> bool:
        """Whether processes see it in their environment."""
        return name in self.exported and not self.hides(name)

    def hides(self, name: str) -> bool:
        """Whether something else of this name stands before the variable."""
        return name in self.captures or name in self.locals

    def all_names(self) -> set[str]:
        """Return every name that may stand first in a placeholder."""
        return self.captures | self.exported | self.locals | self.ids | (NAMESPACES - UNSUPPORTED)


def problem_of(placeholder: Placeholder, known: Known) -> tuple[str, str] | None:
    """Return the code and the sentence for a name that does not exist here."""
    return path_problem(
        placeholder.path,
        known,
        has_default=placeholder.default is not None or placeholder.has_filter("default"),
    )


def path_problem(path: tuple[str, ...], known: Known, *, has_default: bool) -> tuple[str, str] | None:
    """Return the code and the sentence for a path that leads nowhere here."""
    head, shown = path[0], f"`${{{'.'.join(path)}}}`"
    if head in known.ids and head not in known.captures:
        return _step_problem(path, 1, shown)
    if known.has(head):
        return None
    if head not in NAMESPACES:
        if has_default and len(path) == 1:
            return None
        return "P301", f"{shown}: there is no variable {head!r} here{suggestion(head, known.all_names())}"
    if head == "steps":
        return _steps_problem(path, known, shown)
    return _namespace_problem(path, known, shown)


def _namespace_problem(path: tuple[str, ...], known: Known, shown: str) -> tuple[str, str] | None:
    head = path[0]
    if head in UNSUPPORTED:
        return "P301", f"{shown}: `{head}` is not available yet in this version of prodigy"
    fields = fields_of(head, known.phase, known.blocks)
    if fields is None:
        return "P302", f"{shown}: `{head}` exists only {phases_with(head)}"
    return _field_problem(path, fields | known.setup if head == "setup" else fields, shown)


def _step_problem(path: tuple[str, ...], at: int, shown: str) -> tuple[str, str] | None:
    if len(path) <= at:
        return "P301", f"{shown}: name one of the step's results: {', '.join(sorted(STEP_FIELDS))}"
    if path[at] in STEP_FIELDS:
        return None
    hint = suggestion(path[at], STEP_FIELDS) or f"; it has {', '.join(sorted(STEP_FIELDS))}"
    return "P301", f"{shown}: a step has no result {path[at]!r}{hint}"


def _steps_problem(path: tuple[str, ...], known: Known, shown: str) -> tuple[str, str] | None:
    if len(path) == 1:
        return None
    if path[1] not in known.ids:
        return (
            "P301",
            f"{shown}: no step before this one has the id {path[1]!r}{suggestion(path[1], known.ids)}",
        )
    return _step_problem(path, 2, shown) if len(path) > 2 else None  # noqa: PLR2004 - steps, id, result


def _field_problem(path: tuple[str, ...], fields: frozenset[str], shown: str) -> tuple[str, str] | None:
    """Report a field that a namespace does not have."""
    head = path[0]
    name = path[1] if len(path) > 1 else ""
    if fields == ANY or name in fields or (not name and not fields):
        return None
    if not name:
        return "P301", f"{shown}: name one of its fields: {', '.join(sorted(fields))}"
    elsewhere = [phase for phase in PHASES if name in (fields_of(head, phase, _ALL_BLOCKS) or ())]
    if elsewhere:
        return "P302", f"{shown} exists only in {', '.join(elsewhere)}"
    hint = suggestion(name, fields)
    hint = (
        hint.replace("'", f"'{head}.", 1) if hint else f"; it has {', '.join(sorted(fields)) or 'no fields'}"
    )
    return "P301", f"{shown}: `{head}` has no field {name!r}{hint}"
