import pytest

from prodigy.report.summary import result_line, summary
from prodigy.values import MergeOutcome


def test_success_names_what_was_done(result):
    lines = summary(result()).splitlines()
    assert lines[0] == "success: tidy, session session-20260301-120000-abcdef"
    assert "2 on prodigy/session-20260301-120000-abcdef, 1 file changed" in lines[1]
    assert lines[2].split() == ["time:", "1m", "30s"]
    assert lines[3].endswith("merged into main as bbbbbbbbbbbb")


def test_partial_names_failed_items_with_both_commits_of_a_conflict(result, failed_item):
    text = summary(
        result(
            status="partial",
            mode="mapreduce",
            items={"total": 3, "successful": 2, "failed": 1, "skipped": 0, "pending": 0},
            results=(failed_item,),
            merge=MergeOutcome(status="not_asked", command="prodigy worktree merge s"),
        )
    )
    assert "items:     2 successful, 1 failed" in text
    assert "a.py (merge_conflict): conflict [map.agent_template[0]]" in text
    assert "222222222222 conflicts with 111111111111 in x.txt" in text
    assert "kept as refs/prodigy/s/failed/a.py" in text
    assert text.splitlines()[-1] == "  next:      prodigy worktree merge s"


def test_failed_says_why_and_what_is_left(result):
    text = summary(
        result(
            status="failed",
            error="step 'build' failed: exit code 2",
            uncommitted=({"owner": "commands", "files": ["a", "b"], "patch": "/data/p.patch"},),
            tolerated=({"step": "lint", "error": "exit code 3"},),
            warnings=("disk is nearly full",),
            merge=MergeOutcome(status="disabled"),
        )
    )
    assert "error:     step 'build' failed: exit code 2" in text
    assert "uncommitted changes of commands in a, b, saved as /data/p.patch" in text
    assert "step lint, error exit code 3" in text
    assert "warning:   disk is nearly full" in text


def test_interrupted_is_said_first(result):
    assert summary(result(status="interrupted", exit_code=130)).startswith("interrupted: tidy")


def test_long_lists_are_cut_and_counted(result):
    text = summary(result(warnings=tuple(f"w{n}" for n in range(25))))
    assert "w9" in text
    assert "w10" not in text
    assert "… and 15 more" in text


@pytest.mark.parametrize("render", [summary, result_line])
def test_foreign_text_cannot_steer_the_terminal(result, render):
    assert "\x1b" not in render(result(workflow="a\x1b[2Jb", warnings=("\x1b]0;x\x07",), error="\x1b[1m"))


def test_colours_only_when_wanted(result):
    assert "\x1b[1;32msuccess\x1b[0m" in summary(result(), color=True)
    assert "\x1b" not in summary(result())
