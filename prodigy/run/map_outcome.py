"""What a map phase gives to the phases after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prodigy.values import ItemResult, PhaseResult


@dataclass(frozen=True, slots=True)
class MapOutcome:
    """What became of the map phase."""

    result: PhaseResult
    items: tuple[ItemResult, ...]

    def count(self, status: str) -> int:
        """How many items ended with a status."""
        return sum(item.status == status for item in self.items)

    @classmethod
    def of_nothing(cls) -> MapOutcome:
        """What a map phase without items gives."""
        result = PhaseResult(name="map", status="success", started_at=datetime.now(UTC), duration=0.0)
        return cls(result, ())

    @property
    def all_failed(self) -> bool:
        """Whether there were items and every one failed, or was skipped by its failure."""
        return bool(self.items) and self.count("failed") + self.count("skipped") == len(self.items)

    def entries(self) -> list[dict[str, Any]]:
        """The results as texts see them, in item order."""
        return [item.model_dump(mode="json") | {"success": item.success} for item in self.items]

    def variables(self) -> dict[str, Any]:
        """The ``map`` namespace of reduce and merge, but for values computed over all results."""
        total, good, bad = len(self.items), self.count("success"), self.count("failed")
        results = self.entries()
        durations = sum(item.duration for item in self.items)
        values: dict[str, Any] = {
            "total": total,
            "successful": good,
            "failed": bad,
            "skipped": self.count("skipped"),
            "success_rate": 100 * good / total if total else 0,
            "failure_rate": bad / total if total else 0,
            "duration": self.result.duration,
            "average_duration_secs": durations / total if total else 0,
            "total_duration_secs": durations,
            "results": results,
            "outputs": [item.output for item in self.items if item.success],
            "errors": [item.error.model_dump(mode="json") for item in self.items if item.error],
        }
        aliases = {
            "success_count": good,
            "failure_count": bad,
            "results_json": results,
            "results_array": results,
        }
        return values | aliases
