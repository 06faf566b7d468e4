"""The main job, once through."""

from __future__ import annotations

import pytest

from tests.support.program import Program
from tests.support.repositories import Repository

pytestmark = pytest.mark.docker

WORKFLOW = """\
name: first
mode: mapreduce
setup:
  - shell: printf '["one","two"]' > items.json && git add -A && git commit -qm setup
map:
  input: items.json
  agent_template:
    - shell: echo "${item}" > "out-${item}.txt" && git add -A && git commit -qm "agent ${item}"
      commit_required: true
reduce:
  - shell: ls out-*.txt > index.txt && git add -A && git commit -qm reduce
"""


def test_a_mapreduce_run_is_merged_only_when_agreed(repository: Repository, prodigy: Program) -> None:
    (repository.path.parent / "flow.yml").write_text(WORKFLOW)
    before = repository.fingerprint()
    done = prodigy("run", "../flow.yml", "--json", code=0)
    assert repository.fingerprint() == before
    assert done.json["items"] == {"total": 2, "successful": 2, "failed": 0, "skipped": 0, "pending": 0}
    session = done.json["session_id"]
    prodigy("worktree", "merge", session, "-y", code=0)
    assert repository.show("index.txt") == "out-one.txt\nout-two.txt"
    assert repository.git("status", "--porcelain") == ""
