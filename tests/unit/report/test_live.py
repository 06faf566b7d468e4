import os
import pty
import threading

import pytest

from prodigy.report.live import Live
from prodigy.report.plain import Plain
from prodigy.report.progress import Progress
from prodigy.report.reporter import open_reporter


@pytest.fixture
def terminal(monkeypatch):
    """A pseudo-terminal of 80 columns and a function that returns all that was written to it."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    leader, follower = pty.openpty()
    seen = bytearray()

    def drain():
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                return
            if not chunk:
                return
            seen.extend(chunk)

    thread = threading.Thread(target=drain)
    thread.start()
    stream = os.fdopen(follower, "w", encoding="utf-8")

    def written():
        stream.close()
        thread.join()
        return seen.decode()

    yield stream, written
    if not stream.closed:
        written()
    os.close(leader)


def test_a_terminal_gets_the_live_view_and_a_pipe_lines(terminal, tmp_path, monkeypatch):
    stream, _ = terminal
    reporter = open_reporter(stream=stream, verbosity=0, quiet=False, color=False)
    reporter.close()
    assert isinstance(reporter, Live)
    with (tmp_path / "out").open("w") as file:
        assert isinstance(open_reporter(stream=file, verbosity=0, quiet=False, color=False), Plain)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(open_reporter(stream=stream, verbosity=0, quiet=False, color=False), Plain)


def test_failures_stay_on_the_screen_and_the_cursor_comes_back(terminal, event):
    stream, written = terminal
    reporter = Live(stream, verbosity=0, color=False)
    reporter.handle(event("phase_started", phase="map", steps=1))
    reporter.handle(event("agent_started", phase="map", item="a.py"))
    reporter.handle(event("step_completed", phase="map", name="good news", status="success"))
    reporter.handle(event("step_completed", phase="map", name="bad news", status="tolerated"))
    reporter.handle(
        event("agent_failed", phase="map", item="a.py", kind="oom", error="out\x1b]0;t\x07 of memory")
    )
    reporter.close()
    reporter.close()
    text = written()
    assert "[map/a.py] agent failed (oom): out of memory" in text
    assert "step 'bad news' tolerated" in text
    assert "good news" not in text
    assert "\x1b]0" not in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_rows_wrapped_by_a_narrower_terminal_are_taken_back(terminal, event, monkeypatch):
    monkeypatch.setattr("prodigy.report.live._REFRESH", 0.001)  # no redraw but those asked for
    stream, written = terminal
    reporter = Live(stream, verbosity=0, color=False)
    reporter.handle(event("phase_started", phase="map", steps=1))
    reporter.handle(event("agent_started", phase="map", item="x" * 200))
    reporter._region.refresh()
    stream.write("<resized>")
    reporter._console._width = 20
    reporter._region.refresh()
    stream.write("<done>")
    reporter.close()
    after = written().partition("<resized>")[2].partition("<done>")[0]
    # Two rows were drawn, the second 80 wide: on 20 columns it is four rows, so the cursor is three
    # rows further down than it was left.
    assert after.count("\x1b[1A") == 1 + 3
    assert "\x1b[J" in after


def test_a_prompt_has_the_terminal_for_itself(terminal, event):
    stream, written = terminal
    reporter = Live(stream, verbosity=0, color=False)
    reporter.handle(event("phase_started", phase="map", steps=1))
    reporter.pause()
    stream.write("<prompt>")
    stream.write("<answer>")
    stream.flush()
    reporter.resume()
    reporter.close()
    assert "<prompt><answer>" in written()


def test_progress_follows_agents_and_their_steps(event):
    progress = Progress()
    for one in (
        event("phase_started", phase="map", at=1),
        event("queue_depth_changed", phase="map", total=3, pending=1, active=2, completed=0, failed=0),
        event("agent_started", phase="map", item="a", at=2),
        event("agent_started", phase="map", item="b", at=2),
        event("step_started", phase="map", item="a", index=2, total=3, name="check"),
        event("agent_failed", phase="map", item="b", kind="oom", error="out of memory"),
    ):
        progress.apply(one)
    assert progress.phase == "map"
    assert progress.counts()["total"] == 3
    assert {item: activity.step for item, activity in progress.agents.items()} == {"a": "2/3 check"}
    assert list(progress.warnings) == ["[map/b] agent failed (oom): out of memory"]
    progress.apply(event("phase_completed", phase="map", status="success", duration=1.0))
    assert progress.finished_phases == [("map", "success")]
    assert progress.agents == {}
