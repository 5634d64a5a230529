"""Grading: every submission below a folder, in parallel, and files with the grades."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import simplegrad
from simplegrad.exercises.checker import (
    CHECKER_ERROR,
    ENDED_FROM_OUTSIDE,
    NOT_TRIED,
    RIGHT,
    STATUSES,
    WRONG,
    Checked,
    Limits,
    StoppedError,
    check_files,
    checker_error,
    printable,
)
from simplegrad.exercises.judge import unknown
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.task import Report
from simplegrad.exercises.words import text

NAMES = "{student}/{exercise}"
JOURNAL = "verdicts.jsonl"
SUFFIXES = ".py", ".ipynb"
LARGEST = 2**24  # bytes of a submission

Work = tuple[str, str]  # a student and an exercise
Judged = tuple[str, Checked]  # the name of the file, and the verdict on it


class GradingError(Exception):
    """The folder, or what is said of it, is not such that its submissions can be graded."""


class Grade(NamedTuple):
    """The verdict on one exercise of one student; `file` is "" where nothing was handed in."""

    student: str
    exercise: str
    file: str
    checked: Checked

    @property
    def points(self) -> float:
        """The share of the equations that are right; one less if something else is said."""
        report = self.checked.report
        count = report.count if self.checked.verdict == RIGHT else min(report.count, self.of - 1)
        return count / self.of

    @property
    def of(self) -> int:
        """How many equations there are."""
        return len(self.checked.report.statuses)

    @property
    def report(self) -> str:
        """What a student is shown."""
        return printable(text(f"{self.exercise}: {load(self.exercise).TITLE}", self.checked.report))


# What is handed in


def submissions(folder: Path, names: str = NAMES) -> tuple[dict[Work, list[Path]], list[Path]]:
    """The files of each student and exercise, the script before the notebook; and all others.

    Args:
        names: The path of a file below the folder, without its suffix. `{student}` and `{exercise}`
            stand for themselves, and `*` for what does not matter.

    Raises:
        GradingError: There is no such folder, `names` lacks the exercise, or a student has handed
            in an exercise twice.
    """
    if not folder.is_dir():
        raise GradingError(f"there is no folder {folder}.")
    if names.count("{exercise}") != 1 or names.count("{student}") > 1:
        raise GradingError(
            f"--names is {names!r}, but the exercise has to be in it once, and the student at most "
            f'once. Write --names "{NAMES}".'
        )
    parts = {"{student}": "(?P<student>[^/]+?)", "*": "[^/]*"}
    parts["{exercise}"] = f"(?P<exercise>{'|'.join(EXERCISES)})"
    pattern = re.sub(
        r"\{student\}|\{exercise\}|\*|.", lambda m: parts.get(m[0], re.escape(m[0])), names
    )
    found: dict[Work, list[Path]] = {}
    others = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in SUFFIXES:
            is_one = re.fullmatch(pattern, path.relative_to(folder).with_suffix("").as_posix())
            if is_one and is_regular(path):
                work = is_one.groupdict().get("student", folder.resolve().name), is_one["exercise"]
                found.setdefault(work, []).append(path)
            else:
                others.append(path)
    for (student, exercise), paths in found.items():
        if len({path.with_suffix("") for path in paths}) > 1:
            raise GradingError(
                f"{student} has handed in {exercise} more than once: "
                f"{', '.join(str(path.relative_to(folder)) for path in paths)}. Leave one."
            )
        paths.sort(key=lambda path: SUFFIXES.index(path.suffix))
    return found, others


def is_regular(path: Path) -> bool:
    """Whether this is a file of its own, and not a link, a pipe or what fills the memory."""
    return path.is_file() and not path.is_symlink() and path.stat().st_size < LARGEST


# The verdicts


def grade(
    found: Mapping[Work, Sequence[Path]],
    out: Path,
    cpus: int,
    limits: Limits,
    progress: Any = lambda done, of: None,
) -> dict[Work, Judged]:
    """The verdict on each work, those of an earlier, interrupted run taken from its journal.

    Args:
        out: The folder of the journal.
        cpus: How many students are looked at at a time.
        limits: What each of their files may take.
        progress: Is called with the number of works that are done, and of all.
    """
    out.mkdir(parents=True, exist_ok=True)
    known = dict(read_journal(out / JOURNAL))
    keys = {work: key_of(work, files, limits) for work, files in found.items()}
    verdicts = {work: known[key] for work, key in keys.items() if key in known}
    students: dict[str, list[Work]] = {}
    for work in sorted(found.keys() - verdicts.keys()):
        students.setdefault(work[0], []).append(work)
    stop = threading.Event()
    pool = ThreadPoolExecutor(cpus)
    progress(len(verdicts), len(found))

    def keep(new: Mapping[Work, Judged]) -> None:
        for work, (name, checked) in new.items():
            verdicts[work] = name, checked
            line = {"key": keys[work], "file": name, **as_data(checked)}
            print(json.dumps(line), file=journal, flush=True)
        progress(len(verdicts), len(found))

    with (out / JOURNAL).open("a", encoding="utf-8") as journal:
        print(file=journal)  # the run before may have ended within a line
        try:
            tasks = [
                pool.submit(of_student, {work: found[work] for work in works}, limits, stop)
                for works in students.values()
            ]
            for task in as_completed(tasks):
                keep(task.result())
            for work in [work for work, (_, checked) in verdicts.items() if was_ended(checked)]:
                keep(of_student({work: found[work]}, limits, stop))  # alone: by itself or not?
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return verdicts


def of_student(
    works: Mapping[Work, Sequence[Path]], limits: Limits, stop: threading.Event
) -> dict[Work, Judged]:
    """The verdicts on the works of one student: of two files, on the one that is worked on."""
    jobs = [(work[1], str(file)) for work, files in works.items() for file in files]
    try:
        results = iter(check_files(jobs, limits, stop))
    except StoppedError:
        raise
    except Exception as error:  # such as a machine with too many processes; the others go on
        said = f"{type(error).__name__}: {error}"
        results = iter([checker_error(name, said) for name, _ in jobs])
    verdicts = {}
    for work, files in works.items():
        of_files = [(file.name, next(results)) for file in files]
        tried = [judged for judged in of_files if judged[1].verdict != NOT_TRIED]
        verdicts[work] = [*tried, *of_files][0]
    return verdicts


def was_ended(checked: Checked) -> bool:
    """Whether a check was ended from outside, perhaps by the work of another student."""
    return ENDED_FROM_OUTSIDE in checked.report.remarks


def key_of(work: Work, files: Sequence[Path], limits: Limits) -> str:
    """What a verdict depends on: whose work it is, its bytes, the limits, and this version."""
    key = hashlib.sha256(json.dumps([*work, limits, simplegrad.__version__]).encode())
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:  # the check cannot read it either, and says so
            data = str(error).encode("utf-8", "backslashreplace")
        key.update(hashlib.sha256(data).digest())
    return key.hexdigest()


def as_data(checked: Checked) -> dict[str, Any]:
    """A verdict as JSON."""
    return {**checked._asdict(), "report": asdict(checked.report)}


def read_journal(path: Path) -> Iterator[tuple[str, Judged]]:
    """The verdicts of earlier runs; the last line of each may be half of one."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for line in lines:
        try:
            data = json.loads(line)
        except ValueError:
            continue
        checked = Checked(Report(**data["report"]), data["printed"], data["end"])
        if checked.verdict != CHECKER_ERROR:
            yield data["key"], (data["file"], checked)


def grades_of(
    found: Mapping[Work, Sequence[Path]],
    verdicts: Mapping[Work, Judged],
    exercises: Sequence[str],
    folder: Path,
) -> list[Grade]:
    """A grade for each student and exercise, handed in or not."""
    grades = []
    for student in sorted({student for student, _ in found} or {folder.resolve().name}):
        for exercise in exercises:
            work, file = (student, exercise), ""
            missing = Checked(unknown(exercise, "There is no file."), "", NOT_TRIED)
            name, checked = verdicts.get(work, ("", missing))
            if name:
                file = found[work][0].with_name(name).relative_to(folder).as_posix()
            grades.append(Grade(printable(student), exercise, printable(file), checked))
    return grades


# The files


def write_json(grades: Sequence[Grade], path: Path) -> None:
    """All there is to know, a list of objects."""
    rows = [
        {
            "student": grade.student,
            "exercise": grade.exercise,
            "file": grade.file,
            "verdict": grade.checked.verdict,
            "right": grade.checked.report.count,
            "of": grade.of,
            "points": grade.points,
            **asdict(grade.checked.report),
            "printed": grade.checked.printed,
        }
        for grade in grades
    ]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(grades: Sequence[Grade], path: Path) -> None:
    """A row for each student: the points of each exercise, and its verdict."""
    exercises = list(dict.fromkeys(grade.exercise for grade in grades))
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["student", *exercises, "sum", *(f"{name}: verdict" for name in exercises)])
        for student in dict.fromkeys(grade.student for grade in grades):
            own = [grade for grade in grades if grade.student == student]
            points = [round(grade.points, 4) for grade in own]
            # a spreadsheet takes what begins with one of these for a formula
            name = f"'{student}" if student.startswith(tuple("=+-@\t")) else student
            verdicts = [grade.checked.verdict for grade in own]
            rows.writerow([name, *points, round(sum(points), 4), *verdicts])


def write_junit(grades: Sequence[Grade], path: Path) -> None:
    """JUnit XML: a suite for each student, a case for each exercise."""
    suites = ElementTree.Element("testsuites")
    for student in dict.fromkeys(grade.student for grade in grades):
        own = [grade for grade in grades if grade.student == student]
        kinds = Counter(kind_of(grade) for grade in own)
        counts = {f"{kind}s" if kind != "skipped" else kind: kinds[kind] for kind in KINDS}
        counts["tests"] = len(own)
        attributes = {name: str(count) for name, count in counts.items()}
        suite = ElementTree.SubElement(suites, "testsuite", {"name": student, **attributes})
        for grade in own:
            names = {"classname": student, "name": grade.exercise}
            case = ElementTree.SubElement(suite, "testcase", names)
            if kind := kind_of(grade):
                said = ElementTree.SubElement(case, kind, message=grade.checked.verdict)
                said.text = grade.report
    tree = ElementTree.ElementTree(suites)
    ElementTree.indent(tree)
    tree.write(path, encoding="utf-8", xml_declaration=True)


KINDS = "failure", "error", "skipped"


def kind_of(grade: Grade) -> str:
    """What JUnit calls a verdict; "" if it is right."""
    kinds = {RIGHT: "", WRONG: "failure", NOT_TRIED: "skipped"}
    return kinds.get(grade.checked.verdict, "error")


def write_gradescope(grades: Sequence[Grade], path: Path) -> None:
    """Gradescope's results.json, of one student: a point for each exercise."""
    status = {True: "passed", False: "failed"}
    tests = [
        {
            "name": grade.exercise,
            "score": round(grade.points, 4),
            "max_score": 1,
            "status": status[grade.checked.verdict == RIGHT],
            "output_format": "text",
            "output": grade.report,
        }
        for grade in grades
    ]
    results = {"score": round(sum(grade.points for grade in grades), 4), "tests": tests}
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# The command


class Bar:
    """A progress bar, where there is a terminal to show it."""

    def __init__(self) -> None:
        self.begin, self.first = time.monotonic(), -1

    def __call__(self, done: int, of: int) -> None:
        """Shows how many are done."""
        self.first = done if self.first < 0 else self.first
        if sys.stderr and sys.stderr.isatty():
            full = 30 * done // max(of, 1)
            rate = (done - self.first) / (time.monotonic() - self.begin)
            left = f", {(of - done) / rate / 60:.0f} min left" if rate else ""
            bar = f"[{'#' * full}{' ' * (30 - full)}] {done} of {of}{left}"
            end = "\n" if done == of else ""
            print(f"\r{bar:60}", end=end, file=sys.stderr, flush=True)


def counted(things: Collection[str], name: str) -> str:
    """Their number, with their name."""
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def command(
    folder: Path,
    names: str,
    exercises: Sequence[str],
    out: Path,
    cpus: int,
    gigabytes: float,
    seconds: float,
) -> int:
    """Grades a folder, writes the files, and prints a summary; returns the exit status.

    Args:
        exercises: Those that were to be handed in; if there are none, all that were.
        gigabytes: For all that runs at a time, divided among the `cpus`.

    Raises:
        GradingError: As in `submissions`; or there is no submission.
        OSError: The grades cannot be written.
    """
    found, others = submissions(folder, names)
    if exercises:
        found = {work: files for work, files in found.items() if work[1] in exercises}
    asked = [name for name in EXERCISES if name in (exercises or {name for _, name in found})]
    if not found and not (exercises and "{student}" not in names):
        of = f" of {', '.join(exercises)}" if exercises else ""
        raise GradingError(
            f"there is no submission{of} in {folder} whose name is like {names}.py or {names}.ipynb"
            + (f"; there is {others[0].relative_to(folder)}." if others else ".")
        )
    verdicts = grade(found, out, cpus, Limits(seconds, gigabytes / cpus), Bar())
    grades = grades_of(found, verdicts, asked, folder)
    write_json(grades, out / "results.json")
    write_csv(grades, out / "grades.csv")
    write_junit(grades, out / "junit.xml")
    students = {grade.student for grade in grades}
    (out / "gradescope.json").unlink(missing_ok=True)
    if len(students) == 1:
        write_gradescope(grades, out / "gradescope.json")
    counts = Counter(grade.checked.verdict for grade in grades)
    print(f"{counted(students, 'student')}, {counted(asked, 'exercise')}:")
    for verdict in STATUSES:
        if counts[verdict]:
            print(f"{counts[verdict]:6} {verdict}")
    if others:
        first = ", ".join(printable(str(path.relative_to(folder))) for path in others[:3])
        more = ", ..." if len(others) > 3 else ""
        print(f"Not looked at, no regular files or not called {names}: {first}{more}")
    print(f"The grades are in {out}.")
    return max(STATUSES[grade.checked.verdict] for grade in grades)
