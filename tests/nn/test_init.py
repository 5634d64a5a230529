"""First weights: the distributions of the equations, in place, and drawn from sg.generator()."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn

RANDOM = {
    name: getattr(nn.init, name)
    for name in nn.init.__all__
    if name[-1] == "_" and name not in ("zeros_", "ones_")
}
ALL = {**RANDOM, "zeros_": nn.init.zeros_, "ones_": nn.init.ones_}


def weight(*shape, dtype=np.float32):
    return sg.full(shape, 7, requires_grad=True, dtype=dtype)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_tensor_is_filled_in_place_and_returned(name, dtype):
    w = weight(4, 3, dtype=dtype)
    array = w.data
    assert ALL[name](w) is w
    assert w.data is array
    assert w.dtype == np.dtype(dtype)
    assert w.requires_grad
    assert (w.data != 7).all()


@pytest.mark.parametrize("name", RANDOM)
def test_the_numbers_come_from_the_generator(name):
    filled = []
    for seed in (1, 1, 2):
        sg.manual_seed(seed)
        filled.append(RANDOM[name](weight(4, 3)).numpy())
    assert (filled[0] == filled[1]).all()
    assert (filled[0] != filled[2]).any()


def test_zeros_and_ones():
    assert nn.init.zeros_(weight(2)).data.tolist() == [0, 0]
    assert nn.init.ones_(weight(2)).data.tolist() == [1, 1]


def test_uniform_and_normal_are_those_of_sg():
    for make, fill, args in ((sg.uniform, "uniform_", (-2, 3)), (sg.normal, "normal_", (1, 0.1))):
        sg.manual_seed(1)
        expected = make((3, 2), *args).data
        sg.manual_seed(1)
        np.testing.assert_array_equal(RANDOM[fill](weight(3, 2), *args).data, expected)


SIZES = {  # the shape of a weight, its fans
    "linear": ((300, 200), 300, 200),
    "convolution": ((40, 30, 3, 5), 450, 600),
    "convolution of sequences": ((100, 50, 7), 350, 700),
}
GAINS = {"linear": 1, "tanh": 5 / 3, "relu": 2**0.5, "leaky_relu": (2 / 1.04) ** 0.5}


def check_std(w, std, is_uniform):
    assert w.data.mean() == pytest.approx(0, abs=0.02 * std)
    assert w.data.std() == pytest.approx(std, rel=0.02)
    bound = 3**0.5 * std  # of U[-b, b], whose variance is b²/3
    largest = np.abs(w.data).max()
    assert largest == pytest.approx(bound, rel=0.001) if is_uniform else largest > 1.5 * bound


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("size", SIZES)
def test_glorots_variance_is_that_of_both_fans(kind, size):
    shape, fan_in, fan_out = SIZES[size]
    w = RANDOM[f"xavier_{kind}_"](weight(*shape, dtype=np.float64), gain=1.5)
    check_std(w, 1.5 * np.sqrt(2 / (fan_in + fan_out)), kind == "uniform")


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
@pytest.mark.parametrize("size", SIZES)
def test_hes_variance_is_that_of_one_fan(kind, mode, size):
    shape, fan_in, fan_out = SIZES[size]
    fan = fan_in if mode == "fan_in" else fan_out
    w = RANDOM[f"kaiming_{kind}_"](weight(*shape, dtype=np.float64), mode=mode)
    check_std(w, np.sqrt(2 / fan), kind == "uniform")


@pytest.mark.parametrize("nonlinearity", GAINS)
def test_the_gain_is_that_of_what_follows(nonlinearity):
    gain = GAINS[nonlinearity]
    assert nn.init.calculate_gain(nonlinearity, 0.2) == pytest.approx(gain)
    w = nn.init.kaiming_normal_(weight(400, 100), a=0.2, nonlinearity=nonlinearity)
    assert w.data.std() == pytest.approx(gain / 20, rel=0.02)


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (2, 3, 2, 2), (6, 2, 1), (1, 1)])
def test_the_rows_or_columns_of_an_orthogonal_weight_are_orthonormal(shape):
    W = nn.init.orthogonal_(weight(*shape, dtype=np.float64), gain=2).data.reshape(shape[0], -1)
    product = W @ W.T if W.shape[0] <= W.shape[1] else W.T @ W
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-13)


def test_orthogonal_numbers_of_one_are_1_and_minus_1_alike():
    signs = [nn.init.orthogonal_(weight(1, 1)).item() for _ in range(200)]
    assert 70 < sum(sign > 0 for sign in signs) < 130


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (3, 0, 2)])
def test_where_there_is_nothing_to_fill_nothing_is_filled(name, shape):
    assert RANDOM[name](weight(*shape)).shape == shape


@pytest.mark.parametrize("name", ALL)
def test_only_leaves_of_floats_are_filled(name):
    w = weight(2, 2)
    for wrong in (w * 1, sg.ones((2, 2), dtype=np.int64), np.ones((2, 2)), [[1.0]], None):
        with pytest.raises(TypeError, match=rf"{name} fills a leaf of floats.*nn\.init\.{name}\("):
            ALL[name](wrong)


@pytest.mark.parametrize("name", set(RANDOM) - {"uniform_", "normal_"})
@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_bias_has_no_fans(name, shape):
    w = weight(*shape)
    with pytest.raises(ValueError, match=rf"{name} fills weights.*zeros_\(layer\.bias\)"):
        RANDOM[name](w)
    assert (w.data == 7).all()


def test_other_modes_and_nonlinearities_and_gains_are_refused():
    w = weight(2, 2)
    for mode in ("fan", None, ["fan_in"]):
        with pytest.raises(ValueError, match=r"fan_in or fan_out, but got .*mode=\"fan_in\""):
            nn.init.kaiming_uniform_(w, mode=mode)
    for nonlinearity in ("swish", None, 0.2, ["relu"]):
        with pytest.raises(
            ValueError, match=r"there is a gain for linear, .*nonlinearity=\"relu\""
        ):
            nn.init.kaiming_normal_(w, nonlinearity=nonlinearity)
    for fill in (nn.init.xavier_uniform_, nn.init.xavier_normal_, nn.init.orthogonal_):
        with pytest.raises(TypeError, match="gain is a real number, but got 'relu'"):
            fill(w, gain="relu")
    assert (w.data == 7).all()


def test_a_tensor_that_a_graph_needs_is_not_filled_unseen():
    w = weight(2, 2)
    loss = (w**2).sum()
    nn.init.normal_(w)
    with pytest.raises(RuntimeError, match="between forward and backward"):
        loss.backward()


def test_a_replay_goes_on_with_what_was_filled():
    layer = nn.Linear(3, 2)
    replayed = fast.replay(lambda x: (layer(x) ** 2).sum())
    inputs = np.ones((4, 3), np.float32)
    replayed(inputs)
    nn.init.xavier_normal_(layer.weight)
    assert replayed(inputs).item() == (layer(inputs) ** 2).sum().item()


# PyTorch


@pytest.mark.parametrize("size", SIZES)
def test_the_fans_are_those_that_pytorch_finds_for_the_same_layer(size):
    torch = pytest.importorskip("torch", reason="torch is not installed: an oracle is missing")
    shape, fan_in, fan_out = SIZES[size]
    theirs = torch.empty(shape[::-1] if len(shape) == 2 else shape)  # a Linear of it is (out, in)
    assert torch.nn.init._calculate_fan_in_and_fan_out(theirs) == (fan_in, fan_out)
    for name in ("linear", "sigmoid", "tanh", "relu"):
        assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    for slope in (0, 0.2):
        gain = torch.nn.init.calculate_gain("leaky_relu", slope)
        assert nn.init.calculate_gain("leaky_relu", slope) == pytest.approx(gain)
    assert nn.init.calculate_gain("leaky_relu") == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu")
    )
