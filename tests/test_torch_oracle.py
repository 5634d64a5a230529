"""The same computations in torch: values and gradients agree. Skipped where torch is missing."""

import functools

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import nn
from tests.helpers.rules_table import RULES

torch = pytest.importorskip("torch", reason="torch is not installed: a further oracle is missing")
F = torch.nn.functional


def draw(*shape, positive=False):
    values = np.random.default_rng(sum(shape)).normal(size=shape)
    return np.abs(values) + 0.1 if positive else values


INDEX = np.array([[2, 0], [2, 2]])
INDEX_OF_ROWS = np.array([[0, 0], [3, 1], [2, 0]])
ONE_ZERO = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
CONDITION = np.array([[True], [False], [True]])

# (name, the inputs, ours, torch's)
COMPUTATIONS = [
    ("add", [(2, 3), (3,)], lambda a, b: a + b, lambda a, b: a + b),
    ("sub", [(2, 1), (1, 3)], lambda a, b: a - b, lambda a, b: a - b),
    ("mul", [(2, 3), (1,)], lambda a, b: a * b, lambda a, b: a * b),
    ("div", [(2, 3), (2, 1)], lambda a, b: a / b, lambda a, b: a / b),
    ("square", [(2, 3)], lambda a: a**2, lambda a: a**2),
    ("matmul", [(5, 1, 2, 3), (4, 3, 2)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("matvec", [(5, 2, 3), (3,)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("vecmat", [(3,), (5, 3, 2)], lambda a, b: a @ b, lambda a, b: a @ b),
    ("ties", [(2, 3)], lambda a: sg.maximum(a, a * 1), lambda a: torch.maximum(a, a * 1)),
    ("clip", [(2, 3)], lambda a: sg.clip(a, -0.5, 0.5), lambda a: torch.clip(a, -0.5, 0.5)),
    (
        "where",
        [(3, 2), (2,)],
        lambda a, b: sg.where(CONDITION, a, b),
        lambda a, b: torch.where(torch.tensor(CONDITION), a, b),
    ),
    ("sum", [(2, 3, 4)], lambda a: a.sum(axis=(0, 2)), lambda a: a.sum(dim=(0, 2))),
    ("mean", [(2, 3, 4)], lambda a: a.mean(axis=1), lambda a: a.mean(dim=1)),
    ("max", [(2, 3, 4)], lambda a: a.max(axis=(0, 1)), lambda a: a.amax(dim=(0, 1))),
    ("min", [(2, 3, 4)], lambda a: a.min(axis=2), lambda a: a.amin(dim=2)),
    ("tied max", [(2, 3)], lambda a: (a * 0).max(axis=1), lambda a: (a * 0).amax(dim=1)),
    ("var", [(2, 3, 4)], lambda a: a.var(axis=1, ddof=1), lambda a: a.var(dim=1, correction=1)),
    ("logsumexp", [(2, 3)], lambda a: a.logsumexp(axis=1), lambda a: a.logsumexp(dim=1)),
    ("std", [(2, 3)], lambda a: a.std(axis=1, ddof=1), lambda a: a.std(dim=1)),
    ("no std", [(2, 3)], lambda a: (a * 0).std(axis=1), lambda a: (a * 0).std(1, correction=0)),
    ("no norm", [(2, 3)], lambda a: (a * 0).norm(axis=1), lambda a: (a * 0).norm(dim=1)),
    (
        "a product with a zero",
        [(2, 3)],
        lambda a: (a * ONE_ZERO).prod(axis=1),
        lambda a: (a * torch.tensor(ONE_ZERO)).prod(dim=1),
    ),
    (
        "gather",
        [(3, 4)],
        lambda a: sg.take_along_axis(a, INDEX_OF_ROWS, axis=1),
        lambda a: torch.gather(a, 1, torch.tensor(INDEX_OF_ROWS)),
    ),
    (
        "einsum",
        [(2, 1, 3, 4), (5, 4, 3)],
        lambda a, b: sg.einsum("...ij,...ji->...i", a, b),
        lambda a, b: torch.einsum("...ij,...ji->...i", a, b),
    ),
    ("diagonal", [(3, 3)], lambda a: sg.einsum("ii->i", a), lambda a: torch.einsum("ii->i", a)),
    ("roll", [(2, 3)], lambda a: a.roll((1, 2), (0, 1)), lambda a: a.roll((1, 2), (0, 1))),
    ("repeat", [(2, 3)], lambda a: a.repeat(2, axis=1), lambda a: a.repeat_interleave(2, dim=1)),
    ("triangle", [(2, 3)], lambda a: a.tril(1) + a.triu(1), lambda a: a.tril(1) + a.triu(1)),
    ("trace", [(3, 2)], sg.trace, torch.trace),
    ("softmax", [(2, 3)], sg.softmax, lambda a: a.softmax(dim=-1)),
    ("log_softmax", [(2, 3)], sg.log_softmax, lambda a: a.log_softmax(dim=-1)),
    ("reshape", [(2, 3)], lambda a: a.reshape(3, 2), lambda a: a.reshape(3, 2)),
    ("transpose", [(2, 3, 4)], lambda a: a.transpose(2, 0, 1), lambda a: a.permute(2, 0, 1)),
    ("index", [(3, 4)], lambda a: a[INDEX], lambda a: a[torch.tensor(INDEX)]),
    ("concatenate", [(2, 3), (1, 3)], lambda *t: sg.concatenate(t), lambda *t: torch.cat(t)),
    ("stack", [(2, 3), (2, 3)], lambda *t: sg.stack(t, 1), lambda *t: torch.stack(t, 1)),
    ("mse_loss", [(2, 3), (2, 3)], sg.mse_loss, F.mse_loss),
    (
        "cross_entropy",
        [(3, 4)],
        lambda a: sg.cross_entropy(a, [1, 3, 0]),
        lambda a: F.cross_entropy(a, torch.tensor([1, 3, 0])),
    ),
    ("layer_norm", [(3, 4)], lambda a: nn.LayerNorm(4)(a), lambda a: F.layer_norm(a, [4])),
]


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_that_of_torch(name):
    row = RULES[name]
    assert_agree(row.arrays, row, functools.partial(row.theirs(torch), **row.params))


@pytest.mark.parametrize(("name", "shapes", "ours", "theirs"), COMPUTATIONS, ids=lambda x: x)
def test_values_and_gradients_are_those_of_torch(name, shapes, ours, theirs):
    assert_agree([draw(*shape, positive=name == "div") for shape in shapes], ours, theirs)


def assert_agree(arrays, ours, theirs):
    tensors = [sg.Tensor(a, requires_grad=True) for a in arrays]
    torchs = [torch.tensor(a, requires_grad=True) for a in arrays]
    result, torch_result = ours(*tensors), theirs(*torchs)
    np.testing.assert_allclose(result.data, torch_result.detach().numpy(), rtol=1e-12)
    grad = draw(*result.shape)
    result.backward(grad)
    torch_result.backward(torch.tensor(grad))
    for t, torch_t in zip(tensors, torchs, strict=True):
        np.testing.assert_allclose(t.grad, torch_t.grad.numpy(), rtol=1e-11, atol=1e-13)
