"""Resolving a conflict with Claude: the steps that run in a sandbox which holds both sides."""

from __future__ import annotations

from prodigy.workflow.step import Step

_PROMPT = """\
Two lines of work in this repository change the same places. `git merge` has begun to join them, and
stopped at conflicts; `git status` names the files.

Resolve every conflict so that what both sides intend is kept. Where that cannot be, keep the side that is
safer for those who use the code, and say so in the commit message. Remove all conflict markers, look once
more at the whole of each file you touched, and run the checks the repository has for them. Then `git add`
the files and conclude the merge with `git commit --no-edit`. Do not rebase, reset or amend, and change
nothing else.
"""


def resolving_steps(theirs: str) -> tuple[Step, ...]:
    """Return the steps that merge the commit ``theirs`` into HEAD, with Claude where git alone cannot."""
    # Git ends with 1 at a conflict: that is what the next step is for.
    merge = f"git merge -q --no-ff -m 'Merge what was changed meanwhile' {theirs} || test -e .git/MERGE_HEAD"
    return (
        Step(path="on_conflict[0]", name="merge both sides", shell=merge),
        Step(path="on_conflict[1]", name="resolve the conflicts", claude=_PROMPT),
    )
