"""Generated repositories: as many files as asked for, made in one go."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES_A_DIRECTORY = 40
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
_WHO = "Ada <ada@example.org> 1700000000 +0000"


def generate(path: Path, files: int, *, commits: int = 1) -> Path:
    """Make a repository of source-like text files, with a history of small changes."""
    path.mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git(path, "config", name, value)
    git(path, "fast-import", "--quiet", data=b"".join(_history(files, commits)))
    git(path, "reset", "-q", "--hard", "main")
    return path


def git(path: Path, *arguments: str, data: bytes | None = None) -> bytes:
    """Run git in a repository of ours and return what it said."""
    command = ["git", "-C", str(path), *arguments]
    return subprocess.run(command, input=data, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True).stdout


def _history(files: int, commits: int) -> Iterator[bytes]:
    for number in range(commits):
        message = f"change {number}"
        yield f"commit refs/heads/main\ncommitter {_WHO}\ndata {len(message)}\n{message}\n".encode()
        for index in range(files) if number == 0 else [number % files]:
            text = "".join(
                f"line {line} of file {index}, change {number}\n" for line in range(20 + index % 60)
            )
            name = f"part-{index // FILES_A_DIRECTORY}/file-{index}.txt"
            yield f"M 100644 inline {name}\ndata {len(text)}\n{text}\n".encode()


def unmerged_commits(path: Path, count: int) -> tuple[str, list[str]]:
    """Add ``count`` commits on top of main, each with a new file of its own; return main and them."""
    base = git(path, "rev-parse", "main").decode().strip()
    stream = "".join(
        f"commit refs/agents/{number}\ncommitter {_WHO}\ndata 5\nagent\nfrom {base}\n"
        f"M 100644 inline made/{number % 100}/{number}.txt\ndata {len(str(number))}\n{number}\n"
        for number in range(count)
    )
    git(path, "fast-import", "--quiet", data=stream.encode())
    names = git(path, "for-each-ref", "--format=%(objectname)", "refs/agents").decode().split()
    return base, names
