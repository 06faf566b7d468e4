"""The data root: ``$PRODIGY_HOME``, where prodigy keeps everything it stores."""

from __future__ import annotations

import os
from pathlib import Path

from prodigy.errors import EnvironmentUnavailable, UsageError


def locate() -> Path:
    """Tell where the data root is (default ``~/.prodigy``), symbolic links resolved; nothing is created.

    Raises UsageError inside a repository's work tree: workspaces there would be part of that repository.
    """
    named = os.environ.get("PRODIGY_HOME")
    try:
        root = Path(named or "~/.prodigy").expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise EnvironmentUnavailable(
            f"no data root: {error}", help="set PRODIGY_HOME to a directory"
        ) from error
    for directory in (root, *root.parents):
        if _is_repository(directory):
            raise UsageError(
                f"the data root {root} lies inside the repository {directory}",
                help="set PRODIGY_HOME to a directory outside of it",
            )
    return root


def data_root() -> Path:
    """Return the data root, created with mode 0700 where it was missing.

    Raises UsageError as ``locate`` does, EnvironmentUnavailable where it cannot be created or written.
    """
    root = locate()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentUnavailable(
            f"the data root {root} cannot be created: {error.strerror}",
            help="set PRODIGY_HOME to another place",
        ) from error
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise EnvironmentUnavailable(
            f"the data root {root} is not writable", help="set PRODIGY_HOME to another place"
        )
    return root


def _is_repository(directory: Path) -> bool:
    # A linked work tree has a `.git` file; a stray empty `.git` directory is no repository to git either.
    marker = directory / ".git"
    return marker.is_file() or (marker / "HEAD").exists()
