"""The listing of a recording: a script of NumPy calls that runs on its own, to the same bits."""

import re
import subprocess
import sys

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from tests.helpers.oracles import assert_same_bits


def numbers(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def perceptron():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def normalised():
    return nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(), nn.Linear(8, 4))


def large():
    return nn.Sequential(nn.Linear(6, 400), nn.Tanh(), nn.Linear(400, 400), nn.Linear(400, 4))


def step_of(model, opt, clip=None):
    def step(x, targets):
        opt.zero_grad()
        loss = sg.cross_entropy(model(x), targets)
        loss.backward()
        if clip is not None:
            nn.clip_grad_norm(model, clip)
        opt.step()
        return loss

    return step


def run(script):
    names = {}
    exec(compile(script, "<listing>", "exec"), names)
    return names


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("make", [perceptron, normalised, large])
@pytest.mark.parametrize("optimizer", [fast.Adam, fast.AdamW, fast.SGD, fast.RMSProp])
def test_it_goes_on_with_the_same_bits(optimizer, make, clip):
    sg.manual_seed(0)
    model = make()
    opt = optimizer(model, lr=0.01)
    step = fast.replay(step_of(model, opt, clip))
    batch = numbers((5, 6), 0), np.arange(5) % 4
    for _ in range(4):
        step(*batch)
    names = run(step.listing())
    weights = {name.replace(".", "_"): t for name, t in model.parameters().items()}
    for _ in range(3):
        assert_same_bits(names["step"](), step(*batch).data, "loss")
        for name, t in weights.items():
            assert_same_bits(names[name], t.data, name)


def test_of_a_loss_it_has_forward_and_backward():
    model = perceptron()
    loss_of = fast.replay(lambda x, targets: sg.cross_entropy(model(x), targets))
    batch = numbers((5, 6), 0), np.arange(5) % 4
    loss = loss_of(*batch)
    loss.backward()
    names = run(loss_of.listing())
    assert_same_bits(names["forward"](), loss.data, "loss")
    names["backward"]()


def test_it_needs_numpy_alone(tmp_path):
    model = normalised()
    step = fast.replay(step_of(model, fast.Adam(model)))
    loss = [step(numbers((5, 6), 0), np.arange(5) % 4) for _ in range(3)][-1]
    script = step.listing()
    assert "simplegrad" not in script.replace("simplegrad.", "")
    path = tmp_path / "step.py"
    path.write_text(script, encoding="utf-8")
    code = (
        f"import runpy, sys; runpy.run_path({str(path)!r}); assert 'simplegrad' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    printed = subprocess.run(
        [sys.executable, str(path)], check=True, cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert 0 < float(printed) < 10
    assert float(printed) != loss.item()  # it is the next step


def test_it_says_the_rule_and_its_equation_above_its_calls():
    model = perceptron()
    step = fast.replay(step_of(model, fast.Adam(model)))
    step(numbers((5, 6), 0), np.arange(5) % 4)
    lines = step.listing().splitlines()
    at = lines.index("    # ReLU: c = max(a, 0)")
    assert lines[at + 1] == "    np.maximum(add, 0.0, out=relu)  # (5, 8)"
    assert "    # MatMul: db = aᵀ dc" in lines
    assert "    # LogSumExp: daᵢ = dc e^(aᵢ - c)" in lines
    assert "        # m_t = beta_1 * m + (1 - beta_1) * g" in lines


def test_measured_it_says_what_each_call_moves_and_takes():
    model = perceptron()
    step = fast.replay(step_of(model, fast.Adam(model)))
    for _ in range(3):
        step(numbers((5, 6), 0), np.arange(5) % 4)
    before, plain = model[0].weight.numpy(), step.listing()
    script = step.listing(measured=True)
    assert_same_bits(model[0].weight.data, before, "nothing has been trained")
    calls = [line for line in script.splitlines() if line.startswith("    np.matmul(")]
    assert len(calls) == 5
    for line in calls:  # x of (5, 6), W of (6, 8) and their product, in float32
        assert re.search(r"  # \(\d, \d\), \d+ B, \d+\.\d µs$", line)
    assert "(5, 8), 472 B," in calls[0]
    assert re.search(r"    # \d+ calls, \d+\.\d KB read and written, \d+ µs\n", script)
    assert run(script)["step"]() == run(plain)["step"]()


def test_nothing_of_what_was_in_memory_before_is_in_it():
    model = perceptron()
    step = fast.replay(step_of(model, fast.Adam(model)))
    step(numbers((5, 6), 0), np.arange(5) % 4)
    assert len(step.listing()) < 40_000  # scratch blocks alone would be 700,000


def test_without_a_recording_there_is_none():
    step = fast.replay(step_of(perceptron(), optim.SGD(perceptron())))
    with pytest.raises(RuntimeError, match="Call the function first"):
        step.listing()


def test_a_step_of_several_workers_has_none():
    model = perceptron()
    step = fast.replay(step_of(model, fast.Adam(model, workers=2)))
    step(numbers((5, 6), 0), np.arange(5) % 4)
    with pytest.raises(RuntimeError, match="2 workers has no listing"):
        step.listing()


def test_an_optimizers_step_is_its_equations_in_a_loop_over_blocks():
    model = perceptron()
    step = fast.replay(step_of(model, fast.Adam(model)))
    for _ in range(2):
        step(numbers((5, 6), 0), np.arange(5) % 4)
    text = step.listing()
    at = text.index("    # The optimizer's step")
    assert text[at:].splitlines()[:8] == [
        "    # The optimizer's step",
        "    adam.step_count += 1",
        "    rate.fill(1 - (0.9 ** adam.step_count))  # ()",
        "    rate_2.fill(1 - (0.999 ** adam.step_count))  # ()",
        '    rate_3.fill(default["lr"])  # ()',
        "    for theta, g, m, v, a, b in blocks:  # (92,)",
        "        # m_t = beta_1 * m + (1 - beta_1) * g",
        "        np.multiply(0.9, m, out=m)",
    ]


def test_an_array_in_any_order_of_memory_is_listed_with_its_numbers():
    values = np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2) / 7
    w = sg.Tensor(values, requires_grad=True)
    loss_of = fast.replay(lambda x: (w * x).sum())
    loss = loss_of(values[::-1])
    assert_same_bits(run(loss_of.listing())["forward"](), loss.data, "loss")
