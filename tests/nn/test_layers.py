"""The layers: their equations, their first parameters and what they refuse."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from tests.helpers.oracles import check_with_parameters


def x(*shape):
    return sg.Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)


# Linear


def test_linear_is_x_w_plus_b():
    layer, inputs = nn.Linear(3, 2), x(4, 3)
    expected = inputs.data @ layer.weight.data + layer.bias.data
    np.testing.assert_array_equal(layer(inputs).data, expected)
    assert layer.weight.shape == (3, 2)
    assert check_with_parameters(layer.astype("float64"), inputs)


def test_linear_takes_any_axes_before_the_last():
    layer = nn.Linear(3, 2)
    assert layer(x(3)).shape == (2,)
    assert layer(x(5, 4, 3)).shape == (5, 4, 2)


def test_linear_without_bias():
    layer = nn.Linear(3, 2, bias=False)
    assert list(layer.parameters()) == ["weight"]
    assert layer.bias is None
    np.testing.assert_array_equal(layer(x(4, 3)).data, x(4, 3).data @ layer.weight.data)
    assert "bias=False" in repr(layer)


def test_linear_starts_uniform_within_one_over_the_root_of_its_inputs():
    layer = nn.Linear(100, 400)
    for t in layer.parameters().values():
        assert np.abs(t.data).max() <= 0.1
        assert np.abs(t.data).max() > 0.099 or t.size == 400
        assert t.data.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.1)
        assert t.dtype == np.float32


def test_linear_refuses_inputs_of_another_size():
    with pytest.raises(ValueError, match=r"Linear\(3, 2\).*is 3, but got shape \(4, 5\).*\(5, 2\)"):
        nn.Linear(3, 2)(x(4, 5))
    with pytest.raises(ValueError, match=r"but got shape \(\)"):
        nn.Linear(3, 2)(1.0)


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", None, True])
def test_sizes_are_ints_of_at_least_1(size):
    for make in (
        lambda: nn.Linear(size, 2),
        lambda: nn.Linear(2, size),
        lambda: nn.Embedding(size, 2),
        lambda: nn.Embedding(2, size),
    ):
        with pytest.raises(ValueError, match="takes an int of at least 1 as"):
            make()


# Sequential, Flatten


def test_sequential_applies_one_after_the_other():
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    model = nn.Sequential(first, nn.ReLU(), second)
    inputs = x(5, 3)
    np.testing.assert_array_equal(model(inputs).data, second(first(inputs).relu()).data)
    assert len(model) == 3
    assert model[2] is second
    assert next(iter(model)) is first
    assert nn.Sequential()(inputs) is inputs


def test_sequential_takes_modules_one_by_one():
    with pytest.raises(TypeError, match=r"but got a list.*\*modules"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match="but got a builtin_function_or_method"):
        nn.Sequential(nn.Linear(2, 3), abs)


def test_flatten_keeps_the_first_axis():
    assert nn.Flatten()(x(2, 3, 4)).shape == (2, 12)
    assert nn.Flatten()(x(2)).shape == (2, 1)


# Activations


ACTIVATIONS = {
    **{name: name.lower() for name in ("ReLU", "Tanh", "Sigmoid", "GELU", "SiLU", "ELU")},
    "LeakyReLU": "leaky_relu",
    "Softplus": "softplus",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_the_function_of_its_name(name):
    inputs = x(3, 2)
    module = getattr(nn, name)()
    expected = getattr(sg, ACTIVATIONS[name])(inputs)
    np.testing.assert_array_equal(module(inputs).data, expected.data)
    assert module.parameters() == {}


def test_an_activation_has_its_number_and_shows_it():
    inputs = x(3, 2)
    for module, expected in (
        (nn.ELU(alpha=2), sg.elu(inputs, 2.0)),
        (nn.LeakyReLU(negative_slope=0.5), sg.leaky_relu(inputs, 0.5)),
        (nn.Softmax(axis=0), sg.softmax(inputs, 0)),
        (nn.LogSoftmax(axis=0), sg.log_softmax(inputs, 0)),
    ):
        np.testing.assert_array_equal(module(inputs).data, expected.data)
        name, value = next(iter(vars(module).items()))
        assert f"{name}={value}" in repr(module)


@pytest.mark.parametrize("wrong", ["1", None, True, [0.1]])
@pytest.mark.parametrize("name", ["ELU", "LeakyReLU", "Softmax", "LogSoftmax"])
def test_what_is_no_number_is_none_of_an_activation(name, wrong):
    with pytest.raises(TypeError, match=rf"of {name} is an? .* but got .*Write nn\.{name}\("):
        getattr(nn, name)(wrong)


# Embedding


def test_embedding_takes_rows_and_adds_up_their_gradients():
    layer = nn.Embedding(4, 2)
    indices = np.array([[1, 1], [3, 0]])
    out = layer(indices)
    np.testing.assert_array_equal(out.data, layer.weight.data[indices])
    out.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 1], [2, 2], [0, 0], [1, 1]]
    assert layer(sg.arange(3)).shape == (3, 2)
    assert layer([0, 1]).shape == (2, 2)


def test_embedding_starts_normal():
    weight = nn.Embedding(200, 50).weight.data
    assert weight.mean() == pytest.approx(0, abs=0.05)
    assert weight.std() == pytest.approx(1, abs=0.05)


def test_embedding_refuses_what_is_no_row():
    layer = nn.Embedding(4, 2)
    for wrong in ([4], [-1, 0]):
        with pytest.raises(ValueError, match=r"rows 0 \.\.\. 3, but the indices go from"):
            layer(wrong)
    with pytest.raises(TypeError, match=r"integers, but got float32.*astype\(int\)"):
        layer(sg.ones(2))
    assert layer(np.zeros(0, dtype=int)).shape == (0, 2)
    assert "4, 2" in repr(layer)


# Dropout


def test_dropout_zeros_and_scales_in_training_only():
    layer, ones = nn.Dropout(0.25), sg.ones(10_000, requires_grad=True)
    y = layer(ones)
    assert set(np.unique(y.data)) == {0, np.float32(1 / 0.75)}
    assert (y.data == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert y.dtype == np.float32
    y.sum().backward()
    np.testing.assert_array_equal(ones.grad, y.data)
    assert layer.eval()(ones) is ones
    assert (layer.train()(ones).data == 0).any()


def test_dropout_draws_anew_and_by_the_seed():
    layer, ones = nn.Dropout(0.5), sg.ones(100)
    sg.manual_seed(1)
    first, second = layer(ones).data, layer(ones).data
    sg.manual_seed(1)
    assert (layer(ones).data == first).all()
    assert (first != second).any()


def test_dropout_of_nothing_changes_nothing():
    assert (nn.Dropout(0.0)(sg.ones(50)).data == 1).all()


@pytest.mark.parametrize("p", [-0.1, 1, 1.5, float("nan"), "half", None])
def test_the_p_of_dropout_is_a_probability_below_1(p):
    with pytest.raises(ValueError, match=r"at least 0 and below 1, but got .* Write p=0\.5\."):
        nn.Dropout(p)


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(3, 2), nn.Conv2d(1, 2, 1), nn.LayerNorm(3), nn.RMSNorm(3), nn.BatchNorm(3)],
)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_integers_are_no_input_of_a_layer_of_floats(layer, dtype):
    with pytest.raises(TypeError, match=r"takes floats, but got .*Tensor\(x, dtype=np\.float32\)"):
        layer(np.ones((2, 3), dtype=dtype))


# dtype

LAYERS = {
    "Linear": lambda **kwargs: nn.Linear(3, 2, **kwargs),
    "Embedding": lambda **kwargs: nn.Embedding(3, 2, **kwargs),
    "LayerNorm": lambda **kwargs: nn.LayerNorm(3, **kwargs),
    "RMSNorm": lambda **kwargs: nn.RMSNorm(3, **kwargs),
    "BatchNorm": lambda **kwargs: nn.BatchNorm(3, **kwargs),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, "float64", float])
def test_a_layer_is_of_the_dtype_that_it_is_given_and_so_are_its_results(name, dtype):
    layer = LAYERS[name](dtype=dtype)
    assert {t.dtype for t in layer.tensors().values()} == {np.dtype(dtype)}
    inputs = np.array([[0, 1, 2], [2, 0, 1]])
    y = layer(inputs if name == "Embedding" else inputs.astype(dtype))
    assert y.dtype == np.dtype(dtype)
    y.sum().backward()
    assert {t.grad.dtype for t in layer.parameters().values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_of_float32_and_starts_with_the_same_numbers_in_every_dtype(name):
    sg.manual_seed(1)
    layer = LAYERS[name]()
    sg.manual_seed(1)
    exact = LAYERS[name](dtype=np.float64).tensors()
    for key, t in layer.tensors().items():
        assert t.dtype == np.float32
        np.testing.assert_array_equal(t.data, exact[key].data.astype(np.float32))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dtype", [np.int64, bool, complex, "no dtype", None, 3, object])
def test_the_dtype_of_a_layer_is_one_of_floats_and_nothing_is_drawn_for_another(name, dtype):
    state = sg.generator().bit_generator.state
    with pytest.raises(TypeError, match=f"{name} computes with floats, but got dtype=.* Write dty"):
        LAYERS[name](dtype=dtype)
    assert sg.generator().bit_generator.state == state
