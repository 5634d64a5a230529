"""Tensors from nothing but a shape, random indices, and the generator of all random numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simplegrad import given
from simplegrad.habits import known_arguments
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = [
    "arange",
    "eye",
    "full",
    "full_like",
    "generator",
    "manual_seed",
    "multinomial",
    "normal",
    "normal_like",
    "ones",
    "ones_like",
    "permutation",
    "randint",
    "uniform",
    "uniform_like",
    "zeros",
    "zeros_like",
]

Shape = int | tuple[int, ...]

_generator: np.random.Generator | None = None


def generator() -> np.random.Generator:
    """The NumPy generator that every random number of simplegrad is drawn from.

    Examples:
        >>> sg.manual_seed(0)
        >>> 0 <= sg.generator().random() < 1
        True
    """
    global _generator
    if _generator is None:  # made late: importing numpy.random takes longer than simplegrad
        _generator = np.random.default_rng()
    return _generator


def manual_seed(seed: int) -> None:
    """Starts the generator anew, so that the same numbers follow.

    Args:
        seed: An integer of at least 0.

    Raises:
        ValueError: `seed` is not such an integer.

    Examples:
        >>> sg.manual_seed(1)
        >>> first = sg.normal(3)
        >>> sg.manual_seed(1)
        >>> (sg.normal(3) == first).all()
        np.True_
    """
    if not given.fits(given.COUNT, seed):
        raise ValueError(
            f"a seed is an integer of at least 0, but got {seed!r:.80}. Write sg.manual_seed(0)."
        )
    set_generator(np.random.default_rng(seed))


def set_generator(generator: np.random.Generator) -> None:
    """Makes every random number come from `generator` from now on.

    Examples:
        >>> sg.creation.set_generator(np.random.default_rng(1))
        >>> sg.uniform(1).numpy().round(3)
        array([0.512], dtype=float32)
    """
    global _generator
    _generator = generator


@known_arguments
def full(
    shape: Shape,
    value: float,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """A tensor of `shape` with every element equal to `value`.

    Raises:
        ValueError: `shape` is not made of ints of at least 0, or a value is out of range.
        TypeError: A value is no number, or `dtype` is not one of floats, integers or booleans.
        OverflowError: A number is too large for a float.

    Examples:
        >>> sg.full(2, 0.5).numpy()
        array([0.5, 0.5], dtype=float32)
    """
    given.real_numbers("{}=1.0", booleans=True, value=value)
    return Tensor(np.full(given.shape(shape), value, given.dtype(dtype)), requires_grad, name=name)


@known_arguments
def zeros(
    shape: Shape,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """A tensor of `shape`, filled with zeros. The errors are those of `full`.

    Examples:
        >>> sg.zeros((1, 2)).numpy()
        array([[0., 0.]], dtype=float32)
    """
    return full(shape, 0, requires_grad, dtype, name)


@known_arguments
def ones(
    shape: Shape,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """A tensor of `shape`, filled with ones. The errors are those of `full`.

    Examples:
        >>> sg.ones((1, 2)).numpy()
        array([[1., 1.]], dtype=float32)
    """
    return full(shape, 1, requires_grad, dtype, name)


@known_arguments
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    requires_grad: bool = False,
    dtype: DTypeLike | None = None,
    name: str | None = None,
) -> Tensor:
    """The numbers from `start` (0 if one number is given) up to, not including, `stop`.

    Args:
        dtype: int64 if all numbers are ints, as in NumPy and PyTorch, else float32.

    Raises:
        ValueError: A number is out of range.
        TypeError: A value is no number, or `dtype` is not one of floats, integers or booleans.
        OverflowError: A number is too large for a float.

    Examples:
        >>> sg.arange(3).numpy()
        array([0, 1, 2])
    """
    start, stop = (0, start) if stop is None else (start, stop)
    if not all(given.is_a(given.NUMBER, x) for x in (start, stop, step)):
        raise TypeError(
            f"arange takes numbers, but got start={start!r:.40}, stop={stop!r:.40}, "
            f"step={step!r:.40}. Write sg.arange(0, 10, 2)."
        )
    # as Python's numbers, which do not overflow
    start, stop, step = (x.item() if isinstance(x, np.generic) else x for x in (start, stop, step))
    if step == 0:
        raise ValueError("a step of 0 in arange leads nowhere. Write sg.arange(0, 10, 2).")
    if dtype is None:
        all_ints = all(isinstance(x, int) for x in (start, stop, step))
        dtype = np.int64 if all_ints else np.float32
    return Tensor(np.arange(start, stop, step), requires_grad, dtype, name)


@known_arguments
def eye(
    n: int,
    m: int | None = None,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """The matrix of `n` rows and `m` columns (`n`, if not given) with ones on its diagonal.

    The errors are those of `full`.

    Examples:
        >>> sg.eye(2).numpy()
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    m = n if m is None else m
    for size in n, m:
        given.checked_number(given.COUNT, size, "a side of eye is", "Write sg.eye(3, 4).")
    n, m = given.shape((n, m))
    return Tensor(np.eye(n, m, dtype=given.dtype(dtype)), requires_grad, name=name)


@known_arguments
def normal(
    shape: Shape,
    mean: float = 0.0,
    std: float = 1.0,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """Random numbers of the normal distribution N(mean, std²). The errors are those of `full`.

    Examples:
        >>> sg.normal((2, 3), std=0.1).shape
        (2, 3)
    """
    given.real_numbers("{}=1.0", mean=mean, std=std)
    if not np.greater_equal(std, 0).all():
        raise ValueError(f"the std of normal is at least 0, but got {std!r:.80}. Write std=1.0.")
    values = generator().normal(mean, std, given.shape(shape))
    return Tensor(values, requires_grad, dtype, name)


@known_arguments
def uniform(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    requires_grad: bool = False,
    dtype: DTypeLike = np.float32,
    name: str | None = None,
) -> Tensor:
    """Random numbers of the uniform distribution U[low, high). The errors are those of `full`.

    Examples:
        >>> sg.uniform((2, 3), -1, 1).shape
        (2, 3)
    """
    given.real_numbers("{}=1.0", low=low, high=high)
    if not np.less_equal(low, high).all():
        raise ValueError(
            f"uniform gives numbers of low ... high, but there are none of {low!r:.40} ... "
            f"{high!r:.40}. Write sg.uniform((2, 3), -1.0, 1.0)."
        )
    values = generator().uniform(low, high, given.shape(shape))
    return Tensor(values, requires_grad, dtype, name)


@known_arguments
def randint(low: int, high: int | None = None, shape: Shape = ()) -> np.ndarray:
    """Random integers of `low` ... `high` - 1 (0 ... `low` - 1 if one number is given), all alike.

    They are an array of int64, not a Tensor: they are indices, classes or counts, which arrays and
    Tensors take alike and which have no gradient.

    Raises:
        ValueError: There is no int64 from `low` up to, not including, `high`, or `shape` is not
            made of ints of at least 0.
        TypeError: `low` or `high` is no int.

    Examples:
        >>> x = np.linspace(0, 1, 100)
        >>> rows = sg.randint(0, 100, (32,))
        >>> x[rows].shape
        (32,)
    """
    low, high = (0, low) if high is None else (low, high)
    if not (given.is_a(given.INT, low) and given.is_a(given.INT, high)):
        raise TypeError(
            f"randint takes two ints, and then a shape, but got low={low!r:.40}, "
            f"high={high!r:.40}. Write sg.randint(0, 10, (2, 3)), or sg.randint(10, shape=(2, 3))."
        )
    if not -(2**63) <= low < high <= 2**63:
        raise ValueError(
            f"randint gives integers of low ... high - 1 as int64, but there are none of {low} "
            f"... {high} - 1. Write sg.randint(0, 10, (2, 3)) for those of 0 ... 9."
        )
    return generator().integers(int(low), int(high), given.shape(shape))


@known_arguments
def permutation(n: int) -> np.ndarray:
    """The integers 0 ... n - 1 in a random order, each order as likely as any: an array of int64.

    Raises:
        ValueError: `n` is negative.
        TypeError: `n` is no int.

    Examples:
        >>> x, y = np.arange(6) * 2, np.arange(6)
        >>> order = sg.permutation(len(x))
        >>> (x[order] == y[order] * 2).all()
        np.True_
    """
    write = "Write sg.permutation(len(x)), and then x[order] for the rows of x in that order."
    n = given.checked_number(given.COUNT, n, "the n of permutation is", write)
    return generator().permutation(n)


@known_arguments
def multinomial(
    probabilities: TensorLike, num_samples: int, replacement: bool = False
) -> np.ndarray:
    r"""Random classes by their probabilities, independently for each row: an array of int64.

    Of clocks that ring at random times $e_j / p_j$, with $e_j$ from the exponential distribution,
    clock $k$ is the first with probability $p_k$, and the others go on as if it had never been
    there. So the first `num_samples` to ring are drawn without replacement; with replacement, all
    clocks are started anew for each.

    Args:
        probabilities: $p$, of shape (n,) or (rows, n): numbers of at least 0. A row need not sum to
            1, as in PyTorch: it is divided by its sum.
        num_samples: How many classes are drawn for each row.
        replacement: Whether a class may be drawn again.

    Returns:
        The classes, 0 ... n - 1: of shape (num_samples,) or (rows, num_samples).

    Raises:
        ValueError: The shape is another, a probability is negative or not finite, all of a row are
            0, or `num_samples` is below 1 or, without replacement, above the number of classes
            whose probability is not 0.
        TypeError: An argument is of the wrong type.

    Examples:
        >>> probabilities = sg.softmax([[0.0, 1.0, -np.inf], [3.0, 2.0, 1.0]])
        >>> sg.multinomial(probabilities, 2).shape
        (2, 2)
        >>> sg.multinomial([0.0, 1.0], 3, replacement=True)
        array([1, 1, 1])
    """
    p = as_tensor(probabilities).data.astype(np.float64)
    write = "Write sg.multinomial([0.2, 0.3, 0.5], 1)."
    num_samples = given.checked_number(
        given.SIZE, num_samples, "the num_samples of multinomial is", write
    )
    replacement = given.flag("multinomial", "replacement", replacement)
    if p.ndim not in (1, 2) or p.shape[-1] == 0:
        raise ValueError(
            "multinomial takes the probabilities of at least one class, of shape (n,) or (rows, n),"
            f" but got shape {p.shape}. Write sg.multinomial(p.reshape(-1, p.shape[-1]), 1)."
        )
    wrong = ~((p >= 0) & (p < np.inf)) | ~(p > 0).any(axis=-1, keepdims=True)
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            "probabilities are finite numbers of at least 0, and in each row one is above 0, but "
            f"p{place} is {p[tuple(place)]}. Write sg.multinomial(sg.softmax(logits), 1) if these "
            "are logits."
        )
    possible = (p > 0).sum(axis=-1).min(initial=p.shape[-1])
    if not replacement and num_samples > possible:
        raise ValueError(
            f"without replacement, {num_samples} classes cannot be drawn from a row in which "
            f"{possible} have a probability above 0. Write sg.multinomial(p, {num_samples}, "
            "replacement=True) if a class may come again."
        )
    if replacement:
        p = np.broadcast_to(p[..., None, :], (*p.shape[:-1], num_samples, p.shape[-1]))
    e = generator().standard_exponential(p.shape)
    # their logarithms, in the same order: of a tiny p, e / p would be infinite as that of 0
    times = np.log(e) - np.log(p, out=np.full(p.shape, -np.inf), where=p > 0)
    return times.argmin(axis=-1) if replacement else times.argsort(axis=-1)[..., :num_samples]


@known_arguments
def zeros_like(t: TensorLike, requires_grad: bool = False) -> Tensor:
    """`zeros` in the shape and dtype of `t`. The errors are those of `full`, and of `Tensor`.

    Examples:
        >>> sg.zeros_like(sg.ones(2)).numpy()
        array([0., 0.], dtype=float32)
    """
    t = as_tensor(t)
    return zeros(t.shape, requires_grad=requires_grad, dtype=t.dtype)


@known_arguments
def ones_like(t: TensorLike, requires_grad: bool = False) -> Tensor:
    """`ones` in the shape and dtype of `t`. The errors are those of `full`, and of `Tensor`.

    Examples:
        >>> sg.ones_like(sg.zeros(2)).numpy()
        array([1., 1.], dtype=float32)
    """
    t = as_tensor(t)
    return ones(t.shape, requires_grad=requires_grad, dtype=t.dtype)


@known_arguments
def full_like(t: TensorLike, value: float, requires_grad: bool = False) -> Tensor:
    """`full` in the shape and dtype of `t`. The errors are those of `full`, and of `Tensor`.

    Examples:
        >>> sg.full_like(sg.zeros(2), 3).numpy()
        array([3., 3.], dtype=float32)
    """
    t = as_tensor(t)
    return full(t.shape, value, requires_grad=requires_grad, dtype=t.dtype)


@known_arguments
def normal_like(
    t: TensorLike, mean: float = 0.0, std: float = 1.0, requires_grad: bool = False
) -> Tensor:
    """`normal` in the shape and dtype of `t`. The errors are those of `full`, and of `Tensor`.

    Examples:
        >>> sg.normal_like(sg.zeros((2, 3))).shape
        (2, 3)
    """
    t = as_tensor(t)
    return normal(t.shape, mean, std, requires_grad=requires_grad, dtype=t.dtype)


@known_arguments
def uniform_like(
    t: TensorLike, low: float = 0.0, high: float = 1.0, requires_grad: bool = False
) -> Tensor:
    """`uniform` in the shape and dtype of `t`. The errors are those of `full`, and of `Tensor`.

    Examples:
        >>> sg.uniform_like(sg.zeros((2, 3))).shape
        (2, 3)
    """
    t = as_tensor(t)
    return uniform(t.shape, low, high, requires_grad=requires_grad, dtype=t.dtype)
