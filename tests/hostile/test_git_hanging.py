"""Rows 4 and 6: what git would read for ever, from FIFOs or from a tree that unfolds without end."""

from __future__ import annotations

import pytest

from tests.hostile.arena import Arena, Attack, Battle, made

pytestmark = pytest.mark.docker

REPORTED = 600.0
"""Seconds: what a step's report and the import may take where git does not answer."""
ENDS = ("import", "sandbox", "command")
FIFOS = {
    f"fifo-{path.rsplit('/')[-1]}": Attack(f"rm -rf .git/{path}; mkfifo .git/{path}", ENDS)
    for path in ("HEAD", "config", "packed-refs", "refs/heads/work")
}
ATTACKS = {
    **FIFOS,
    "git-bomb": made(
        "t=$(entry 100644 f $blob | raw tree); for level in 1 2 3 4 5 6 7 8 9 10; do"
        " t=$(for n in 0 1 2 3 4 5 6 7 8 9; do entry 40000 d$n $t; done | raw tree); done; offer $t"
    ),
}


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    # Little memory: it ends the container's own git soon, and the host's answer is what counts.
    return Arena(tmp_path_factory.mktemp("hanging")).fight(ATTACKS, "--memory", "128m")


@pytest.mark.parametrize("name", ATTACKS)
def test_the_attacker_alone_is_held_up(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name], REPORTED)


def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()
