"""The program as a user who is not root, on a machine where the tests are."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hostile.arena import Arena
from tests.support.engine import remove_all
from tests.support.program import Program

UID = 1500
MANY = {f"many/{number // 100}/{number}.txt": f"{number}\n" for number in range(2100)}
"""Files enough for overlay workspaces."""


@dataclass(frozen=True)
class PlainProgram(Program):
    """Starts prodigy as uid 1500, who may use the engine."""

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        top = str(Path(__file__).parents[2])
        paths = os.pathsep.join([top, sysconfig.get_path("purelib")])
        environment = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(self.home.parent)}
        return subprocess.Popen(
            [_python(), "-m", "prodigy", *arguments],
            cwd=options.pop("cwd", self.cwd),
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            user=UID,
            group=UID,
            extra_groups=[grp.getgrnam("docker").gr_gid],
            **options,
        )


def _python() -> str:
    """An interpreter of this version that others than root may start."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), *filter(None, [shutil.which(name, path="/usr/bin")])):
        done = (
            subprocess.run([candidate, "-V"], capture_output=True, check=False, user=UID)
            if _reachable(candidate)
            else None
        )
        if done and done.returncode == 0:
            return candidate
    raise AssertionError("no interpreter that uid 1500 may start")


def _reachable(path: str) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in Path(path).parents)


@contextmanager
def open_arena(kind: str) -> Iterator[Arena]:
    """An arena as ``root-copy``, ``root-overlay``, ``plain-copy`` or ``plain-overlay``."""
    who, _, backend = kind.partition("-")
    place = Path(tempfile.mkdtemp(prefix="prodigy-hostile-"))
    files = {"README.md": "hello\n", "src/a.py": "a = 1\n"} | (MANY if backend == "overlay" else {})
    try:
        arena = Arena(place, files)
        if who == "plain":
            subprocess.run(["chown", "-R", f"{UID}:{UID}", str(place)], check=True)
            arena.prodigy = PlainProgram(arena.home, arena.repository.path)
        yield arena
    finally:
        left = remove_all(place / "home")
        shutil.rmtree(place)
        assert not left, left
