import os
import subprocess

import pytest

from prodigy.errors import RepositoryUnusable
from prodigy.git.repository import open_repository


def test_reads_what_a_run_needs(main):
    main.write("untracked")
    main.write("README", "changed\n")
    repository = open_repository(main.path)
    assert (repository.root, repository.head, repository.branch) == (main.path, main.head, "main")
    assert (repository.user_name, repository.user_email) == ("Ursula", "ursula@example.org")
    assert (repository.object_format, repository.dirty, repository.name) == ("sha1", 2, "project")


def test_changes_no_byte(main, hash_tree):
    main.git("config", "core.fsmonitor", "true")
    os.utime(main.path / "README", (1, 1))  # a stale index: git status would like to refresh it
    before = hash_tree(main.path)
    open_repository(main.path)
    assert hash_tree(main.path) == before


def test_runs_no_hook_and_no_monitor_of_the_repository(main, tmp_path):
    monitor = main.write("monitor", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    monitor.chmod(0o755)
    main.git("config", "core.fsmonitor", str(monitor))
    open_repository(main.path)
    assert not (tmp_path / "ran").exists()


def test_ignores_the_callers_git_variables(main, new_repository, monkeypatch):
    other = new_repository("other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    assert open_repository(main.path).root == main.path


def test_subdirectory_and_linked_work_tree(main, tmp_path):
    main.write("deep/er/file")
    assert open_repository(main.path / "deep/er").root == main.path
    main.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    linked = open_repository(tmp_path / "linked")
    assert (linked.root, linked.branch) == (tmp_path / "linked", "side")
    assert linked.common_dir == main.path / ".git"


@pytest.mark.parametrize("name", ["prodigy", "prodigy/session-1", "(detached)", "ünï"])
def test_branch_names(main, name):
    main.git("checkout", "-q", "-b", name)
    assert open_repository(main.path).branch == name


def test_detached_head_has_no_branch(main):
    main.git("checkout", "-q", "--detach")
    assert open_repository(main.path).branch is None


def test_settings_of_the_user_count(main, tmp_path):
    (tmp_path / "user-home/.gitconfig").write_text("[core]\n\texcludesFile = ~/ignored\n\tautocrlf = input\n")
    (tmp_path / "user-home/ignored").write_text("*.swp\n")
    main.write("a.swp")
    main.git("config", "core.hooksPath", ".husky")
    repository = open_repository(main.path)
    assert repository.dirty == 0
    assert ("core.autocrlf", "input") in repository.settings
    assert repository.hooks_path == ".husky"


def test_identity_of_nobody(main):
    main.git("config", "--unset", "user.name")
    main.git("config", "--unset", "user.email")
    repository = open_repository(main.path)
    assert (repository.user_name, repository.user_email) == ("prodigy", "prodigy@localhost")


def test_only_builtin_merge_attributes_are_kept(main):
    lines = (
        "# note\n*.log merge=union text\n*.gen merge=ours\n*.bin binary\n[attr]x merge=union\n*.py diff=py\n"
    )
    main.commit(".gitattributes", lines)
    assert open_repository(main.path).attributes == "*.log merge=union\n*.bin binary\n"


def test_notes(main, new_repository, tmp_path):
    other = new_repository("other")
    main.git("submodule", "--quiet", "add", str(other.path), "lib")
    main.commit(".gitattributes", "*.psd filter=lfs diff=lfs merge=lfs -text\n")
    subprocess.run(
        ["git", "clone", "-q", "--depth=1", f"file://{main.path}", tmp_path / "shallow"], check=True
    )
    notes = "\n".join(open_repository(tmp_path / "shallow").notes)
    assert "shallow" in notes
    assert "lib" in notes
    assert "LFS" in notes


def test_no_repository(tmp_path):
    with pytest.raises(RepositoryUnusable, match="not in a git repository"):
        open_repository(tmp_path)


def test_no_directory(tmp_path):
    with pytest.raises(RepositoryUnusable, match="cannot be read"):
        open_repository(tmp_path / "nothing")


def test_bare(main, tmp_path):
    main.git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    with pytest.raises(RepositoryUnusable, match="bare"):
        open_repository(tmp_path / "bare")


def test_inside_the_git_directory(main):
    with pytest.raises(RepositoryUnusable, match=r"\.git"):
        open_repository(main.path / ".git")


def test_no_commit(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path / "new"], check=True)
    with pytest.raises(RepositoryUnusable, match="no commit"):
        open_repository(tmp_path / "new")


def test_partial_clone(main, tmp_path):
    main.git("config", "uploadpack.allowFilter", "true")
    main.git("clone", "-q", "--filter=blob:none", f"file://{main.path}", str(tmp_path / "partial"))
    with pytest.raises(RepositoryUnusable, match="partial clone"):
        open_repository(tmp_path / "partial")


@pytest.mark.parametrize(("version", "accepted"), [("2.38.9", False), ("2.39.0", True), ("3.0.0", True)])
def test_old_git_is_refused_by_its_version(main, tmp_path, monkeypatch, version, accepted):
    real = subprocess.run(
        ["sh", "-c", "command -v git"], capture_output=True, check=True, text=True
    ).stdout.strip()
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    script = (
        f'#!/bin/sh\ncase "$*" in *version) echo "git version {version}" ;; *) exec {real} "$@" ;; esac\n'
    )
    fake.write_text(script)
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    if accepted:
        assert open_repository(main.path).head == main.head
    else:
        with pytest.raises(RepositoryUnusable, match=version):
            open_repository(main.path)


@pytest.mark.root
def test_repository_of_another_user(main):
    subprocess.run(["chown", "-R", "1500:1500", main.path], check=True)
    repository = open_repository(main.path)
    assert repository.owner == (1500, 1500)
    assert repository.head == main.head
