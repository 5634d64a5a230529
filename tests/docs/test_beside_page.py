"""The page for those who come from gri-sha/simplegrad: each line that it shows is run."""

import re
from pathlib import Path

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from simplegrad import optimizers as optim

pytest.importorskip("matplotlib", reason="pip install matplotlib").use("Agg")

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "beside.md").read_text(encoding="utf-8")
START, LOOP = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = {
    name.strip(): (re.findall(r"`(.*?)`", code)[0], re.findall(r"`(nn\..*?)`", more))
    for name, code, more in re.findall(r"^\| (.*?) \| (.*?) \| (.*?) ?\|$", PAGE, re.MULTILINE)
    if name != "for"
}


@pytest.fixture
def names():
    sg.manual_seed(0)
    made = {}
    exec(START, made)
    return made


def pooled(images, reduce):
    """Images in windows of 2 x 2, each reduced to a number."""
    return reduce(images.reshape(2, 3, 4, 2, 4, 2), axis=(3, 5))


def convolved(images, kernels):
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.einsum("ncijkl,ockl->noij", windows, kernels)


def weighted(logits, targets, weights):
    """The mean of -log p with the weights of the classes, row by row."""
    rows = [np.exp(row) / np.exp(row).sum() for row in logits.astype(float)]
    losses = [-np.log(p[t]) * weights[t] for p, t in zip(rows, targets, strict=True)]
    return sum(losses) / sum(weights[t] for t in targets)


EXPECTED = {
    "pad": lambda n: np.pad(n["images"].data, ((0, 0), (0, 0), (1, 1), (1, 1))),
    "convolution": lambda n: convolved(n["images"].data, n["kernels"].data),
    "pooling, the largest": lambda n: pooled(n["images"].data, np.max),
    "pooling, the mean": lambda n: pooled(n["images"].data, np.mean),
    "ELU": lambda n: np.where(n["x"].data > 0, n["x"].data, np.expm1(n["x"].data)),
    "Softmax": lambda n: np.exp(n["x"].data) / np.exp(n["x"].data).sum(axis=1, keepdims=True),
    "trace": lambda n: (n["x"].data ** 2).sum(),
    "argmax": lambda n: n["x"].data.argmax(axis=1),
    "reduction of a loss": lambda n: ((n["x"].data - n["y"].data) ** 2).sum(),
    "given weights of classes": lambda n: weighted(
        n["logits"].data, n["targets"], n["class_weights"]
    ),
    "`label`": lambda n: [1, 2],
    "`convert_to`": lambda n: n["x"].data,
}


@pytest.mark.parametrize("row", EXPECTED)
def test_a_row_gives_what_numpy_gives(row, names):
    code, layers = ROWS[row]
    result = eval(code, names)
    np.testing.assert_allclose(
        result.numpy() if isinstance(result, sg.Tensor) else result,
        EXPECTED[row](names),
        rtol=1e-4,
        atol=1e-5,
    )
    for layer in layers:  # of the same shapes
        x = names["x"] if result.ndim == 2 else names["images"]
        assert eval(layer, names)(x).shape == result.shape


def test_every_row_is_run():
    others = {"given weights of a layer", "schedules"}
    assert ROWS.keys() == EXPECTED.keys() | others | {
        "`set_eval_mode`",
        "`submodules`",
        "`summary`",
    }


def test_a_module_has_modes_a_summary_and_what_it_holds(names):
    layer = names["layer"]
    assert not eval(ROWS["`set_eval_mode`"][0], names).training
    assert eval(ROWS["`submodules`"][0], names) == {"": layer}
    assert eval(ROWS["`summary`"][0], names) == "Linear(3, 2)  8 parameters"
    assert eval("layer.astype('float64')", names).weight.dtype == np.float64


def test_given_weights_are_those_of_the_layer(names):
    exec(ROWS["given weights of a layer"][0], names)
    expected = names["x"].data.sum(axis=1, keepdims=True) + names["layer"].bias.data
    np.testing.assert_allclose(names["layer"](names["x"]).data, expected, rtol=1e-5, atol=1e-6)


def test_the_schedules_are_those_that_there_are(names):
    schedule = eval(ROWS["schedules"][0], names)
    schedule.step()
    assert names["opt"].lr == 0.1 * 0.99
    (line,) = re.findall(r"^\| schedules .*", PAGE, re.MULTILINE)
    there = {
        name
        for name, kind in vars(optim.schedules).items()
        if isinstance(kind, type)
        and issubclass(kind, optim.schedules.Schedule)
        and kind is not optim.schedules.Schedule
    }
    assert {"Exponential", *re.findall(r"`(\w+)`", line)} == there


def test_a_list_and_matplotlib_are_a_tracker_and_a_board(names):
    import matplotlib.pyplot as plt

    plt.close("all")  # which other tests have left
    exec(LOOP, names)
    (curve,) = plt.gca().lines
    assert curve.get_ydata().tolist() == names["losses"]
    assert len(names["losses"]) == 20
    assert names["losses"][-1] < names["losses"][0]
    assert isinstance(names["layer"], nn.Linear)
    plt.close("all")
