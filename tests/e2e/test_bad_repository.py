"""Repositories a run cannot have, and odd ones it can."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.engine import remove_all
from tests.support.ground import Ground, prepared, watched
from tests.support.program import Program
from tests.support.repositories import Repository, fingerprint

pytestmark = pytest.mark.docker

ODD = r"""
name: odd
mode: mapreduce
map:
  input: {glob: ['**']%s}
  max_parallel: 4
  agent_template:
    - shell: |
        test -L "${item}" || echo more >> "${item}"
        if test "${item}" = -dash; then for name in latin-*; do echo more >> "$name"; done; fi
        git add -A; git commit -qm "${item}" || true
"""
FLOW = "- shell: ls -A > listed.txt; git add -A; git commit -qm work\n"


@pytest.fixture
def reachable() -> Iterator[Ground]:
    """A ground in a directory that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="prodigy-e2e-", dir="/tmp") as top:
        Path(top).chmod(0o755)
        with prepared(Path(top)) as ground:
            yield ground


def _plain(path: Path) -> None:
    path.mkdir()


def _empty(path: Path) -> None:
    path.mkdir()
    Repository(path).git("init", "-q")


def _bare(path: Path) -> None:
    path.mkdir()
    Repository(path).git("init", "-q", "--bare")


def _partial(path: Path) -> None:
    source = Repository.create(path.with_name("source"))
    source.git("config", "uploadpack.allowFilter", "true")
    Repository(path.parent).git("clone", "-q", "--filter=blob:none", f"file://{source.path}", str(path))


def _inside_git(path: Path) -> None:
    made = Repository.create(path.with_name("outer"))
    path.symlink_to(made.path / ".git")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_plain, "is not in a git repository"),
        (_empty, "has no commit yet"),
        (_bare, "is a bare repository"),
        (_partial, "is a partial clone"),
        (_inside_git, "is inside a .git directory"),
    ],
)
def test_what_no_run_can_be_made_over(tmp_path: Path, make: Callable[[Path], None], sentence: str) -> None:
    place = tmp_path / "place"
    make(place)
    (tmp_path / "flow.yml").write_text(FLOW)
    before = fingerprint(place)
    program = Program(tmp_path / "home", place)
    done = program("run", "../flow.yml" if not place.is_symlink() else str(tmp_path / "flow.yml"), code=3)
    assert sentence in done.err
    assert len(done.err.splitlines()) <= 2
    assert fingerprint(place) == before
    assert not (tmp_path / "home" / "sessions").exists()
    document = program("run", str(tmp_path / "flow.yml"), "--json", code=3)
    assert document.json["schema"] == "prodigy.error/1"
    assert document.json["exit_code"] == 3
    assert remove_all(tmp_path / "home") == []


def test_a_missing_directory_is_a_usage_error(prodigy: Program, tmp_path: Path) -> None:
    (tmp_path / "flow.yml").write_text(FLOW)
    assert "nowhere" in prodigy("run", "../flow.yml", "-p", "nowhere", code=2).err


def test_a_subdirectory_is_as_good_as_the_top(ground: Ground) -> None:
    ground.repository.commit({"deep/down/file": "x\n"}, "deep")
    ground.program("run", ground.flow(FLOW), "-y", cwd=ground.repository.path / "deep" / "down", code=0)
    assert "deep" in ground.repository.show("listed.txt").split()


def test_submodules_and_lfs_pointers_are_told_of(ground: Ground, tmp_path: Path) -> None:
    other = Repository.create(tmp_path / "other")
    repository = ground.repository
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other.path), "module")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
    repository.write({".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    repository.commit({"big.bin": pointer}, "odd things")
    with watched(repository):
        done = ground.run(
            "- shell: cat big.bin module/* 2>&1; ls module | wc -l; git status --porcelain\n", "-v", code=0
        )
    assert "submodules are empty directories in workspaces: module" in done.err
    assert "files kept by Git LFS are pointers in workspaces" in done.err
    assert "size 12345" in done.err
    assert "nothing to merge" in done.out


def test_odd_names_and_links_leaving_the_tree_survive(ground: Ground) -> None:
    repository = ground.repository
    names = [b"new\nline", b"latin-\xe9", b"tab\there", b'quo"te', b"-dash", b" blank ", "ü".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(repository.path) + b"/" + name)).write_text("x\n")
    (repository.path / "leaving").symlink_to("/etc/passwd")
    (repository.path / "above").symlink_to("../../..")
    repository.commit({}, "odd names")
    refused = ground.run(ODD.replace("%s", ""), code=1)
    assert r"are not UTF-8 and cannot be items (latin-\xe9)" in refused.out
    done = ground.run(ODD.replace("%s", ", exclude: ['latin-*']"), "--json", "-y", code=0)
    assert done.json["items"]["total"] == len(names) + 2
    assert repository.git("status", "--porcelain") == ""
    for name in names:
        path = Path(os.fsdecode(os.fsencode(repository.path) + b"/" + name))
        assert path.read_text() == "x\nmore\n"
    assert (repository.path / "leaving").readlink() == Path("/etc/passwd")


def test_a_branch_named_prodigy_is_in_nobodys_way(ground: Ground) -> None:
    ground.repository.git("branch", "prodigy")
    ground.repository.git("checkout", "-q", "prodigy")
    ground.run(FLOW, "-y", code=0)
    assert "listed.txt" in ground.repository.files("prodigy")
    assert "listed.txt" not in ground.repository.files("main")


def test_the_uncommitted_state_of_a_dirty_checkout_is_not_part_of_the_run(ground: Ground) -> None:
    ground.repository.write({"README.md": "changed\n", "untracked.txt": "x\n"})
    with watched(ground.repository):
        done = ground.run("- shell: cat README.md; ls\n", "-v", "--no-merge", code=0)
    assert "2 uncommitted files of your checkout are not part of this run" in done.err
    assert "[commands] hello" in done.err
    assert "untracked.txt" not in done.err


@pytest.mark.root
def test_a_repository_of_another_user(reachable: Ground) -> None:
    ground = reachable
    for path in (ground.repository.path, *ground.repository.path.rglob("*")):
        os.lchown(path, 1500, 1500)
    before = fingerprint(ground.repository.path)
    done = ground.run(FLOW, "--json", "--no-merge", code=0)
    assert fingerprint(ground.repository.path) == before
    ground.program("worktree", "merge", done.json["session_id"], "-y", code=0)
    owners = {path.lstat().st_uid for path in ground.repository.path.rglob("*")}
    assert owners == {1500}
    assert (ground.repository.path / "listed.txt").exists()


def test_a_linked_worktree_and_a_shallow_clone(ground: Ground, tmp_path: Path) -> None:
    ground.repository.commit({"b": "x\n"}, "second")
    ground.repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    ground.program("run", ground.flow(FLOW), "-y", cwd=tmp_path / "linked", code=0)
    assert "listed.txt" in ground.repository.files("side")
    assert "listed.txt" not in ground.repository.files("main")
    ground.repository.git(
        "clone", "-q", "--depth=1", f"file://{ground.repository.path}", str(tmp_path / "shallow")
    )
    done = ground.program("run", ground.flow(FLOW), "-y", cwd=tmp_path / "shallow", code=0)
    assert "the repository is shallow" in done.err
    assert "listed.txt" in Repository(tmp_path / "shallow").files()
