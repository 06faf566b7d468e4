"""Row 13: terminal escapes in what agents print, commit and name reach no terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.hostile.arena import Arena
from tests.support.program import Program
from tests.support.terminal import Terminal

pytestmark = pytest.mark.docker

PAYLOAD = r"\033]0;EVIL\007\033[31mEVIL\033[2J\033]8;;http://evil\033\\\\EVIL\033]52;c;RVZJTA==\007\302\233EVIL\302\235\033P0qEVIL\033\\\\\r\010"
ATTACK = rf"""
evil="$(printf '{PAYLOAD}EVIL')"
printf '{PAYLOAD}\n'; printf '{PAYLOAD}\n' >&2
name=$(printf %s "$evil" | tr / _)
echo x >"$name.txt"; mkdir -p ".github/$name"; echo y >".github/$name/x"
git add -A && git -c user.name="$evil" -c user.email="$evil@x" commit -qm "$evil"
echo "$evil" >"left-$name"
"""
FAILING = ATTACK + "\nprintf '" + PAYLOAD + "\\n' >&2; exit 3"
EVIL = re.compile(
    r"\x1b\][^0-9]*0;EVIL|\x1b\]8;;http|\x1b\]52|\x1b\[31mEVIL|\x1bP0q|\x9b|\x9d|\x07|\x08|\x1b\[2JEVIL"
)


def _document(name: str) -> dict[str, object]:
    items = [{"id": "good", "script": ATTACK}, {"id": "\x1b]0;EVIL\x07\x9bid", "script": FAILING}]
    step = {"name": "\x1b[31mEVIL ${item.id}", "shell": 'bash -c "${item.script}"'}
    mapping = {"input": items, "agent_template": [step]}
    return {"name": name, "mode": "mapreduce", "setup": [{"shell": ATTACK}], "map": mapping}


def clean(text: str) -> None:
    assert not EVIL.search(text), repr(text[max(0, EVIL.search(text).start() - 200) :][:400])  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    return Arena(tmp_path_factory.mktemp("display"))


def test_through_pipes(arena: Arena) -> None:
    done = arena.prodigy("run", arena.write_flow(_document("piped")), "-vvv", code=4)
    assert "EVIL" in done.err
    clean(done.out + done.err)
    assert "\x1b" not in done.out + done.err
    for command in ("show", "diff"):
        shown = arena.prodigy("worktree", command, "latest", code=0)
        clean(shown.out + shown.err)
    assert "EVIL" in arena.prodigy("worktree", "diff", "latest", code=0).out
    clean(arena.prodigy("worktree", "ls", code=0).out)
    merged = arena.prodigy("worktree", "merge", "latest", "-y", code=0)
    clean(merged.out + merged.err)


@pytest.mark.parametrize("flags", [[], ["-v"]])
def test_at_a_terminal(tmp_path: Path, flags: list[str]) -> None:
    arena = Arena(tmp_path)
    colourful = Program(arena.home, arena.repository.path, {"NO_COLOR": ""})
    with Terminal(colourful, "run", arena.write_flow(_document("seen")), "--no-merge", *flags) as terminal:
        terminal.finish(code=4)
        clean(terminal.raw.decode(errors="replace"))
        assert "EVIL" in terminal.text
    for command in ("show", "diff", "ls"):
        names = [] if command == "ls" else ["latest"]
        with Terminal(colourful, "worktree", command, *names) as terminal:
            terminal.finish()
            clean(terminal.raw.decode(errors="replace"))
