"""Real git repositories for tests, and a fingerprint of every byte of one."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


@dataclass(frozen=True)
class Repository:
    """A user's repository."""

    path: Path

    @classmethod
    def create(cls, path: Path, files: dict[str, str] | None = None) -> Repository:
        """A repository with one commit on ``main``."""
        path.mkdir(parents=True)
        made = cls(path)
        made.git("init", "-q", "-b", "main")
        made.git("config", "user.name", "Ada")
        made.git("config", "user.email", "ada@example.org")
        made.commit(files if files is not None else {"README.md": "hello\n"}, "first")
        return made

    def git(self, *arguments: str) -> str:
        """Run git here and give its output."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=ENVIRONMENT, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, files: dict[str, str]) -> None:
        """Write files, parents included."""
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")

    def commit(self, files: dict[str, str], message: str) -> str:
        """Write files and commit them."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def files(self, revision: str = "HEAD") -> list[str]:
        """Paths of a commit."""
        return self.git("ls-tree", "-r", "--name-only", revision).splitlines()

    def show(self, path: str, revision: str = "HEAD") -> str:
        """A file of a commit."""
        return self.git("show", f"{revision}:{path}")

    def fingerprint(self) -> dict[str, str]:
        """Mode and content of every file below the repository, ``.git`` included."""
        return fingerprint(self.path)


def fingerprint(top: Path) -> dict[str, str]:
    """Type, mode and content of everything below a directory, following no link."""
    found = {}
    for directory, names, files in os.walk(top):
        for name in [*names, *files]:
            path = Path(directory, name)
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                content = str(path.readlink())
            elif stat.S_ISREG(mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ""
            found[str(path.relative_to(top))] = f"{mode:o} {content}"
    return found
