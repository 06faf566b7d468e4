"""What of a session's own steps is finished: durable, and all that a resumed run goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.values import StepResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prodigy.state.journal import Journal


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished step, and the names it set."""

    result: StepResult
    names: dict[str, Any]
    """As Scope.dump wrote them."""
    output: str
    head: str | None
    dirty: int | None


class Ledger:
    """Finished steps by where they stand: a handler's second pass is another place than its first.

    A ledger without a journal keeps nothing: an agent that was cut off starts afresh.
    """

    def __init__(self, journal: Journal | None, prefix: str) -> None:
        self._journal = journal
        self._prefix = prefix

    @property
    def durable(self) -> bool:
        """Whether anything is kept."""
        return self._journal is not None

    def below(self, name: str) -> Ledger:
        """Return the ledger of a place inside this one."""
        return Ledger(self._journal, f"{self._prefix}/{name}")

    def finished(self, path: str) -> Finished | None:
        """Return a step that is finished already."""
        data = self.get(f"done:{path}")
        if data is None:
            return None
        result = StepResult.model_validate(data["result"])
        return Finished(result, data["names"], data["output"], data["head"], data["dirty"])

    def record(
        self,
        result: StepResult,
        names: Mapping[str, Any],
        *,
        output: str = "",
        head: str | None = None,
        dirty: int | None = None,
    ) -> None:
        """Keep a finished step; durable when this returns."""
        data = {
            "result": result.model_dump(mode="json"),
            "names": dict(names),
            "output": output,
            "head": head,
            "dirty": dirty,
        }
        self.put(f"done:{result.path}", data)

    def forget(self) -> None:
        """Drop all that was kept inside this place: what is done here again is done from the start."""
        if self._journal is not None:
            self._journal.forget(f"{self._prefix}/")

    def get(self, name: str) -> Any:
        """Return what was kept under a name here, None where nothing was."""
        return None if self._journal is None else self._journal.get(f"{self._prefix}/{name}")

    def put(self, name: str, value: Any) -> None:
        """Keep a value under a name here; durable when this returns."""
        if self._journal is not None:
            self._journal.put(f"{self._prefix}/{name}", value)
