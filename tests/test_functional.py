"""The functions of several tensors: where, concatenate and stack."""

import numpy as np
import pytest

import simplegrad as sg


def x(*shape, seed=0):
    return sg.Tensor(np.random.default_rng(seed).normal(size=shape), requires_grad=True)


# where, concatenate, stack


def test_where_chooses_and_differentiates():
    a, b, s = x(2, 3), x(3, seed=1), np.array([[True], [False]])
    np.testing.assert_array_equal(sg.where(s, a, b).data, np.where(s, a.data, b.data))
    assert sg.gradcheck(lambda a, b: sg.where(s, a, b) ** 2, [a, b])
    assert sg.where(a > 0, a, 0.0).dtype == np.float64
    assert sg.where([True, False], 1.0, 2.0).data.tolist() == [1, 2]
    assert sg.where(sg.Tensor(s), a, b).shape == (2, 3)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concatenate_and_stack_are_numpys_and_differentiate(axis):
    a, b = x(2, 3), x(2, 3, seed=1)
    for ours, numpys in (sg.concatenate, np.concatenate), (sg.stack, np.stack):
        np.testing.assert_array_equal(ours([a, b], axis).data, numpys([a.data, b.data], axis))
        assert sg.gradcheck(lambda a, b: ours([a, b, a], axis) ** 2, [a, b])  # noqa: B023


def test_concatenate_splits_the_gradient_at_the_right_places():
    a, b = x(1, 2), x(3, 2, seed=1)
    (sg.concatenate([a, b]) * np.arange(8.0).reshape(4, 2)).sum().backward()
    assert a.grad.tolist() == [[0, 1]]
    assert b.grad.tolist() == [[2, 3], [4, 5], [6, 7]]


def test_shapes_that_cannot_be_joined_are_all_named():
    with pytest.raises(
        ValueError, match=r"axis 0, but got shapes \[\(2, 3\), \(2, 4\)\].*sg\.stack"
    ):
        sg.concatenate([x(2, 3), x(2, 4)])
    with pytest.raises(ValueError, match=r"one shape, but got shapes \[\(2,\), \(3,\)\]"):
        sg.stack([x(2), x(3)])
    for join in (sg.concatenate, sg.stack):
        with pytest.raises(ValueError, match=r"one or more tensors .* got shapes \[\]"):
            join([])
