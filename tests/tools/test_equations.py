"""The pairing of an equation with its lines, which explain and the site share."""

import ast
import linecache
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import optimizers as optim
from simplegrad import rules
from simplegrad.tools.equations import (
    as_text,
    definition_of,
    equations_in,
    left_side,
    statements_of,
)


def pairs(function, owner=None):
    """Each statement that has an equation, as text, and that equation."""
    definition, source = definition_of(function.__code__, function.__globals__)
    return [
        (ast.get_source_segment(source, node), computed.equation)
        for node, computed in statements_of(definition, owner).items()
        if computed and computed.equation
    ]


def test_the_equations_of_a_text_are_those_that_stand_alone():
    text = "With $a$:\n\n$$c = a$$\n$$\nda =\n  dc$$\n"
    assert equations_in(text) == ["c = a", "\nda =\n  dc"]
    assert equations_in(None) == []


@pytest.mark.parametrize(
    ("tex", "left"),
    [
        (r"\hat m = m_t / (1 - \beta_1^t)", "m_hat"),
        (r"\bar{x} = \frac{1}{n} \sum_i x_i", "x_bar"),
        (r"\theta \mathrel{-}= lr \, g", "theta"),
        (r"x \leftarrow x + 1", "x"),
        (r"\tilde  g \gets g", "g_tilde"),
        ("f_t = 1", "f_t"),
        ("lr_{base} = 1", "lr_base"),
    ],
)
def test_a_left_side_is_written_as_in_code(tex, left):
    assert left_side(tex) == left


def test_a_rule_has_its_equations_at_the_returns_that_they_name():
    index = rules.Index
    assert pairs(index.forward, index) == [("return a[index]", "c_k = a_{i_k}")]
    ((line, equation),) = pairs(index.da, index)
    assert (line, left_side(equation)) == ("return da", "da_j")


def test_an_optimizer_has_them_where_the_left_side_is_assigned():
    found = pairs(optim.SGD.update, optim.SGD)
    assert [line for line, _ in found] == [
        'g = -theta.grad if group["maximize"] else theta.grad',
        "g = g + weight_decay * theta.data",
        "b_t = mu * b + (1 - tau) * g if t > 1 else g",
        "theta.data -= lr * step",
    ]
    given = equations_in(optim.SGD.__doc__)
    assert [tex for _, tex in found] == [given[0], *given]


def in_many_ways(a, i, out):
    r"""Each of the ways to assign, and one that decides.

    $$a = i$$
    $$b = a$$
    $$out = b$$
    $$c = 1$$
    $$c = 2$$
    $$y = c$$
    """
    np.add.at(a, i, 1)
    b: float = a
    np.add(b, 1, out=out)
    c, (d, e) = 1, (2, 3)
    if d > e:
        c = 2
    print(c)
    return c + out


def test_all_ways_to_assign_are_known():
    assert pairs(in_many_ways) == [
        ("np.add.at(a, i, 1)", "a = i"),
        ("b: float = a", "b = a"),
        ("np.add(b, 1, out=out)", "out = b"),
        ("c, (d, e) = 1, (2, 3)", "c = 1"),
        ("c = 2", "c = 2"),
        ("return c + out", "y = c"),  # y is assigned nowhere
    ]


def test_a_function_without_its_source_has_no_definition(tmp_path):
    names = {}
    file = tmp_path / "changed.py"
    file.write_text("def f():\n    return 1\n")
    exec(compile(file.read_text(), file, "exec"), names)
    assert definition_of(names["f"].__code__, names)[0].name == "f"
    for text in ("def g():\n    return 1\n", "def f(:\n", ""):
        file.write_text(text)
        linecache.checkcache(str(file))
        linecache.clearcache()
        assert definition_of(names["f"].__code__, names)[0] is None


# As text

EQUATIONS = {
    equation
    for path in Path(sg.__file__).parent.rglob("*.py")
    for equation in equations_in(path.read_text(encoding="utf-8"))
}


@pytest.mark.parametrize("tex", sorted(EQUATIONS))
def test_no_equation_of_the_library_has_latex_left_as_text(tex):
    text = as_text(tex)
    assert not set(text) & set("\\{}&\n") - (
        {"{", "}"} if r"\{" in tex or "cases" in tex else set()
    )
    assert text.count("(") == text.count(")")
    normal = unicodedata.normalize("NFKC", text)  # which turns small letters into large ones
    for name in re.findall(r"[A-Za-z]+", re.sub(r"\\[A-Za-z]+|{cases}", " ", tex)):
        assert name in normal
    spelled_out = {*re.findall(r"(?<=\\)[A-Za-z]+", tex)} & {*re.findall("[A-Za-z]+", normal)}
    assert spelled_out <= {"cos", "log", "max", "min", "sin", "tanh"}


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"v_t = \beta_2 \, v + (1 - \beta_2) \, g^2", "vₜ = β₂ v + (1 - β₂) g²"),
        (r"\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)", "θ -= lr m̂ / (√v̂ + ε)"),
        (r"c = \frac{1}{1 + e^{-a}}", "c = 1/(1 + e⁻ᵃ)"),
        (r"da = dc \, b \, a^{b-1}", "da = dc b a^(b-1)"),
        (r"c_k = a_{i_k}", "cₖ = a_(iₖ)"),
        (r"db = a^\top dc", "db = aᵀ dc"),
        (r"lr_t = lr_{base} \, f_t", "lrₜ = lr_base fₜ"),
        (r"c = \sqrt{a + b}, \quad b = \max_i a_i", "c = √(a + b),  b = maxᵢ aᵢ"),
        (r"da \mathrel{+}= dc \, \frac{\partial c}{\partial a}", "da += dc ∂c/∂a"),
        (
            r"f = \begin{cases} 1 & t < w \\ 2 & t \ge w \end{cases}",
            "f = { 1 if t < w ; 2 if t ≥ w",
        ),
        (r"x \unknown y", "x unknown y"),
        *((r"a_{", "a"), ("a^", "a"), (r"\frac{a}", "a/"), (r"\sqrt", "√")),
        ("", ""),
    ],
)
def test_an_equation_as_text(tex, text):
    assert as_text(tex) == text
