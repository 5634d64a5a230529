"""Functions of arrays: aliases of methods, and those of one rule that take several tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from simplegrad import given, habits, rules
from simplegrad.tensor import Tensor, TensorLike, as_tensor, operands, record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "abs",
    "clip",
    "concatenate",
    "exp",
    "log",
    "logsumexp",
    "maximum",
    "minimum",
    "one_hot",
    "relu",
    "sigmoid",
    "sqrt",
    "stack",
    "tanh",
    "where",
]

abs = Tensor.abs
clip = Tensor.clip
exp = Tensor.exp
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
    except np.exceptions.AxisError as error:
        raise given.no_axis(a[0], axis) from error
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


def one_hot(targets: TensorLike, num_classes: int, **wrong: NoReturn) -> Any:
    """A row for each target, with 1 at its place and 0 elsewhere: an array of float32.

    Args:
        targets: The numbers of the classes, of shape (...): integers from 0.
        num_classes: How many there are; the result has shape (..., num_classes).

    Raises:
        TypeError: The targets are not integers.
        ValueError: A target is no class.

    Examples:
        >>> sg.one_hot([0, 2], 3)
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.one_hot", wrong, targets, num_classes)
    t, write = given.array_of(targets), "Write sg.one_hot([0, 2], 3)."
    n = given.checked_number(given.SIZE, num_classes, "the number of classes is", write)
    if t.dtype.kind not in "iu":
        raise TypeError(f"the targets of one_hot are integers, but got {t.dtype}. {write}")
    if not given.lies_within(t, n):
        raise given.no_class("one_hot", t, n, None)
    return (t[..., None] == np.arange(n)).astype(np.float32)
