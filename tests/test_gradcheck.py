"""gradcheck: passes right gradients, and shows both numbers and where of wrong ones."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad.tensor import record


def x(*shape, name=None):
    data = np.random.default_rng(0).uniform(0.5, 2, shape)
    return sg.Tensor(data, requires_grad=True, name=name)


class WrongMul:
    def forward(a, b):
        return a * b

    def da(dc, c, a, b):
        return dc * b

    def db(dc, c, a, b):
        return dc * b  # should be a

    partials = da, db


def wrong_mul(a, b):
    return record(WrongMul.forward(a.data, b.data), WrongMul, a, b)


def test_right_gradients_pass():
    assert sg.gradcheck(lambda a, b: sg.exp(a) @ b, [x(2, 3), x(3, 2)]) is True
    assert sg.gradcheck(lambda a: a.sum(), x()) is True


def test_a_wrong_gradient_shows_both_numbers_and_where():
    a = sg.Tensor(np.array([2.0, 3.0]), requires_grad=True)
    b = sg.Tensor(np.array([2.0, 5.0]), requires_grad=True, name="b")
    both = r"input 1 \(b\), element \(1,\): backward\(\) gives 7\.5, but .* give 4\.5\."
    with pytest.raises(AssertionError, match=both):  # 1.5 is the weight of the second element
        sg.gradcheck(wrong_mul, [a, b])


def test_wrong_signs_that_cancel_in_the_sum_are_found():
    class Swapped:
        def forward(a):
            return a * np.array([1.0, 2.0])

        def da(dc, c, a):
            return dc[::-1] * np.array([2.0, 1.0])[::-1]

        partials = (da,)

    with pytest.raises(AssertionError, match="element"):
        sg.gradcheck(lambda a: record(Swapped.forward(a.data), Swapped, a), x(2))


def test_an_input_that_is_not_used_has_the_gradient_zero():
    assert sg.gradcheck(lambda a, b: a * 2, [x(2), x(3)])


def test_inputs_without_gradients_are_passed_on():
    assert sg.gradcheck(lambda a, i: a[i], [x(3), sg.Tensor(np.array([0, 0, 2]))])


def test_the_inputs_are_left_alone():
    a = x(2)
    before = a.numpy()
    sg.gradcheck(lambda a: a * a, a)
    assert a.grad is None
    np.testing.assert_array_equal(a.data, before)


def test_float32_has_too_few_digits():
    with pytest.raises(TypeError, match=r"digits of float64, but input 0 is float32.*dtype="):
        sg.gradcheck(lambda a: a, sg.ones(2, requires_grad=True))


def test_inputs_are_tensors():
    with pytest.raises(TypeError, match="gradcheck takes Tensors, but input 0 is a ndarray"):
        sg.gradcheck(lambda a: a, [np.ones(2)])


def test_something_must_require_gradients():
    with pytest.raises(ValueError, match="nothing to check"):
        sg.gradcheck(lambda a: a, sg.Tensor(np.ones(2)))
