"""Losses, composed of other functions."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from simplegrad import given, habits
from simplegrad.tensor import Tensor, TensorLike, floats

__all__ = ["cross_entropy", "mse_loss"]


def mse_loss(prediction: TensorLike, target: TensorLike, **wrong: NoReturn) -> Tensor:
    r"""Mean squared error.

    $$L = \frac{1}{n} \sum_i (y_i - t_i)^2$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 5.4.

    Args:
        prediction: $y$, of any shape.
        target: $t$, of the same shape.

    Raises:
        ValueError: The shapes differ; they are not broadcast, since (n,) against (n, 1) would
            compare every prediction with every target.

    Examples:
        >>> sg.mse_loss(sg.Tensor([1.0, 2.0]), [1.0, 4.0]).item()
        2.0
    """
    if wrong:
        raise habits.refused("sg.mse_loss", wrong, prediction, target)
    y, t = floats(prediction), floats(target)
    if y.shape != t.shape:
        raise given.no_pairs(y, t)
    return ((y - t) ** 2).mean()


def cross_entropy(logits: TensorLike, targets: TensorLike, **wrong: NoReturn) -> Tensor:
    r"""Mean negative log-likelihood of the right classes.

    $$L = \frac{1}{n} \sum_i \left( \log \sum_j e^{a_{ij}} - a_{i t_i} \right)$$

    Bishop (2006), "Pattern Recognition and Machine Learning", equation 4.108, with the softmax of
    equation 4.104 put in.

    Args:
        logits: $a$, of shape (..., classes): any numbers, not probabilities.
        targets: $t$, of shape (...): the number of the right class, an integer from 0.

    Raises:
        TypeError: The targets are not integers.
        ValueError: The shapes do not match, or a target is no class.

    Examples:
        >>> logits = sg.Tensor([[0.0, 0.0], [1000.0, 0.0]])
        >>> sg.cross_entropy(logits, [0, 0]).numpy().round(3)
        np.float32(0.347)
    """
    if wrong:
        raise habits.refused("sg.cross_entropy", wrong, logits, targets)
    a = floats(logits)
    t = _checked_targets(a, targets)
    rows = a.reshape(-1, a.shape[-1]) if a.ndim != 2 else a
    a_it = rows[np.arange(t.size), t.reshape(-1) if t.ndim != 1 else t]
    return (rows.logsumexp(axis=1) - a_it).mean()


def _checked_targets(logits: Tensor, targets: TensorLike) -> Any:
    """The targets of a cross-entropy: an array or a Tensor of integers, each of them a class."""
    t = given.array_of(targets)
    if t.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy takes the numbers of the right classes as targets, integers, but got "
            f"{t.dtype}. Write np.argmax(targets, axis=-1) of one-hot rows, or "
            "np.array(targets).astype(int)."
        )
    if t.shape == logits.shape and t.ndim > 1:
        raise ValueError(
            f"cross_entropy takes one target for each row of logits, but got targets of the shape "
            f"of the logits, {t.shape}: one-hot rows? Write np.argmax(targets, axis=-1)."
        )
    if logits.ndim == 0 or t.shape != logits.shape[:-1]:
        raise ValueError(
            f"cross_entropy takes logits of shape (..., classes) and targets of shape (...), but "
            f"got {logits.shape} and {t.shape}. Write sg.cross_entropy(logits, targets) with one "
            f"target for each row of logits, here of shape {logits.shape[:-1]}."
        )
    classes = logits.shape[-1]
    if not given.lies_within(t, classes):
        raise given.no_class(t.flat[np.argmax((t < 0) | (t >= classes))], classes)
    return targets if isinstance(targets, Tensor) else t
