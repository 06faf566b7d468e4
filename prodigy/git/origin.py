"""Where a store comes from: what it remembers of the user's repository."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from prodigy.git.repository import UserRepository


@dataclass(frozen=True, slots=True)
class Origin:
    """What a store remembers of the repository it was made from."""

    repository: Path
    common_dir: Path
    project: str
    base: str
    object_format: Literal["sha1", "sha256"]
    user_name: str
    user_email: str
    settings: tuple[tuple[str, str], ...]
    hooks_path: str | None

    @classmethod
    def of(cls, repository: UserRepository, base: str) -> Origin:
        """Return what a store from ``base`` has to remember."""
        return cls(
            repository=repository.root,
            common_dir=repository.common_dir,
            project=repository.name,
            base=base,
            object_format=repository.object_format,
            user_name=repository.user_name,
            user_email=repository.user_email,
            settings=repository.settings,
            hooks_path=repository.hooks_path,
        )

    def to_json(self) -> str:
        """Return it as text to store."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Origin:
        """Read what ``to_json`` wrote."""
        record = json.loads(text)
        for key in ("repository", "common_dir"):
            record[key] = Path(record[key])
        record["settings"] = tuple((key, value) for key, value in record["settings"])
        return cls(**record)
