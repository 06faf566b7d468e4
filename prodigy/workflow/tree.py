"""A YAML document as a tree that knows where each value stands.

The tree is built from parser events, so that depth and size are
bounded before anything is built from them; an alias shares its anchor's nodes and counts as if copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from prodigy.workflow.nodes import TAG, Mapping, Mark, Node, Scalar, Sequence, TreeError, mark_of, read_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prodigy.workflow.findings import Findings

MAX_DEPTH = 64
MAX_NODES = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def build_tree(text: str, findings: Findings) -> Node | None:
    """Return the tree of the one document in the text, or None when it is empty or had to be refused."""
    try:
        return _Builder(findings).build(yaml.parse(text, Loader=_LOADER))
    except TreeError as error:
        findings.error(error.code, error.mark, error.message)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Mark(mark.line + 1, mark.column + 1) if mark else Mark(1, 1)
        if "nesting depth" in str(error.problem):  # the parser looks ahead, and has a bound of its own
            findings.error("P104", where, f"nested deeper than {MAX_DEPTH} levels")
        else:
            findings.error(
                "P102", where, " ".join(filter(None, (error.problem, error.context))) or "not YAML"
            )
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
                    raise TreeError("P105", mark_of(event.start_mark), "a second document is not supported")
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
            scalar = read_scalar(event)
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
            return opened.finish(mark_of(event.end_mark), self.findings)
        return None

    def begin(self, event: Any) -> _Open:
        mark = mark_of(event.start_mark)
        is_map = isinstance(event, yaml.MappingStartEvent)
        expected = TAG + ("map" if is_map else "seq")
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
        mark = mark_of(event.start_mark)
        anchored = self.anchors.get(str(event.anchor))
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
            raise TreeError("P104", mark_of(event.start_mark), message)

    def descend(self, depth: int, event: Any) -> None:
        if depth >= MAX_DEPTH:
            raise TreeError("P104", mark_of(event.start_mark), f"nested deeper than {MAX_DEPTH} levels")


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
        elif key.text == "<<" and not key.style:
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
