"""Where agents attack: a repository, a secret beside it, canaries, and runs that mix attackers with others.

A canary is a path of this machine. No container has it, so only code run by the host can create it.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.engine import HOME_LABEL, containers
from tests.support.ground import Live
from tests.support.program import Finished, Program
from tests.support.repositories import Repository, fingerprint

MARKER = "the-secret-of-another-repository"
ITEM_LIMIT = 600.0
"""Seconds an attacker may hold its own item."""

ENDED = re.compile(r"\] agent (failed|completed)\b")

GATE = "mkfifo /tmp/gate && read -r _ </tmp/gate"
SIBLING = f"""
digest() {{ find . -type f -exec sha256sum {{}} + | sort | sha256sum
    find . -printf '%p %m %u %y %l\\n' | sort; }}
before=$(digest)
{GATE}
[ "$before" = "$(digest)" ] || {{ echo 'the sibling was changed'; exit 1; }}
git fsck --strict && [ -z "$(git status --porcelain)" ] || exit 1
echo fine >sibling.txt && git add -A && git commit -qm sibling
"""
OBJECTS = """
blob=$(echo evil | git hash-object -w --stdin)
raw() { git hash-object -w -t "$1" --literally --stdin; }
entry() { python3 -c 'import os, sys
mode, name, sha = map(os.fsencode, sys.argv[1:])
sys.stdout.buffer.write(mode + b" " + name + b"\\0" + bytes.fromhex(sha.decode()))' "$@"; }
people='author A <a@x> 1 +0000\\ncommitter A <a@x> 1 +0000'
offer() { printf "tree %s\\nparent @BASE@\\n$people\\n\\nm\\n" "$1" |
    raw commit >/tmp/c && git update-ref refs/heads/work "$(cat /tmp/c)"; }
modules() { printf "$1" | git hash-object -w --stdin >/tmp/m
    offer "$(entry 100644 .gitmodules "$(cat /tmp/m)" | raw tree)"; }
"""
COMMIT = "\necho work >work-@NAME@.txt && git add -A && git commit -qm work-@NAME@\n"


@dataclass(frozen=True)
class Attack:
    """What an agent runs, and how its item may end: ``success`` or kinds of failure."""

    script: str
    ends: tuple[str, ...] = ("success",)


def commits(script: str) -> Attack:
    """An attack hidden behind work that shall be taken."""
    return Attack(script + COMMIT)


def refused(script: str, *kinds: str) -> Attack:
    """An attack whose item must fail."""
    return Attack(script, kinds or ("import",))


def made(script: str, *kinds: str) -> Attack:
    """Malformed objects, written with the help of the functions above."""
    return refused(OBJECTS + script, *kinds)


@dataclass
class Battle:
    """A finished run of attackers."""

    arena: Arena
    finished: Finished
    main: dict[str, str]
    bases: dict[str, str]

    @property
    def session(self) -> str:
        return str(self.finished.json["session_id"])

    @property
    def store(self) -> Path:
        return self.arena.home / "sessions" / self.session / "store.git"

    @cached_property
    def items(self) -> dict[str, Any]:
        """Results by the names the attacks were given."""
        return {result["item"]["id"]: result for result in self.finished.json["results"]}

    def end(self, name: str) -> str:
        """``success``, or the kind of failure."""
        item = self.items[name]
        return str(item["error"]["kind"]) if item["error"] else str(item["status"])

    def log(self, name: str) -> Path:
        """Where the output of an item's steps is."""
        return Path(self.items[name]["log"])

    def git(self, *arguments: str, ok: bool = True) -> str:
        """Ask the store."""
        done = subprocess.run(["git", *arguments], cwd=self.store, capture_output=True, check=ok)
        return done.stdout.decode(errors="replace")

    def assert_attack(self, name: str, attack: Attack, limit: float = ITEM_LIMIT) -> None:
        """The attacker reached nothing, in time, and its item says plainly what became of it."""
        item = self.items[name]
        assert self.end(name) in attack.ends, (item["error"], item["commits"])
        assert item["duration"] < limit
        assert not self.arena.canary(name).exists()
        if item["error"]:
            assert item["error"]["message"].replace("\n", "").isprintable(), item
        else:
            assert item["merge_commit"] or not item["commits"]

    def assert_rest(self) -> None:
        """Everything that is not the attackers' own is as it was."""
        arena = self.arena
        assert self.finished.code in (0, 4), self.finished
        assert self.end("sibling") == "success", self.items["sibling"]
        assert self.git("show", "refs/prodigy/" + self.session + "/session:sibling.txt") == "fine\n"
        assert arena.repository.fingerprint() == self.main
        assert fingerprint(arena.home / "bases") == self.bases
        assert not list(arena.canaries.iterdir())
        assert arena.secret_blob not in self.git(
            "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"
        )
        self.git("fsck", "--strict", "--full")
        left = [path for path in self.store.parent.rglob("*") if path.name.startswith("incoming-")]
        assert left + list((self.store.parent / "ws").iterdir()) == []
        assert str(arena.home) not in Path("/proc/self/mounts").read_text()
        assert containers(arena.home) == []
        found = subprocess.run(["grep", "-rlF", MARKER, str(arena.home)], capture_output=True, check=False)
        assert found.stdout == b""


@dataclass
class Arena:
    """A place to attack from."""

    place: Path
    files: dict[str, str] = field(default_factory=lambda: {"README.md": "hello\n", "src/a.py": "a = 1\n"})
    extra: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    """A command that starts the program, as another user."""

    def __post_init__(self) -> None:
        self.home = self.place / "home"
        self.canaries = self.place / "canaries"
        self.canaries.mkdir(mode=0o777)
        self.repository = Repository.create(self.place / "project", self.files)
        self.repository.commit({"second.txt": "2\n"}, "second")
        self.repository.commit({"third.txt": "3\n"}, "third")
        self.secret = Repository.create(self.place / "secret", {"secret.txt": f"{MARKER}\n"})
        self.secret_blob = self.secret.git("rev-parse", "HEAD:secret.txt")
        self.prodigy = Program(self.home, self.repository.path, self.extra)

    def canary(self, name: str) -> Path:
        """The path whose existence would prove that an attack ran on this machine."""
        return self.canaries / name

    def fill(self, script: str, name: str) -> str:
        """Put this arena's paths and names into a script."""
        values = {
            "NAME": name,
            "CANARY": self.canary(name),
            "MAIN": self.repository.path,
            "SECRET": self.secret.path,
            "BLOB": self.secret_blob,
            "SECRETHEAD": self.secret.head,
            "BASE": self.repository.head,
            "HOST": self.place,
        }
        for key, value in values.items():
            script = script.replace(f"@{key}@", str(value))
        return script

    def flow(self, steps: list[dict[str, Any]], items: list[Any], **more: Any) -> str:
        """Write a mapreduce workflow and give its path."""
        mapping = {
            "input": items,
            "max_parallel": 5,
            "on_conflict": "dlq",
            "agent_template": steps,
        }
        return self.write_flow({"name": "battle", "mode": "mapreduce", "map": mapping, **more})

    def write_flow(self, document: dict[str, Any]) -> str:
        """Write a workflow and give its path. JSON is YAML."""
        path = self.place / f"flow-{len(list(self.place.glob('flow-*')))}.yml"
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)

    def warm(self) -> None:
        """Have the template of the base made, so that it can be compared."""
        self.prodigy("run", self.flow([{"shell": "true"}], [{"id": "first"}]), code=0)

    def fight(
        self, attacks: dict[str, Attack], *arguments: str, held: bool = True, pids: int = 1024, **step: Any
    ) -> Battle:
        """Run every attack as one item, beside a sibling that is under way from the first to the last.

        ``held``: whether that sibling waits for the last of them.
        """
        self.warm()
        main, bases = self.repository.fingerprint(), fingerprint(self.home / "bases")
        scripts = {"sibling": SIBLING if held else SIBLING.replace(GATE, "")} | {
            name: attack.script for name, attack in attacks.items()
        }
        items = [{"id": name, "script": self.fill(script, name)} for name, script in scripts.items()]
        flow = self.flow([{"shell": 'bash -c "${item.script}"', **step}], items, sandbox={"pids": pids})
        live = Live(self.prodigy.start("run", flow, "--json", *arguments))
        try:
            live.wait_until(lambda lines: sum(map(bool, map(ENDED.search, lines))) == len(attacks), 280)
            if held:
                self.release("sibling")
        except BaseException:
            live.process.kill()
            raise
        finally:
            finished = live.finish()
        return Battle(self, finished, main, bases)

    def container(self, item: str) -> str:
        """The id of the container of an item."""
        label = ["--filter", f"label={HOME_LABEL}={self.home}", "--filter", f"label=prodigy.item={item}"]
        done = subprocess.run(
            ["docker", "ps", "-q", "--no-trunc", *label], capture_output=True, text=True, check=True
        )
        (found,) = done.stdout.split()
        return found

    def enter(self, item: str, script: str) -> str:
        """Run a script in an item's container, as its user."""
        return inside(self.container(item), script)

    def release(self, item: str) -> None:
        """Let a step go on that waits at its gate."""
        self.enter(item, "until [ -p /tmp/gate ]; do sleep 0.05; done; echo go >/tmp/gate")


def inside(container: str, script: str) -> str:
    """Run a script in a container, as its user."""
    done = subprocess.run(
        ["docker", "exec", container, "bash", "-c", script], capture_output=True, text=True, check=True
    )
    return done.stdout
