"""Functions of calculus that are methods, too: of one rule each, and what is composed of them."""

from __future__ import annotations

from simplegrad import rules
from simplegrad.tensor import Tensor, TensorLike, floats, operands, record

__all__ = ["cos", "log1p", "logaddexp", "sin"]


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
