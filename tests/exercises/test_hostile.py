"""Submissions that attack the checker: each ends in time, in a verdict of that student alone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from simplegrad.exercises import checker
from simplegrad.exercises.checker import RIGHT, TIMED_OUT
from tests.exercises.hostile import HOSTILE
from tests.helpers.limits import HANGING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux finds all processes of a file"),
]

NUMBERS = count()
HONEST = "def da(dc, c, a, b):\n    return dc * b\n\ndef db(dc, c, a, b):\n    return dc * a\n"
IN_THE_TERMINAL = """
import os, signal, subprocess
subprocess.Popen(["sleep", "1000"], start_new_session=True, env={})
os.kill(os.getppid(), signal.SIGKILL)
"""


@pytest.fixture
def traces(monkeypatch):
    """The processes that are left of a test: they have its mark, or sleep as long as it says."""
    mark = f"{os.getpid()}.{next(NUMBERS):03}"
    monkeypatch.setenv("SIMPLEGRAD_TEST", mark)

    def traces():
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                is_own = int(folder.name) == os.getpid()
                if (
                    not is_own and mark.encode() in (folder / "environ").read_bytes()
                ) or mark.encode() in (folder / "cmdline").read_bytes():
                    yield folder.name

    traces.mark = mark
    return traces


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_submission_has_a_verdict_and_the_next_one_too(
    name, tmp_path, monkeypatch, traces
):
    source, verdicts, said = HOSTILE[name]
    monkeypatch.setattr(checker, "GRACE", 6)
    monkeypatch.chdir(tmp_path)
    attack, honest = tmp_path / "attack.py", tmp_path / "honest.py"
    attack.write_text(source.replace('"1000"', f'"{traces.mark}"'), encoding="utf-8")
    honest.write_text(HONEST, encoding="utf-8")
    seconds = 3 if TIMED_OUT in verdicts else HANGING / 10
    start = time.monotonic()
    jobs = [("mul", str(attack)), ("mul", str(honest))]
    result, other = checker.check_files(jobs, checker.Limits(seconds, 2))
    assert result.verdict in verdicts, result
    assert time.monotonic() - start < HANGING
    assert set(result.report.statuses) == {"da", "db"}
    assert said in " ".join(" ".join(result.report.remarks).split())
    assert "\x1b" not in f"{result.report.remarks}{result.printed}"
    if seconds > 3 or other.verdict != TIMED_OUT:  # a machine that is busy may need more than 3
        assert other.verdict == RIGHT, other
    assert not list(traces())


def test_there_are_more_than_forty():
    assert len(HOSTILE) > 40


def test_what_a_terminal_would_obey_is_written_out(tmp_path):
    file = tmp_path / "mul.py"
    file.write_text(HOSTILE["prints_escapes"][0])
    assert checker.check_file("mul", file, HANGING).printed == (
        r"\x1b[2J\x1b]0;owned\x07\x1b[31mAll right.\r\x9b" + "\n"
    )


def test_the_command_finds_what_has_lost_its_parent_and_its_environment(tmp_path, traces):
    (tmp_path / "mul.py").write_text(IN_THE_TERMINAL.replace('"1000"', f'"{traces.mark}"'))
    command = [sys.executable, "-m", "simplegrad.exercises", "check", "mul"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGING)
    assert run.returncode == checker.STATUSES[checker.CRASHED]
    assert "The check was ended from outside" in run.stdout
    assert not list(traces())


def test_ctrl_c_ends_all_processes(tmp_path, traces):
    file = tmp_path / "mul.py"
    file.write_text("import time\nopen('begun', 'w').close()\ntime.sleep(1000)\n")
    command = [sys.executable, "-m", "simplegrad.exercises", "check", "mul", str(file)]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
    while not (tmp_path / "begun").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=HANGING)
    assert err.decode() == "Stopped by Ctrl-C.\n"
    assert process.returncode == 130
    assert not list(traces())
