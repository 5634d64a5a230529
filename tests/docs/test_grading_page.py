"""The page about grading: its commands and its recipes run as they stand there."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from simplegrad.exercises import __main__ as command
from simplegrad.exercises import grading
from simplegrad.exercises.checker import STATUSES, Checked, report_on
from simplegrad.exercises.student import sources_of
from tests.helpers.limits import HANGING

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "exercises" / "grading.md").read_text("utf-8")
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
EXERCISES = ROOT / "tutorials" / "exercises"
MUL = (EXERCISES / "solutions" / "mul.py").read_text("utf-8")
GRADE = "python -m simplegrad.exercises grade "
BASH = shutil.which("bash")


def put(files):
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def rows_of(heading):
    """The cells of the table that follows a line."""
    table = re.search(rf"^{re.escape(heading)}\n\n?((?:\|.*\n)+)", PAGE, re.MULTILINE)[1]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to be in, where files are checked without a process of their own."""

    def check_files(jobs, limits, stop):
        return [Checked(report_on(name, sources_of(Path(file)))) for name, file in jobs]

    monkeypatch.setattr(grading, "check_files", check_files)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def graded():
    """{(student, exercise): verdict} of the folder `grades`."""
    rows = json.loads(Path("grades", "results.json").read_text("utf-8"))
    return {(row["student"], row["exercise"]): row["verdict"] for row in rows}


# The command


def test_the_first_command_grades_the_folder_that_the_page_shows(here):
    adam = (EXERCISES / "adam.ipynb").read_text("utf-8")
    files = {"ann/mul.py": MUL, "ann/adam.ipynb": adam, "bo/mul.py": MUL.replace("* a", "* c")}
    tree = PAGE.partition("```text\nsubmissions/\n")[2].partition("```")[0]
    assert tree.split() == [*files]
    put({f"submissions/{name}": content for name, content in files.items()})
    words = shlex.split(BLOCKS["all of a folder"].removeprefix(GRADE))
    assert command.main(["grade", *words]) == STATUSES["not tried"]
    assert graded() == {
        ("ann", "mul"): "right",
        ("ann", "adam"): "not tried",
        ("bo", "mul"): "wrong",
        ("bo", "adam"): "not tried",
    }
    written = {path.name for path in Path("grades").iterdir()}
    named = {row[0].strip("`") for row in rows_of("These are the files:")}
    assert named - written == {"gradescope.json"}  # of one student
    assert written <= named


def test_the_options_are_those_of_the_command(capsys):
    with pytest.raises(SystemExit):
        command.main(["grade", "--help"])
    options = set(re.findall(r"^  (--\w+)", capsys.readouterr().out, re.MULTILINE))
    assert {row[0].strip("`") for row in rows_of("    bo/mul.py\n```")} == options


def test_the_verdicts_are_those_of_the_checker():
    rows = rows_of("## Verdicts and points")
    assert {verdict: int(status) for verdict, status, _ in rows} == STATUSES


@pytest.mark.parametrize(
    ("title", "file"),
    [
        ("nbgrader", "submitted/ann/ps1/mul.py"),
        ("clones of repositories", "repositories/ps1-ann/mul.py"),
    ],
)
def test_a_folder_of_another_tool_is_graded_as_it_lies_there(title, file, here):
    put({file: MUL})
    words = shlex.split(BLOCKS[title].removeprefix(GRADE))
    assert command.main(["grade", *words]) == 0
    assert graded() == {("ann", "mul"): "right"}


def test_the_command_in_the_container_is_one(here):
    put({"submissions/ann/mul.py": MUL})
    words = BLOCKS["in a container"].replace("\\\n", "").partition(" grade /submissions")[2]
    assert ":/submissions:ro" in " ".join(BLOCKS["in a container"].split())
    put_here = [word.replace("/grades", "grades") for word in shlex.split(words)]
    assert command.main(["grade", "submissions", *put_here]) == 0
    assert graded() == {("ann", "mul"): "right"}
    *_, entry = BLOCKS["Containerfile"].splitlines()
    assert json.loads(entry.removeprefix("ENTRYPOINT ")) == GRADE.split()


@pytest.mark.slow
def test_another_program_can_read_the_reference_as_the_page_says(tmp_path):
    reference = ROOT / "simplegrad" / "exercises" / "references" / "mul.py"
    code = f"import sys; sys.stdout.write(open({str(reference)!r}).read(12))"
    run = f"subprocess.run([sys.executable, '-c', {code!r}], stdout=sys.stderr)"
    file = tmp_path / "mul.py"
    file.write_text(f"import subprocess, sys\n{run}\n{MUL}")
    (checked,) = grading.check_files([("mul", str(file))])
    assert checked.printed == reference.read_text("utf-8")[:12]


# Recipes


@pytest.mark.skipif(not BASH or sys.platform == "win32", reason="Gradescope runs it with bash")
def test_the_autograder_of_gradescope_writes_its_results(tmp_path):
    folder = tmp_path / "autograder"
    for name in "source", "submission", "results", "bin":
        (folder / name).mkdir(parents=True)
    (folder / "submission" / "mul.py").write_text(MUL)
    # here is no other user to run it
    user = folder / "bin" / "runuser"
    user.write_text('#!/bin/sh\ntest "$1 $2 $3" = "-u student --" && shift 3 && exec "$@"\n')
    user.chmod(0o755)
    script = BLOCKS["run_autograder"]
    for path, stand_in in {
        "/opt/grade/bin/python": shlex.quote(sys.executable),
        "/autograder": shlex.quote(str(folder)),
        "/tmp/grades": shlex.quote(str(folder / "grades")),
    }.items():
        assert path in script
        script = script.replace(path, stand_in)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    places = {"PATH": path, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [BASH, "-c", script],
        cwd=folder,
        env={**os.environ, **places},
        check=True,
        capture_output=True,
        timeout=HANGING,
    )
    results = json.loads((folder / "results" / "results.json").read_text("utf-8"))
    assert results["score"] == 1
    scores = {test["name"]: (test["score"], test["max_score"]) for test in results["tests"]}
    assert scores == {"mul": (1, 1), "adam": (0, 1)}
    assert {test["status"] for test in results["tests"]} == {"passed", "failed"}
    subprocess.run([BASH, "-n", "-c", BLOCKS["setup.sh"]], check=True, timeout=HANGING)


def test_the_workflow_of_classroom_counts_the_exit_status(tmp_path, monkeypatch):
    yaml = pytest.importorskip("yaml", reason='pip install -e ".[docs]" installs PyYAML')
    steps = yaml.safe_load(BLOCKS["classroom.yml"])["jobs"]["run-autograding-tests"]["steps"]
    tests = {step["id"]: step["with"] for step in steps if "id" in step}
    *_, reporter = steps
    assert reporter["with"]["runners"] == ",".join(tests)
    assert reporter["env"] == {
        f"{name.upper()}_RESULTS": f"${{{{ steps.{name}.outputs.result }}}}" for name in tests
    }
    assert f"`- run: {tests['mul']['command']}`" in PAGE
    monkeypatch.chdir(tmp_path)
    put({"mul.py": MUL, "adam.py": (EXERCISES / "adam.py").read_text("utf-8")})
    monkeypatch.setattr(command.check_file, "__defaults__", (HANGING,))
    statuses = []
    for test in tests.values():
        python, m, module, *words = shlex.split(test["command"])
        assert [python, m, module] == ["python", "-m", "simplegrad.exercises"]
        statuses.append(command.main(words))
    assert statuses == [0, STATUSES["not tried"]]


@pytest.mark.slow
def test_nbgrader_gives_the_points_of_the_hidden_cell(tmp_path):
    pytest.importorskip("nbgrader", reason="pip install nbgrader installs nbgrader")

    def cell(name, source, **kind):
        marks = {"grade": False, "solution": False, "locked": False, "task": False, **kind}
        metadata = {"nbgrader": {"schema_version": 3, "grade_id": name, **marks}}
        code = {"source": source, "outputs": [], "execution_count": None}
        return {"cell_type": "code", "id": name, "metadata": metadata, **code}

    def nbgrader(*words):
        python = [sys.executable, "-m", "nbgrader", *words]
        places = {"PYTHONPATH": str(ROOT)}
        subprocess.run(
            python, cwd=tmp_path, env={**os.environ, **places}, check=True, timeout=HANGING
        )

    lines = r"(    return .*\n)"
    solution = re.sub(lines, r"    ### BEGIN SOLUTION\n\1    ### END SOLUTION\n", MUL)
    cells = [
        cell("mul", solution, solution=True),
        cell("points", BLOCKS["the hidden cell"], grade=True, locked=True, points=2),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": cells}
    source = tmp_path / "source" / "ps1" / "mul.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(notebook))
    nbgrader("generate_assignment", "ps1", "--create")
    released = json.loads((tmp_path / "release" / "ps1" / "mul.ipynb").read_text("utf-8"))
    assert "judge" not in json.dumps(released)
    answers = {"blank": None, "right": MUL, "wrong": MUL.replace("dc * a", "dc * c")}
    for student, answer in answers.items():
        released["cells"][0]["source"] = answer or released["cells"][0]["source"]
        path = tmp_path / "submitted" / student / "ps1" / "mul.ipynb"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(released))
    nbgrader("autograde", "ps1")
    nbgrader("export", "--to", "points.csv")
    with (tmp_path / "points.csv").open(encoding="utf-8", newline="") as file:
        points = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert points == {"blank": 0, "right": 2, "wrong": 1}
