"""What a file's texts use and set, in the order things happen: the input of the check of names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prodigy.workflow.nodes import Node

UseKind = Literal[
    "plain", "shell", "prompt", "expression", "capture", "id", "env", "enter", "leave", "aggregate"
]


@dataclass(frozen=True)
class Use:
    """A text with placeholders, or a name that later texts may use."""

    kind: UseKind
    """plain, shell, prompt and expression are texts; capture, id, env and aggregate set a name from here on;
    enter and leave bound a block (``foreach``, ``handler``, ``validate``) whose names are its own."""
    node: Node
    text: str
    """The text; or the name that is set; or which block."""
    in_handler: bool = False
