"""The checker: runs a student's file in a process of its own, and judges what comes back.

Three processes take part. The caller starts the judge, which is `main` below, and the judge starts
`student.py` for each file. Only answers come back from there: numbers, and what is to be said of
errors. So a file may end its process or the one above it, replace what it imports and print what it
likes: it gets a verdict of its own, within its time.

This is no sandbox. A file may do what its user may: read and write files, use the network, end or
stop every process of this user, and as root read the memory of the judge. Check files that you do
not trust in a container.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from simplegrad import exercises
from simplegrad.exercises import student, words
from simplegrad.exercises.judge import judge, unknown
from simplegrad.exercises.processes import (
    MARK,
    end_all,
    guard_this_process,
    is_stopped,
    reader,
    relatives,
    resident_bytes,
    started,
)
from simplegrad.exercises.references import load
from simplegrad.exercises.student import Source
from simplegrad.exercises.task import Report, Task

SECONDS = 10.0  # for the whole file
GIGABYTES = 4  # for each process of a file, and for all of them
PROCESSES = 50  # of a file
PRINTED = 1000  # characters that are kept of what a file prints
GRACE = 30.0  # seconds that the judge has for its own part

RIGHT, WRONG, NOT_TRIED, TIMED_OUT, CRASHED, CHECKER_ERROR = (
    *("right", "wrong", "not tried", "timed out", "crashed"),
    "error of the checker",
)
STATUSES = {RIGHT: 0, WRONG: 1, NOT_TRIED: 3, TIMED_OUT: 4, CRASHED: 5, CHECKER_ERROR: 6}
"""The verdicts and their exit statuses; 2 is that of a command which cannot be carried out."""


class Checked(NamedTuple):
    """The report on a file, the first part of what the file has printed, and how it ended.

    Attributes:
        end: TIMED_OUT, CRASHED or CHECKER_ERROR, or "" if all functions were judged.
    """

    report: Report
    printed: str = ""
    end: str = ""

    @property
    def verdict(self) -> str:
        """One of STATUSES."""
        if self.end:
            return self.end
        if self.report.all_right:
            return RIGHT
        return NOT_TRIED if self.report.untouched else WRONG


class Limits(NamedTuple):
    """What the processes of a file may take: seconds, and gigabytes."""

    seconds: float = SECONDS
    gigabytes: float = GIGABYTES


Job = tuple[str, str]  # an exercise and a file

ROOT = str(Path(__file__).resolve().parents[2])
JUDGE = f"""import sys
sys.path[0] = {ROOT!r}  # and not the folder where we are: a file may have written modules there
from simplegrad.exercises.checker import main
main()"""
ENDED_FROM_OUTSIDE = "The check was ended from outside: does the file end other processes?"


# The caller


def check_file(name: str, path: Path, seconds: float = SECONDS) -> Checked:
    """The report on an exercise as it stands in a file, a script or a notebook."""
    (checked,) = check_files([(name, str(path))], Limits(seconds))
    return checked


def check_files(
    jobs: Sequence[Job], limits: Limits | None = None, stop: threading.Event | None = None
) -> list[Checked]:
    """The report on each file; a file that ends the judge ends no report but its own.

    Raises:
        StoppedError: `stop` was set.
    """
    done: list[Checked] = []
    while len(done) < len(jobs):
        done += reports_on(jobs[len(done) :], limits or Limits(), stop or threading.Event())
    return done


class StoppedError(Exception):
    """The check was stopped before its end."""


def reports_on(jobs: Sequence[Job], limits: Limits, stop: threading.Event) -> list[Checked]:
    """The reports on the first of the files, to the one with which the judge ends, if one does.

    A line counts as the judge's if it begins with a secret, which the student's process lacks.
    """
    secret, mark = secrets.token_hex(16), secrets.token_hex(16)
    process = started(["-c", JUDGE], mark)
    written, said = bytearray(), bytearray()
    readers = [reader(process.stdout, written, 2**24), reader(process.stderr, said, 2**16)]
    try:
        assert process.stdin
        with process.stdin:
            process.stdin.write(json.dumps([secret, limits, jobs]).encode())
        lines, last = 0, time.monotonic()
        while process.poll() is None and time.monotonic() < last + limits.seconds + GRACE:
            if stop.wait(0.01):
                raise StoppedError("the check was stopped")
            if (now := written.count(secret.encode())) > lines:
                lines, last = now, time.monotonic()
            if is_stopped(process.pid):
                break
    finally:
        was_late = process.poll() is None and not is_stopped(process.pid)
        end_all(process, mark)
        for thread in readers:
            thread.join(5)  # one that has the other end open may have escaped
    answers: dict[int, Checked] = {}
    for line in bytes(written).split(b"\n"):
        if line.startswith(secret.encode()):
            with contextlib.suppress(ValueError):  # it was ended within the line
                number, report, printed, end = json.loads(line.removeprefix(secret.encode()))
                answers[number] = Checked(cleaned(Report(**report)), printable(printed), end)
    done = [answers[number] for number in range(len(jobs)) if number in answers]
    if len(done) < len(jobs):
        first = next(number for number in range(len(jobs)) if number not in answers)
        error = printable(said.decode("utf-8", "replace"))
        done[first:] = [unjudged(jobs[first][0], was_late, process.returncode, limits, error)]
    return done


def unjudged(name: str, was_late: bool, status: int, limits: Limits, said: str) -> Checked:
    """What is said of a file whose judge has ended without a word."""
    if was_late:
        return Checked(unknown(name, too_long("The check", limits)), "", TIMED_OUT)
    if status < 0 or not said:
        return Checked(unknown(name, ENDED_FROM_OUTSIDE), "", CRASHED)
    return checker_error(name, said)


def checker_error(name: str, said: str) -> Checked:
    """What is said of a file that could not be checked through no fault of its own."""
    remark = "This is an error of the checker:\n" + textwrap.indent(said.rstrip(), "    ")
    return Checked(unknown(name, remark), "", CHECKER_ERROR)


def too_long(what: str, limits: Limits) -> str:
    """The remark on what has not ended."""
    return f"{what} did not end within {limits.seconds:g} seconds: is there a loop that never ends?"


# The judge


def main() -> None:
    """Judges the files that it is told of, and writes a line for each."""
    secret, limits, jobs = json.loads(sys.stdin.read())
    limits = Limits(*limits)
    guard_this_process()
    student.limit(max(limits.gigabytes, 2))
    for number, (name, file) in enumerate(jobs):
        try:
            checked = check_here(name, Path(file), limits)
        except Exception:
            checked = checker_error(name, traceback.format_exc())
        line = json.dumps([number, asdict(checked.report), checked.printed, checked.end])
        print(f"\n{secret}{line}", flush=True)


def check_here(name: str, path: Path, limits: Limits) -> Checked:
    """The report on a file whose functions another process runs."""
    tasks, done, running = load(name).TASKS, Report(), path.name

    def before(report: Report, function: str) -> None:
        nonlocal done, running
        done, running = problem + report, function

    problem = Report()
    with Student(limits) as other:
        try:
            names, remark = other.begin(name, path)
            problem = Report({}, [remark] * bool(remark))
            functions = {f: Remote(other, f, tasks[f]) for f in names}
            if remark and not names:
                done = unknown(name, remark)
            else:
                done = problem + judge(name, functions, before)
        except EndedError:
            missing = unknown(name, f"{running} {other.how_it_ended()}")
            statuses = {**missing.statuses, **done.statuses}
            done = Report(statuses, done.remarks + missing.remarks)
    return Checked(cleaned(done), printable(other.printed.decode("utf-8", "replace")), other.end)


NO_ANSWER = " sends what is no answer: does it write into streams that are not its own?"


class EndedError(BaseException):
    """The student's process has ended; no `except Exception` is to take it for an answer."""


class Student:
    """The process of a student's file, as the judge sees it; a context, at whose end it is over."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.end, self.reason = limits, "", ""
        self.printed = bytearray()
        self.mark = f"{os.environ.get(MARK, '')}.{secrets.token_hex(8)}"  # begins with the judge's
        self.process = started([str(student.__file__)], self.mark)
        self.reader = reader(self.process.stderr, self.printed, PRINTED)
        self.watcher = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self) -> Student:
        self.watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.watcher.join()  # which ends what the process has started
        self.reader.join(5)
        for pipe in self.process.stdin, self.process.stdout:
            with contextlib.suppress(BrokenPipeError):  # of a message that nobody will read
                if pipe:
                    pipe.close()

    def watch(self) -> None:
        """Ends the processes of the file when they take too much, and when the first has ended."""
        until, pause = time.monotonic() + self.limits.seconds, 0.25
        while not self.reason:
            left = until - time.monotonic()
            try:
                self.process.wait(max(0, min(pause, left)))
                break
            except subprocess.TimeoutExpired:
                if left <= pause:
                    self.end, self.reason = TIMED_OUT, too_long("", self.limits)
                    continue
            pids = relatives(self.process.pid, self.mark)
            if len(pids) > PROCESSES:
                self.end, self.reason = CRASHED, f" has more than {PROCESSES} processes."
            elif sum(map(resident_bytes, pids)) > self.limits.gigabytes * 2**30:
                gigabytes = f"{self.limits.gigabytes:g} GB"
                what = f" takes more than {gigabytes}, with the processes it has started."
                self.end, self.reason = CRASHED, what
        end_all(self.process, self.mark)

    def how_it_ended(self) -> str:
        """The rest of a sentence about it."""
        self.watcher.join()
        if not self.end:
            self.end = CRASHED
            self.reason = (
                f" ended the whole process, with status {self.process.returncode}: is there an "
                "os._exit, or a recursion without end?"
            )
        return self.reason.strip()

    def begin(self, name: str, path: Path) -> tuple[list[str], str]:
        """Lets it run the file; returns the functions that are there, and what is to be said.

        Raises:
            EndedError: It has not come so far.
        """
        job = {
            "exercise": name,
            "file": str(path),
            "functions": list(load(name).TASKS),
            "gigabytes": self.limits.gigabytes,
            "root": ROOT,
        }
        answer = self.ask(job)
        try:
            functions = [f for f in load(name).TASKS if f in answer["functions"]]
            if answer["error"]:
                error = student.error_of(answer["error"])
                return functions, does_not_run(str(answer["running"])[:200], [], error)
        except Exception:
            self.give_up(NO_ANSWER)
        return functions, ""

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Sends a message, and waits for the answer.

        Raises:
            EndedError: There will be none.
        """
        assert self.process.stdin
        assert self.process.stdout
        line, answer = b"", None
        with contextlib.suppress(OSError, ValueError, RecursionError):
            self.process.stdin.write((json.dumps(message) + "\n").encode())
            self.process.stdin.flush()
            line = self.process.stdout.readline(student.MESSAGE)
            answer = json.loads(line)
        if not isinstance(answer, dict):
            self.give_up(NO_ANSWER if line else "")
        return answer

    def give_up(self, reason: str) -> NoReturn:
        """Ends it, for a reason, or because it has ended by itself."""
        if reason and not self.end:
            self.end, self.reason = CRASHED, reason
        self.process.kill()
        raise EndedError


class UnreadableAnswerError(Exception):
    """What came back is no answer."""


class Remote:
    """A function in the student's process, to be called from here as if it was here.

    What it changes in place is changed here, and arrays that share memory there share it here.
    """

    def __init__(self, process: Student, name: str, task: Task) -> None:
        self.process, self.name, self.task = process, name, task

    def __call__(self, *arguments: Any) -> Any:
        """What it returns."""
        return self.measured(*arguments)[0]

    def measured(self, *arguments: Any) -> tuple[Any, int]:
        """What it returns, and the most bytes that it had at once for what it has made."""
        owners: list[np.ndarray] = []
        sent = [student.encoded(x, owners) for x in arguments]
        answer = self.process.ask(
            {
                "function": self.name,
                "arguments": sent,
                "buffers": [student.packed(owner) for owner in owners],
                "library": self.task.library,
                "measure": bool(self.task.over),
            }
        )
        try:
            if "error" in answer:
                error = student.error_of(answer["error"])
            else:
                return self.taken_over(arguments, owners, answer)
        except Exception as unreadable:
            raise UnreadableAnswerError("what it returns cannot be read") from unreadable
        raise error

    def taken_over(
        self, arguments: Sequence[Any], owners: Sequence[np.ndarray], answer: dict[str, Any]
    ) -> tuple[Any, int]:
        """What an answer says: the arguments as they are left, and what is returned."""
        buffers = [student.unpacked(text) for text in answer["buffers"]]
        for number, owner in enumerate(owners):
            memory = owner.ravel("K").view(np.uint8)
            memory[...] = buffers[number]
            buffers[number] = memory
        for x, left in zip(arguments, answer["arguments"], strict=True):
            if isinstance(x, dict):
                now = dict(student.decoded(left, buffers))
                x.clear()
                x.update(now)
            elif isinstance(x, list):
                x[:] = student.decoded(left, buffers)
        return student.decoded(answer["returned"], buffers), int(answer["memory"])


# What is said

RUNNING = threading.Lock()  # two that take exercises.check away would not bring it back


def report_on(
    name: str,
    sources: Iterable[Source],
    before: Callable[[Report, str], None] = lambda report, function: None,
) -> Report:
    """Runs sources, one after the other, and judges the functions that they leave, all of it here.

    The site does this with the cells of a page.

    Args:
        before: Is called before each function, with the report until then.
    """
    problem, files = Report(), [name]
    names: dict[str, Any] = {"__name__": "__main__"}
    with RUNNING:
        check, exercises.check = exercises.check, lambda *functions: None  # it is done below
        try:
            error = student.run(sources, files, names)
        finally:
            exercises.check = check
    if error:
        problem = Report({}, [does_not_run(Path(files[-1]).name, files, error)])
    functions = {function: names[function] for function in load(name).TASKS if function in names}
    if problem.remarks and not functions:
        return unknown(name, problem.remarks[0])
    return problem + judge(name, functions, lambda part, running: before(problem + part, running))


def does_not_run(file: str, files: Sequence[str], error: BaseException) -> str:
    """The remark on sources that cannot be run to their end; `file` was running."""
    if isinstance(error, SyntaxError):
        lines = getattr(error, "syntax", "") or "".join(traceback.format_exception_only(error))
        return f"{file} has a syntax error:\n" + textwrap.indent(lines, "  ").rstrip()
    rows = [*words.place_of(error, files), words.row("error", "", words.said(error))]
    return "\n".join([f"{file} stops with an error:", *rows])


def cleaned(report: Report) -> Report:
    """A report whose remarks can be printed."""
    return Report(report.statuses, [printable(remark) for remark in report.remarks])


def printable(text: str) -> str:
    """A text whose control characters, which a terminal might obey, are written out."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)
