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
        document: dict[str, Any] = json.loads(self.measured(workflow, *options)[0])
        return document

    def measured(self, workflow: Path, *options: str) -> tuple[bytes, int]:
        """As ``run``; return its output as it is, and the most memory it had, in bytes."""
        command = [PYTHON, "-m", "prodigy", "run", str(workflow), "--no-merge", "--json", "-q", *options]
        environment = {**os.environ, "PRODIGY_HOME": str(self.home)}
        with subprocess.Popen(
            command, cwd=self.repository, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            out = process.stdout.read() if process.stdout else b""
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with exit code {process.returncode}")
        return out, usage.ru_maxrss * 1024
