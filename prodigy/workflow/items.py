"""Work items: from a document to a numbered list. Pure: files are read and commands run elsewhere."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from prodigy.errors import InputError
from prodigy.workflow.jsonpath import compile_query
from prodigy.workflow.nodes import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.workflow.models import MapInput

MAX_BYTES = 64 << 20
MAX_ITEMS = 100_000

_EXTENSIONS = ("json", "jsonl", "ndjson", "yml", "yaml", "csv", "tsv", "txt")
_PATH_LIKE = re.compile(r"[^\s|&;<>()$`\\\"'*?\[\]{}#~!]+")
_FORMATS = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "tsv",
    "txt": "lines",
    "yml": "yaml",
    "yaml": "yaml",
}
_MAX_ID = 128
_SAFE_IN_ID = "._@:+-"


def is_path_like(text: str) -> bool:
    """Return whether a text looks like a path: one word with a slash or a known data file's extension."""
    if not _PATH_LIKE.fullmatch(text):
        return False
    return "/" in text or text.rpartition(".")[2].lower() in _EXTENSIONS


def classify_input(given: MapInput, exists: Callable[[str], bool]) -> MapInput:
    """Decide an input written as one text: an existing file, else a command.

    Raises InputError for what looks like a path to a file that does not exist; it is never run.
    """
    if given.kind != "text":
        return given
    if is_path_like(given.text) or not re.search(r"[\0\n]", given.text):
        if exists(given.text):
            return given.model_copy(update={"kind": "file"})
        if is_path_like(given.text):
            raise InputError(f"input file not found: {given.text}")
    return given.model_copy(update={"kind": "command"})


def parse_document(data: bytes, name: str, form: str | None = None) -> Any:
    """Return a file's content as a document, by the given form or the name's extension.

    Raises InputError with the line of the fault.
    """
    extension = name.rpartition(".")[2].lower()
    form = form or _FORMATS.get(extension, "json")
    text = _decode(data, name)
    if form == "yaml":
        return _yaml(text, name)
    if form == "json":
        try:
            return _json(text)
        except ValueError as error:
            advice = "a file of plain lines needs `format: lines`"
            raise InputError(f"{name} is not JSON: {error}", help=advice) from None
    if form == "jsonl":
        return _json_lines(text, name)
    if form in ("csv", "tsv"):
        return _table(text, name, "," if form == "csv" else "\t")
    return _lines(text)


def parse_command_output(data: bytes) -> Any:
    """Return what a command printed: its JSON, or its non-blank lines.

    When the first non-blank line is a JSON object or array, every line must be JSON. Raises InputError.
    """
    text = _decode(data, "the input command's output")
    try:
        document = _json(text)
    except ValueError:
        document = None
    if isinstance(document, dict | list):
        return document
    first = next(iter(_lines(text)), "")
    try:
        begins_json = isinstance(_json(first), dict | list)
    except ValueError:
        begins_json = False
    return _json_lines(text, "the input command's output") if begins_json else _lines(text)


def from_value(value: Any) -> Any:
    """Return the document a variable's value means: text is parsed as a command's output is."""
    return parse_command_output(value.encode(errors="replace")) if isinstance(value, str) else value


def select(document: Any, json_path: str | None) -> list[Any]:
    """Return the items of a document: its elements, or the nodes a query finds.

    A query for one place that holds an array yields the array's elements. Raises InputError.
    """
    nodes = [document]
    singular = True
    if json_path is not None:
        try:
            query = compile_query(json_path)
            nodes = query.find(document).values()
            singular = query.singular_query()
        except (ValueError, RecursionError) as error:
            raise InputError(f"json_path: {error}") from None
    items = nodes[0] if singular and nodes and isinstance(nodes[0], list) else nodes
    if len(items) > MAX_ITEMS:
        raise InputError(f"{len(items)} items: more than {MAX_ITEMS} are refused")
    return list(items)


def number_items(items: list[Any]) -> list[tuple[str, Any]]:
    """Return each item with its id, which depends on the items alone, not on filters or limits.

    A scalar ``id`` that no other item has, with its hash when others have it, else a hash of the item;
    identical items are told apart by ``-2``, ``-3``. At most 128 harmless characters. Raises InputError.
    """
    if len(items) > MAX_ITEMS:
        raise InputError(f"{len(items)} items: more than {MAX_ITEMS} are refused")
    own = [_own_id(item) for item in items]
    shared: dict[str, int] = {}
    for text in own:
        shared[text] = shared.get(text, 0) + 1
    used: set[str] = set()
    repeats: dict[str, int] = {}
    numbered = []
    for text, item in zip(own, items, strict=True):
        if not text:
            base = f"h-{_digest(item)[:12]}"
        else:
            base = text if shared[text] == 1 else f"{_cut(text, 7)}~{_digest(item)[:6]}"
        base = _cut(base, 0)
        name = base
        while name in used:
            repeats[base] = repeats.get(base, 1) + 1
            suffix = f"-{repeats[base]}"
            name = _cut(base, len(suffix)) + suffix
        used.add(name)
        numbered.append((name, item))
    return numbered


def _own_id(item: Any) -> str:
    """Return the item's scalar ``id`` in safe characters, or nothing."""
    value = item.get("id") if isinstance(item, dict) else None
    if value is None or isinstance(value, dict | list):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    encoded = quote(text, safe=_SAFE_IN_ID, errors="replace").replace("~", "%7E")
    return encoded.replace(".", "%2E") if set(encoded) == {"."} else encoded


def _cut(name: str, room: int) -> str:
    """Return the name short enough to leave room for so many characters, never inside an escape."""
    cut = name[: _MAX_ID - room]
    return re.sub(r"%[0-9A-F]?$", "", cut) if len(cut) < len(name) else cut


def _digest(item: Any) -> str:
    import rfc8785

    try:
        canonical = rfc8785.dumps(item)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        # Integers beyond 2^53 and lone surrogates have no canonical form; this one is as stable.
        canonical = json.dumps(item, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()


def _decode(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(f"{name} is larger than 64 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}, line {line}: not UTF-8 text") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _lines(text: str) -> list[str]:
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [line for line in lines if line.strip()]


def _yaml(text: str, name: str) -> Any:
    from prodigy.workflow.findings import Findings
    from prodigy.workflow.tree import build_tree

    findings = Findings(name, text)
    root = build_tree(text, findings)
    if findings.errors:
        first = findings.errors[0]
        raise InputError(f"{name}, line {first.line}: {first.message}")
    return None if root is None else plain(root)


def _json_lines(text: str, name: str) -> list[Any]:
    values = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                values.append(_json(line))
            except ValueError as error:
                raise InputError(f"{name}, line {number}: not JSON: {error}") from None
    return values


def _table(text: str, name: str, delimiter: str) -> list[dict[str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) != len(header):
            raise InputError(f"{name}, line 1: two columns have the same name")
        rows = []
        for row in reader:
            if row and len(row) != len(header):
                message = (
                    f"{name}, line {reader.line_num}: {len(row)} fields where the header has {len(header)}"
                )
                raise InputError(message)
            rows += [dict(zip(header, row, strict=True))] if row else []
    except csv.Error as error:
        raise InputError(f"{name}, line {reader.line_num}: {error}") from None
    return rows
