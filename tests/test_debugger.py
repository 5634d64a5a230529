"""In the debugger: how far it is to the mathematics, and what is seen there.

At first the frames and lines between a student's line and the equation are counted by a trace
function. Then debuggers go there: Python's pdb, and debugpy, which is the one of VS Code. The last
part is about the page of the site, docs/debugger.py.
"""

import ast
import contextlib
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import autograd, fast, nn, rules, tensor
from simplegrad import optimizers as optim
from simplegrad.optimizers import Adam
from tests.helpers import dap
from tests.helpers.dap import ROOT, place_of
from tests.helpers.work import traced_by

jupytext = pytest.importorskip("jupytext", reason='pip install -e ".[test]" installs jupytext')

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

    with traced_by(trace):
        call()
    return lines


def frames_of(call):
    """How many functions of simplegrad `call` enters."""
    entered = []

    def trace(frame, event, arg):
        if frame.f_code.co_filename.startswith(PACKAGE):
            entered.append(frame.f_code.co_name)

    with traced_by(trace):
        call()
    return len(entered)


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


W, ARRAY = a(), np.ones((2, 2), dtype=np.float32)

WITH_CONSTANTS = {
    "w - 3": lambda: W - 3,
    "w * 0.5": lambda: W * 0.5,
    "w ** 2": lambda: W**2,
    "2 / w": lambda: 2 / W,
    "w * array": lambda: W * ARRAY,
    "array - w": lambda: ARRAY - W,
    "maximum": lambda: sg.maximum(W, 0.5),
    "where": lambda: sg.where(ARRAY > 0, W, 0.0),
}


@pytest.mark.parametrize("name", WITH_CONSTANTS)
def test_numbers_and_arrays_beside_a_tensor_take_at_most_30_lines_and_7_frames(name):
    student = WITH_CONSTANTS[name]
    lines = lines_of(student)
    assert len(lines) <= 30, lines
    assert frames_of(student) <= 7
    forward = next(line for line in lines if line[0] == "rules")
    assert forward[2] <= 3


def test_a_parameter_is_made_in_at_most_26_lines_wherever_it_is_made():
    def student(depth=0):
        if depth > 0:
            student(depth - 1)
        else:
            sg.Tensor(2.0, requires_grad=True)

    assert len(lines_of(student)) <= 26
    assert lines_of(lambda: student(20)) == [
        (file, function, depth + 21, number) for file, function, depth, number in lines_of(student)
    ]


@pytest.mark.parametrize("join", [sg.concatenate, sg.stack])
def test_joining_takes_a_list_and_so_a_few_lines_more(join):
    tensors = [a(), a()]

    def student():
        join(tensors)

    lines = lines_of(student)
    first = next(i for i, (folder, _, _, _) in enumerate(lines) if folder == "rules")
    assert lines[first][2] <= 2


def test_a_step_of_adam_reaches_its_equations_in_12_lines_and_two_frames():
    theta = a()
    opt = Adam(param_groups=[{"params": {"theta": theta}}])
    theta.sum().backward()

    def student():
        opt.step()

    lines = lines_of(student)
    _, m_t_line = place_of(Adam.update, "m_t =")
    first = next(i for i, line in enumerate(lines) if line[1] == "update" and line[3] == m_t_line)
    assert lines[first][2] <= 2, lines[: first + 1]
    assert first + 1 <= 12, lines[: first + 1]
    equations = [line[3] for line in lines[first:] if line[1] == "update"][:5]
    assert equations == list(range(m_t_line, m_t_line + 5))


def test_a_debugger_can_show_every_variable_at_every_line_also_of_what_is_being_made():
    shown = []

    def trace(frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        sys.settrace(None)  # the reprs themselves are not traced
        for value in list(frame.f_locals.values()):
            text = repr(value)
            shown.append(text)
            assert not isinstance(value, sg.Tensor) or ("\n" not in text and len(text) < 200)
        sys.settrace(trace)
        return trace

    with traced_by(trace):
        layers = nn.Linear(4, 3), nn.Tanh(), nn.Dropout(), nn.LayerNorm(3), nn.Embedding(4, 2)
        model = nn.Sequential(*layers[:4])
        for make in optim.SGD, optim.Adam, fast.Adam:
            opt = make(model)
            loss = sg.cross_entropy(model(sg.Tensor([[1.0, 2.0, 3.0, 4.0]])), [1])
            loss.backward()
            opt.step()
            opt.zero_grad()
    assert len(shown) > 10_000
    assert {"Tensor(not made yet)", "Adam(not made yet)"} < set(shown)
    assert any(text.startswith("Linear(not made yet: ") for text in shown)


def test_a_debugger_can_show_a_tensor_while_replay_records_it():
    def loss_of(x):
        c = x * x
        return c.sum()

    shown = []

    def show(frame, event, arg):
        if frame.f_code is loss_of.__code__:
            shown.append(repr(frame.f_locals.get("c")))
        return show

    x, replayed = sg.Tensor([1.0, 2.0], requires_grad=True), fast.replay(loss_of)
    with traced_by(show):
        for _ in range(4):
            replayed(x).backward()
    assert shown[-1] == "Tensor([1, 4], shape=(2,), float32, rule=Mul)"
    assert x.grad.tolist() == [8, 16]


def test_whole_numbers_are_shown_exactly():
    assert repr(sg.Tensor(np.array([123456, -7]))).startswith("Tensor([123456, -7], ")
    assert repr(sg.Tensor(123456.0)).startswith("Tensor(1.235e+05, ")


# Two debuggers


class Pdb:
    """A script in Python's debugger, which has stopped at the first of its breakpoints, if any.

    It can do what dap.Debugger can; each command is typed into the pipe to it.
    """

    def __init__(self, script, *breakpoints):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHON_COLORS": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pdb", str(script)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.alarm = threading.Timer(dap.LIMIT, self.process.kill)
        self.alarm.start()
        try:
            self._answer()
            for path, line, *condition in breakpoints:
                self.type(f"break {path}:{line}" + "".join(f", {text}" for text in condition))
            if breakpoints:
                self.resume()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.alarm.cancel()
        self.process.kill()
        self.process.communicate()

    def type(self, command):
        """What pdb answers to a command."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        text = ""
        while not text.endswith("(Pdb) "):
            character = self.process.stdout.read(1)
            assert character, f"pdb has ended, or has worked for {dap.LIMIT} s:\n{text}"
            text += character
        return text.removesuffix("(Pdb) ")

    def resume(self):
        self.at = self.type("continue")

    def next(self):
        self.at = self.type("next")

    def step_in(self):
        self.at = self.type("step")
        assert self.at.startswith("--Call--"), self.at  # it stops before the function, too
        self.next()

    @property
    def function(self):
        return re.findall(r"^> .*\(\d+\)(.*)\(\)$", self.at, re.MULTILINE)[-1]

    @property
    def line(self):
        return re.findall(r"^-> (.*)$", self.at, re.MULTILINE)[-1]

    @property
    def callers(self):
        return re.findall(r"^-> (.*)$", self.type("where"), re.MULTILINE)[::-1]

    def shown(self, expression):
        return self.type(f"p {expression}").rstrip("\n")

    def value(self, expression):
        return ast.literal_eval(self.shown(expression))


@pytest.fixture(params=["pdb", pytest.param("debugpy", marks=pytest.mark.slow)])
def debug(request, tmp_path):
    """Starts a script; a breakpoint in it is the start of a line, or else what place_of gives."""
    if request.param == "debugpy":
        pytest.importorskip("debugpy", reason='debugpy is missing: pip install -e ".[test]"')

    def start(text, *breakpoints):
        script = tmp_path / "script.py"
        script.write_text(text)
        places = [place_of(script, b) if isinstance(b, str) else b for b in breakpoints]
        if request.param == "pdb":
            return sessions.enter_context(Pdb(script, *places))
        configuration = dap.chosen("Current file", script)
        return sessions.enter_context(dap.Debugger(configuration, *places))

    with contextlib.ExitStack() as sessions:
        yield start


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-13)


# From a student's line to the line of NumPy

OPERATIONS = {
    "c = a * b": "return a * b",
    "c = a + b": "return a + b",
    "c = a @ b": "return a @ b",
    "c = sg.exp(a)": "return np.exp(a)",
}


def test_two_step_ins_lead_from_an_operator_to_the_line_of_numpy(debug):
    start = "import simplegrad as sg\na = sg.ones((2, 2))\nb = sg.ones((2, 2))\n"
    debugger = debug(start + "\n".join(OPERATIONS), "b =", *OPERATIONS)
    for student, numpy in OPERATIONS.items():
        debugger.resume()
        assert debugger.line == student
        debugger.step_in()
        assert debugger.line.startswith("a")  # a = as_tensor(a), or a, b = operands(a, b)
        debugger.next()
        operator = debugger.line
        assert operator.startswith("return record(")
        debugger.step_in()
        assert (debugger.function, debugger.line) == ("forward", numpy)
        assert debugger.callers[:3] == [numpy, operator, student]
        assert debugger.value("a.tolist()") == [[1, 1], [1, 1]]  # an array


# Inside backward()

A_LOSS = """
import simplegrad as sg
a = sg.Tensor([1.0, 2.0], requires_grad=True)
b = sg.Tensor(3.0, requires_grad=True)
loss = ((a * b) ** 2).sum()
loss.backward()
"""


def test_plain_steps_reach_the_first_partial_in_70_stops(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(A_LOSS)
    with Pdb(script, place_of(script, "loss.backward()")) as debugger:
        stops = ""
        for _ in range(70):
            debugger.at = debugger.type("step")
            stops += debugger.at
            if "da()\n" in debugger.at and "--Call--" not in debugger.at:
                break
        assert (debugger.function, debugger.line) == ("da", "dc = keep(dc, axis, keepdims)"), stops


def test_a_partial_shows_dc_c_a_and_b_and_the_chain_rule_what_becomes_of_it(debug):
    script = """
import simplegrad as sg
a = sg.Tensor([1.0, 2.0], requires_grad=True, name="a")
b = sg.Tensor(3.0, requires_grad=True, name="b")
loss = ((a * b) ** 2).sum()
loss.backward()
"""
    after = place_of(autograd.chain_rule, "grads[t.index] =")
    partial = place_of(rules.Mul.da, "return dc * b")
    debugger = debug(script, partial, (*after, "c.rule.__name__ == 'Mul'"))
    a, b = np.array([1.0, 2.0]), 3.0
    c = a * b
    dc = 2 * c
    assert (debugger.function, debugger.line) == ("da", "return dc * b")
    for name, expected in {"dc": dc, "c": c, "a": a, "b": b}.items():
        assert_close(debugger.value(f"{name}.tolist()"), expected)

    debugger.resume()
    assert debugger.function == "chain_rule"
    assert_close(debugger.value("dt.tolist()"), dc * b)
    assert debugger.value("t.name") == "a"
    assert debugger.shown("c") == "Tensor([3, 6], shape=(2,), float32, rule=Mul)"

    debugger.resume()
    assert debugger.value("t.name") == "b"
    assert_close(debugger.value("dt.tolist()"), np.sum(dc * a))  # summed back to the shape of b


# Inside Adam

TWO_STEPS = """
import numpy as np
import simplegrad as sg
import simplegrad.optimizers as optim
y = np.array([3.0, 1.0])
w = sg.Tensor(np.array([5.0, 0.0]), requires_grad=True, name="w")
opt = optim.Adam(lr=0.1, param_groups=[{"params": {"w": w}}])
for _ in range(2):
    opt.zero_grad()
    ((w - y) ** 2).sum().backward()
    opt.step()
"""


def test_adam_shows_its_equations_one_after_the_other_with_the_right_numbers(debug):
    debugger = debug(TWO_STEPS, place_of(Adam.update, "m_t ="))
    lr, beta_1, beta_2, eps = 0.1, 0.9, 0.999, 1e-8
    theta, g = np.array([5.0, 0.0]), []
    for t in 1, 2:
        if t == 2:
            debugger.resume()
        g.append(2 * (theta - np.array([3.0, 1.0])))
        # not the recursion, but what it comes to: Kingma and Ba (2015), equation 1
        m_t = (1 - beta_1) * sum(beta_1 ** (t - i) * g[i - 1] for i in range(1, t + 1))
        v_t = (1 - beta_2) * sum(beta_2 ** (t - i) * g[i - 1] ** 2 for i in range(1, t + 1))
        m_hat = m_t / (1 - beta_1**t)
        v_hat = v_t / (1 - beta_2**t)
        assert debugger.function == "update"
        assert debugger.value("(t, lr, beta_1, beta_2, eps)") == (t, lr, beta_1, beta_2, eps)
        assert_close(debugger.value("g.tolist()"), g[-1])
        equations = {"m_t": m_t, "v_t": v_t, "m_hat": m_hat, "v_hat": v_hat}
        for name, expected in equations.items():
            assert debugger.line.startswith(f"{name} = ")
            debugger.next()
            assert_close(debugger.value(f"{name}.tolist()"), expected)
        assert debugger.line == "theta.data -= lr * m_hat / (np.sqrt(v_hat) + eps)"
        assert_close(debugger.value("theta.data.tolist()"), theta)
        debugger.next()
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
        assert_close(debugger.value("theta.data.tolist()"), theta)
        assert debugger.shown("theta").endswith(" name='w')")


def test_one_can_step_through_a_step_of_an_optimizer(debug):
    debugger = debug(TWO_STEPS, "opt.step()")
    debugger.step_in()
    assert debugger.callers[:2] == [
        "self._check_gradients()",
        "opt.step()",
    ]
    while not debugger.line.startswith("kept[name] = self.update("):
        debugger.next()
        assert debugger.function == "step"
    assert debugger.shown("theta").startswith("Tensor([5, 0], shape=(2,), float64, grad=[4, -2]")
    debugger.step_in()
    assert debugger.function == "update"
    while not debugger.line.startswith("return"):
        debugger.next()
        assert debugger.function == "update"
    assert_close(debugger.value("m_t.tolist()"), [0.4, -0.2])


# Where a number goes wrong


def test_a_condition_stops_at_the_first_number_that_is_not_finite(debug):
    script = """
import simplegrad as sg
a = sg.Tensor([1.0, 100.0], requires_grad=True)
b = a - a
loss = (b * b).sum().sqrt()
c = a.exp()
d = c / c
loss.backward()
"""
    result = place_of(tensor.record, "c = Tensor.__new__(Tensor)")
    partial = place_of(autograd.unbroadcast, "if grad.shape == shape:")
    conditions = "not np.isfinite(data).all()", "not np.isfinite(grad).all()"
    debugger = debug(script, (*result, conditions[0]), (*partial, conditions[1]))
    assert debugger.value("rule.__name__") == "Exp"
    assert debugger.callers[2] == "c = a.exp()"
    debugger.resume()
    assert debugger.callers[2] == "d = c / c"
    debugger.resume()
    assert debugger.value("str(grad)") == "inf"  # the derivative of a root at 0
    assert debugger.callers[1].startswith("dt = unbroadcast(partial(")


# The page of the site

CELLS = jupytext.reads(
    (ROOT / "docs" / "debugger.py").read_text(encoding="utf-8"), fmt="py:percent"
)
PAGE = "\n\n".join(
    f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source
    for cell in CELLS.cells
)
SCRIPT, *BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(GROUPS,) = (block for block in BLOCKS if "opt.step()" in block)


def rows_of(heading):
    """The table in a section of the page: row by row, the Markdown of each cell."""
    lines = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return rows[2:]


def test_the_examples_of_the_page_run():
    names = {}
    for block in (SCRIPT, *BLOCKS):
        exec(block, names)


@pytest.fixture
def script(tmp_path):
    """The program of the page, as a file."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def test_pdb_answers_as_the_page_says(script):
    (session,) = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with Pdb(script) as debugger:
        for exchange in session.split("(Pdb) ")[1:]:
            command, _, expected = exchange.partition("\n")
            answer = debugger.type(command)
            assert not answer.startswith("***"), answer
            assert expected in ("", answer)


def test_pdb_takes_every_breakpoint_of_the_page(script):
    commands = [f"break {row[0].strip('`')}" for row in rows_of("Where to stop")]
    commands += re.findall(r"`(break sg.*?)`", PAGE)
    with Pdb(script) as debugger:
        debugger.type("until 3")
        for command in commands:
            assert debugger.type(command).startswith("Breakpoint "), command


@pytest.mark.parametrize(
    ("heading", "function", "step_ins", "keys"),
    [
        ("Two step-ins to NumPy", None, 2, 5),
        ("From backward() to the first partial", autograd.chain_rule, 3, 12),
        ("From opt.step() to m_t", optim.Optimizer.step, 2, 9),
    ],
)
def test_the_steps_of_the_page_lead_to_the_mathematics(script, heading, function, step_ins, keys):
    *steps, last = rows_of(heading)
    assert [key for _, _, key in steps].count("step into") == step_ins
    assert len(steps) + step_ins <= keys  # in pdb, to step into a call takes two keys
    script.write_text(SCRIPT + GROUPS)
    with Pdb(script, place_of(script, steps[0][0].strip("`"))) as debugger:
        for line, _, key in steps:
            assert debugger.line == line.strip("`")
            if key == "step into":
                debugger.step_in()
            elif key == "run this line":
                debugger.next()
            else:
                below = re.fullmatch("run to `(.*)`", key)[1]
                debugger.at = debugger.type(f"until {place_of(function, below)[1]}")
        assert debugger.line == last[0].strip("`")
        for expression in re.findall("`(.*?)`", last[2]):
            assert not debugger.shown(expression).startswith("***"), expression


def test_groups_and_their_state_show_what_the_page_says(script):
    script.write_text(SCRIPT + GROUPS)
    rows_at = {}
    for place, line, *row in rows_of("Groups, maximize and the state"):
        at = place_of(eval(f"optim.{place.strip('`')}"), line.strip("`"))
        rows_at.setdefault((at, line.strip("`")), []).append(row)
    stops = Counter()
    with Pdb(script, *(at for at, _ in rows_at)) as debugger:
        for _ in 2 * list(rows_at):
            (rows,) = (rows for (_, line), rows in rows_at.items() if line == debugger.line)
            for expression, *values in rows:
                shown = debugger.shown(expression.strip("`"))
                group = stops[debugger.line]  # the first one first
                assert shown == values[group].strip("`"), (debugger.line, expression)
            stops[debugger.line] += 1
            debugger.resume()
    assert stops == {line: 2 for _, line in rows_at}


TRAINING = """
opt = sg.optimizers.Adam(model := sg.nn.Linear(2, 1))
while True:
    c = a * b
    model(c).sum().backward()
    opt.step()
"""


def test_what_the_page_says_to_look_at_is_there(script):
    stops = [*rows_of("Where to stop"), *rows_of("The first number that is not finite")]
    line_in = {place: line for place, line, _ in reversed(stops)} | {"your script": "opt.step()"}
    stops += [(place, line_in[place], what) for place, what, _ in rows_of("What to look at")]
    script.write_text(SCRIPT + TRAINING)
    with Pdb(script) as debugger:
        for place, line, what in stops:
            source = script if place == "your script" else eval(place.strip("`"), {"sg": sg})
            path, number = place_of(source, line.strip("`"))
            debugger.type(f"tbreak {path}:{number}")
            debugger.resume()
            assert debugger.line == line.strip("`")
            for expression in re.findall("`(.*?)`", what):
                shown = debugger.shown(expression)
                assert not shown.startswith("***"), (place, expression, shown)


def test_the_choices_of_the_page_are_those_of_vs_code():
    names = [*dap.CONFIGURATIONS]
    assert [row[0] for row in rows_of("Start")][: len(names)] == names
