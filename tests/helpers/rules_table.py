"""One row for each rule: all that the tests of any rule need to know of it.

A new rule that treats every element by itself needs a row here, and nothing else in the tests:

    "Sinh": unary(sg.sinh, torch="sinh"),

It is then compared with central differences and with torch, stands in random graphs, is recorded
and replayed, and each of its partials is made wrong, for `sg.gradcheck` to find out.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis.strategies import SearchStrategy

import simplegrad as sg
from simplegrad import partials
from tests.helpers import drawn
from tests.helpers.drawn import positive_axes


class Row(NamedTuple):
    """A rule as a user, a test and torch know it; the params are those of its `forward`."""

    ours: Callable[..., Any]  # what a user calls, with tensors, and the params by name
    torch: str | Callable[..., Any]  # the name of the same in torch, or what makes it of torch
    cases: SearchStrategy[Any]  # these draw arrays and params
    arrays: list[np.ndarray]  # one case that is always the same
    params: dict[str, Any] = {}
    elementwise: bool = False
    positive: bool = False  # whether the first input is to be positive
    kink: float | None = None  # where there are two slopes: of a, or of a - b

    def __call__(self, *tensors: Any) -> Any:
        """What a user calls, with the params of the one case."""
        return self.ours(*tensors, **self.params)

    def tensors(self, dtype: Any = np.float64) -> list[sg.Tensor]:
        """The arrays of the one case, as leaves."""
        return [sg.Tensor(array, requires_grad=True, dtype=dtype) for array in self.arrays]

    def theirs(self, torch: Any) -> Callable[..., Any]:
        """The same in torch; takes torch's tensors, and the params by name."""
        return getattr(torch, self.torch) if isinstance(self.torch, str) else self.torch(torch)


def x(*shape, seed=0):
    """Numbers from 0.5 to 2."""
    return np.random.default_rng(seed).uniform(0.5, 2, shape)


SIGNS = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0]])


def unary(ours, torch, positive=False, kink=None, **params):
    """A rule of one input that treats every element by itself."""
    cases = drawn.one("positive" if positive else "apart", **params)
    a = x(2, 3) if positive else x(2, 3) * SIGNS
    return Row(ours, torch, cases, [a], params, True, positive, kink)


def binary(ours, torch, positive=False, kink=None):
    """A rule of two inputs that broadcast, and are treated element by element."""
    cases = drawn.two("positive" if positive else "apart")
    return Row(ours, torch, cases, [x(2, 3), x(3, seed=1)], {}, True, positive, kink)


def reduction(ours, torch, max_dims=4, **params):
    """A rule that reduces axes."""

    def theirs(library):
        fn = getattr(library, torch) if isinstance(torch, str) else torch(library)

        def reduce(a, axis, keepdims, **params):
            axes = positive_axes(axis, a.ndim)
            kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
            shape = kept if keepdims else [n for i, n in enumerate(a.shape) if i not in axes]
            # torch takes no axes for all axes, so there is one more
            return fn(a.unsqueeze(-1), dim=[*axes, a.ndim], **params).reshape(shape)

        return reduce

    return Row(ours, theirs, drawn.reduction(max_dims, **params), [x(2, 3)], params)


# What torch calls otherwise, or has in another form


def gelu(torch):
    return lambda a: torch.nn.functional.gelu(a, approximate="tanh")


def where(torch):
    return lambda a, b, s: torch.where(torch.tensor(s), a, b)


def variance(torch):
    def var(a, dim, ddof):  # of no elements, torch warns
        return torch.var(a, dim, correction=ddof) if a.numel() else a.sum(dim)

    return var


def norm(torch):
    return lambda a, dim: torch.linalg.vector_norm(a, dim=dim)


def cumsum(torch):
    return lambda a, axis: torch.cumsum(a, axis)


def einsum(torch):
    return lambda *a, subscripts: torch.einsum(subscripts, *a)


def broadcast_to(torch):
    return lambda a, shape: torch.broadcast_to(a, shape)


def reshape(torch):
    return lambda a, shape: a.reshape(*shape)


def transpose(torch):
    def permuted(a, axes):
        return a.permute(list(range(a.ndim))[::-1] if axes is None else np.ravel(axes).tolist())

    return permuted


def squeeze(torch):
    return lambda a, axis: a.squeeze() if axis is None else a.squeeze(axis)


def unsqueeze(torch):
    return lambda a, axis: a.unsqueeze(axis)


def index(torch):
    def taken(a, index):  # torch has no steps backwards
        index = index.data if isinstance(index, sg.Tensor) else index
        chosen = np.arange(a.numel()).reshape(a.shape)[index]
        return a.reshape(-1)[torch.tensor(np.array(chosen))]

    return taken


def scatter(torch):
    def scattered(a, index, shape):
        places = torch.tensor(np.array(np.arange(math.prod(shape)).reshape(shape)[index]))
        zeros = torch.zeros(math.prod(shape), dtype=a.dtype)
        return zeros.index_add(0, places.reshape(-1), a.reshape(-1)).reshape(shape)

    return scattered


def concatenate(torch):
    return lambda *a, axis: torch.cat(a, axis)


def stack(torch):
    return lambda *a, axis: torch.stack(a, axis)


def pad(torch):
    def padded(a, widths, constant):
        flat = [n for pair in widths[::-1] for n in pair]
        return torch.nn.functional.pad(a, flat, value=constant) if flat else a.clone()

    return padded


def windows(torch):
    def seen(a, size, stride, dilation):
        *batch, height, width = a.shape
        columns = torch.nn.functional.unfold(
            a.reshape(-1, 1, height, width), size, dilation, stride=stride
        )
        sizes = zip((height, width), size, stride, dilation, strict=True)
        counts = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in sizes]
        return columns.reshape(*batch, -1, *counts)

    return seen


RULES = {
    "Add": binary(operator.add, torch="add"),
    "Sub": binary(operator.sub, torch="sub"),
    "Mul": binary(operator.mul, torch="mul"),
    "Div": binary(operator.truediv, torch="div"),
    "Neg": unary(operator.neg, torch="neg"),
    "Pow": binary(operator.pow, torch="pow", positive=True),
    "MatMul": Row(operator.matmul, "matmul", drawn.matmul(), [x(2, 3), x(3, 2, seed=1)], {}),
    "Einsum": Row(
        lambda *a, subscripts: sg.einsum(subscripts, *a),
        einsum,
        drawn.einsum(),
        [x(2, 3), x(3, 2, seed=1)],
        {"subscripts": "ij,jk->ik"},
    ),
    "Exp": unary(sg.exp, torch="exp"),
    "Log": unary(sg.log, torch="log", positive=True),
    "Log1p": unary(sg.log1p, torch="log1p", positive=True),
    "Sqrt": unary(sg.sqrt, torch="sqrt", positive=True),
    "Abs": unary(sg.abs, torch="abs", kink=0),
    "Sin": unary(sg.sin, torch="sin"),
    "Cos": unary(sg.cos, torch="cos"),
    "Tanh": unary(sg.tanh, torch="tanh"),
    "Sigmoid": unary(sg.sigmoid, torch="sigmoid"),
    "ReLU": unary(sg.relu, torch="relu", kink=0),
    "GELU": unary(sg.gelu, torch=gelu),
    "Maximum": binary(sg.maximum, torch="maximum", kink=0),
    "Minimum": binary(sg.minimum, torch="minimum", kink=0),
    "LogAddExp": binary(sg.logaddexp, torch="logaddexp"),
    "Where": Row(
        lambda a, b, s: sg.where(s, a, b),
        where,
        drawn.where(),
        [x(2, 3), x(3, seed=1)],
        {"s": SIGNS > 0},
        elementwise=True,
    ),
    "Clip": unary(sg.clip, torch="clip", min=-0.29, max=1.03),
    "Sum": reduction(sg.Tensor.sum, torch="sum", axis=0, keepdims=False),
    "CumSum": Row(sg.cumsum, cumsum, drawn.along(), [x(2, 3)], {"axis": 1}),
    "Mean": reduction(sg.Tensor.mean, torch="mean", axis=1, keepdims=True),
    "Max": reduction(sg.Tensor.max, torch="amax", axis=1, keepdims=False),
    "Min": reduction(sg.Tensor.min, torch="amin", axis=None, keepdims=False),
    "Var": reduction(sg.Tensor.var, torch=variance, axis=1, ddof=1, keepdims=False),
    "Norm": reduction(sg.norm, torch=norm, axis=1, keepdims=False),
    "LogSumExp": reduction(sg.logsumexp, torch="logsumexp", axis=1, keepdims=False),
    "Reshape": Row(
        lambda a, shape: a.reshape(*shape), reshape, drawn.reshape(), [x(2, 3)], {"shape": (3, 2)}
    ),
    "Transpose": Row(
        lambda a, axes: a.T if axes is None else a.transpose(*axes),
        transpose,
        drawn.transpose(),
        [x(2, 3)],
        {"axes": None},
    ),
    "Squeeze": Row(sg.Tensor.squeeze, squeeze, drawn.squeeze(), [x(2, 1)], {"axis": 1}),
    "Unsqueeze": Row(sg.Tensor.unsqueeze, unsqueeze, drawn.unsqueeze(), [x(2)], {"axis": 0}),
    "BroadcastTo": Row(
        sg.broadcast_to, broadcast_to, drawn.broadcast_to(), [x(2, 1)], {"shape": (4, 2, 3)}
    ),
    "Index": Row(
        lambda a, index: a[index], index, drawn.index(), [x(3)], {"index": np.array([0, 0, 2])}
    ),
    "Scatter": Row(
        partials.scatter,
        scatter,
        drawn.scatter(),
        [x(3)],
        {"index": np.array([0, 0, 2]), "shape": (3,)},
    ),
    "Concatenate": Row(
        lambda *a, axis: sg.concatenate(a, axis),
        concatenate,
        drawn.concatenate(),
        [x(2), x(3, seed=1)],
        {"axis": 0},
    ),
    "Stack": Row(
        lambda *a, axis: sg.stack(a, axis), stack, drawn.stack(), [x(2), x(2, seed=1)], {"axis": 1}
    ),
    "Pad": Row(
        lambda a, widths, constant: sg.pad(a, widths, constant),
        pad,
        drawn.pad(),
        [x(2, 3)],
        {"widths": ((1, 0), (0, 2)), "constant": 0.5},
    ),
    "Windows": Row(
        sg.windows,
        windows,
        drawn.windows(),
        [x(3, 4)],
        {"size": (2, 2), "stride": (1, 2), "dilation": (1, 1)},
    ),
}
