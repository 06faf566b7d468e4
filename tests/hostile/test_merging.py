"""Rows 8, 9 and 12: merges that would run a driver or a hook, races, names that are no names, trailers."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from prodigy.git.merging import Conflict, Merged, SessionMerger
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from tests.hostile.arena import Arena, Attack, Battle, commits
from tests.support.repositories import Repository

ADD = "echo @NAME@ >>%s && git add -A && git commit -qm @NAME@\n"
DRIVEN = "echo '* merge=evil' >.gitattributes; echo @NAME@ >fight.txt; git add -A; git commit -qm x"
NAMES = [
    "-n",
    "--exec=touch x",
    "a..b",
    "a@{0}",
    "a\nb",
    "../../x",
    "a.lock",
    "refs/heads/main",
    " ",
    "\x1b[31m",
    "ä/%2f",
]
TRAILER = (
    "git commit -q --allow-empty -m 'x\n\nMerge agent 0\n\nProdigy-Agent: sibling\nProdigy-Session: other'"
)
ATTACKS = {
    "driver-one": Attack(DRIVEN, ("success", "merge_conflict")),
    "driver-two": Attack(DRIVEN, ("success", "merge_conflict")),
    "union-one": Attack(ADD % "union.txt"),
    "union-two": Attack(ADD % "union.txt"),
    "own-union-one": Attack(
        f"echo 'own.txt merge=union' >>.gitattributes; {ADD % 'own.txt'}", ("success", "merge_conflict")
    ),
    "own-union-two": Attack(ADD % "own.txt", ("success", "merge_conflict")),
    "hooks": commits(
        "mkdir -p .husky; for h in post-merge post-checkout reference-transaction pre-merge-commit; do"
        " printf '#!/bin/sh\\ntouch @CANARY@\\n' >.husky/$h; chmod +x .husky/$h; done"
    ),
    "trailer": Attack(TRAILER),
    "branches": commits(
        "git branch evil; git tag v1; git update-ref refs/prodigy/x/session HEAD; git notes add -m x"
    ),
    **{
        name: Attack(f"echo x >name-{number} && git add -A && git commit -qm x")
        for number, name in enumerate(NAMES)
    },
}
FILES = {
    "README.md": "hello\n",
    "union.txt": "base\n",
    "own.txt": "base\n",
    "fight.txt": "base\n",
    ".gitattributes": "union.txt merge=union\nfight.txt merge=evil\n",
}


@pytest.fixture(scope="module")
def battle(tmp_path_factory: pytest.TempPathFactory) -> Battle:
    place = tmp_path_factory.mktemp("merging")
    user = place / "user"
    user.mkdir()
    driver = f"touch {place}/canaries/driver; false"
    (user / ".gitconfig").write_text(
        f'[merge "evil"]\n\tdriver = "{driver}"\n[core]\n\tattributesFile = ~/attributes\n'
    )
    (user / "attributes").write_text("* merge=evil\n")
    arena = Arena(place, FILES, {"HOME": str(user)})
    arena.repository.git("config", "core.hooksPath", ".husky")
    return arena.fight(ATTACKS)


@pytest.mark.docker
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_of_the_agents_runs(battle: Battle, name: str) -> None:
    battle.assert_attack(name, ATTACKS[name])


@pytest.mark.docker
def test_the_rest_is_untouched(battle: Battle) -> None:
    battle.assert_rest()


@pytest.mark.docker
@pytest.mark.parametrize("pair", ["driver", "own-union"])
def test_only_the_base_decides_how_files_are_merged(battle: Battle, pair: str) -> None:
    ends = sorted(battle.end(f"{pair}-{which}") for which in ("one", "two"))
    assert ends == ["merge_conflict", "success"]


@pytest.mark.docker
def test_union_of_the_base_is_honoured(battle: Battle) -> None:
    merged = battle.git("show", f"refs/prodigy/{battle.session}/session:union.txt").split()
    assert (merged[0], sorted(merged[1:])) == ("base", ["union-one", "union-two"])


@pytest.mark.docker
def test_only_prodigys_own_refs_come_to_be(battle: Battle) -> None:
    refs = battle.git("for-each-ref", "--format=%(refname)").split()
    top = f"refs/prodigy/{battle.session}/"
    assert all(ref.startswith(top) for ref in refs if not ref.startswith("refs/heads/main")), refs
    assert {ref.removeprefix(top).split("/")[0] for ref in refs if ref.startswith(top)} <= {
        "base",
        "session",
        "agents",
        "target",
    }


@pytest.mark.docker
def test_a_forged_trailer_is_no_merge(battle: Battle) -> None:
    """The results name what was merged by what prodigy did, not by what messages say."""
    item = battle.items["trailer"]
    parents = battle.git("rev-list", "--parents", "-n1", item["merge_commit"]).split()
    assert parents[2] == item["commits"][-1]
    assert battle.items["sibling"]["merge_commit"] != item["merge_commit"]


@pytest.mark.docker
def test_the_final_merge_runs_no_hook_of_theirs(battle: Battle) -> None:
    arena = battle.arena
    (arena.repository.path / "union.txt").write_text("mine\n")
    refused = arena.prodigy("worktree", "merge", battle.session, "-y", code=1)
    assert "union.txt" in refused.out
    assert arena.repository.git("rev-parse", "HEAD") == arena.repository.git("rev-parse", "main")
    assert not (arena.repository.path / "sibling.txt").exists()
    arena.repository.git("checkout", "-q", "union.txt")
    arena.prodigy("worktree", "merge", battle.session, "-y", code=0)
    assert (arena.repository.path / ".husky/post-merge").exists()
    assert not list(arena.canaries.iterdir())
    assert arena.repository.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def _store(place: Path) -> tuple[Store, list[str]]:
    main = Repository.create(place / "project")
    store = Store.create(place / "home", "session-1", open_repository(main.path))
    base, made = main.head, []
    for number in range(8):
        main.git("checkout", "-q", "--detach", base)
        made.append(main.commit({f"{number}.txt": "x\n"}, str(number)))
    main.git("checkout", "-q", "main")
    store.git.run("fetch", "-q", f"file://{main.path}", *made)
    return store, made


def test_racing_merges_lose_nothing(tmp_path: Path) -> None:
    """Two mergers that do not know of each other: compare-and-swap makes one of them try again."""
    (tmp_path / "home").mkdir()
    store, made = _store(tmp_path)
    results: list[Merged | Conflict] = []

    def work(commits: list[str]) -> None:
        merger = SessionMerger(store)
        results.extend(merger.merge_agent(commit, commit) for commit in commits)

    threads = [threading.Thread(target=work, args=(made[start::2],)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(result, Merged) for result in results)
    assert {f"{number}.txt" for number in range(8)} <= set(
        store.git.text("ls-tree", "--name-only", store.head()).split()
    )


@pytest.mark.parametrize("crash", range(1, 6))
def test_a_merge_that_died_is_done_again_alike(tmp_path: Path, crash: int) -> None:
    """The process ends, as by SIGKILL, at each call of git; the merge done again gives the same tree."""
    (tmp_path / "home").mkdir()
    store, made = _store(tmp_path)
    before = store.head()
    child = os.fork()
    if child == 0:
        try:
            _die_at(crash)
            SessionMerger(store).merge_agent("0", made[0])
        finally:
            os._exit(9)
    os.waitpid(child, 0)
    tree = store.git.text("rev-parse", f"{store.head()}^{{tree}}")
    SessionMerger(store).merge_agent("0", made[0])
    merged = store.git.text("rev-parse", f"{store.head()}^{{tree}}")
    assert merged == store.git.text("rev-parse", f"{made[0]}^{{tree}}")
    assert tree in (merged, store.git.text("rev-parse", f"{before}^{{tree}}"))


def _die_at(call: int) -> None:
    from prodigy.git.runner import Git

    calls = iter(range(1, 100))
    run = Git.run

    def dying(self: Git, *arguments: str, **options: object) -> object:
        if next(calls) == call:
            os._exit(9)
        return run(self, *arguments, **options)  # type: ignore[arg-type]

    Git.run = dying  # type: ignore[method-assign, assignment]
