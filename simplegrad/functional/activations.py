"""Activations that are composed of other functions."""

from __future__ import annotations

from typing import NoReturn

from simplegrad import habits
from simplegrad.tensor import Tensor, TensorLike, floats

__all__ = ["log_softmax", "softmax"]


def softmax(a: TensorLike, axis: int = -1, **wrong: NoReturn) -> Tensor:
    r"""Positive numbers in the ratios of $e^{a_i}$ that add up to 1 along `axis`.

    $$c_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 6.29.

    Examples:
        >>> sg.softmax(sg.Tensor([0.0, 0.0])).numpy()
        array([0.5, 0.5], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.softmax", wrong, a)
    return log_softmax(a, axis).exp()


def log_softmax(a: TensorLike, axis: int = -1, **wrong: NoReturn) -> Tensor:
    r"""The logarithm of softmax along `axis`, exact where softmax is too small for a float.

    $$c_i = a_i - \log \sum_j e^{a_j}$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 6.30.

    Examples:
        >>> sg.log_softmax(sg.Tensor([0.0, 1000.0])).numpy()
        array([-1000.,     0.], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.log_softmax", wrong, a)
    a = floats(a)
    return a - a.logsumexp(axis, keepdims=True)
