"""Right solutions pass, in every style; an instructor may have left them out of a release."""

import runpy
from pathlib import Path

import pytest

from simplegrad.exercises.judge import judge
from simplegrad.exercises.references import EXERCISES, load

SOLUTIONS = Path(__file__).resolve().parents[2] / "tutorials" / "exercises" / "solutions"

pytestmark = pytest.mark.skipif(not SOLUTIONS.is_dir(), reason="the solutions were left out")

STYLES = runpy.run_path(str(SOLUTIONS / "other_styles.py"))["STYLES"] if SOLUTIONS.is_dir() else {}


@pytest.mark.parametrize("exercise", EXERCISES)
def test_the_solution_is_right(exercise):
    names = runpy.run_path(str(SOLUTIONS / f"{exercise}.py"))
    report = judge(exercise, {name: names[name] for name in load(exercise).TASKS})
    assert report.all_right, report


@pytest.mark.parametrize("style", STYLES)
def test_a_solution_in_another_style_is_right(style):
    exercise, *functions = STYLES[style]
    report = judge(exercise, dict(zip(load(exercise).TASKS, functions, strict=True)))
    assert report.all_right, report


def test_each_exercise_has_a_solution_and_another_style():
    assert {path.stem for path in SOLUTIONS.glob("*.py")} == {*EXERCISES, "other_styles"}
    assert {exercise for exercise, *_ in STYLES.values()} == set(EXERCISES)
