import io
import re

import pytest

from prodigy.report.plain import Plain
from prodigy.report.quiet import Quiet


def plain(*events, verbosity=0):
    stream = io.StringIO()
    reporter = Plain(stream, verbosity=verbosity, color=False)
    for event in events:
        reporter.handle(event)
    return stream.getvalue().splitlines()


def test_a_step_says_where_it_runs(event):
    [line] = plain(
        event(
            "step_started",
            phase="map",
            item="a.py",
            name="check",
            kind="shell",
            place="container prodigy-x (1a2b)",
            worktree="/data/ws/1",
            index=1,
            total=2,
        )
    )
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO  \[map/a\.py\] Executing in worktree: /data/ws/1 \(.*\)", line)
    assert line.endswith("(phase map, step 1/2 'check', container prodigy-x (1a2b))")


def test_the_header_is_one_line_per_fact(event):
    lines = plain(
        event("job_started", workflow="w", mode="standard", header=[["network", "none"], ["sandbox", "HOST"]])
    )
    assert [line[9:] for line in lines] == ["INFO  network: none", "WARN  sandbox: HOST"]


@pytest.mark.parametrize(
    ("type_", "data", "level", "text"),
    [
        (
            "step_completed",
            {"name": "s", "status": "failed", "exit_code": 2, "duration": 1.0},
            "ERROR",
            "exit code 2",
        ),
        ("step_completed", {"name": "s", "status": "tolerated", "note": "no commit"}, "WARN", "no commit"),
        (
            "agent_failed",
            {"kind": "oom", "error": "out of memory", "step": "s"},
            "ERROR",
            "(oom): out of memory",
        ),
        ("merge_conflict", {"files": ["a", "b"], "ours": "1" * 40, "theirs": "2" * 40}, "ERROR", "in a, b"),
        ("uncommitted_saved", {"files": ["a"], "patch": "/p"}, "WARN", "saved to /p: a"),
        (
            "security_violation",
            {"files": ["HEAD"], "message": "changed"},
            "ERROR",
            "security violation: changed: HEAD",
        ),
        ("warning", {"message": "look"}, "WARN", "look"),
        ("job_failed", {"error": "why"}, "ERROR", "run failed: why"),
        ("session_merged", {"commit": "3" * 40, "target": "main"}, "INFO", "main is now 333333333333"),
    ],
)
def test_events_have_their_level_and_words(event, type_, data, level, text):
    [line] = plain(event(type_, phase="map", **data))
    assert line.split()[1] == level
    assert text in line


@pytest.mark.parametrize(
    "type_",
    ["container_started", "container_stopped", "worktree_created", "agent_started", "queue_depth_changed"],
)
def test_details_need_verbosity(event, type_):
    assert plain(event(type_)) == []
    assert len(plain(event(type_), verbosity=1)) == 1


def test_every_event_is_one_line_whatever_its_text(event):
    lines = plain(event("warning", message="a\nb\x1b[2Jc\u202e", phase="p\n", item="\x1b]0;x\x07i"))
    assert [line[9:] for line in lines] == ["WARN  [p /i] a bc"]


def test_output_is_shown_from_verbosity_one_on():
    shown, hidden = io.StringIO(), io.StringIO()
    for stream, verbosity in ((hidden, 0), (shown, 1)):
        reporter = Plain(stream, verbosity=verbosity, color=False)
        reporter.output("map", "a", "s", "stdout", "\x1b[31mhello\n")
    assert hidden.getvalue() == ""
    assert shown.getvalue()[9:] == "INFO  [map/a] hello\n"


def test_a_closed_stream_does_not_end_the_run(event):
    stream = io.StringIO()
    stream.close()
    for reporter in (Plain(stream, verbosity=1, color=False), Quiet(stream)):
        reporter.handle(event("job_failed", error="x"))
        reporter.output(None, None, None, "stdout", "x")


def test_quiet_shows_errors_only(event):
    stream = io.StringIO()
    reporter = Quiet(stream)
    reporter.handle(event("warning", message="w"))
    reporter.handle(event("agent_failed", phase="map", item="a", kind="command", error="exit code 1"))
    reporter.output("map", "a", None, "stdout", "hello")
    assert stream.getvalue() == "[map/a] agent failed (command): exit code 1\n"
