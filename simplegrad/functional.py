"""The functions of `sg.`: of one rule each, and what is composed of them.

A function whose first argument is a tensor is a method, too: `sg.softmax(t)` is `t.softmax()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from simplegrad import given, habits, rules
from simplegrad.tensor import Tensor, TensorLike, as_tensor, floats, operands, record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "abs",
    "clip",
    "concatenate",
    "cross_entropy",
    "exp",
    "gelu",
    "log",
    "log_softmax",
    "logsumexp",
    "maximum",
    "minimum",
    "mse_loss",
    "relu",
    "sigmoid",
    "softmax",
    "sqrt",
    "stack",
    "tanh",
    "where",
]

abs = Tensor.abs
clip = Tensor.clip
exp = Tensor.exp
gelu = Tensor.gelu
log = Tensor.log
logsumexp = Tensor.logsumexp
maximum = Tensor.maximum
minimum = Tensor.minimum
relu = Tensor.relu
sigmoid = Tensor.sigmoid
sqrt = Tensor.sqrt
tanh = Tensor.tanh


def where(condition: ArrayLike, a: TensorLike, b: TensorLike) -> Tensor:
    """The elements of `a` where `condition` holds, of `b` elsewhere.

    Args:
        condition: Booleans, of a shape that broadcasts with `a` and `b`, such as `t > 0`.

    Examples:
        >>> t = sg.Tensor([-2.0, 3.0])
        >>> sg.where(t > 0, t, 0.0).numpy()
        array([0., 3.], dtype=float32)
    """
    (a, b), s = operands(a, b), np.copy(condition)
    return record(rules.Where.forward(a.data, b.data, s), rules.Where, a, b, s=s)


def concatenate(tensors: Sequence[TensorLike], axis: int = 0, **wrong: NoReturn) -> Tensor:
    """The tensors joined along an axis that they have; the other sizes must agree.

    Raises:
        ValueError: There is no tensor, or their shapes differ in another axis.

    Examples:
        >>> sg.concatenate([sg.zeros(2), sg.ones(1)]).numpy()
        array([0., 0., 1.], dtype=float32)
    """
    if wrong or not given.is_a(given.INT, axis):
        raise habits.not_joined("concatenate", tensors, axis, wrong)
    a = [as_tensor(t) for t in tensors]
    try:
        c = rules.Concatenate.forward(*[t.data for t in a], axis=axis)
        return record(c, rules.Concatenate, *a, axis=axis)
    except ValueError as error:
        raise ValueError(
            f"concatenate() joins one or more tensors that agree in every size but that of axis "
            f"{axis}, but got shapes {[t.shape for t in a]}. Write sg.stack(tensors) for a new "
            "axis."
        ) from error


def stack(tensors: Sequence[TensorLike], axis: int = 0, **wrong: NoReturn) -> Tensor:
    """The tensors, all of one shape, side by side along a new axis.

    Raises:
        ValueError: There is no tensor, or their shapes differ.

    Examples:
        >>> sg.stack([sg.zeros(2), sg.ones(2)]).shape
        (2, 2)
    """
    if wrong or not given.is_a(given.INT, axis):
        raise habits.not_joined("stack", tensors, axis, wrong)
    a = [as_tensor(t) for t in tensors]
    try:
        c = rules.Stack.forward(*[t.data for t in a], axis=axis)
        return record(c, rules.Stack, *a, axis=axis)
    except ValueError as error:
        raise ValueError(
            f"stack() takes one or more tensors of one shape, but got shapes "
            f"{[t.shape for t in a]}. Write sg.concatenate(tensors) to join along an old axis."
        ) from error


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


habits.answer_for(__name__)

for _function in (softmax, log_softmax, mse_loss, cross_entropy):
    setattr(Tensor, _function.__name__, _function)
