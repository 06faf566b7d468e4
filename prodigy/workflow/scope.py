"""The names a text may use, and their values."""

from __future__ import annotations

import json
import re
import uuid
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from prodigy.errors import StepError
from prodigy.values import ErrorKind
from prodigy.workflow.expressions import reach
from prodigy.workflow.filters import FilterError, apply_filter
from prodigy.workflow.jsonpath import compile_query
from prodigy.workflow.placeholder import Placeholder, PlaceholderError, scan
from prodigy.workflow.plain_values import Paths, as_text, compact

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class Captured:
    """A value that also answers to fields, unless it has such a field itself."""

    value: Any
    fields: dict[str, Any] = field(default_factory=dict)


class Deferred:
    """A value that is found out each time a text asks for it."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self.get = find


class Computer(Protocol):
    """What computed placeholders ask of the running step."""

    now: datetime

    def file(self, path: str) -> str:
        """Return the text of a file of the workspace. Raises StepError."""

    def cmd(self, script: str) -> str:
        """Return what a shell text prints. Raises StepError."""

    def stash(self, value: str) -> str:
        """Keep a value in a read-only file in the sandbox; gives its path. Raises StepError."""


class _StepRecord(dict[str, Any]):
    """The results of a step under its id, which a capture of the same name hides."""


class _Exported(str):
    """The text of a variable that processes have too."""

    __slots__ = ()


class Scope:
    """Names and JSON values; a child sees its parent's and writes its own.

    ``exported`` names are also variables of the processes, which shell texts leave to the shell.
    """

    def __init__(
        self, names: Mapping[str, Any] | None = None, exported: Mapping[str, str] | None = None
    ) -> None:
        variables = {name: _Exported(text) for name, text in (exported or {}).items()}
        self._names: ChainMap[str, Any] = ChainMap({**variables, **(names or {})})
        self._under: Scope | None = None
        self._tracking: list[set[str]] = []
        self._environment: dict[str, str] | None = None
        self._computer: Computer | None = None

    def child(self, names: Mapping[str, Any] | None = None, /, **more: Any) -> Scope:
        """Return a scope that also sees everything here."""
        return self._derived({**(names or {}), **more})

    def overlay(
        self, names: Mapping[str, Any] | None = None, exported: Mapping[str, str] | None = None
    ) -> Scope:
        """Return a scope that sees these names above everything here; what else it sets is set here."""
        above = {name: _Exported(text) for name, text in (exported or {}).items()}
        return self._derived({**above, **(names or {})}, under=self)

    def computing(self, computer: Computer) -> Scope:
        """Return a child whose texts may use computed forms."""
        return self._derived({}, computer=computer)

    def with_environment(self, variables: Mapping[str, str]) -> Scope:
        """Return a child in which ``env`` answers to a step's own environment."""
        return self._derived({}, environment=dict(variables))

    def _derived(
        self,
        names: dict[str, Any],
        *,
        under: Scope | None = None,
        computer: Computer | None = None,
        environment: dict[str, str] | None = None,
    ) -> Scope:
        made = Scope()
        made._names = self._names.new_child(names)
        made._under = under
        made._computer = computer or self._computer
        made._environment = self._environment if environment is None else environment
        return made

    def exporting(self, variables: Mapping[str, str]) -> Scope:
        """Return a child whose processes have these variables too."""
        return self.child({name: _Exported(text) for name, text in variables.items()})

    def set(self, name: str, value: Any) -> None:
        """Set a name here, or where an overlay stands on."""
        for names in self._tracking:
            names.add(name)
        if self._under is not None and name not in self._names.maps[0] and name != "handler":
            self._under.set(name, value)
        else:
            self._names[name] = value

    def raw(self, name: str) -> Any:
        """Return what stands behind a name, with the fields it answers to. Raises KeyError."""
        return self._names[name]

    def find(self, name: str) -> Any:
        """Return a name's value, None where it has none."""
        value = self._names.get(name)
        return value.value if isinstance(value, Captured) else value

    def follow(self, path: tuple[str, ...]) -> Any:
        """Return the value at a path. Raises LookupError."""
        return self._follow(path)

    def set_step(self, step_id: str, record: dict[str, Any]) -> None:
        """Set the results of a step, by its id and under ``steps``."""
        self.set("steps", {**(self.find("steps") or {}), step_id: record})
        if step_id not in self._names or isinstance(self._names[step_id], _StepRecord):
            self.set(step_id, _StepRecord(record))

    def track(self) -> None:
        """Note from now on which names are set here."""
        self._tracking.append(set())

    def tracked(self) -> dict[str, Any]:
        """Return the names set since the last ``track``, as ``dump`` writes them."""
        names = self._tracking.pop()
        return self.dump(names)

    def restore(self, data: Mapping[str, Any]) -> None:
        """Set names as ``tracked`` gave them."""
        found = Scope.load(data)
        for name in found.names():
            self.set(name, found.raw(name))

    def capture(self, name: str, value: Any, **fields: Any) -> None:
        """Set a name whose value also answers to fields such as ``exit_code``."""
        self.set(name, Captured(value, fields))

    def set_item(self, item: Any, *, is_path: bool = False) -> None:
        """Set ``item`` and ``item_json``; an item that is a path also answers to its parts."""
        fields = {} if isinstance(item, dict | list) else {"value": item, "item": item}
        if is_path and isinstance(item, str):
            path = PurePosixPath(item)
            directory = "" if str(path.parent) == "." else str(path.parent)
            fields |= {"path": item, "name": path.name, "stem": path.stem, "ext": path.suffix.lstrip(".")}
            fields["dir"] = directory
        self._names["item"] = Captured(item, fields)
        self._names["item_json"] = compact(item)

    @property
    def exported(self) -> dict[str, str]:
        """All exported variables, the nearest ones winning, shadowed ones included."""
        levels = reversed(self._names.maps)
        return {n: str(v) for level in levels for n, v in level.items() if isinstance(v, _Exported)}

    def has(self, name: str) -> bool:
        """Return whether a name has a value here."""
        return name in self._names

    def is_exported(self, name: str) -> bool:
        """Return whether processes see the name, and not a value of prodigy's own."""
        return isinstance(self._names.get(name), _Exported)

    def get(self, name: str) -> Any:
        """Return a name's value. Raises KeyError."""
        if name == "env":
            return self.exported if self._environment is None else self._environment
        return self._names[name]

    def names(self) -> list[str]:
        """Return every name that has a value, sorted."""
        return sorted(self._names)

    def value(self, text: str) -> Any:
        """Return the value of a text that is exactly one placeholder, with its type kept.

        Raises StepError of kind ``interpolation``.
        """
        pieces = read(text.strip(), self, in_shell=False)
        if len(pieces) != 1 or isinstance(pieces[0], str):
            raise StepError(ErrorKind.INTERPOLATION, f"{text.strip()!r} is not one placeholder")
        return self.resolve(pieces[0])

    def resolve(self, placeholder: Placeholder) -> Any:
        """Return a placeholder's value: found, filtered, or its default.

        Raises StepError of kind ``interpolation`` that names what is available.
        """
        try:
            value = self._found_for(placeholder)
        except LookupError as error:
            if placeholder.default is None and not placeholder.has_filter("default"):
                raise StepError(ErrorKind.INTERPOLATION, str(error.args[0])) from None
            value = None
        if value is None and placeholder.default is not None:
            value = "".join(
                as_text(self._piece(piece)) for piece in read(placeholder.default, self, in_shell=False)
            )
        return self._filtered(value, placeholder)

    def _found_for(self, placeholder: Placeholder) -> Any:
        return self._computed(placeholder) if placeholder.is_computed else self._follow(placeholder.path)

    def _filtered(self, value: Any, placeholder: Placeholder) -> Any:
        try:
            for name, argument in placeholder.filters:
                if name == "file":
                    value = self._computing(placeholder).stash(as_text(value))
                value = apply_filter(name, argument, value)
        except FilterError as error:
            message = f"`{placeholder.text}`: {error}"
            raise StepError(ErrorKind.INTERPOLATION, message) from None
        return value

    def _computing(self, placeholder: Placeholder) -> Computer:
        if self._computer is None:
            message = f"`{placeholder.text}` needs a running step; there is none here"
            raise StepError(ErrorKind.INTERPOLATION, message)
        return self._computer

    def _computed(self, placeholder: Placeholder) -> Any:
        """Return the value of a computed form. Raises StepError, LookupError."""
        kind, argument = placeholder.head, str(placeholder.argument)
        if kind == "uuid":
            return str(uuid.uuid4())
        if kind == "json":
            return self._in_json(argument)
        computer = self._computing(placeholder)
        if kind == "cmd":
            from prodigy.workflow.shell_text import render_shell

            return computer.cmd(render_shell(argument, self))
        text = "".join(as_text(self._piece(piece)) for piece in read(argument, self, in_shell=False))
        if kind == "file":
            return computer.file(text)
        return computer.now.strftime(text)

    def _in_json(self, argument: str) -> Any:
        path, _, name = argument.rpartition(":from:")
        value = self._follow(tuple(name.split(".")))
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                message = f"`${{json:{argument}}}`: {name} is not JSON: {error}"
                raise StepError(ErrorKind.INTERPOLATION, message) from None
        try:
            if re.fullmatch(r"[\w-]+(?:\.[\w-]+)*", path):
                return reach(value, tuple(path.split(".")))
            query = compile_query(path)
            nodes = list(query.find(value).values())
        except ValueError as error:
            raise StepError(ErrorKind.INTERPOLATION, f"`${{json:{argument}}}`: {error}") from None
        if not query.singular_query():
            return nodes
        if not nodes:
            raise LookupError(f"`${{json:{argument}}}` finds nothing")
        return nodes[0]

    def captures(self) -> dict[str, Any]:
        """Return the values of all captures visible here."""
        return {name: value.value for name, value in self._names.items() if isinstance(value, Captured)}

    def dump(self, only: Collection[str] | None = None) -> dict[str, Any]:
        """Return everything visible here, or only some names, as JSON data."""
        own = {
            name: value
            for name, value in self._names.items()
            if not isinstance(value, (_Exported, Deferred)) and (only is None or name in only)
        }
        captured = {name: value for name, value in own.items() if isinstance(value, Captured)}
        plain = own | {name: value.value for name, value in captured.items()}
        return {
            "names": {name: _packed(value) for name, value in plain.items()},
            "fields": {name: _packed(value.fields) for name, value in captured.items()},
            "steps": [name for name, value in own.items() if isinstance(value, _StepRecord)],
            "exported": self.exported if only is None else {},
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Scope:
        """Return the scope that ``dump`` described."""
        scope = cls({name: _unpacked(value) for name, value in data["names"].items()}, data["exported"])
        for name, fields in data["fields"].items():
            scope.capture(name, scope.get(name), **_unpacked(fields))
        for name in data["steps"]:
            scope.set(name, _StepRecord(scope.get(name)))
        return scope

    def _piece(self, piece: str | Placeholder) -> Any:
        return piece if isinstance(piece, str) else self.resolve(piece)

    def _follow(self, path: tuple[str, ...]) -> Any:
        try:
            value = self.get(path[0])
        except KeyError:
            raise LookupError(_missing(path[:1], self.names())) from None
        for depth, part in enumerate(path[1:], 1):
            value = _step_into(_found(value), part, path[: depth + 1])
        value = _found(value)
        return value.value if isinstance(value, Captured) else value


def read(text: str, scope: Scope, *, in_shell: bool) -> list[str | Placeholder]:
    """Return a text's pieces. Raises StepError of kind ``interpolation`` for a malformed placeholder."""
    try:
        return scan(text, scope, in_shell=in_shell)
    except PlaceholderError as error:
        raise StepError(ErrorKind.INTERPOLATION, error.message, help=error.help) from None


def _step_into(value: Any, part: str, path: tuple[str, ...]) -> Any:
    if isinstance(value, Captured):
        if isinstance(value.value, dict | list) and part not in value.fields:
            return _step_into(value.value, part, path)
        if isinstance(value.value, dict) and part in value.value:
            return value.value[part]
        value = value.fields
    if isinstance(value, list):
        if part.isdigit() and int(part) < len(value):
            return value[int(part)]
        raise LookupError(_missing(path, [f"0 to {len(value) - 1}"] if value else []))
    if isinstance(value, dict) and part in value:
        return value[part]
    raise LookupError(_missing(path, sorted(value) if isinstance(value, dict) else []))


def _found(value: Any) -> Any:
    return value.get() if isinstance(value, Deferred) else value


def _packed(value: Any) -> Any:
    """Return JSON data that remembers which lists are names."""
    if isinstance(value, Paths):
        return {"\0paths": list(value)}
    if isinstance(value, dict):
        return {key: _packed(inner) for key, inner in value.items() if not isinstance(inner, Deferred)}
    if isinstance(value, list):
        return [_packed(inner) for inner in value]
    return value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"\0paths"}:
            return Paths(value["\0paths"])
        return {key: _unpacked(inner) for key, inner in value.items()}
    return [_unpacked(inner) for inner in value] if isinstance(value, list) else value


def _missing(path: tuple[str, ...], available: list[str]) -> str:
    shown = ", ".join(available[:_SHOWN_NAMES]) + (", …" if len(available) > _SHOWN_NAMES else "")
    return f"`${{{'.'.join(path)}}}` has no value; available: {shown or 'nothing'}"
