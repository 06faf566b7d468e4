import io
import logging

import pytest

from prodigy.report.calls import Calls
from prodigy.report.reporter import open_reporter


@pytest.fixture
def git_logger():
    logger = logging.getLogger("git.cmd")
    yield logger
    for handler in [one for one in logger.handlers if isinstance(one, Calls)]:
        logger.removeHandler(handler)


@pytest.mark.parametrize(("verbosity", "shown"), [(1, ""), (2, "INFO  git status 'a b'\n")])
def test_calls_are_shown_from_verbosity_two_on(git_logger, verbosity, shown):
    stream = io.StringIO()
    open_reporter(stream=stream, verbosity=verbosity, quiet=False, color=False)
    git_logger.debug("Popen(%s, cwd=%s)", ["env", "-i", "LC_ALL=C", "git", "status", "a b\x1b[2J"], "/")
    assert stream.getvalue()[9:] == shown
