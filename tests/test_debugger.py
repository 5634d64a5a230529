"""How far a debugger has to go: the frames and lines between a student's line and the mathematics.

The lines that run in simplegrad are counted by a trace function, as a debugger sees them.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad.optimizers import Adam

PACKAGE = str(Path(sg.__file__).parent)


def lines_of(call):
    """(file, function, frames below the caller) of each line of simplegrad that `call` runs."""
    lines = []

    def trace(frame, event, arg):
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE):
            return None
        if event == "line":
            depth, above = 1, frame.f_back
            while above.f_code is not call.__code__:
                depth, above = depth + 1, above.f_back
            lines.append((Path(name).parent.name, frame.f_code.co_name, depth, frame.f_lineno))
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(old)
    return lines


def a():
    return sg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)


BIAS = sg.Tensor([5.0, 6.0])

OPERATORS = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
    "a ** b": lambda a, b: a**b,
    "a @ b": lambda a, b: a @ b,
    "-a": lambda a, b: -a,
    "a + bias": lambda a, b: a + BIAS,
    "a[0]": lambda a, b: a[0],
    "a[array]": lambda a, b: a[np.array([0, 0])],
    "a.T": lambda a, b: a.T,
    "exp": lambda a, b: sg.exp(a),
    "log": lambda a, b: sg.log(a),
    "sqrt": lambda a, b: sg.sqrt(a),
    "abs": lambda a, b: sg.abs(a),
    "tanh": lambda a, b: sg.tanh(a),
    "sigmoid": lambda a, b: sg.sigmoid(a),
    "relu": lambda a, b: sg.relu(a),
    "gelu": lambda a, b: sg.gelu(a),
    "maximum": lambda a, b: sg.maximum(a, b),
    "minimum": lambda a, b: sg.minimum(a, b),
    "where": lambda a, b: sg.where(True, a, b),
    "clip": lambda a, b: sg.clip(a, 0, 1),
    "logsumexp": lambda a, b: sg.logsumexp(a, axis=0),
    "sum": lambda a, b: a.sum(axis=0),
    "mean": lambda a, b: a.mean(axis=0),
    "max": lambda a, b: a.max(axis=0),
    "min": lambda a, b: a.min(axis=0),
    "var": lambda a, b: a.var(axis=0),
    "reshape": lambda a, b: a.reshape(4),
    "transpose": lambda a, b: a.transpose(1, 0),
    "squeeze": lambda a, b: a.squeeze(),
    "unsqueeze": lambda a, b: a.unsqueeze(0),
    "method": lambda a, b: a.exp(),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_two_step_ins_and_at_most_three_lines_lead_to_the_numpy_line(name):
    x, y = a(), a()

    def student():
        OPERATORS[name](x, y)  # the lambda stands for the student's line and counts as one frame

    lines = lines_of(student)
    first = next(i for i, (folder, _, _, _) in enumerate(lines) if folder == "rules")
    _, function, depth, _ = lines[first]
    assert function == "forward"
    assert depth - 1 <= 2, lines[: first + 1]
    assert first <= 3, lines[: first + 1]


@pytest.mark.parametrize("join", [sg.concatenate, sg.stack])
def test_joining_takes_a_list_and_so_a_few_lines_more(join):
    tensors = [a(), a()]

    def student():
        join(tensors)

    lines = lines_of(student)
    first = next(i for i, (folder, _, _, _) in enumerate(lines) if folder == "rules")
    assert lines[first][2] <= 2


def test_a_step_of_adam_reaches_its_equations_in_20_lines_and_two_frames():
    theta = a()
    opt = Adam(param_groups=[{"params": {"theta": theta}}])
    theta.sum().backward()

    def student():
        opt.step()

    lines = lines_of(student)
    start = Adam.update.__code__.co_firstlineno
    source = Path(sys.modules["simplegrad.optimizers.adam"].__file__).read_text().splitlines()
    m_t_line = next(i for i, line in enumerate(source, 1) if line.lstrip().startswith("m_t ="))
    assert m_t_line > start
    first = next(i for i, line in enumerate(lines) if line[1] == "update" and line[3] == m_t_line)
    assert lines[first][2] <= 2, lines[: first + 1]
    assert first + 1 <= 20, lines[: first + 1]
    equations = [line[3] for line in lines[first:] if line[1] == "update"][:5]
    assert equations == list(range(m_t_line, m_t_line + 5))


def test_a_debugger_can_show_every_variable_at_every_line():
    model = sg.nn.Sequential(sg.nn.Linear(4, 3), sg.nn.Tanh(), sg.nn.Dropout(), sg.nn.LayerNorm(3))
    opt = Adam(model)
    shown = 0

    def trace(frame, event, arg):
        nonlocal shown
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        sys.settrace(None)  # the reprs themselves are not traced
        for value in list(frame.f_locals.values()):
            assert "\n" not in repr(value) or not isinstance(value, sg.Tensor)
            shown += 1
        sys.settrace(trace)
        return trace

    old = sys.gettrace()
    sys.settrace(trace)
    try:
        loss = sg.cross_entropy(model(sg.Tensor([[1.0, 2.0, 3.0, 4.0]])), [1])
        loss.backward()
        opt.step()
        opt.zero_grad()
    finally:
        sys.settrace(old)
    assert shown > 1000
