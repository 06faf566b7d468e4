"""prodigy as its users have it: a process with arguments, environment and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSED_ON = (
    "PATH",
    "HOME",
    "LANG",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
LIMIT = 120
"""Seconds after which a run counts as hanging."""


@dataclass(frozen=True)
class Finished:
    """A run of the program that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __str__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Program:
    """Starts prodigy with a data root of its own."""

    home: Path
    cwd: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {**passed, "PRODIGY_HOME": str(self.home), "NO_COLOR": "1", **self.extra}

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start it; the caller waits."""
        return subprocess.Popen(
            [sys.executable, "-m", "prodigy", *arguments],
            cwd=options.pop("cwd", self.cwd),
            env=self.environment | options.pop("env", {}),
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **options,
        )

    def __call__(self, *arguments: str, code: int | None = None, **options: Any) -> Finished:
        """Run it to its end; ``code``: the exit code it must have."""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=LIMIT)
            except subprocess.TimeoutExpired:
                process.kill()  # else the end of this block waits for it for ever
                raise
        finished = Finished(process.returncode, out, err)
        assert "Traceback" not in finished.err, finished
        if code is not None:
            assert finished.code == code, finished
        return finished
