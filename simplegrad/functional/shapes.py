"""Functions that move elements, or find them, and are methods, too: composed of other functions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast

import numpy as np

from simplegrad import given, habits, rules
from simplegrad.functional.arrays import concatenate, where
from simplegrad.tensor import Axis, Tensor, TensorLike, as_tensor, record

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "argmax",
    "argmin",
    "broadcast_to",
    "repeat",
    "roll",
    "split",
    "take_along_axis",
    "trace",
    "tril",
    "triu",
]


def _along(a: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    """`a` and an axis of it, counted from 0; if there is none, all elements in a row, as in NumPy.

    Examples:
        >>> a, axis = _along(sg.ones((2, 3)), -1)
        >>> a.shape, axis
        ((2, 3), 1)
    """
    a = as_tensor(a)
    if axis is None:
        return a.reshape(-1), 0
    if not (given.is_a(given.INT, axis) and -a.ndim <= axis < a.ndim):
        raise given.no_axis(a, axis)
    return a, int(axis) % a.ndim


def broadcast_to(a: TensorLike, shape: int | tuple[int, ...], **wrong: NoReturn) -> Tensor:
    """The elements repeated along new axes and axes of size 1, without a copy.

    Raises:
        ValueError: `a` does not broadcast to this shape.

    Examples:
        >>> sg.broadcast_to(sg.Tensor([1.0, 2.0]), (2, 2)).numpy()
        array([[1., 2.],
               [1., 2.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("x.broadcast_to", wrong)
    a, shape = as_tensor(a), given.shape(shape)
    try:
        c = rules.BroadcastTo.forward(a.data, shape)
        return record(c, rules.BroadcastTo, a, shape=shape)
    except ValueError as error:
        raise given.no_broadcast_to(a, shape) from error


def split(
    a: TensorLike, indices_or_sections: int | Sequence[int], axis: int = 0, **wrong: Any
) -> list[Tensor]:
    """The parts of a tensor: so many of one size, or those between indices, as in NumPy.

    Args:
        indices_or_sections: The number of parts, or the places where to cut. PyTorch's `split`
            takes the size of a part, or the sizes of all, in its place.

    Raises:
        ValueError: The axis has no such number of equal parts.

    Examples:
        >>> [part.shape for part in sg.split(sg.ones(6), 3)]
        [(2,), (2,), (2,)]
        >>> [part.shape for part in sg.split(sg.ones(6), [1, 4])]
        [(1,), (3,), (2,)]
    """
    if wrong:
        raise habits.not_split(as_tensor(a), indices_or_sections, wrong)
    a, axis = _along(a, axis)
    n, cuts = a.shape[axis], cast(Any, indices_or_sections)
    if given.fits(given.SIZE, cuts) and n % cuts == 0:
        cuts = [n // cuts * part for part in range(1, cuts)]
    if np.ndim(cuts) != 1 or not all(given.is_a(given.INT, cut) for cut in cuts):
        raise given.no_parts(a, cuts, axis)
    ends = [None, *cuts, None]
    before = (slice(None),) * axis
    return [a[(*before, slice(*pair))] for pair in itertools.pairwise(ends)]


def roll(
    a: TensorLike,
    shift: int | tuple[int, ...],
    axis: Axis = None,
    **wrong: NoReturn,
) -> Tensor:
    """The elements moved on by `shift` places along `axis`; what falls off comes in at the start.

    Args:
        shift: How far; a tuple has a number for each axis.
        axis: Along which axes; None rolls all elements in a row.

    Examples:
        >>> sg.roll(sg.arange(5), 2).numpy()
        array([3, 4, 0, 1, 2])
    """
    if wrong:
        raise habits.refused("x.roll", wrong, shift)
    a = as_tensor(a)
    c = a.reshape(-1) if axis is None else a
    shifts, axes = np.atleast_1d(shift), np.atleast_1d(0 if axis is None else axis)
    if shifts.dtype.kind not in "iu" or not given.broadcast(shifts.shape, axes.shape):
        raise given.no_shift(shift, axis)
    for k, i in np.broadcast(shifts, axes):
        _, i = _along(c, i.item())
        before, after = split(c, [-k % max(c.shape[i], 1)], i)
        c = concatenate([after, before], i)
    return c.reshape(a.shape) if axis is None else c


def repeat(
    a: TensorLike,
    repeats: int | ArrayLike,
    *more: int,
    axis: int | None = None,
    **wrong: NoReturn,
) -> Tensor:
    """Each element that often, side by side, as in NumPy: PyTorch's `repeat_interleave`.

    PyTorch's `repeat` puts copies of the whole tensor side by side.

    Args:
        repeats: How often; an array has a number for each element along the axis.
        axis: Along which axis, by name; None takes all elements in a row.

    Examples:
        >>> sg.repeat(sg.arange(3), 2).numpy()
        array([0, 0, 1, 1, 2, 2])
    """
    if wrong:
        raise habits.refused("x.repeat", wrong, repeats)
    if more:
        raise habits.no_tiles(repeats, *more)
    a, axis = _along(a, axis)
    n = a.shape[axis]
    try:
        taken = np.repeat(np.arange(n), given.array_of(repeats))
    except (TypeError, ValueError) as error:
        raise given.no_repeats(n, repeats) from error
    return a[(*(slice(None),) * axis, taken)]


def take_along_axis(
    a: TensorLike, indices: ArrayLike, axis: int | None = -1, **wrong: NoReturn
) -> Tensor:
    r"""One element for each index, along an axis: PyTorch's `gather`.

    $$c_{ij} = a_{i, k_{ij}}$$

    Args:
        indices: $k$, integers, with as many axes as `a`; the sizes of the others broadcast.
        axis: The axis that they count along; None takes all elements in a row.

    Raises:
        IndexError: An index is out of range or no integer, or the shapes do not match.

    Examples:
        >>> a = sg.Tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> sg.take_along_axis(a, [[1], [0]], axis=1).numpy()
        array([[2.],
               [3.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("x.take_along_axis", wrong, indices)
    a, axis = _along(a, axis)
    k = given.array_of(indices)
    if k.ndim != a.ndim or k.dtype.kind not in "iu":
        raise given.not_along(a, k)
    index = [*np.indices(a.shape, sparse=True)]
    index[axis] = k
    return a[tuple(index)]


def trace(a: TensorLike) -> Tensor:
    r"""The sum along the diagonal of a matrix.

    $$c = \sum_i a_{ii}$$

    Examples:
        >>> sg.trace(sg.Tensor([[1.0, 2.0], [3.0, 4.0]])).item()
        5.0
    """
    a = as_tensor(a)
    if a.ndim != 2:
        raise given.no_matrix("trace", a)
    i = np.arange(min(a.shape))
    return a[i, i].sum()


def tril(a: TensorLike, k: int = 0, **wrong: NoReturn) -> Tensor:
    """The lower triangle of matrices, zeros above the diagonal, or above the `k`-th over it.

    Examples:
        >>> sg.tril(sg.ones((2, 2))).numpy()
        array([[1., 0.],
               [1., 1.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("x.tril", wrong)
    return _masked("tril", as_tensor(a), k)


def triu(a: TensorLike, k: int = 0, **wrong: NoReturn) -> Tensor:
    """The upper triangle of matrices, zeros below the diagonal, or below the `k`-th over it.

    Examples:
        >>> sg.triu(sg.ones((2, 2)), k=1).numpy()
        array([[0., 1.],
               [0., 0.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("x.triu", wrong)
    return _masked("triu", as_tensor(a), k)


def _masked(name: str, a: Tensor, k: int) -> Tensor:
    """`a` where a triangle of NumPy is."""
    if a.ndim < 2:
        raise given.no_matrix(name, a)
    triangle = getattr(np, name)(np.ones(a.shape[-2:], bool), k)
    return where(triangle, a, a.dtype.type(0))


def argmax(
    a: TensorLike, axis: int | None = None, keepdims: bool = False, **wrong: NoReturn
) -> Any:
    """Where the largest element along `axis` is: an array of integers, which have no gradient.

    Without an axis, the place among all elements in a row. Of those that tie, it is the first.

    Examples:
        >>> sg.argmax(sg.Tensor([[1.0, 3.0], [5.0, 2.0]]), axis=1)
        array([1, 0])
    """
    if wrong:
        raise habits.refused("x.argmax", wrong, **({} if axis is None else {"axis": axis}))
    return np.argmax(as_tensor(a).data, axis, keepdims=keepdims)


def argmin(
    a: TensorLike, axis: int | None = None, keepdims: bool = False, **wrong: NoReturn
) -> Any:
    """Where the smallest element along `axis` is: an array of integers, which have no gradient.

    Without an axis, the place among all elements in a row. Of those that tie, it is the first.

    Examples:
        >>> sg.argmin(sg.Tensor([[1.0, 3.0], [5.0, 2.0]]), axis=1)
        array([0, 1])
    """
    if wrong:
        raise habits.refused("x.argmin", wrong, **({} if axis is None else {"axis": axis}))
    return np.argmin(as_tensor(a).data, axis, keepdims=keepdims)
