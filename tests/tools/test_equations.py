"""The pairing of an equation with its lines, which explain and the site share."""

import ast
import linecache

import numpy as np
import pytest

from simplegrad import optimizers as optim
from simplegrad import rules
from simplegrad.tools.equations import (
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
