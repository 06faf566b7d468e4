"""Row 18: steps that will not end, and what they leave running."""

from __future__ import annotations

import pytest

from tests.hostile.arena import Arena, Attack, Battle

pytestmark = pytest.mark.docker

ALWAYS = "while :; do sleep 1000 & wait; done"
STUBBORN = {
    "ignores-term": f"trap '' TERM INT HUP; echo out; echo err >&2; {ALWAYS}",
    "double-forks": f"echo out; echo err >&2; (setsid bash -c \"trap '' TERM; {ALWAYS}\" & ); {ALWAYS}",
    "stops-its-parent": f"echo out; echo err >&2; kill -STOP $PPID; {ALWAYS}",
    "stops-itself": "echo out; echo err >&2; kill -STOP $$",
    "stops-everyone": "echo out; echo err >&2; kill -STOP -1",
    "loses-its-token": f"echo out; echo err >&2; setsid env -i bash -c \"trap '' TERM; {ALWAYS}\" & wait",
    "forks-on": "echo out; echo err >&2; f() { sleep 0.05; f & }; f; sleep 1000",
    "forks-wildly": "echo out; echo err >&2; f() { f | f & }; f; sleep 1000",
    "closes-its-streams": "echo out; echo err >&2; exec >&- 2>&-; sleep 1000",
    "signals-all": f"trap '' TERM; echo out; echo err >&2; kill -TERM -1; {ALWAYS}",
    "kills-all": "echo out; echo err >&2; kill -KILL -1; sleep 1000",
    "writes-on": "echo err >&2; exec yes out",
}
ENDED = ("timeout", "sandbox", "signal")


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    """Each step has four seconds; afterwards a handler in the same container says what is still there."""
    arena = Arena(tmp_path_factory.mktemp("timeouts"))
    attacks = {name: Attack(script, ENDED) for name, script in STUBBORN.items()}
    handler = {"steps": [{"shell": "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' >&2"}], "fail_workflow": True}
    return arena.fight(attacks, "--max-parallel", "7", held=False, pids=100, timeout=4, on_failure=handler)


@pytest.mark.parametrize("name", STUBBORN)
def test_it_is_gone_after_the_grace_and_its_output_is_kept(battle: Battle, name: str) -> None:
    item = battle.items[name]
    assert item["duration"] < 600
    assert battle.end(name) in ENDED, item
    if battle.end(name) == "timeout":
        assert item["error"]["exit_code"] == 124
    logs = {path.suffix: path.read_bytes() for path in battle.log(name).glob("*.1.*") if path.is_file()}
    assert b"out" in logs[".out"]
    assert b"err" in logs[".err"]
    after = b"".join(path.read_bytes() for path in battle.log(name).glob("*handler*/*.err"))
    assert b"sleep 1000" not in after


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()
