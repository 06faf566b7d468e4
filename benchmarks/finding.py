"""One line of the table: what was measured, against what, and whether it is good enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """A number and its goal; ``goal`` None: only told."""

    what: str
    ours: str
    baseline: str
    value: float
    unit: str = "x"
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of its line in the table."""
        sign = "≤" if self.better == "lower" else "≥"
        goal = "" if self.goal is None else f"{sign} {self.goal:g} {self.unit}"
        verdict = {None: "", True: "yes", False: "**no**"}[self.met]
        return (self.what, self.ours, self.baseline, f"{self.value:.3g} {self.unit}", goal, verdict)


def table(findings: list[Finding]) -> str:
    """The findings as a Markdown table."""
    head = ("Measured", "prodigy", "Baseline", "Result", "Goal", "Met")
    lines = [head, tuple("---" for _ in head), *(finding.row for finding in findings)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
