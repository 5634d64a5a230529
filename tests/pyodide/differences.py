"""What differs under Pyodide: which tests fail there, with what, and why; a plugin of pytest.

Such a failure is expected, and shown as `x`. Any other fails the check, and so does a row that is
needed no more.
"""

import re
from typing import NamedTuple

import pytest


class Difference(NamedTuple):
    """Tests whose id has `test` in it, and their report `error`; without one, they are not run."""

    test: str
    error: str | None
    why: str


NO_PROCESSES = "there are no processes"
NO_THREADS = "there are no threads"
NO_LOOP = "asyncio.run needs an event loop of its own"
NO_FLAGS = "WebAssembly has no flags of floating-point errors: NumPy warns of nothing"
SMALL_STACK = "the stack is small: where C code recurses deeply, Python itself ends"
SHORT_INTS = "NumPy's usual integer has 32 bits, as on all 32-bit platforms"
NO_DISK = "files are in memory: no umask, no pipes and sockets, no limit for the length of a name"

DIFFERENCES = [
    Difference("", "emscripten does not support processes", NO_PROCESSES),
    Difference("", "can't start new thread", NO_THREADS),
    Difference("test_a_block_that_another_thread_closes_is_over", None, NO_THREADS),
    Difference("test_tasks_enter_and_leave_it_each_for_itself", None, NO_LOOP),
    Difference("test_a_task_is_in_its_own_mode_alone", None, NO_LOOP),
    Difference("test_a_generator_that_another_context_closes", None, NO_LOOP),
    Difference("test_what_numpy_warns_of", "DID NOT WARN", NO_FLAGS),
    Difference("test_nothing_of_the_library_is_changed_and_warnings", "DID NOT WARN", NO_FLAGS),
    Difference("test_what_json_cannot_hold_is_refused", None, SMALL_STACK),
    Difference("test_meta_that_is_no_object_of_json", None, SMALL_STACK),
    Difference("creation.arange", "dtype=int64", SHORT_INTS),
    Difference("test_python_numbers_become_float32", r"dtype\('int32'\) == .*int64", SHORT_INTS),
    Difference("test_data_of_another_kind_is_refused", "must be of int32", SHORT_INTS),
    Difference("test_a_new_file_has_the_permissions", r"assert 438 == \(438 & ~", NO_DISK),
    Difference("test_a_name_of_255_bytes", "DID NOT RAISE OSError", NO_DISK),
    Difference("", "module 'os' has no attribute 'mkfifo'", NO_DISK),
    Difference("", "module 'socket' has no attribute 'AF_UNIX'", NO_DISK),
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
