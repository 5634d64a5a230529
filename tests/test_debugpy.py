"""What VS Code shows of simplegrad, and what its configurations start: debugpy, asked as it asks.

The equations in a debugger are in test_debugger.py, with debugpy and with pdb.
"""

import importlib.util
import json

import pytest

pytest.importorskip("debugpy", reason='debugpy is missing: pip install -e ".[test]"')

from simplegrad import tensor
from simplegrad.optimizers import Adam
from simplegrad.rules import Mul
from tests.helpers.dap import CONFIGURATIONS, ROOT, Debugger, chosen, place_of

# The configurations


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_stops_in_library_code_and_starts_what_exists(name):
    configuration = CONFIGURATIONS[name]
    assert configuration["type"] == "debugpy"
    assert configuration["request"] == "launch"
    assert configuration["justMyCode"] is False
    if "module" in configuration:
        assert importlib.util.find_spec(configuration["module"])
    else:
        assert configuration["program"] == "${file}"
    if "${file}" in json.dumps(configuration) or configuration["module"] == "pytest":
        assert configuration["subProcess"] is False  # tutorials and tests start others


@pytest.mark.slow
def test_the_demo_stops_in_adam():
    with Debugger(chosen("Demo"), place_of(Adam.update, "m_t =")) as debugger:
        assert debugger.value("t") == 1
        assert "opt.step()" in debugger.callers


@pytest.mark.slow
def test_the_current_test_file_stops_in_the_library():
    test = ROOT / "tests" / "tools" / "test_gradcheck.py"
    with Debugger(chosen("Current test file", test), place_of(Mul.da, "return")) as debugger:
        assert debugger.line == "return dc * b"
        assert any("testfunction(" in line for line in debugger.callers)


@pytest.mark.slow
def test_the_current_file_runs_to_its_end_and_stops_at_breakpoint_calls(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import simplegrad as sg\na = sg.ones(2)\nbreakpoint()\nprint(a)\n")
    with Debugger(chosen("Current file", script)) as debugger:
        assert debugger.shown("a") == "Tensor([1, 1], shape=(2,), float32)"
        assert debugger.end() == 0
        assert "Tensor([1, 1], shape=(2,), float32)" in debugger.output


# The Variables pane

VARIABLES = """
import numpy as np
import simplegrad as sg

leaf = sg.Tensor([[0.5, -2.0], [1 / 3, 1e6]], requires_grad=True, name="leaf")
result = leaf * leaf
result.sum().backward()
fresh = sg.Tensor(1.0, requires_grad=True)
constant = sg.Tensor(np.array([123456, 7]))
large = sg.normal((1000, 1000), requires_grad=True, name="large")
both = [fresh, constant]
model = sg.nn.Sequential(sg.nn.Linear(64, 32), sg.nn.ReLU(), sg.nn.Linear(32, 10))
opt = sg.optimizers.Adam(model, lr=0.01)
end = True
"""


@pytest.mark.slow
def test_the_pane_shows_each_thing_so_that_its_first_line_says_what_it_is(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(VARIABLES)
    with Debugger(chosen("Current file", script), place_of(script, "end =")) as debugger:
        shown = debugger.pane()
        inside = debugger.pane("result")
        classes = debugger.pane("result", "class variables")
    assert shown["leaf"] == (
        "Tensor([0.5, -2, 0.3333, 1e+06], shape=(2, 2), float32, grad=[1, -4, 0.6667, 2e+06], "
        "name='leaf')"
    )
    assert shown["result"] == "Tensor([0.25, 4, 0.1111, 1e+12], shape=(2, 2), float32, rule=Mul)"
    assert shown["fresh"] == "Tensor(1, shape=(), float32, grad=None)"
    assert shown["constant"] == "Tensor([123456, 7], shape=(2,), int64)"
    assert shown["both"] == f"[{shown['fresh']}, {shown['constant']}]"
    assert shown["large"].endswith("shape=(1000, 1000), float32, grad=None, name='large')")
    assert len(shown["large"]) < 110
    model, *layers = shown["model"].splitlines()
    assert model.split() == ["Sequential()", "2,410", "parameters"]
    assert len(layers) == 3
    assert shown["opt"].splitlines()[0] == "Adam, step_count=0"
    assert classes["rule"] == "<class 'simplegrad.rules.arithmetic.Mul'>"
    assert inside["inputs"] == f"({shown['leaf']}, {shown['leaf']})"


@pytest.mark.slow
def test_the_pane_shows_tensors_while_one_is_being_made(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import simplegrad as sg\na = sg.ones(2, name='a')\nb = a * a\n")
    with Debugger(chosen("Current file", script), place_of(tensor.record, "c._grad,")) as debugger:
        shown = debugger.pane()
        unfolded = debugger.pane("inputs", "0")  # it computes .T, which comes here again
        debugger.pane("c")
        debugger.next()
        assert debugger.line.startswith("c.rule,")
    assert shown["c"] == "Tensor(not made yet)"
    assert shown["data"] == "array([1., 1.], dtype=float32)"
    assert shown["inputs"].count("Tensor([1, 1], shape=(2,), float32, name='a')") == 2
    assert unfolded["T"] == "Tensor([1, 1], shape=(2,), float32)"
