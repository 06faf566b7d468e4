import pytest

from prodigy.errors import EnvironmentUnavailable, UsageError
from prodigy.home import data_root, locate


def repository(path):
    (path / ".git").mkdir(parents=True)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return path


def test_is_created_private(tmp_path, monkeypatch):
    monkeypatch.setenv("PRODIGY_HOME", str(tmp_path / "a" / "b"))
    assert data_root() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_default_is_in_the_users_home(tmp_path, monkeypatch):
    monkeypatch.delenv("PRODIGY_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate() == tmp_path / ".prodigy"
    assert not (tmp_path / ".prodigy").exists()


@pytest.mark.parametrize("inside", ["data", ".", ".git/data", "deep/er"])
def test_is_refused_inside_a_repository(tmp_path, monkeypatch, inside):
    root = repository(tmp_path / "repo")
    monkeypatch.setenv("PRODIGY_HOME", str(root / inside))
    with pytest.raises(UsageError, match="inside the repository"):
        data_root()
    assert sorted(path.name for path in root.iterdir()) == [".git"]


def test_is_refused_inside_a_linked_work_tree_and_through_a_symbolic_link(tmp_path, monkeypatch):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / ".git").write_text("gitdir: elsewhere\n")
    (tmp_path / "link").symlink_to(tmp_path / "tree")
    monkeypatch.setenv("PRODIGY_HOME", str(tmp_path / "link" / "data"))
    with pytest.raises(UsageError, match="inside the repository"):
        locate()


def test_what_cannot_be_created_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRODIGY_HOME", str(tmp_path / "file" / "data"))
    with pytest.raises(EnvironmentUnavailable, match="cannot be created"):
        data_root()
