"""The one place that starts git on the host."""

from __future__ import annotations

import contextlib
import os
import pwd
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from prodigy.errors import GitFailed, RepositoryUnusable
from prodigy.git.process import Running

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

# A command of its own: set from outside they come late under load, and a hook between fork and exec is
# not safe in a program with threads.
_LIMITED = ("prlimit", "--as=4294967296", "--data=1073741824", "--cpu=120", "--fsize=2147483648", "--core=0")
"""Limits, in bytes and CPU seconds, for commands that read objects an agent made."""

_QUIET = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
}


@dataclass(frozen=True, slots=True)
class Git:
    """git with one fixed environment. Nothing of the caller's environment but PATH reaches it.

    ``user`` (uid, gid): run as that user; None: as the caller.
    """

    env: Mapping[str, str]
    options: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    @classmethod
    def hardened(cls, git_dir: Path, config: Path, *, work_tree: Path | None = None) -> Git:
        """Return git for a repository only the host writes: ``config`` is all the configuration it has."""
        env = {
            **_QUIET,
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "XDG_CONFIG_HOME": "/nonexistent",
            "GIT_DIR": str(git_dir),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(config),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_CEILING_DIRECTORIES": str(git_dir.parent),
        }
        if work_tree:
            env["GIT_WORK_TREE"] = str(work_tree)
        return cls(env)

    @classmethod
    def reading(cls, root: Path) -> Git:
        """Return git for looking at the user's repository: nothing of it is written, nothing of it runs.

        The caller's own configuration applies (ignore rules, identity), but no hook and no file-system
        monitor. The repository may be another user's.
        """
        settings = (
            *("core.hooksPath=/dev/null", "core.fsmonitor=false", "safe.directory=*"),
            *("gc.auto=0", "maintenance.auto=false", "fetch.recurseSubmodules=false"),
        )
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME") if name in os.environ}
        options = ("-C", str(root), *(part for setting in settings for part in ("-c", setting)))
        return cls({**_QUIET, "PATH": os.defpath, **kept}, options)

    @classmethod
    def writing(cls, root: Path) -> Git:
        """Return git for publishing into the user's repository, as ``reading``.

        Where the caller is root it is the repository's owner who writes, so that all files stay theirs.
        """
        git = cls.reading(root)
        status = root.stat()
        if os.geteuid() != 0 or status.st_uid == 0:
            return git
        env = {**git.env, "HOME": _home_of(status.st_uid)}
        env.pop("XDG_CONFIG_HOME", None)
        return replace(git, env=env, user=(status.st_uid, status.st_gid))

    def having(self, env: Mapping[str, str]) -> Git:
        """Return the same with more variables."""
        return replace(self, env={**self.env, **env})

    def run(
        self,
        *args: str,
        data: bytes | Iterable[bytes] = b"",
        ok: tuple[int, ...] = (0,),
        limited: bool = False,
        timeout: float = 120.0,
        most: int = 256 << 20,
    ) -> Answer:
        """Run to the end and return what git wrote: at most ``most`` bytes, within ``timeout`` seconds.

        Raises GitFailed when the exit code is not in ``ok``, or a limit was passed.
        """
        with self.stream(*args, data=data, limited=limited, timeout=timeout) as running:
            out = running.stdout.read(most + 1)
            if len(out) > most:
                raise GitFailed(f"git {running.verb} wrote more than {most} bytes")
            return Answer(running.finish(ok), out)

    def text(self, *args: str, limited: bool = False) -> str:
        """Run and return what git wrote as text, without the last newline. Raises as ``run``."""
        return os.fsdecode(self.run(*args, limited=limited).out).rstrip("\n")

    @contextlib.contextmanager
    def stream(
        self,
        *args: str,
        data: bytes | Iterable[bytes] = b"",
        limited: bool = False,
        timeout: float = 120.0,
    ) -> Iterator[Running]:
        """Run while the caller reads ``stdout``; the caller ends with ``finish``. Leaving kills it."""
        verb = args[0] if args[0] != "-c" else args[2]
        running = Running(verb, self._spawn([*self.options, *args], limited=limited), data, timeout)
        try:
            yield running
        finally:
            running.close()

    def _spawn(self, args: list[str], *, limited: bool) -> subprocess.Popen[bytes]:
        try:
            from git.cmd import Git as GitPython
        except ImportError as error:
            raise RepositoryUnusable("git is not installed, or not on PATH") from error
        # GitPython hands its caller's whole environment on; only `env -i` keeps GIT_* and secrets out.
        clean = ["env", "-i", *(f"{name}={value}" for name, value in self.env.items()), "git", *args]
        command = [*_LIMITED, *clean] if limited else clean
        extra: dict[str, object] = (
            {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}
        )
        # A session of its own: Ctrl-C at the terminal reaches prodigy, which decides what ends.
        start = {"start_new_session": True, **extra}
        wrapped = GitPython("/").execute(command, istream=-1, as_process=True, **start)
        process = cast("subprocess.Popen[bytes]", wrapped.proc)
        wrapped.proc = None  # the wrapper would end the process when it is collected
        return process


@dataclass(frozen=True, slots=True)
class Answer:
    """What a finished git command said."""

    code: int
    out: bytes


def _home_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/nonexistent"
