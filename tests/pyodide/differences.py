"""What differs under Pyodide: which tests fail there, with what, and why; a plugin of pytest.

Such a failure is expected, and shown as `x`. Any other fails the check, and so does a row that is
needed no more.
"""

import re
from typing import NamedTuple

import pytest


class Difference(NamedTuple):
    """Tests whose id has `test` in it, and `error` in the report of their failure, or are not run."""

    test: str
    error: str | None
    why: str


DIFFERENCES = [
    Difference("", "emscripten does not support processes", "there are no processes"),
    Difference("", "has no attribute 'fork'", "there are no processes"),
    Difference("", "can't start new thread", "there are no threads"),
    Difference("another_thread_closes", None, "there are no threads: the block would stay open"),
]

needed = set()


def pytest_runtest_setup(item):
    """Skips what would spoil the tests after it."""
    for row in DIFFERENCES:
        if row.error is None and re.search(row.test, item.nodeid):
            needed.add(row)
            pytest.skip(row.why)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure that is known becomes one that is expected."""
    report = yield
    if report.failed:
        text = report.longreprtext
        for row in DIFFERENCES:
            if row.error and re.search(row.test, item.nodeid) and re.search(row.error, text):
                needed.add(row)
                report.outcome, report.wasxfail = "skipped", row.why
    return report


def pytest_sessionfinish(session):
    """In a run of all tests, each difference has been seen."""
    everything = session.config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if everything and (rest := [row for row in DIFFERENCES if row not in needed]):
        session.config.get_terminal_writer().line(f"\nno test differs in this way: {rest}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
