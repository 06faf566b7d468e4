"""A YAML document as a tree that knows where each value stands.

Scalars follow the YAML 1.2 core schema. The tree is built from parser events, so that depth and size are
bounded before anything is built from them; an alias shares its anchor's nodes and counts as if copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.workflow.findings import Findings

MAX_DEPTH = 64
MAX_NODES = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TAG = "tag:yaml.org,2002:"


class Mark(NamedTuple):
    """A place in the file; line and column count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Node:
    """One value and its place."""

    start: Mark
    end: Mark
    size: int = 1
    """Nodes below and including this one, aliases counted as copies."""
    height: int = 1
    """Levels below and including this one."""


@dataclass(slots=True)
class Scalar(Node):
    """A text, number, boolean or null."""

    value: Any = None
    text: str = ""
    """As written, without quotes."""
    style: str | None = None


@dataclass(slots=True)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Mapping(Node):
    """Keys and values, in their order. Keys are texts."""

    pairs: list[tuple[Scalar, Node]] = field(default_factory=list)


def plain(node: Node) -> Any:
    """Return the node's value as JSON-like data."""
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key.text: plain(value) for key, value in node.pairs}
    return node.value if isinstance(node, Scalar) else None


class TreeError(Exception):
    """Raised when a document cannot become a tree."""

    def __init__(self, code: str, mark: Mark, message: str) -> None:
        super().__init__(message)
        self.code, self.mark, self.message = code, mark, message


def build_tree(text: str, findings: Findings) -> Node | None:
    """Return the tree of the one document in the text, or None when it is empty or had to be refused."""
    try:
        return _Builder(findings).build(yaml.parse(text, Loader=_LOADER))
    except TreeError as error:
        findings.error(error.code, error.mark, error.message)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
        findings.error("P102", where, " ".join(filter(None, (error.problem, error.context))) or "not YAML")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        where = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
        findings.error("P102", where, f"character {chr(error.character)!a} is not allowed in YAML")
    return None


class _Builder:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.anchors: dict[str, Node] = {}
        self.open: set[int] = set()
        self.total = 0

    def build(self, events: Iterator[yaml.Event]) -> Node | None:
        root: Node | None = None
        documents = 0
        stack: list[_Open] = []
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise TreeError("P105", _mark(event.start_mark), "a second document is not supported")
                continue
            node = self.node(event, stack)
            if node is None:
                continue
            if stack:
                stack[-1].add(node)
            else:
                root = node
        return root

    def node(self, event: yaml.Event, stack: list[_Open]) -> Node | None:
        """Return the node an event completes, if it completes one."""
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, len(stack))
        if isinstance(event, yaml.ScalarEvent):
            self.count(1, event)
            scalar = _scalar(event)
            self.remember(event, scalar)
            return scalar
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self.count(1, event)
            self.descend(len(stack), event)
            stack.append(self.begin(event))
            return None
        if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            opened = stack.pop()
            self.open.discard(id(opened.node))
            return opened.finish(_mark(event.end_mark), self.findings)
        return None

    def begin(self, event: Any) -> _Open:
        mark = _mark(event.start_mark)
        is_map = isinstance(event, yaml.MappingStartEvent)
        expected = _TAG + ("map" if is_map else "seq")
        if event.tag not in (None, "!", expected):
            raise TreeError("P105", mark, f"tag {event.tag} is not supported")
        node: Sequence | Mapping = Mapping(mark, mark) if is_map else Sequence(mark, mark)
        self.remember(event, node)
        self.open.add(id(node))
        return _Open(node)

    def remember(self, event: Any, node: Node) -> None:
        if event.anchor is not None:
            self.anchors[event.anchor] = node

    def alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        mark = _mark(event.start_mark)
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            raise TreeError("P102", mark, f"alias *{event.anchor} has no anchor")
        if id(anchored) in self.open:
            raise TreeError("P105", mark, f"alias *{event.anchor} contains itself")
        self.count(anchored.size, event)
        self.descend(depth + anchored.height - 1, event)
        return anchored

    def count(self, nodes: int, event: Any) -> None:
        self.total += nodes
        if self.total > MAX_NODES:
            message = f"more than {MAX_NODES} values, aliases counted as copies"
            raise TreeError("P104", _mark(event.start_mark), message)

    def descend(self, depth: int, event: Any) -> None:
        if depth >= MAX_DEPTH:
            raise TreeError("P104", _mark(event.start_mark), f"nested deeper than {MAX_DEPTH} levels")


class _Open:
    """A sequence or mapping whose end has not come yet."""

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.children: list[Node] = []

    def add(self, child: Node) -> None:
        self.children.append(child)
        self.node.size += child.size
        self.node.height = max(self.node.height, child.height + 1)

    def finish(self, end: Mark, findings: Findings) -> Node:
        self.node.end = end
        if isinstance(self.node, Sequence):
            self.node.items = self.children
        else:
            self.node.pairs = _pairs(self.children, findings)
        return self.node


def _pairs(children: list[Node], findings: Findings) -> list[tuple[Scalar, Node]]:
    """Return the pairs of a mapping: duplicates reported, merge keys resolved, own keys first."""
    own: dict[str, tuple[Scalar, Node]] = {}
    merged: list[Mapping] = []
    for key, value in zip(children[::2], children[1::2], strict=True):
        if not isinstance(key, Scalar):
            findings.error("P202", key.start, "a key must be a text")
        elif key.text == "<<" and key.style is None:
            merged += _merge_sources(key, value, findings)
        elif key.text in own:
            first = own[key.text][0].start
            message = f"duplicate key {key.text!r} (first at line {first.line}, column {first.column})"
            findings.error("P103", key.start, message)
        else:
            own[key.text] = (key, value)
    for source in merged:
        for key, value in source.pairs:
            own.setdefault(key.text, (key, value))
    return list(own.values())


def _merge_sources(key: Scalar, value: Node, findings: Findings) -> list[Mapping]:
    sources = value.items if isinstance(value, Sequence) else [value]
    if not all(isinstance(source, Mapping) for source in sources):
        findings.error("P202", key.start, "`<<` takes a mapping or a list of mappings")
    return [source for source in sources if isinstance(source, Mapping)]


def _scalar(event: yaml.ScalarEvent) -> Scalar:
    mark = _mark(event.start_mark)
    tag = event.tag
    if tag is None and event.implicit[0]:
        value = _core_value(event.value, mark)
    elif tag in (None, "!", _TAG + "str"):
        value = event.value
    elif tag in {_TAG + name for name in ("null", "bool", "int", "float")}:
        value = _core_value(event.value, mark)
        name = str(tag).removeprefix(_TAG)
        if type(value).__name__ != ("NoneType" if name == "null" else name):
            raise TreeError("P105", mark, f"{event.value!r} is not of the type {name}")
    else:
        raise TreeError("P105", mark, f"tag {tag} is not supported")
    return Scalar(mark, _mark(event.end_mark), value=value, text=event.value, style=event.style)


def _core_value(text: str, mark: Mark) -> Any:
    """Resolve a plain scalar by the YAML 1.2 core schema; ``.inf`` and ``.nan`` stay texts."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if len(text) > 1000 and (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):  # noqa: PLR2004 - see below
        # Python converts digits in quadratic time and refuses long ones altogether.
        raise TreeError("P204", mark, "a number of more than 1000 digits")
    if _INT.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise TreeError("P204", mark, "a number beyond all bounds")
        return number
    return text


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)
