"""prodigy as a process, with a data root of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = sys.executable
_LAUNCHER = """\
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
"""A small process to be started from: the kernel counts what the starting one had as the started one's."""


@dataclass(frozen=True)
class Program:
    """Runs workflows over one repository."""

    home: Path
    repository: Path

    def workflow(self, name: str, text: str) -> Path:
        """Write a workflow file beside the repository."""
        file = self.repository.parent / f"{name}.yml"
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, workflow: Path, *options: str) -> dict[str, Any]:
        """Run a workflow to its end, which must be a success; return what it says of itself."""
        document: dict[str, Any] = json.loads(self._finished(self._command(workflow, options)).stdout)
        return document

    def peak(self, workflow: Path, *options: str) -> tuple[dict[str, Any], int]:
        """As ``run``; return besides the most memory it had, in bytes."""
        done = self._finished([PYTHON, "-c", _LAUNCHER, *self._command(workflow, options)])
        return json.loads(done.stdout), int(done.stderr.splitlines()[-1]) * 1024

    def environment(self) -> dict[str, str]:
        """The variables it runs with."""
        return {**os.environ, "PRODIGY_HOME": str(self.home)}

    def _command(self, workflow: Path, options: tuple[str, ...]) -> list[str]:
        return [PYTHON, "-m", "prodigy", "run", str(workflow), "--no-merge", "--json", "-q", *options]

    def _finished(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.repository,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"prodigy failed with exit code {done.returncode}: {done.stderr}")
        return done
