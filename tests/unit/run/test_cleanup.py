"""Recovery of a session whose process died: decided by what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from prodigy.git.publish import publish
from prodigy.git.repository import open_repository
from prodigy.git.store import Store
from prodigy.owner import Owner
from prodigy.run.cleanup import Orphan, Orphans
from prodigy.state.database import Database
from prodigy.state.journal import Journal
from prodigy.state.sessions import Sessions
from tests.support.repositories import Repository
from tests.unit.state.records import session_record

SESSION = "session-20260101-000000-aaaaaa"
DEAD = str(Owner(999_999_999, "1", Owner.current().machine))


@pytest.mark.parametrize("moved", [True, False], ids=["the branch had moved", "the branch had not moved"])
def test_a_publication_cut_off_is_known_by_where_the_branch_stands(
    repository: Repository, home: Path, *, moved: bool
) -> None:
    home.mkdir(mode=0o700)
    base = repository.head
    store = Store.create(home, SESSION, open_repository(repository.path))
    work = Repository(repository.path.parent / "work")
    repository.git("clone", "-q", str(repository.path), str(work.path))
    ahead = work.commit({"new.txt": "new\n"}, "made by the session")
    store.git.run("fetch", "-q", f"file://{work.path}", "HEAD")
    assert store.advance(ahead, base)
    if moved:
        publish(store, open_repository(repository.path), "main")
    repository.git("update-ref", f"refs/prodigy/{SESSION}", base)
    with Database(home / "prodigy.db") as database:
        sessions = Sessions(database)
        sessions.create(session_record(SESSION, repository=str(repository.path), owner=DEAD, base=base))
        journal = Journal(database, SESSION)
        journal.intend(("publish", "main"), ("container", "gone"))
        assert Orphans(home, database).remove([Orphan("session", "workspace", SESSION)]) == []
        record = sessions.get(SESSION)
        assert record.status == "interrupted"
        assert (record.merge.status if record.merge else None) == ("merged" if moved else None)
        assert journal.unsettled() == []
    assert repository.git("for-each-ref", "refs/prodigy") == ""
