"""The names a text may use, and their values."""

from __future__ import annotations

import json
from collections import ChainMap
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from prodigy.errors import StepError
from prodigy.values import ErrorKind
from prodigy.workflow.placeholder import Placeholder, PlaceholderError, scan

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class Captured:
    """A value that also answers to fields, unless it has such a field itself."""

    value: Any
    fields: dict[str, Any] = field(default_factory=dict)


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

    def child(self, names: Mapping[str, Any] | None = None, /, **more: Any) -> Scope:
        """Return a scope that also sees everything here."""
        made = Scope()
        made._names = self._names.new_child({**(names or {}), **more})
        return made

    def exporting(self, variables: Mapping[str, str]) -> Scope:
        """Return a child whose processes have these variables too."""
        return self.child({name: _Exported(text) for name, text in variables.items()})

    def set(self, name: str, value: Any) -> None:
        """Set a name here."""
        self._names[name] = value

    def capture(self, name: str, value: Any, **fields: Any) -> None:
        """Set a name whose value also answers to fields such as ``exit_code``."""
        self._names[name] = Captured(value, fields)

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
        return self.exported if name == "env" else self._names[name]

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
            value = self._follow(placeholder.path)
        except LookupError as error:
            if placeholder.default is None:
                raise StepError(ErrorKind.INTERPOLATION, str(error.args[0])) from None
            value = None
        if value is None and placeholder.default is not None:
            value = "".join(
                as_text(self._piece(piece)) for piece in read(placeholder.default, self, in_shell=False)
            )
        for name in placeholder.filters:
            value = _apply(name, value, placeholder)
        return value

    def captures(self) -> dict[str, Any]:
        """Return the values of all captures visible here."""
        return {name: value.value for name, value in self._names.items() if isinstance(value, Captured)}

    def dump(self) -> dict[str, Any]:
        """Return everything visible here as JSON data."""
        own = {name: value for name, value in self._names.items() if not isinstance(value, _Exported)}
        captured = {name: value for name, value in own.items() if isinstance(value, Captured)}
        return {
            "names": own | {name: value.value for name, value in captured.items()},
            "fields": {name: value.fields for name, value in captured.items()},
            "exported": self.exported,
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Scope:
        """Return the scope that ``dump`` described."""
        scope = cls(data["names"], data["exported"])
        for name, fields in data["fields"].items():
            scope.capture(name, scope.get(name), **fields)
        return scope

    def _piece(self, piece: str | Placeholder) -> Any:
        return piece if isinstance(piece, str) else self.resolve(piece)

    def _follow(self, path: tuple[str, ...]) -> Any:
        try:
            value = self.get(path[0])
        except KeyError:
            raise LookupError(_missing(path[:1], self.names())) from None
        for depth, part in enumerate(path[1:], 1):
            value = _step_into(value, part, path[: depth + 1])
        return value.value if isinstance(value, Captured) else value


def read(text: str, scope: Scope, *, in_shell: bool) -> list[str | Placeholder]:
    """Return a text's pieces. Raises StepError of kind ``interpolation`` for a malformed placeholder."""
    try:
        return scan(text, scope, in_shell=in_shell)
    except PlaceholderError as error:
        raise StepError(ErrorKind.INTERPOLATION, error.message, help=error.help) from None


def as_text(value: Any) -> str:
    """Return a value as plain text: texts as they are, null as nothing, the rest as compact JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value)


def compact(value: Any) -> str:
    """Return compact JSON with key order and number types kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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


def _missing(path: tuple[str, ...], available: list[str]) -> str:
    shown = ", ".join(available[:_SHOWN_NAMES]) + (", …" if len(available) > _SHOWN_NAMES else "")
    return f"`${{{'.'.join(path)}}}` has no value; available: {shown or 'nothing'}"


def _apply(name: str, value: Any, placeholder: Placeholder) -> Any:
    if name == "json":
        return compact(value)
    if name == "length" and isinstance(value, str | list | dict):
        return len(value)
    if name == "lines" and isinstance(value, list):
        return "\n".join(as_text(element) for element in value)
    message = f"the filter `{name}` of `{placeholder.text}` does not apply to {type(value).__name__}"
    raise StepError(ErrorKind.INTERPOLATION, message)
