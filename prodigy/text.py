"""Making foreign text (of repositories, containers and models) safe to show at a terminal."""

from __future__ import annotations

import json
import re
from typing import Any

_UNSAFE = re.compile(
    r"""
      \x1b \[ [0-?]* [ -/]* [@-~]                         # control sequences: colours, cursor movement
    | \x9b [0-?]* [ -/]* [@-~]                            # the same with a one-character introducer
    | (?: \x1b[\]PX^_] | [\x90\x98\x9d-\x9f] )            # titles, clipboards, links ...
      [^\x07\x1b\x90\x98\x9c-\x9f\n]* (?: \x07 | \x1b\\ | \x9c )       # ... and their end
    | \x1b [ -/]* [0-~]                                   # two-character escapes
    | [\x00-\x08\x0b-\x1f\x7f-\x9f]                       # every other control character
    | [\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]      # direction marks: they reorder what is read
    | [\U000e0000-\U000e007f]                             # invisible tags
    """,
    re.VERBOSE,
)
_RAW_BYTE = re.compile("[\udc80-\udcff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAB = "    "


def printable_lines(text: str) -> str:
    r"""Remove what could steer a terminal or reorder text; line ends stay, tabs become blanks.

    Undecodable bytes of file names (surrogate escapes) are shown as ``\xNN``.
    """
    if text.isprintable():
        return text
    for end in ("\r\n", "\r", "\u2028", "\u2029"):
        text = text.replace(end, "\n")
    text = _UNSAFE.sub("", text).replace("\t", _TAB)
    text = _RAW_BYTE.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", text)
    return _SURROGATE.sub("\ufffd", text)


def printable(text: str) -> str:
    """As ``printable_lines``, on one line: line ends become blanks."""
    return printable_lines(text).replace("\n", " ")


_BRIEF = 40
"""Characters of a work item that are shown beside its id."""


def item_name(item_id: str, item: Any) -> str:
    """Name a work item for people: an id made of a hash says nothing, so the item stands beside it."""
    if not item_id.startswith("h-"):
        return printable(item_id)
    text = printable(item if isinstance(item, str) else json.dumps(item, ensure_ascii=False))
    return f"{item_id} {text if len(text) <= _BRIEF else text[: _BRIEF - 1] + '…'}"
