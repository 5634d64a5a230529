"""Grading a folder: what is found in it, what is written, and that an interrupted run goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simplegrad.exercises import grading
from simplegrad.exercises.__main__ import main
from simplegrad.exercises.checker import (
    CRASHED,
    ENDED_FROM_OUTSIDE,
    STATUSES,
    Checked,
    Limits,
    report_on,
)
from simplegrad.exercises.judge import unknown
from simplegrad.exercises.student import sources_of
from tests.helpers.limits import HANGING

RIGHT = "def da(dc, c, a, b):\n    return dc * b\n\ndef db(dc, c, a, b):\n    return dc * a\n"
WRONG = RIGHT.replace("dc * a", "dc * c")
BLANK = RIGHT.replace("dc * b", "...").replace("dc * a", "...")


def notebook(source):
    cell = {"cell_type": "code", "source": source, "outputs": [], "execution_count": None}
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5, "metadata": {}})


@pytest.fixture
def handed_in(tmp_path):
    """Writes files below the folder `in`: their paths and what is in them."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path / "in"

    return write


@pytest.fixture
def grade(tmp_path, capsys):
    """Runs the command on the folder `in`: its exit status, and what it prints."""

    def grade(*options):
        try:
            status = main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *options])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        said = out or " ".join(err.partition("error: ")[2].split())
        return status, said.replace(os.sep, "/")

    return grade


@pytest.fixture
def checks(monkeypatch):
    """The files that are checked, here and not in processes of their own, which is faster."""
    checked = []

    def check_files(jobs, limits, stop):
        checked.extend(Path(file).name for _, file in jobs)
        return [Checked(report_on(name, sources_of(Path(file)))) for name, file in jobs]

    monkeypatch.setattr(grading, "check_files", check_files)
    return checked


def rows(tmp_path):
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def results(tmp_path):
    return json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))


# What is written


def test_right_wrong_and_not_tried_are_told_apart_in_each_file(handed_in, grade, tmp_path):
    handed_in({"Ann Li/mul.py": RIGHT, "Bo/mul.py": WRONG, "Cy/mul.py": BLANK})
    status, said = grade("--cpus", "1", "--seconds", str(HANGING))
    assert status == STATUSES["not tried"]  # the largest
    assert said.splitlines()[0] == "3 students, 1 exercise:"
    assert said.split("\n", 1)[1].split() == [
        *("1", "right", "1", "wrong", "1", "not", "tried", "The", "grades", "are", "in"),
        f"{(tmp_path / 'out').as_posix()}.",
    ]
    assert rows(tmp_path) == [
        {"student": "Ann Li", "mul": "1.0", "sum": "1.0", "mul: verdict": "right"},
        {"student": "Bo", "mul": "0.5", "sum": "0.5", "mul: verdict": "wrong"},
        {"student": "Cy", "mul": "0.0", "sum": "0.0", "mul: verdict": "not tried"},
    ]
    ann, bo, cy = results(tmp_path)
    assert [ann["verdict"], bo["verdict"], cy["verdict"]] == ["right", "wrong", "not tried"]
    assert (bo["right"], bo["of"], bo["points"]) == (1, 2, 0.5)
    assert bo["file"] == "Bo/mul.py"
    assert bo["statuses"] == {"da": "right", "db": "wrong"}
    assert "c is used where a belongs" in bo["remarks"][0]
    suites = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    counts = {s.get("name"): [s.get(k) for k in ("tests", "failures", "skipped")] for s in suites}
    assert counts == {"Ann Li": ["1", "0", "0"], "Bo": ["1", "1", "0"], "Cy": ["1", "0", "1"]}
    case = suites.find("testsuite[@name='Bo']/testcase")
    assert (case.get("classname"), case.get("name")) == ("Bo", "mul")
    assert "Right: 1 of 2 equations." in case.find("failure").text
    assert not (tmp_path / "out" / "gradescope.json").exists()


def test_one_student_gets_the_file_of_gradescope(handed_in, grade, checks, tmp_path):
    handed_in({"mul.py": RIGHT})
    options = ("--names", "{exercise}", "--exercises", "mul", "tanh")
    assert grade(*options)[0] == STATUSES["not tried"]
    data = json.loads((tmp_path / "out" / "gradescope.json").read_text("utf-8"))
    mul, tanh = data["tests"]
    assert data["score"] == mul["score"] == mul["max_score"] == tanh["max_score"] == 1
    assert (mul["name"], mul["status"], mul["output_format"]) == ("mul", "passed", "text")
    assert (tanh["name"], tanh["status"], tanh["score"]) == ("tanh", "failed", 0)
    assert "There is no file." in tanh["output"]
    handed_in({"ann/mul.py": RIGHT, "bo/mul.py": RIGHT})
    assert grade()[0] == 0
    assert not (tmp_path / "out" / "gradescope.json").exists()  # it was of another run


@pytest.mark.parametrize(
    ("verdict", "kind"), [("timed out", "error"), ("crashed", "error"), ("wrong", "failure")]
)
def test_what_xml_does_not_have_is_written_out(verdict, kind, tmp_path):
    remark = "\x1b[2J\x00\ufffe \ud800 <&> ]]> ä"
    end = "" if verdict == "wrong" else verdict
    checked = Checked(unknown("mul", remark), "", end)
    grading.write_junit([grading.Grade('"<&', "mul", "", checked)], tmp_path / "junit.xml")
    case = ElementTree.parse(tmp_path / "junit.xml").find("testsuite/testcase")
    assert case.get("classname") == '"<&'
    assert case.find(kind).get("message") == verdict
    assert r"\x1b[2J\x00\ufffe \ud800 <&> ]]> ä" in case.find(kind).text


def test_a_remark_beside_right_equations_costs_one_of_them():
    right = unknown("mul", "There is more to say.")
    right.statuses.update(da="right", db="right")
    crashed = grading.Grade("ann", "mul", "", Checked(right, "", "crashed"))
    assert crashed.points == 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_a_spreadsheet_takes_no_name_for_a_formula(handed_in, grade, checks, tmp_path):
    handed_in({'=HYPERLINK("x"),1/mul.py': RIGHT, "-1/mul.py": RIGHT, "a\nb, c/mul.py": RIGHT})
    assert grade()[0] == 0
    names = [row["student"] for row in rows(tmp_path)]
    assert names == ["'-1", '\'=HYPERLINK("x"),1', "a\nb, c"]


def test_a_student_who_cannot_be_checked_stops_no_other(
    handed_in, grade, checks, monkeypatch, tmp_path
):
    handed_in({"ann/mul.py": RIGHT, "bo/mul.py": RIGHT})
    check_files = grading.check_files

    def too_many(jobs, limits, stop):
        if Path(jobs[0][1]).parent.name == "ann":
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return check_files(jobs, limits, stop)

    with monkeypatch.context() as busy:
        busy.setattr(grading, "check_files", too_many)
        assert grade("--cpus", "1")[0] == STATUSES["error of the checker"]
    ann, bo = results(tmp_path)
    assert "BlockingIOError: [Errno 11] Resource temporarily unavailable" in ann["remarks"][0]
    assert (ann["verdict"], bo["verdict"]) == ("error of the checker", "right")
    assert grade()[0] == 0


@pytest.mark.parametrize(("verdict", "status"), STATUSES.items())
def test_the_exit_status_is_the_largest_of_all(
    verdict, status, handed_in, grade, checks, monkeypatch
):
    handed_in({"ann/mul.py": RIGHT, "bo/mul.py": RIGHT})
    report = report_on("mul", sources_of(handed_in({}) / "ann" / "mul.py"))
    verdicts = iter([Checked(report), Checked(unknown("mul", ""), "", verdict)])
    monkeypatch.setattr(grading, "check_files", lambda *_: [next(verdicts)])
    assert grade("--cpus", "1")[0] == status


def test_a_terminal_shows_how_far_it_is(handed_in, checks, tmp_path, monkeypatch, capsys):
    folder = handed_in({"ann/mul.py": RIGHT, "bo/mul.py": RIGHT})
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["grade", str(folder), "--out", str(tmp_path / "out"), "--cpus", "1"]) == 0
    bars = [bar.rstrip() for bar in capsys.readouterr().err.split("\r")[1:]]
    assert [bar.partition(",")[0] for bar in bars] == [
        f"[{' ' * 30}] 0 of 2",
        f"[{'#' * 15}{' ' * 15}] 1 of 2",
        f"[{'#' * 30}] 2 of 2",
    ]
    assert bars[1].endswith("min left")


# A run that goes on


def test_a_second_run_checks_only_what_has_changed(handed_in, grade, checks, tmp_path):
    handed_in({"ann/mul.py": RIGHT, "bo/mul.py": WRONG})
    grade()
    first = rows(tmp_path)
    assert sorted(checks) == ["mul.py", "mul.py"]
    checks.clear()
    grade()
    assert checks == []
    assert rows(tmp_path) == first
    handed_in({"bo/mul.py": RIGHT})
    assert grade()[0] == 0
    assert checks == ["mul.py"]
    checks.clear()
    grade("--seconds", "9")  # under other limits, verdicts may be others
    assert checks == ["mul.py", "mul.py"]


def test_half_a_last_line_is_checked_again_and_nothing_else(handed_in, grade, checks, tmp_path):
    handed_in({"ann/mul.py": RIGHT, "bo/mul.py": WRONG})
    grade("--cpus", "1")
    journal = tmp_path / "out" / "verdicts.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    checks.clear()
    assert grade()[0] == STATUSES["wrong"]
    assert checks == ["mul.py"]
    checks.clear()
    grade()  # the line after the half one can be read
    assert checks == []


def test_an_error_of_the_checker_is_not_kept(handed_in, grade, checks, monkeypatch):
    handed_in({"ann/mul.py": RIGHT})
    with monkeypatch.context() as broken:
        error = Checked(unknown("mul", "Oh."), "", "error of the checker")
        broken.setattr(grading, "check_files", lambda *_: [error])
        assert grade()[0] == STATUSES["error of the checker"]
    assert grade()[0] == 0
    assert checks == ["mul.py"]


def test_a_file_that_cannot_be_read_has_a_key_of_its_own(tmp_path):
    file, work = tmp_path / "mul.py", ("ann", "mul")
    missing = grading.key_of(work, [file], Limits())
    file.write_text(RIGHT)
    assert grading.key_of(work, [file], Limits()) != missing


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_it_soon_and_the_next_run_goes_on(handed_in, grade, checks, tmp_path):
    begun = tmp_path / "begun"
    loop = f"open({str(begun)!r}, 'w').close()\nwhile True: pass\n"
    folder = handed_in({"ann/mul.py": RIGHT, "bo/mul.py": loop})
    command = [sys.executable, "-m", "simplegrad.exercises", "grade", str(folder), "--cpus", "1"]
    options = ["--out", str(tmp_path / "out"), "--seconds", str(HANGING)]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.05)
    start = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=HANGING)
    assert time.monotonic() - start < HANGING / 2
    assert (process.returncode, said) == (130, "Stopped by Ctrl-C.\n")
    handed_in({"bo/mul.py": WRONG})
    limits = ("--cpus", "1", "--seconds", str(HANGING))
    assert grade(*limits)[0] == STATUSES["wrong"]
    assert checks == ["mul.py"]  # Bo's: Ann's was in the journal


# What is handed in


def test_of_a_script_and_a_notebook_the_one_that_is_worked_on_counts(
    handed_in, grade, checks, tmp_path
):
    files = {"ann/mul.py": BLANK, "ann/mul.ipynb": notebook(RIGHT)}
    handed_in({**files, "bo/mul.py": WRONG, "bo/mul.ipynb": notebook(BLANK)})
    for _ in "first", "from the journal":
        grade()
        found = [(row["file"], row["verdict"]) for row in results(tmp_path)]
        assert found == [("ann/mul.ipynb", "right"), ("bo/mul.py", "wrong")]


def test_an_exercise_that_nobody_handed_in_has_a_column(handed_in, grade, checks, tmp_path):
    handed_in({"ann/mul.py": RIGHT, "ann/adam.py": BLANK})
    assert grade("--exercises", "tanh", "mul")[0] == STATUSES["not tried"]
    assert checks == ["mul.py"]
    (row,) = rows(tmp_path)
    assert list(row) == ["student", "mul", "tanh", "sum", "mul: verdict", "tanh: verdict"]
    assert [*row.values()] == ["ann", "1.0", "0.0", "1.0", "right", "not tried"]


@pytest.mark.parametrize(
    ("names", "file", "student"),
    [
        ("{student}/ps1/{exercise}", "ann/ps1/mul.ipynb", "ann"),
        ("{exercise}_{student}", "mul_ann li.py", "ann li"),
        ("ps1-{student}/{exercise}", "ps1-ann/mul.py", "ann"),
        ("{student}/*/{exercise}", "ann/x y/mul.py", "ann"),
        ("*/{exercise}", "ann/mul.py", "in"),  # without a student, it is the folder
        ("{exercise}", "mul.py", "in"),
        ("{student}.(x)/{exercise}", "a..b.(x)/mul.py", "a..b"),  # no regular expression
    ],
)
def test_names_say_where_student_and_exercise_stand(
    names, file, student, handed_in, grade, checks, tmp_path
):
    handed_in({file: notebook(RIGHT) if file.endswith("ipynb") else RIGHT, "zoe/x/y/mul.py": RIGHT})
    status, said = grade("--names", names)
    assert status == 0
    assert [row["student"] for row in rows(tmp_path)] == [student]
    assert f"Not looked at, no regular files or not called {names}: zoe/x/y/mul.py" in said


@pytest.mark.parametrize(
    ("files", "options", "sentence"),
    [
        ({}, [], "there is no folder "),
        ({"x": ""}, [], "there is no submission in "),
        ({"ann/mull.py": ""}, [], "{student}/{exercise}.ipynb; there is ann/mull.py."),
        ({"ann/mul.py": ""}, ["--exercises", "tanh"], "there is no submission of tanh in "),
        ({"ann/mul.py": ""}, ["--names", "{student}"], "the exercise has to be in it once"),
        ({"ann/mul.py": ""}, ["--names", "{student}{student}{exercise}"], "at most once"),
        ({"ann/mul.py": ""}, ["--cpus", "0"], "--cpus: invalid count value: '0'"),
        ({"ann/mul.py": ""}, ["--memory", "nan"], "--memory: invalid positive value: 'nan'"),
        (
            {"ann/1/mul.py": RIGHT, "ann/2/mul.py": RIGHT},
            ["--names", "{student}/*/{exercise}"],
            "ann has handed in mul more than once: ann/1/mul.py, ann/2/mul.py. Leave one.",
        ),
    ],
)
def test_what_cannot_be_graded_is_said_and_nothing_is_written(
    files, options, sentence, handed_in, grade, tmp_path
):
    handed_in(files)
    status, said = grade(*options)
    assert status == 2
    assert sentence in said
    assert not (tmp_path / "out").exists()


def test_a_place_where_grades_cannot_be_written_is_said(handed_in, grade, checks, tmp_path):
    handed_in({"ann/mul.py": RIGHT})
    (tmp_path / "out").write_text("no folder")
    status, said = grade()
    assert status == 2
    assert said.endswith("/out'")  # the words before are those of the system


def test_files_in_other_encodings_and_files_that_are_none(handed_in, grade, checks, tmp_path):
    latin_1 = f"'für'\n{RIGHT}".encode("latin-1")
    coding = b"# -*- coding: latin-1 -*-\n"
    files = {
        "coding": ("mul.py", coding + latin_1, "right"),
        "empty": ("mul.py", b"", "wrong"),
        "latin-1": ("mul.py", latin_1, "wrong"),
        "no notebook": ("mul.ipynb", b"{", "wrong"),
        "utf-16": ("mul.py", RIGHT.encode("utf-16"), "wrong"),
    }
    handed_in({f"{student}/{name}": data for student, (name, data, _) in files.items()})
    assert grade()[0] == STATUSES["wrong"]
    assert {row["student"]: row["verdict"] for row in results(tmp_path)} == {
        student: verdict for student, (_, _, verdict) in files.items()
    }


def test_a_file_as_large_as_a_disk_is_not_opened(handed_in, grade, checks):
    folder = handed_in({"ann/mul.py": RIGHT, "zoe/mul.py": ""})
    os.truncate(folder / "zoe" / "mul.py", 2**33)
    status, said = grade()
    assert status == 0
    assert "Not looked at, no regular files or not called {student}/{exercise}: zoe/mul.py" in said


def test_what_was_ended_from_outside_is_checked_again_alone(
    handed_in, grade, monkeypatch, tmp_path
):
    handed_in({"ann/mul.py": RIGHT, "mallory/mul.py": RIGHT})
    calls = []

    def check_files(jobs, limits, stop):
        (student,) = {Path(file).parent.name for _, file in jobs}
        calls.append(student)
        if student == "mallory" or calls.count(student) == 1:  # she ends his check and her own
            return [Checked(unknown("mul", ENDED_FROM_OUTSIDE), "", CRASHED)]
        return [Checked(report_on(name, sources_of(Path(file)))) for name, file in jobs]

    monkeypatch.setattr(grading, "check_files", check_files)
    assert grade("--cpus", "2")[0] == STATUSES[CRASHED]
    assert sorted(calls) == ["ann", "ann", "mallory", "mallory"]
    verdicts = {row["student"]: row["verdict"] for row in results(tmp_path)}
    assert verdicts == {"ann": "right", "mallory": CRASHED}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes among its files")
def test_what_is_no_file_is_not_opened(handed_in, grade, checks, tmp_path):
    folder = handed_in({"ann/mul.py": RIGHT, "a folder/mul.py/x": "", "link/x": "", "pipe/x": ""})
    (folder / "link" / "mul.py").symlink_to("../ann/mul.py")  # the work of another student
    os.mkfifo(folder / "pipe" / "mul.py")
    status, said = grade()
    assert status == 0
    assert ": a folder/mul.py, link/mul.py, pipe/mul.py\n" in said
    assert [row["student"] for row in rows(tmp_path)] == ["ann"]
