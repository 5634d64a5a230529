"""Tensors from a shape, and the one generator of random numbers."""

import numpy as np
import pytest

import simplegrad as sg


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (lambda: sg.zeros((1, 2)), [[0, 0]]),
        (lambda: sg.ones(2), [1, 1]),
        (lambda: sg.full((), 3), 3),
        (lambda: sg.eye(2, 3), [[1, 0, 0], [0, 1, 0]]),
        (lambda: sg.arange(1.0, 2.0, 0.5), [1, 1.5]),
        (lambda: sg.zeros_like(sg.ones(2)), [0, 0]),
        (lambda: sg.ones_like([0.0, 0.0]), [1, 1]),
        (lambda: sg.full_like(sg.ones(1), 7), [7]),
    ],
)
def test_values_in_float32(t, expected):
    assert t().data.tolist() == expected
    assert t().dtype == np.float32
    assert not t().requires_grad


def test_arange_of_ints_is_of_ints_as_in_numpy_and_torch():
    assert sg.arange(2, 8, 3).data.tolist() == [2, 5]
    assert sg.arange(3).dtype == np.int64
    assert sg.arange(3, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("create", [sg.zeros, sg.ones, sg.normal, sg.uniform])
def test_gradients_dtypes_and_names_can_be_asked_for(create):
    t = create((2, 3), requires_grad=True, dtype=np.float64, name="t")
    assert (t.shape, t.requires_grad, t.dtype, t.name) == ((2, 3), True, np.float64, "t")


@pytest.mark.parametrize("name", ["zeros", "ones", "normal", "uniform"])
def test_like_takes_shape_and_dtype(name):
    like = getattr(sg, f"{name}_like")(np.ones((2, 3)), requires_grad=True)
    assert (like.shape, like.dtype, like.requires_grad) == ((2, 3), np.float64, True)


def test_normal_and_uniform_numbers_are_distributed_as_they_say():
    normal, uniform = sg.normal(20_000, 3.0, 2.0).data, sg.uniform(20_000, -1, 3).data
    assert normal.mean() == pytest.approx(3.0, abs=0.05)
    assert normal.std() == pytest.approx(2.0, abs=0.05)
    assert uniform.mean() == pytest.approx(1.0, abs=0.05)
    assert -1 <= uniform.min() < -0.99
    assert 2.99 < uniform.max() <= 3


def test_the_seed_decides_all_numbers():
    sg.manual_seed(3)
    first = sg.normal(4), sg.uniform(4), sg.generator().random()
    sg.manual_seed(3)
    again = sg.normal(4), sg.uniform(4), sg.generator().random()
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert first[2] == again[2]
    sg.manual_seed(4)
    assert (sg.normal(4) != first[0]).any()


def test_without_a_seed_the_numbers_are_fresh(monkeypatch):
    monkeypatch.setattr(sg.creation, "_generator", None)
    first = sg.normal(4)
    monkeypatch.setattr(sg.creation, "_generator", None)
    assert (sg.normal(4) != first).any()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_an_int_of_at_least_0(seed):
    with pytest.raises(ValueError, match=r"integer of at least 0, but got .*manual_seed\(0\)"):
        sg.manual_seed(seed)


@pytest.mark.parametrize("shape", [-1, (2, -3), 2.0, (2.5,), "3", None, (0, 2**62)])
def test_a_shape_is_made_of_ints(shape):
    with pytest.raises(ValueError, match=r"a shape is an int or a tuple of ints.*\(2, 3\)"):
        sg.zeros(shape)
    with pytest.raises(ValueError, match="a shape is"):
        sg.normal(shape)


def test_numbers_that_are_not_real_are_refused():
    with pytest.raises(TypeError, match="value is a real number, but got 1j"):
        sg.full(2, 1j)
    with pytest.raises(TypeError, match="std is a real number"):
        sg.normal(2, std=np.complex64(1))
    with pytest.raises(TypeError, match="high is a real number"):
        sg.uniform(2, high=np.array([1j]))
    with pytest.raises(TypeError, match="mean is a real number"):
        sg.normal(2, mean=[1j, None])
    with pytest.raises(TypeError, match="value is a real number"):
        sg.full(2, "1.0")


@pytest.mark.parametrize("dtype", [np.complex128, "U3", object, ",", {-1: [0]}, "no such"])
@pytest.mark.parametrize("create", [sg.Tensor, sg.zeros, sg.uniform, sg.arange, sg.eye])
def test_a_dtype_is_one_of_real_numbers(create, dtype):
    with pytest.raises(TypeError, match=r"floats, integers or booleans, but got dtype=.*float64"):
        create(2, dtype=dtype)
