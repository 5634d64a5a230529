"""What differs under Pyodide is expected there, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

from tests.pyodide.differences import DIFFERENCES

ROOT = Path(__file__).resolve().parents[2]
KNOWN = """
def test_that_starts_a_process():
    raise OSError("[Errno 138] emscripten does not support processes.")

def test_tasks_enter_and_leave_it_each_for_itself():
    raise SystemExit("it was run")
"""
NEW = """
def test_what_numpy_warns_of():
    raise OSError("another reason")
"""


def pytest_on(folder, tests, *arguments):
    """(exit status, output) of pytest with the plugin, in a folder with these tests."""
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = .\n")
    (folder / "test_it.py").write_text(tests)
    plugins = ["-p", "tests.pyodide.differences", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *plugins, f"--rootdir={folder}", *arguments]
    alone = {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    env = {**os.environ, "PYTHONPATH": str(ROOT), **alone}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_failure_that_is_known_is_expected_and_what_would_spoil_others_is_not_run(tmp_path):
    status, output = pytest_on(tmp_path, KNOWN, "test_it.py")
    assert status == 0
    assert "1 skipped, 1 xfailed" in output


def test_a_failure_of_a_known_test_with_a_new_reason_is_a_failure(tmp_path):
    assert pytest_on(tmp_path, KNOWN + NEW, "test_it.py")[0] == 1


def test_where_all_tests_are_run_each_difference_has_to_be_seen(tmp_path):
    status, output = pytest_on(tmp_path, KNOWN)
    assert status == 1
    rest = output.partition("no test differs in this way: ")[2]
    assert rest.count("Difference(") == len(DIFFERENCES) - 2
