"""Row 11: git works in the container as anywhere, on both kinds of workspace, for root and a plain user."""

from __future__ import annotations

import pytest

from tests.hostile.plain import open_arena

pytestmark = [pytest.mark.docker, pytest.mark.root]

COMMANDS = """
set -eux
[ -z "$(git status --porcelain)" ]
[ "$(git log --oneline | wc -l)" = 3 ]
git log -p --stat >/dev/null
git fsck --strict --full
git mv src moved && git commit -qm 'move a directory'
mv moved/a.py moved/b.py && git add -A && git commit -qm 'rename a file'
git blame moved/b.py >/dev/null && git log --follow --oneline moved/b.py >/dev/null
echo stash >>README.md && git stash -q && [ -z "$(git status --porcelain)" ] && git stash pop -q
git checkout -q -- README.md
git checkout -q -b side HEAD~1 && echo side >side.txt && git add -A && git commit -qm side
git rebase -q work && git checkout -q work && git merge -q --no-ff -m merge side
echo pick >pick.txt && git add -A && git commit -qm pick && git revert --no-edit HEAD >/dev/null
git cherry-pick HEAD~1 >/dev/null
git worktree add -q /tmp/other side && git -C /tmp/other log --oneline >/dev/null
git worktree remove /tmp/other && git branch -q -D side
git tag -a v1 -m v1 && git describe >/dev/null && git tag -d v1
git gc -q && git repack -adfq && git prune && git pack-refs --all && git reflog expire --expire=now --all
git clean -fdxq && git reset -q --hard && git rm -rq pick.txt && git commit -qm gone
git clone -q . /tmp/clone && git -C /tmp/clone fsck
git bundle create -q /tmp/b HEAD && git archive HEAD >/dev/null
git grep -q hello && git bisect start HEAD HEAD~2 >/dev/null && git bisect reset 2>/dev/null
rm -rf moved && git checkout -q -- moved && chmod +x moved/b.py && git commit -qam mode
ln README.md hard; ln -s README.md soft && git add -A && git commit -qm links
find . -name .git -prune -o -type d -print >/dev/null; sed -i s/hello/bye/ README.md && git commit -qam edited
"""


@pytest.mark.parametrize("kind", ["root-copy", "root-overlay", "plain-copy", "plain-overlay"])
def test_git_does_all_it_does_elsewhere(kind: str) -> None:
    with open_arena(kind) as arena:
        main = arena.repository.fingerprint()
        flow = arena.flow([{"shell": COMMANDS}], [{"id": "one"}])
        done = arena.prodigy("run", flow, "--json", "--no-merge")
        (item,) = done.json["results"]
        assert item["status"] == "success", (item["error"], done.err)
        assert {"README.md", "moved/b.py", "side.txt", "soft"} <= set(item["files_changed"])
        assert len(item["commits"]) >= 8
        assert arena.repository.fingerprint() == main
        arena.prodigy("worktree", "merge", done.json["session_id"], "-y", code=0)
        assert (arena.repository.path / "README.md").read_text() == "bye\n"
        owners = {path.lstat().st_uid for path in arena.repository.path.rglob("*")}
        assert owners == {arena.repository.path.stat().st_uid}
