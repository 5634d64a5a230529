"""The files of the exercises: pairs, the library's equations, and holes that say so."""

import importlib.util
import inspect
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from simplegrad import (
    autograd,
    derivatives,
    exercises,
    functional,
    gradcheck,
    nn,
    optimizers,
    parallel,
    rules,
)
from simplegrad.exercises import references
from simplegrad.exercises.judge import judge
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.tools.equations import equations_in

jupytext = pytest.importorskip("jupytext", reason='pip install -e ".[test]" installs jupytext')

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tutorials" / "exercises"
PAGE = (ROOT / "docs" / "exercises" / "index.md").read_text(encoding="utf-8")
sys.path.append(str(ROOT / "docs" / "hooks"))

import pair  # noqa: E402, it is beside what builds the site

every_exercise = pytest.mark.parametrize("exercise", EXERCISES)

# Whose docstrings have the equations of an exercise
SOURCES = {
    "logits": [nn.Linear],
    "mul": [rules.Mul],
    "tanh": [rules.Tanh],
    "matmul": [rules.MatMul],
    "stops": [autograd.backward],
    "first_nan": [rules.Mul],  # it shows none
    "unbroadcast": [rules.Index],  # broadcasting takes elements several times
    "topological_order": [autograd.backward],
    "gradcheck": [gradcheck],
    "vjp": [derivatives.jacobian, derivatives.vjp, rules.Tanh, derivatives.jvp],
    "hvp": [derivatives.hvp],
    "all_reduce": [parallel.mean_gradients],
    "sgd_momentum": [optimizers.SGD],
    "in_place": [optimizers.SGD],
    "rmsprop": [optimizers.RMSProp],
    "adam": [optimizers.Adam],
    "adamw": [optimizers.AdamW, optimizers.Adam],
    "amsgrad": [optimizers.Adam],
    "cross_entropy": [rules.LogSumExp, functional.cross_entropy],
    "gru": [nn.GRUCell],
    "conv2d": [functional.conv2d],
    "batch_norm": [nn.BatchNorm],
    "groups": [optimizers.SGD],
    "attention": [functional.scaled_dot_product_attention],
}
OF_THEIR_OWN = {
    # those of the chapter, where Linear has one layer
    "logits": [
        *(r"h = \max(x W_1 + b_1, 0)", r"a = h W_2 + b_2"),
        *(
            r"prediction_i = \arg\max_j a_{ij}",
            r"accuracy = \frac{1}{n} \sum_i [prediction_i = y_i]",
        ),
    ],
    "groups": [r"\theta \mathrel{-}= lr \, g"],  # SGD without momentum
    # step by step, where the library has the whole
    "attention": [
        r"S = \frac{Q K^\top}{\sqrt{d_k}}",
        r"A_{ts} = \begin{cases} e^{S_{ts}} / \sum_{u \le t} e^{S_{tu}} & \text{if } s \le t"
        r" \\ 0 & \text{if } s > t \end{cases}",
        r"attention = A V",
    ],
    # of a row and a matrix, where MatMul has the general product
    "vjp": [
        *(r"a = W \, x", r"dx = da \, W", r"dW_{ij} = da_i \, x_j", r"\dot{a} = W \, \dot{x}"),
        *(r"\dot{c} = (1 - c^2) \, \dot{a}", r"J_i = e_i \, J"),
    ],
    "hvp": [
        r"H v \approx \frac{dL(x + h v) - dL(x - h v)}{2 h}",
        r"\lambda_{\max} \approx \frac{v \cdot H v}{v \cdot v}",
        r"v_t = \frac{H v}{\lVert H v \rVert}",
    ],
    "in_place": [r"b_t = \mu \, b + g", r"\theta_t = \theta - lr \, (g + \mu \, b_t)"],
    # of all processes, where the library has one of them
    "all_reduce": [
        *(r"start = \lfloor k \, N / K \rfloor", r"stop = \lfloor (k + 1) \, N / K \rfloor"),
        *(r"N = \sum_k n_k", r"w_k = \frac{n_k}{N}"),
        *(r"L = \sum_k w_k \, L_k", r"g = \sum_k w_k \, g_k"),
    ],
    "amsgrad": [r"v^{max}_t = \max(v^{max}, v_t)"],
    # the library has them by the chain rule, from those of Windows and of MatMul
    "conv2d": [
        r"dW_{o\,c\,k} = \sum_p dy_{o\,p} \, x_{c,\, s p + d k}",
        r"db_o = \sum_p dy_{o\,p}",
        r"dx_{c\,i} = \sum_{o,\,k,\,p \,:\, s p + d k = i} W_{o\,c\,k} \, dy_{o\,p}",
    ],
    # LogSumExp's gradient put into that of the loss, which the library leaves to the chain rule
    "cross_entropy": [r"da_{ij} = \frac{1}{n} \left( e^{a_{ij} - c_i} - [j = t_i] \right)"],
    # what BatchNorm says in words
    "batch_norm": [
        *(r"\mu = \frac{1}{n} \sum_i x_i", r"\sigma^2 = \frac{1}{n} \sum_i (x_i - \mu)^2"),
        r"\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}",
    ],
}
CHANGED = {  # an equation of the library that stands in an exercise with another symbol
    r"\hat v = v^{max}_t / (1 - \beta_2^t)": r"\hat v = v_t / (1 - \beta_2^t)",
    r"y = \hat x \, g + b": r"y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \, g + b",
}


def script_of(exercise):
    return (FOLDER / f"{exercise}.py").read_text(encoding="utf-8")


def cells_of(exercise):
    return pair.notebook_of(script_of(exercise)).cells


def equations_of(text):
    return [" ".join(tex.split()) for tex in equations_in(text)]


# Files


def test_there_is_a_file_for_each_exercise_and_no_other():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(EXERCISES)


@every_exercise
def test_script_and_notebook_are_a_pair(exercise):
    notebook = (FOLDER / f"{exercise}.ipynb").read_text(encoding="utf-8")
    assert notebook == pair.written(pair.notebook_of(script_of(exercise))), (
        f"{exercise}.ipynb is not the pair of {exercise}.py: run python docs/hooks/pair.py"
    )
    assert pair.script_of(jupytext.reads(notebook, fmt="ipynb")) == script_of(exercise)


@every_exercise
def test_the_equations_are_those_of_the_docstrings(exercise):
    text = "\n".join(cell.source for cell in cells_of(exercise) if cell.cell_type == "markdown")
    own = OF_THEIR_OWN.get(exercise, [])
    shown = [CHANGED.get(tex, tex) for tex in equations_of(text) if tex not in own]
    docstrings = "\n".join(inspect.getdoc(thing) for thing in SOURCES[exercise])
    of_library = [tex for tex in equations_of(docstrings) if not re.match("da_i = dc", tex)]
    forward_only = of_library[: len(shown)]  # of a rule, the partials may be left out
    assert shown == forward_only
    assert len(own) == len(equations_of(text)) - len(shown)
    for line in text.splitlines():
        assert "$$" not in line or re.fullmatch(r"\$\$.+\$\$", line), line


@every_exercise
def test_it_has_title_hole_and_check(exercise):
    cells = cells_of(exercise)
    assert cells[0].source.startswith(f"# {load(exercise).TITLE}\n")
    assert f"`python -m simplegrad.exercises check {exercise}`" in re.sub(
        r"\s+", " ", "\n".join(cell.source for cell in cells)
    )
    (check,) = [cell for cell in cells if cell.metadata.get("tags") == ["check"]]
    assert check.source == f'exercises.check("{exercise}", {", ".join(load(exercise).TASKS)})'
    before = "\n".join(cell.source for cell in cells[: cells.index(check)])
    assert all(f"def {function}(" in before for function in load(exercise).TASKS)


@every_exercise
def test_it_ends_with_hints_and_none_is_the_solution(exercise):
    hints = cells_of(exercise)[-1].source
    folds = pair.HINT.findall(hints)
    assert len(folds) == hints.count("<details>") == hints.count("</details>") >= 2
    assert all(title.startswith("A hint: ") for title, _ in folds)
    for task in load(exercise).TASKS.values():
        assert not any(right_side in hints for right_side in task.equations.values())


@every_exercise
def test_the_functions_have_the_arguments_that_they_are_called_with(exercise, capsys):
    names = runpy.run_path(str(FOLDER / f"{exercise}.py"))
    for function, task in load(exercise).TASKS.items():
        assert ", ".join(inspect.signature(names[function]).parameters) == task.arguments


@every_exercise
def test_as_it_is_shipped_it_is_not_done_yet_and_not_wrong(exercise, capsys):
    runpy.run_path(str(FOLDER / f"{exercise}.py"))
    printed = capsys.readouterr().out
    assert printed.endswith(
        "\n\nNot done yet: put your code in place of the dots, and check again.\n"
    )
    assert "wrong" not in printed
    results = [result for task in load(exercise).TASKS.values() for result in task.equations]
    assert printed.count("not done yet") == len(results)


@every_exercise
def test_it_needs_nothing_but_numpy_and_simplegrad(exercise):
    imported = re.findall(r"^\s*(?:import|from) (\w+)", script_of(exercise), re.MULTILINE)
    assert set(imported) <= {"numpy", "simplegrad"}


def test_links_lead_to_files():
    for exercise in EXERCISES:
        for link in re.findall(r"\]\(([^)]*)\)", script_of(exercise)):
            assert (FOLDER / link).is_file(), link


# The page

PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
OUTPUT = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_what_the_page_shows_is_what_is_printed(capsys):
    exec(PYTHON[0], {})
    assert [capsys.readouterr().out] == OUTPUT


def test_the_exercise_that_the_page_adds_works(tmp_path, monkeypatch, capsys):
    path = tmp_path / "softplus.py"
    path.write_text(PYTHON[1])
    name = "simplegrad.exercises.references.softplus"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(references, "EXERCISES", (*EXERCISES, "softplus"))

    def da(dc, c, a):
        return dc * (1 - np.exp(-c))

    def overflowing(a):
        return np.log(1 + np.exp(a))

    exercises.check("softplus", lambda a: np.logaddexp(a, 0), da)
    assert capsys.readouterr().out.endswith("All right.\n")
    report = judge("softplus", {"forward": overflowing, "da": da})
    assert report.statuses == {"c": "wrong", "da": "right"}
    assert "exp overflows for large numbers" in report.remarks[0]


def test_the_reference_on_the_page_takes_about_thirty_lines():
    assert len([line for line in PYTHON[1].splitlines() if line.strip()]) <= 32
