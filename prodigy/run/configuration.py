"""The configuration of this machine and repository: found, layered, and traced."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prodigy.errors import EnvironmentUnavailable, UsageError
from prodigy.home import locate
from prodigy.workflow.config import Config, Setting, build_config, is_key, load_config, one_setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from prodigy.git.committed import Committed

PROJECT_FILE = ".prodigy/config.yml"
_PREFIX = "PRODIGY__"
_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings of all places, in order: later ones win."""

    settings: tuple[Setting, ...] = ()

    @property
    def config(self) -> Config:
        """What is in force."""
        return build_config(list(self.settings))

    def trace(self) -> dict[str, list[Setting]]:
        """Every key that is set, with its sources, the winner first."""
        found: dict[str, list[Setting]] = {}
        for setting in self.settings:
            found.setdefault(setting.key, []).insert(0, setting)
        return dict(sorted(found.items()))

    def values(self) -> dict[str, Any]:
        """Every key with its value in force, defaults included."""
        flat: dict[str, Any] = {}
        for key, value in self.config.model_dump(mode="json").items():
            if isinstance(value, dict):
                flat |= {f"{key}.{name}": inner for name, inner in value.items()}
            else:
                flat[key] = value
        return flat


def read_configuration(committed: Callable[[], Committed] | None = None) -> Configuration:
    """Return the configuration: the user's file, the repository's, then the environment.

    ``committed``: the base commit, whose file counts, not the checkout's.
    Raises WorkflowInvalid for a file with errors, UsageError for a variable that names no key.
    """
    found: list[Setting] = []
    file = locate() / "config.yml"
    try:
        found += load_config(file.read_bytes(), str(file))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise EnvironmentUnavailable(f"the configuration {file} cannot be read: {error.strerror}") from error
    if committed is not None:
        data = committed().file(PROJECT_FILE, _LIMIT)
        found += load_config(data, PROJECT_FILE) if data is not None else []
    return Configuration((*found, *_from_environment()))


def _from_environment() -> list[Setting]:
    found = []
    for name, text in sorted(os.environ.items()):
        if name.startswith(_PREFIX):
            key = ".".join(part.lower() for part in name.removeprefix(_PREFIX).split("__"))
            if not is_key(key):
                raise UsageError(f"{name} names no key of the configuration")
            found.append(one_setting(key, text, name))
    return found
