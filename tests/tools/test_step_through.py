"""`sg.step_through`: it shows what a debugger shows, at each line, and changes nothing."""

import gc
import json
import pdb
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim
from simplegrad.tools import recorder

PACKAGE = str(Path(sg.__file__).parent)
TOOLS = str(Path(recorder.__file__).parent)


# What is stepped through


def two_groups():
    """An Adam with two groups that differ in lr and maximize, before its step."""
    w, b = (sg.Tensor(x, requires_grad=True) for x in ([1.0, -2.0, 3.0], 0.5))
    w.grad, b.grad = np.array([0.1, 0.2, -0.3]), np.array(2.0)
    first = {"params": {"w": w}, "label": "weights"}
    second = {"params": {"b": b}, "label": "bias", "lr": 0.01, "maximize": True}
    return optim.Adam(lr=0.1, param_groups=[first, second])


def a_product():
    a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
    b = sg.Tensor([[3.0], [4.0]], requires_grad=True, name="b")
    return a * b


def a_loss():
    sg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2))
    return sg.cross_entropy(model(sg.normal((5, 3))), [0, 1, 1, 0, 1])


def whole_step():
    opt = two_groups()
    for _ in range(2):
        opt.step()
    return opt.state()


def comprehensions():
    squares = [k * k for k in range(3)]
    total = sum(k for k in squares)
    names = {str(k): np.arange(k) for k in squares}
    return total, names


COUNTED = {".0", "since", "now", "ids"}  # go on from call to call, or are no names

CALLS = {
    "a * b": lambda: a_product,
    "forward": lambda: a_loss,
    "backward": lambda: a_loss().backward,
    "Adam.step": lambda: two_groups().step,
    "Adam.state": lambda: two_groups().state,
    "two steps": lambda: whole_step,
    "comprehensions": lambda: comprehensions,
}


# As a debugger sees it


def told(value):
    """The numbers of a value, as pdb prints them; None of what has none."""
    value = value.data if isinstance(value, sg.Tensor) else value
    if isinstance(value, np.ndarray | np.generic):
        return str(value) if np.size(value) <= recorder.WHOLE else None
    return repr(value) if isinstance(value, int | float | str | None) else None


class Stepping(pdb.Pdb):
    """A pdb that is told `step` again and again, and notes what it could print."""

    def __init__(self):
        super().__init__(nosigint=True, readrc=False)
        self.seen = []

    def user_line(self, frame):
        file = frame.f_code.co_filename
        if file == __file__ or (file.startswith(PACKAGE) and not file.startswith(TOOLS)):
            shown = {}
            for name, value in frame.f_locals.items():
                try:
                    shown[name] = told(value)
                except AttributeError:  # a tensor that is being made
                    shown[name] = None
            self.seen.append((frame.f_code.co_name, frame.f_lineno, shown))
        self.set_step()

    def user_call(self, frame, arguments):
        self.set_step()

    user_return = user_exception = user_call


def shown_at_lines(steps):
    """The same, of a storyboard: function, line, and the text of each variable."""
    board = json.loads(json.dumps(steps.storyboard))
    variables = {}
    for activation, line, event, _, changes, _ in board["steps"]:
        for of, name, value in changes:
            variables.setdefault(of, {})[name] = value
            if value == -1:
                del variables[of][name]
        if event == "line":
            function = board["functions"][board["activations"][activation][0]]
            mine = variables.get(activation, {})
            texts = {name: board["values"][value][1] for name, value in mine.items()}
            yield function["name"].rpartition(".")[2], line, texts


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_its_lines_and_values_are_those_of_pdb(make):
    make()()  # what is cached is computed once
    debugger, call = Stepping(), make()
    debugger.runcall(call)
    lines = list(shown_at_lines(sg.step_through(make())))
    assert [line[:2] for line in lines] == [line[:2] for line in debugger.seen]
    compared = 0
    for (function, line, texts), (_, _, values) in zip(lines, debugger.seen, strict=True):
        for name, value in values.items():
            if value is not None and name not in COUNTED:
                text = texts[name].split("\ngrad ")[0]
                is_object = re.fullmatch(r"\w+ object", text)
                assert is_object or text == value, (function, line, name)
                compared += 1
    assert compared > len(lines) / 2
