"""Functions of calculus that are methods, too: of one rule each, and what is composed of them."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from simplegrad import habits, rules
from simplegrad.functional.arrays import concatenate
from simplegrad.functional.shapes import _along
from simplegrad.habits import unusual
from simplegrad.tensor import Axis, Tensor, TensorLike, as_tensor, floats, operands, record

__all__ = ["cos", "cumsum", "log1p", "logaddexp", "norm", "outer", "prod", "sin", "std"]


def sin(a: TensorLike) -> Tensor:
    """The sine, elementwise.

    Examples:
        >>> sg.sin(sg.Tensor([0.0, 1.0])).numpy().round(3)
        array([0.   , 0.841], dtype=float32)
    """
    a = floats(a)
    return record(rules.Sin.forward(a.data), rules.Sin, a)


def cos(a: TensorLike) -> Tensor:
    """The cosine, elementwise.

    Examples:
        >>> sg.cos(sg.Tensor([0.0, 1.0])).numpy().round(3)
        array([1.  , 0.54], dtype=float32)
    """
    a = floats(a)
    return record(rules.Cos.forward(a.data), rules.Cos, a)


def log1p(a: TensorLike) -> Tensor:
    """log(1 + a), elementwise, with all digits where `a` is small.

    Examples:
        >>> sg.log1p(sg.Tensor([0.0, 1e-10])).numpy()
        array([0.e+00, 1.e-10], dtype=float32)
    """
    a = floats(a)
    return record(rules.Log1p.forward(a.data), rules.Log1p, a)


def logaddexp(a: TensorLike, b: TensorLike) -> Tensor:
    """log(exp(a) + exp(b)), elementwise, without overflow.

    Examples:
        >>> sg.logaddexp(sg.Tensor([-1000.0, 0.0, 1000.0]), 1000.0).numpy().round(3)
        array([1000.   , 1000.   , 1000.693], dtype=float32)
    """
    a, b = map(floats, operands(a, b))
    return record(rules.LogAddExp.forward(a.data, b.data), rules.LogAddExp, a, b)


def outer(a: TensorLike, b: TensorLike) -> Tensor:
    r"""The product of each element of `a` with each of `b`, a matrix.

    $$c_{ij} = a_i \, b_j$$

    Examples:
        >>> sg.outer(sg.Tensor([1.0, 2.0]), sg.Tensor([3.0, 4.0])).numpy()
        array([[3., 4.],
               [6., 8.]], dtype=float32)
    """
    return as_tensor(a).reshape(-1, 1) * as_tensor(b).reshape(-1)


def cumsum(a: TensorLike, axis: int | None = None, **wrong: NoReturn) -> Tensor:
    """The running sum along `axis`; without one, of all elements in a row.

    Examples:
        >>> sg.cumsum(sg.Tensor([1.0, 2.0, 3.0])).numpy()
        array([1., 3., 6.], dtype=float32)
    """
    if wrong:
        raise habits.refused("x.cumsum", wrong, **({} if axis is None else {"axis": axis}))
    a, axis = _along(a, axis)
    return record(rules.CumSum.forward(a.data, axis), rules.CumSum, a, axis=axis)


def prod(
    a: TensorLike, axis: Axis = None, *more: bool, keepdims: bool = False, **wrong: NoReturn
) -> Tensor:
    """The product along `axis`: one half times the other, again and again.

    So its gradients, of any order, hold where elements are 0, too.

    Examples:
        >>> sg.prod(sg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
        array([3., 8.], dtype=float32)
    """
    a, params = as_tensor(a), unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
    if a.dtype.kind != "f":
        return Tensor(np.prod(a.data, **params))
    along = range(a.ndim) if params["axis"] is None else np.atleast_1d(params["axis"])
    axes = [_along(a, i)[1] for i in along]
    rest = [i for i in range(a.ndim) if i not in axes]
    n, sizes = math.prod(a.shape[i] for i in axes), [a.shape[i] for i in rest]
    c = a.transpose(*axes, *rest).reshape(n, *sizes) if n else Tensor(np.ones((1, *sizes), a.dtype))
    while len(c) > 1:
        half = len(c) // 2
        pairs = c[:half] * c[half : 2 * half]
        c = concatenate([pairs, c[2 * half :]]) if len(c) % 2 else pairs
    kept = [1 if i in axes else size for i, size in enumerate(a.shape)]
    return c.reshape(tuple(kept if params["keepdims"] else sizes))


def norm(
    a: TensorLike, *order: Any, axis: Axis = None, keepdims: bool = False, **wrong: NoReturn
) -> Tensor:
    """The root of the sum of squares along `axis`; its gradient is 0 where it is 0.

    It has no other orders, and takes its arguments by name: an order would stand second elsewhere.

    Examples:
        >>> sg.norm(sg.Tensor([[3.0, 4.0], [0.0, 2.0]]), axis=1).numpy()
        array([5., 2.], dtype=float32)
    """
    a, params = floats(a), {"axis": axis, "keepdims": keepdims}
    if order:
        raise habits.no_order(order[0], params)
    params = unusual() if wrong else params
    return record(rules.Norm.forward(a.data, **params), rules.Norm, a, **params)


def std(
    a: TensorLike,
    axis: Axis = None,
    *more: int,
    ddof: int = 0,
    keepdims: bool = False,
    **wrong: NoReturn,
) -> Tensor:
    r"""The standard deviation along `axis`, around the mean $\mu$; its gradient is 0 where it is 0.

    $$c = \frac{\lVert a - \mu \rVert}{\sqrt{n - ddof}}$$

    As in NumPy, `ddof` is 0 (PyTorch's default, its `correction`, is 1).

    Examples:
        >>> sg.std(sg.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).numpy()
        array([1., 1.], dtype=float32)
    """
    if more or wrong:
        axis, ddof, keepdims = unusual().values()
    a = floats(a)
    mu = a.mean(axis=axis, keepdims=True)
    distance = norm(a - mu, axis=axis, keepdims=keepdims)
    n = a.size // max(distance.size, 1)
    return distance / max(n - ddof, 0) ** 0.5
