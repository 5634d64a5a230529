"""The activations: softmax, GELU and the others, elementwise."""

import warnings

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from tests.helpers.advice import run


def x(*shape, seed=0):
    return sg.Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


# softmax


@pytest.mark.parametrize("axis", [-1, 0])
def test_softmax_is_its_definition(axis):
    a = x(3, 4)
    e = np.exp(a.data)
    expected = e / e.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(sg.softmax(a, axis).data, expected, rtol=1e-14)
    np.testing.assert_allclose(a.softmax(axis).data, expected, rtol=1e-14)
    np.testing.assert_allclose(a.log_softmax(axis).data, np.log(expected), rtol=1e-13)


def test_softmax_is_finite_for_large_numbers():
    a = sg.Tensor([[-1e4, 0.0, 1e4]], requires_grad=True)
    assert sg.softmax(a).data.tolist() == [[0, 0, 1]]
    assert sg.log_softmax(a).data.tolist() == [[-2e4, -1e4, 0]]
    sg.log_softmax(a)[0, 0].backward()
    assert a.grad.tolist() == [[1, 0, -1]]


def test_softmax_and_log_softmax_pass_the_gradcheck():
    assert sg.gradcheck(lambda a: sg.softmax(a) ** 2, x(2, 3))
    assert sg.gradcheck(lambda a: sg.log_softmax(a, axis=0) ** 2, x(2, 3))


def test_softmax_takes_what_tensor_takes():
    assert sg.softmax([0.0, 0.0]).data.tolist() == [0.5, 0.5]
    assert sg.log_softmax(np.zeros(2)).dtype == np.float64


# Of each element by itself

# (what it is, by NumPy; its derivative)
DEFINITIONS = {
    "silu": (
        lambda a: a / (1 + np.exp(-a)),
        lambda a: (1 + np.exp(-a) + a * np.exp(-a)) / (1 + np.exp(-a)) ** 2,
    ),
    "elu": (
        lambda a: np.where(a > 0, a, np.exp(a) - 1),
        lambda a: np.where(a > 0, 1, np.exp(a)),
    ),
    "leaky_relu": (lambda a: np.where(a > 0, a, a / 100), lambda a: np.where(a > 0, 1, 0.01)),
    "softplus": (lambda a: np.log(1 + np.exp(a)), lambda a: 1 / (1 + np.exp(-a))),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_an_activation_is_its_definition(name):
    value, slope = DEFINITIONS[name]
    for a in (x(3, 4), sg.Tensor(0.0, dtype=np.float64, requires_grad=True), x(0, 2)):
        c = getattr(sg, name)(a)
        np.testing.assert_allclose(c.data, value(a.data), rtol=1e-13, atol=1e-15)
        c.sum().backward()
        np.testing.assert_allclose(a.grad, slope(a.data), rtol=1e-13)
        np.testing.assert_array_equal(getattr(a, name)().data, c.data)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_an_activation_passes_the_gradcheck(name):
    assert sg.gradcheck(lambda a: getattr(sg, name)(a) ** 2, x(2, 3))


# at -1e4, 0 and 1e4
LIMITS = {
    "silu": ([0, 0, 1e4], [0, 0.5, 1]),
    "elu": ([-1, 0, 1e4], [0, 1, 1]),
    "leaky_relu": ([-100, 0, 1e4], [0.01, 0.01, 1]),
    "softplus": ([0, np.log(2), 1e4], [0, 0.5, 1]),
    "gelu": ([0, 0, 1e4], [0, 0.5, 1]),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", LIMITS)
def test_an_activation_and_its_slope_are_right_at_0_and_far_from_it(name, dtype):
    if (name, dtype) == ("gelu", np.float16):
        pytest.skip("a**3 is infinite in float16")
    a = sg.Tensor([-1e4, 0, 1e4], dtype=dtype, requires_grad=True)
    c = getattr(sg, name)(a)
    c.sum().backward() if dtype != np.float16 else c.backward(np.ones(3, dtype))
    value, slope = LIMITS[name]
    tolerance = 2 * np.finfo(dtype).eps
    np.testing.assert_allclose(c.data, np.array(value), rtol=tolerance)
    np.testing.assert_allclose(a.grad, np.array(slope), rtol=tolerance)
    assert c.dtype == a.grad.dtype == dtype


def test_an_activation_overflows_nowhere():
    a = np.array([3e38, -3e38], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sg.elu(a).data.tolist() == [a[0], -1]
        assert sg.softplus(a).data.tolist() == [a[0], 0]
        assert sg.silu(a).data.tolist() == [a[0], 0]


def test_softplus_is_exact_where_it_is_small():
    a = sg.Tensor([-50.0, -20.0], dtype=np.float32, requires_grad=True)
    c = sg.softplus(a)
    c.sum().backward()
    np.testing.assert_allclose(c.data, np.exp([-50.0, -20.0]), rtol=1e-6)
    np.testing.assert_allclose(a.grad, np.exp([-50.0, -20.0]), rtol=1e-6)


def test_elu_and_leaky_relu_take_their_number():
    a = sg.Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    sg.elu(a, 3.0).sum().backward()
    np.testing.assert_allclose(a.grad, [3 * np.exp(-1), 3, 1], rtol=1e-6)
    assert sg.leaky_relu(a, 2.0).data.tolist() == [-2, 0, 2]
    assert sg.elu(a, alpha=3.0).data[0] == nn.ELU(3.0)(a).data[0]
    assert sg.leaky_relu(a, negative_slope=2).data[0] == nn.LeakyReLU(2)(a).data[0]


@pytest.mark.parametrize("name", [*DEFINITIONS, "gelu"])
def test_an_activation_takes_what_tensor_takes(name):
    function = getattr(sg, name)
    assert function(1).dtype == function([1, 2]).dtype == function(np.array([1, 2])).dtype
    assert function(np.arange(3, dtype=np.uint8)).dtype == np.float32
    with np.errstate(invalid="ignore"):  # of which NumPy's logaddexp warns
        assert np.isnan(function(np.nan).data)
    a = np.asfortranarray(x(3, 4).data)[::2]
    np.testing.assert_array_equal(function(a).data, function(a.copy()).data)


@pytest.mark.parametrize("make", [sg.gelu, lambda *a, **k: nn.GELU(*a[1:], **k)])
def test_gelu_says_which_form_it_is(make):
    make([1.0], approximate="tanh")
    for wrong, says in (("none", "error function"), ("erf", "got approximate='erf'")):
        with pytest.raises(ValueError, match=rf"in its tanh form.*{says}.*Write") as info:
            make([1.0], approximate=wrong)
        run(str(info.value), {"sg": sg, "nn": nn, "a": x(2)})
