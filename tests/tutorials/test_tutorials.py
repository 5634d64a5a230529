"""The tutorials: a script and a notebook each, and what their form and mathematics promise."""

import functools
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import simplegrad as sg
from simplegrad.exercises.references import EXERCISES
from simplegrad.optimizers import Adam, AdamW, RMSProp
from simplegrad.tools.equations import equations_in
from tests.helpers.limits import HANGING

jupytext = pytest.importorskip("jupytext", reason='pip install -e ".[test]" installs jupytext')

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs" / "hooks"))

import pair  # noqa: E402, it is beside what builds the site

SCRIPTS = pair.scripts()


@functools.cache
def cells_of(script):
    return pair.notebook_of(script.read_text(encoding="utf-8")).cells


def sections_of(script):
    """The text of the headings."""
    text = "\n".join(cell.source for cell in cells_of(script) if cell.cell_type == "markdown")
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def normalized(tex):
    return " ".join(tex.split())


every_tutorial = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)


# The pair


def test_the_course_has_files_for_all_that_it_lists():
    for script in (*SCRIPTS, *pair.exercises()):
        assert script.exists(), f"tutorials/course.txt lists {script.stem}, which is no file"


def test_the_exercises_are_listed_in_the_order_of_their_chapters():
    listed = [script.stem for script in pair.exercises()]
    assert listed == [name for name in EXERCISES if name in listed]


@every_tutorial
def test_what_is_to_be_read_before_comes_before(script):
    needs = cells_of(script)[0].source.partition("- **Read before:**")[2]
    chapters = list(pair.course())
    for link in re.findall(r"\((\w+)\.ipynb\)", needs):
        if link in chapters:  # a course may leave it out
            assert chapters.index(link) < chapters.index(script.stem), link


@every_tutorial
def test_the_notebook_is_that_of_the_script(script):
    notebook = pair.written(pair.notebook_of(script.read_text(encoding="utf-8")))
    assert script.with_suffix(".ipynb").read_text(encoding="utf-8") == notebook, (
        f"{script.stem}.ipynb is not the pair of {script.name}: run python docs/hooks/pair.py"
    )


@every_tutorial
def test_the_script_is_that_of_the_notebook(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert pair.script_of(notebook) == script.read_text(encoding="utf-8")


@every_tutorial
def test_the_notebook_has_no_outputs_and_its_own_cell_ids(script):
    cells = json.loads(script.with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)


@every_tutorial
def test_terms_are_bold_and_not_in_italics(script):
    chapter = [cell.source for cell in cells_of(script) if cell.cell_type == "markdown"]
    prose, _, _ = "\n\n".join(chapter).partition("## Read on")  # which has titles of books
    prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\*\*", "", prose, flags=re.DOTALL)
    italics = re.findall(r"\*\w[^*]*\*|\b_\w[^_]*_\b", prose)
    assert not italics, f"write {', '.join(f'**{term[1:-1]}**' for term in italics)}"


def test_a_pair_is_written_in_both_directions(tmp_path):
    script, notebook = tmp_path / "sums.py", tmp_path / "sums.ipynb"
    script.write_text('# %% [markdown]\n# # Sums\n\n# %% alt="none"\nprint(1 + 1)\n')
    pair.main([script])
    from_script = notebook.read_text()
    notebook.write_text(from_script.replace("1 + 1", "1 + 2"))
    pair.main([notebook])
    assert script.read_text().endswith("print(1 + 2)\n")
    assert pair.written(pair.notebook_of(script.read_text())) == notebook.read_text()
    assert notebook.read_text() != from_script


# The form


@every_tutorial
def test_it_opens_with_what_it_gives_and_what_it_needs(script):
    title, *rest = cells_of(script)[0].source.splitlines()
    assert re.match(r"# \D", title), "a chapter gets its number from tutorials/course.txt"
    promises = [line for line in rest if line.startswith("- **")]
    assert [re.match(r"- \*\*(.*?):?\*\*", line)[1] for line in promises] == [
        "You will be able to",
        "Read before",
    ]


@every_tutorial
def test_it_ends_with_exercises_and_what_to_read_on(script):
    assert sections_of(script)[-2:] == ["Exercises", "Read on"]


@every_tutorial
def test_it_does_not_say_which_chapter_is_the_next(script):
    prose = "\n".join(cell.source for cell in cells_of(script) if cell.cell_type == "markdown")
    assert not re.search(r"(?i)\bnext:|\b(next|last|previous) (tutorial|chapter)", prose), (
        "tutorials/course.txt says the order, and the page has a link to the next chapter"
    )


@every_tutorial
def test_each_exercise_is_followed_by_its_folded_solution(script):
    cells = cells_of(script)
    start = next(i for i, cell in enumerate(cells) if "## Exercises" in cell.source)
    text = "\n".join(c.source for c in cells[start:] if c.cell_type == "markdown")
    numbers = [int(n) for n in re.findall(r"^\*\*(\d)\.?\*\*", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 3
    solutions = [cell for cell in cells[start:] if cell.cell_type == "code"]
    folded = {"source_hidden": True, "outputs_hidden": True}
    assert all(cell.metadata.get("jupyter") == folded for cell in solutions)
    firsts = [cell.source.partition("\n")[0] for cell in solutions]
    assert [f for f in firsts if f.startswith("# A solution of exercise")] == [
        f"# A solution of exercise {n}" for n in numbers
    ]
    assert all("assert" in cell.source for cell in solutions)


@every_tutorial
def test_each_displayed_equation_is_followed_by_code_that_asserts(script):
    cells = cells_of(script)
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if cell.cell_type == "markdown" and "$$" in cell.source:
            place = cell.source.partition("$$")[2][:60]
            assert after is not None, place
            assert after.cell_type == "code", place
            assert "assert" in after.source, place


@every_tutorial
def test_an_equation_stands_on_its_own_line(script):
    for cell in cells_of(script):
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                assert line.count("$$") in (0, 2), line
                assert "$$" not in line or re.fullmatch(r"\$\$.+\$\$", line), line


@every_tutorial
def test_it_links_to_tutorials_that_there_are(script):
    text = [cell.source for cell in cells_of(script) if cell.cell_type == "markdown"]
    for link in re.findall(r"\]\(([^)]*)\)", "\n".join(text)):
        assert link.startswith("https://") or (script.parent / link).exists(), link


@every_tutorial
def test_lines_of_code_fit_the_page(script):
    for line in script.read_text(encoding="utf-8").splitlines():
        assert len(line) <= 100 or line.startswith("# "), line


# The mathematics

ADAM = cells_of(ROOT / "tutorials" / "adam.py") if (ROOT / "tutorials" / "adam.py").exists() else []


def test_the_equations_of_adam_are_those_of_its_docstring():
    shown = [normalized(tex) for cell in ADAM for tex in equations_in(cell.source)]
    equations = [normalized(tex) for tex in equations_in(inspect.getdoc(Adam))]
    assert [tex for tex in shown if tex in equations] == equations


def test_the_code_after_each_equation_of_adam_is_the_line_of_the_library():
    update = [line.strip() for line in inspect.getsource(Adam.update).splitlines()]
    lines = update[-6:-1]
    for tex, line in zip(equations_in(inspect.getdoc(Adam)), lines, strict=True):
        (number,) = [i for i, cell in enumerate(ADAM) if f"$${tex}$$" in cell.source]
        code = ADAM[number + 1].source.splitlines()
        assert line.replace("theta.data", "theta") in [row.strip() for row in code], line


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (AdamW, "adam_further"),
        (RMSProp, "descent"),
        *((f, "jacobians") for f in (sg.grad, sg.vjp, sg.jvp, sg.jacobian, sg.hessian, sg.hvp)),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_equations_of_others_are_in_their_tutorials(thing, name):
    text = (ROOT / "tutorials" / f"{name}.py").read_text(encoding="utf-8")
    for tex in equations_in(inspect.getdoc(thing)):
        assert f"# $${tex}$$\n" in text


# As scripts


@pytest.mark.slow
@every_tutorial
def test_it_runs_as_a_script_without_a_display(script, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "MPLBACKEND")}
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGING,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == [], "it leaves files behind"
