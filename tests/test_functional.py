"""The functions composed of rules: softmax and the losses; where, concatenate and stack."""

import math

import numpy as np
import pytest

import simplegrad as sg


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


# mse_loss


def test_mse_loss_is_its_definition():
    y, t = x(3, 2, seed=1), x(3, 2, seed=2)
    assert sg.mse_loss(y, t).item() == pytest.approx(((y.data - t.data) ** 2).mean())
    assert y.mse_loss(t).item() == sg.mse_loss(y, t.data).item()
    assert sg.gradcheck(sg.mse_loss, [y, t])


def test_mse_loss_does_not_broadcast():
    with pytest.raises(ValueError, match=r"\(3,\) and the target \(3, 1\).*reshape\(3,\)"):
        sg.mse_loss(x(3), x(3, 1))


# cross_entropy


def test_cross_entropy_is_its_definition():
    logits, targets = x(4, 3), np.array([0, 2, 1, 1])
    e = np.exp(logits.data)
    p = e / e.sum(axis=1, keepdims=True)
    expected = -np.mean([math.log(p[i, t]) for i, t in enumerate(targets)])
    for given in (targets, targets.tolist(), sg.Tensor(targets), targets.astype(np.uint8)):
        assert sg.cross_entropy(logits, given).item() == pytest.approx(expected, rel=1e-14)
    assert logits.cross_entropy(targets).item() == pytest.approx(expected, rel=1e-14)
    assert sg.gradcheck(lambda a: sg.cross_entropy(a, targets), logits)


def test_cross_entropy_gradient_is_softmax_minus_one_hot_over_n():
    logits, targets = x(4, 3), np.array([0, 2, 1, 1])
    sg.cross_entropy(logits, targets).backward()
    expected = (sg.softmax(logits).data - np.eye(3)[targets]) / 4
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-12, atol=1e-15)


def test_cross_entropy_takes_any_axes_before_the_classes():
    logits, targets = x(2, 3, 4), np.array([[0, 1, 2], [3, 3, 0]])
    flat = sg.cross_entropy(logits.data.reshape(6, 4), targets.reshape(6))
    assert sg.cross_entropy(logits, targets).item() == flat.item()
    assert sg.cross_entropy(logits[0, 0], 2).item() == pytest.approx(
        -sg.log_softmax(logits[0, 0]).data[2]
    )


@pytest.mark.parametrize("offset", [1e4, -1e4])
def test_cross_entropy_is_finite_with_large_logits(offset):
    logits = sg.Tensor([[offset, 0.0]], requires_grad=True)
    loss = sg.cross_entropy(logits, [1])
    loss.backward()
    assert loss.item() == max(offset, 0)
    assert logits.grad.tolist() == ([[1, -1]] if offset > 0 else [[0, 0]])


@pytest.mark.parametrize("targets", [[0.0, 1.0], sg.Tensor([0, 1]), np.eye(2), [True, False]])
def test_targets_of_cross_entropy_are_integers(targets):
    with pytest.raises(TypeError, match=r"integers, but got (float32|float64|bool).*argmax"):
        sg.cross_entropy(x(2, 2), targets)


@pytest.mark.parametrize(
    ("logits", "targets"), [(x(2, 3), [0]), (x(2, 3), [[0, 1]]), (x(3), [0]), (x(), 0)]
)
def test_one_target_is_needed_for_each_row_of_logits(logits, targets):
    with pytest.raises(ValueError, match=r"targets of shape \(\.\.\.\), but got .* and \("):
        sg.cross_entropy(logits, targets)


@pytest.mark.parametrize("wrong", [3, -1])
def test_a_target_is_one_of_the_classes(wrong):
    with pytest.raises(
        ValueError, match=rf"3 classes, so a target is one of 0 \.\.\. 2.* is {wrong}"
    ):
        sg.cross_entropy(x(2, 3), [0, wrong])


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


def test_cross_entropy_tells_one_hot_rows_of_integers():
    with pytest.raises(ValueError, match=r"one-hot rows\? Write np\.argmax\(targets, axis=-1\)"):
        sg.cross_entropy(sg.zeros((2, 3)), np.eye(3, dtype=int)[:2])
