"""What a user gave, checked: numbers, sizes, dtypes and arrays, and the sentences about shapes.

The ground floor: it knows NumPy and `other_names` only. A condition stands where it matters, among
the mathematics; the sentence that explains it is a function here, without a docstring, which
returns the error.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from simplegrad.other_names import OPTIMIZERS_WITH

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

NO_GRADIENT: frozenset[Any] = frozenset(
    {
        *(np.all, np.any, np.count_nonzero, np.nonzero, np.argwhere, np.flatnonzero),
        *(np.allclose, np.isclose, np.array_equal, np.array_equiv, np.isin, np.searchsorted),
        *(np.argmax, np.argmin, np.argsort, np.argpartition, np.nanargmax, np.nanargmin),
        *(np.zeros_like, np.ones_like, np.empty_like, np.result_type, np.iscomplexobj),
        *(np.array_repr, np.array_str, np.array2string, np.shares_memory, np.may_share_memory),
    }
)
"""NumPy's functions whose results have no gradient: they do with a Tensor as with its array."""

REAL = "fiub"  # the kinds of dtypes that a Tensor may have: floats, integers and booleans

Sizes: TypeAlias = tuple[int, ...]  # along each axis


# Numbers


class Kind(NamedTuple):
    """What a number may be."""

    types: tuple[type, ...]
    holds: Callable[[Any], bool]
    allowed: str
    example: float | bool


Kinds = Mapping[str, Kind]

INTS = (int, np.integer)
NUMBERS = (*INTS, float, np.floating)
BOOLS = (bool, np.bool_)

NON_NEGATIVE = Kind(
    NUMBERS, lambda x: 0 <= x < math.inf, "a finite number of at least 0", example=0.001
)
NUMBER = Kind(NUMBERS, lambda x: True, "a number", example=1.0)
POSITIVE = Kind(NUMBERS, lambda x: x > 0, "a number above 0", example=1.0)
EPS = NON_NEGATIVE._replace(
    holds=lambda x: 0 <= x < 1, allowed="a finite number of at least 0, and below 1", example=1e-5
)
FRACTION = Kind(NUMBERS, lambda x: 0 <= x < 1, "a number of at least 0 and below 1", example=0.9)
SHARE = Kind(NUMBERS, lambda x: 0 <= x <= 1, "a number from 0 to 1", example=0.1)
INT = Kind(INTS, lambda n: True, "an int", example=0)
COUNT = Kind(INTS, lambda n: n >= 0, "an int of at least 0", example=0)
SIZE = Kind(INTS, lambda n: n >= 1, "an int of at least 1", example=1)
FLAG = Kind(BOOLS, lambda x: True, "True or False", example=True)


def is_a(kind: Kind, value: Any) -> bool:
    """Whether `value` is of the types of its kind: Python's and NumPy's alike, of whatever size.

    To Python True is an int, and to NumPy a time span is an integer; neither is a number here.

    Examples:
        >>> [sg.given.is_a(sg.given.COUNT, n) for n in (3, np.int8(3), -1, True, np.True_, 3.0)]
        [True, True, True, False, False, False]
    """
    no_number = (*BOOLS, np.timedelta64) if kind.types is not BOOLS else ()
    return isinstance(value, kind.types) and not isinstance(value, no_number)


def plain(kind: Kind, value: Any) -> Any:
    """A value of the types of its kind as Python's int, float or bool."""
    if kind.types is not NUMBERS:
        return kind.types[0](value)
    try:
        return float(value)
    except OverflowError:  # an int of more than 308 digits
        return math.inf if value > 0 else -math.inf


def fits(kind: Kind, value: Any) -> bool:
    """Whether `value` is of its kind: of the types, and in the range.

    Examples:
        >>> [sg.given.fits(sg.given.COUNT, n) for n in (3, np.int64(3), -1, True, 3.0)]
        [True, True, False, False, False]
    """
    return is_a(kind, value) and kind.holds(plain(kind, value))


def checked_number(
    kind: Kind, value: Any, what: str, write: str, wrong_type: type[Exception] = TypeError
) -> Any:
    """`value` as a Python number of its kind.

    Args:
        what: How the sentence of an error begins, up to what is allowed: "max_norm must be".
        write: How it ends: the corrected call.
        wrong_type: The error for a value of another type.

    Raises:
        TypeError: `value` is of another type.
        ValueError: It is out of range.

    Examples:
        >>> sg.given.checked_number(sg.given.SIZE, np.int64(2), "n is", "Write n=60.")
        2
    """
    if not fits(kind, value):
        raise (ValueError if is_a(kind, value) else wrong_type)(
            f"{what} {kind.allowed}, but got {value!r:.80}. {write}"
        )
    return plain(kind, value)


def checked(values: Mapping[str, Any], kinds: Kinds, where: str) -> dict[str, Any]:
    """Hyperparameters as Python floats and bools, or an error that says what is allowed."""
    result: dict[str, Any] = {}
    for key, value in values.items():
        if key not in kinds:
            raise ValueError(f"{where}: {_unknown_key(key, kinds)}")
        kind = kinds[key]
        write = f"Write, for example, {key}={kind.example}."
        result[key] = checked_number(kind, value, f"{where}: {key} must be", write)
    return result


def _unknown_key(key: object, kinds: Kinds) -> str:
    import difflib  # only when it is needed: it takes time to import

    close = sorted(difflib.get_close_matches(str(key), kinds, n=2))
    hint = f"did you mean {', '.join(close)}? " if close else ""
    other = f"{OPTIMIZERS_WITH[key]} has it. " if not close and key in OPTIMIZERS_WITH else ""
    example = (close or list(kinds))[0]
    return (
        f"unknown key {key!r}: {hint}The hyperparameters are {', '.join(kinds)}. {other}Write "
        f'{{"params": module, "{example}": {kinds[example].example}}}.'
    )


def real_numbers(write: str, booleans: bool = False, **values: Any) -> None:
    """Raises a TypeError if one of the values is no real number, nor an array of such."""
    for name, x in values.items():
        if np.asarray(x).dtype.kind not in (REAL if booleans else "fiu"):
            raise TypeError(
                f"{name} is a real number, but got {x!r:.80}. Write {write.format(name)}."
            )


def no_flag(name: str, value: Any) -> TypeError:
    """The error of what is neither True nor False: a second size, or a dtype, given by position."""
    write = f"{name}=True"
    if is_a(INT, value):
        write += ", or for a tensor of several axes sg.zeros((2, 3))"
    elif isinstance(value, type | np.dtype) and np.dtype(value).kind in REAL:
        write = f"dtype=np.{np.dtype(value)}"
    return TypeError(f"{name} is True or False, but got {value!r:.80}. Write {write}.")


def flag(what: str, name: str, value: Any) -> bool:
    """An argument that is True or False."""
    return checked_number(FLAG, value, f"the {name} of {what} is", f"Write {name}=True.")


def probability(layer: str, name: str, value: Any) -> float:
    """An argument that is a probability, as of dropout."""
    what, write = f"the {name} of {layer} is", f"Write {name}=0.5."
    return checked_number(FRACTION, value, what, write, wrong_type=ValueError)


# Sizes


def size(value: Any, layer: str, name: str) -> int:
    """The size of a layer, which fits into memory."""
    if not (fits(SIZE, value) and value < 2**31):
        last = value[-1] if isinstance(value, tuple | list) and value else None
        usual = 1 if name in ("groups", "num_heads", "num_layers") else 16
        raise ValueError(
            f"{layer} takes an int of at least 1 as {name}, below 2**31, but got {value!r:.80}. "
            f"Write {name}={last if fits(SIZE, last) else usual}."
        )
    return int(value)


def shape(value: Any) -> Any:
    """A shape as NumPy takes it."""
    sizes = value if isinstance(value, tuple | list) else (value,)
    are_sizes = len(sizes) <= 32 and all(fits(COUNT, n) for n in sizes)
    if not are_sizes or math.prod(int(n) or 1 for n in sizes) >= 2**48:  # as NumPy counts them
        raise ValueError(
            f"a shape is an int or a tuple of ints of at least 0, which fit into memory, but got "
            f"{value!r:.80}. Write 3 for a vector of three elements, (2, 3) for a matrix, () for a "
            "single number."
        )
    return value


# Dtypes and arrays


def dtype(wanted: DTypeLike) -> np.dtype[Any]:
    """A dtype that a Tensor may have; a TypeError for any other, and for what is none.

    Examples:
        >>> sg.given.dtype(float)
        dtype('float64')
    """
    found = _dtype_or_object(wanted)
    if found.kind not in REAL:
        raise TypeError(
            f"a Tensor holds floats, integers or booleans, but got dtype={wanted!r:.80}. Write "
            "dtype=np.float32, np.float64, np.int64 or np.bool_."
        )
    return found


def layer_dtype(layer: str, wanted: DTypeLike) -> np.dtype[Any]:
    """The dtype of the parameters of a layer: one of floats.

    None is refused: to NumPy it is float64, and to PyTorch float32.
    """
    found = _dtype_or_object(wanted)
    if wanted is None or found.kind != "f":
        raise TypeError(
            f"{layer} computes with floats, but got dtype={wanted!r:.80}. Write dtype=np.float32 "
            "or dtype=np.float64."
        )
    return found


def _dtype_or_object(wanted: Any) -> np.dtype[Any]:
    try:
        return np.dtype(wanted)
    except Exception:  # NumPy has a TypeError for some, for others a KeyError or a SyntaxError
        return np.dtype(object)  # which is refused


def check_floats(layer: str, x: Any) -> None:
    """Raises a TypeError if the input of a layer is not of floats."""
    if x.dtype.kind != "f":
        raise TypeError(
            f"{layer} takes floats, but got {x.dtype}, as of pixels, counts or classes. Write "
            "sg.Tensor(x, dtype=np.float32) / 255 for pixels, or nn.Embedding(10, 4) for classes."
        )


def index(array: np.ndarray) -> np.ndarray:
    """An array that can be an index: of integers or booleans."""
    if array.dtype.kind not in "iub":
        raise IndexError(
            f"an index is of integers or booleans, but this tensor is of {array.dtype}, as it is "
            "made of a list. Write x[[0, 1]], x[np.array([0, 1])] or x[sg.arange(2)]."
        )
    return array


def lies_within(i: Any, n: int, ignored: int | None = None) -> bool:
    """Whether all integers are in 0 ... n - 1, or `ignored`; what is being recorded looks itself.

    Examples:
        >>> sg.given.lies_within(np.array([0, 2]), 3), sg.given.lies_within(np.array([-1]), 3)
        (True, False)
    """
    if own := getattr(i, "lies_within", None):
        return own(n, ignored)
    i = i if ignored is None else i[i != ignored]
    return not i.size or bool(i.min() >= 0 and i.max() < n)


def lies_between(a: Any, low: float, high: float) -> bool:
    """Whether no number is out of a range; what is being recorded looks itself.

    Examples:
        >>> sg.given.lies_between(np.array([0.1, 0.9]), 0, 1)
        True
    """
    if own := getattr(a, "lies_between", None):
        return own(low, high)
    return not ((a < low) | (a > high)).any()


def check_probabilities(loss: str, t: Any) -> None:
    """Raises a ValueError if a target is no probability, but for what rounding does.

    Examples:
        >>> sg.given.check_probabilities("cross_entropy", np.array([0.1, 0.9]))
    """
    if not lies_between(t, -0.001, 1.001):
        t = np.array(t)
        to_probabilities = "sigmoid" if loss.startswith("binary") else "softmax"
        raise ValueError(
            f"{loss} takes probabilities as targets, 0 ... 1, but one is "
            f"{t.flat[np.nanargmax(np.abs(t - 0.5))]}. Write (targets + 1) / 2 if yours are -1 and "
            f"1, or sg.{to_probabilities}(targets) if they are logits."
        )


def float_dtype(data: Any) -> DTypeLike | None:
    """The dtype of `data` as floats: float32 for integers; None, the default, for lists."""
    found = getattr(data, "dtype", None)
    return np.float32 if getattr(found, "kind", "f") in "iub" else found


def check_range(array: np.ndarray, dtype: np.dtype[Any]) -> None:
    """Raises an OverflowError if numbers are too large, or too small, for a dtype of integers."""
    if dtype.kind in "iu" and array.dtype.kind in "iuf" and array.size:
        limits = np.iinfo(dtype)
        low, high = array.min().item(), array.max().item()  # Python compares them exactly
        if not (limits.min <= low and high <= limits.max):
            raise OverflowError(
                f"{dtype} holds {limits.min} ... {limits.max}, but got {low} ... {high}. Write "
                "sg.Tensor(data, dtype=np.int64) for larger numbers, or dtype=np.float32 to "
                "compute with them."
            )


def array(data: Any) -> np.ndarray:
    """Numbers and nested lists as a new array."""
    try:
        return np.array(data)
    except ValueError as error:
        raise ValueError(
            f"the rows of {data!r} differ in length, but a tensor has one size along each axis. "
            "Write sg.Tensor([[1, 2], [3, 4]]), every row with as many numbers."
        ) from error


def array_of(x: Any) -> np.ndarray:
    """The array of a Tensor, or what NumPy makes of anything else.

    Examples:
        >>> t = sg.ones(2)
        >>> sg.given.array_of(t) is t.data, sg.given.array_of([1, 2])
        (True, array([1, 2]))
    """
    x = x if isinstance(x, np.ndarray) else getattr(x, "_data", x)
    return x if isinstance(x, np.ndarray) else np.asarray(x)


def kept(index: Any) -> Any:
    """An index of its own for a rule that keeps it: the arrays, lists and Tensors in it are copied.

    Examples:
        >>> rows = np.array([0, 1])
        >>> index = sg.given.kept((slice(2), rows))
        >>> rows[:] = 5
        >>> index
        (slice(None, 2, None), array([0, 1]))
    """
    if isinstance(index, np.ndarray):
        return index.copy()
    if isinstance(index, tuple | list):
        items = map(kept, index)
        return list(items) if isinstance(index, list) else tuple(items)
    if isinstance(index, slice):
        return slice(*map(kept, (index.start, index.stop, index.step)))
    return index.numpy() if hasattr(index, "numpy") else index  # a Tensor has it


def no_gelu(approximate: Any) -> NoReturn:
    why = f"but got approximate={approximate!r:.80}"
    if approximate == "none":
        why = "and not in the form of the error function, which NumPy does not have"
    raise ValueError(
        f"GELU is computed in its tanh form, {why}. Write sg.gelu(a) or nn.GELU(): the two forms "
        "are less than 5e-4 apart."
    )


def no_real_numbers(data: Any, array: np.ndarray) -> TypeError:
    return TypeError(
        f"a Tensor holds floats, integers or booleans, but got {type(data).__name__} of dtype "
        f"{array.dtype}. Write sg.Tensor(2.0), sg.Tensor([1, 2, 3]) or sg.Tensor(array)."
    )


def list_of_tensors(data: Sequence[Any]) -> TypeError:
    return TypeError(
        f"a list of {len(data)} tensors would lose their graphs in one new tensor. Write "
        "sg.stack(tensors) for a new axis or sg.concatenate(tensors) for a longer one."
    )


def other_shape(what: str, t: Any, array: np.ndarray) -> ValueError:
    return ValueError(
        f".{what} of {t!r} must have its shape {t.shape}, but got {array.shape}. "
        f"Write t.{what} = array.reshape({t.shape}), or make a new sg.Tensor."
    )


def other_dtype(what: str, t: Any, array: np.ndarray) -> TypeError:
    return TypeError(
        f".{what} of {t!r} must be of {t.dtype}, but got {array.dtype}. Write "
        f"t.{what} = np.array(array).astype(np.{t.dtype}), or make a new sg.Tensor."
    )


def no_floats(t: Any) -> TypeError:
    return TypeError(
        f"only floats can require gradients, but this tensor is of {t.dtype}: a derivative takes "
        "small changes. Write sg.Tensor(data, dtype=np.float32, requires_grad=True)."
    )


def first_values(array: np.ndarray) -> str:
    """As much of an array as fits beside other things in a line: integers exactly."""
    spec = ".4g" if array.dtype.kind == "f" else "d"
    values = [format(x, spec) for x in array.flat[:4].tolist()]
    if array.ndim == 0:
        return values[0]
    return f"[{', '.join(values)}{', ...' if array.size > 4 else ''}]"


# Shapes


def broadcast(a: Sizes, b: Sizes) -> bool:
    """Whether NumPy broadcasts arrays of these shapes.

    Examples:
        >>> sg.given.broadcast((2, 1), (3,)), sg.given.broadcast((2,), (3,))
        (True, False)
    """
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


@functools.lru_cache
def sums_back(partial: Sizes, a: Sizes, c: Sizes) -> bool:
    """Whether a partial has the shape of its input `a`, or that to which `c` = f(a) broadcasts it.

    An axis that is new, or was stretched from size 1, is one of `c`, counted from the right.

    Examples:
        >>> sg.given.sums_back((5, 3), (3,), (5, 3)), sg.given.sums_back((3, 2), (2, 3), (2, 3))
        (True, False)
    """
    if len(partial) < len(a):
        return False
    sizes = itertools.zip_longest(*(shape[::-1] for shape in (partial, a, c)))
    return all(
        n == n_a or (n == n_c and n_a in (1, None)) for n, n_a, n_c in sizes if n is not None
    )


def no_broadcast(a: Sizes, b: Sizes) -> ValueError:
    hint = (
        "Write a.unsqueeze(0) or a.unsqueeze(-1) to give a, where it is to be repeated, sizes of 1."
    )
    if len(a) > len(b) and broadcast(a, (*b, 1)):
        hint = "To repeat the second along the last axis, write b.unsqueeze(-1)."
    elif len(a) < len(b) and broadcast((*a, 1), b):
        hint = "To repeat the first along the last axis, write a.unsqueeze(-1)."
    return ValueError(
        f"shapes {a} and {b} do not broadcast: aligned at the right, two sizes must be equal, or "
        f"one of them 1. {hint}"
    )


def no_matrices(a: Sizes, b: Sizes) -> ValueError:
    return ValueError(
        f"a @ b is a matrix product, but the shapes are {a} and {b}: neither may be a single "
        "number. Write a * b to scale."
    )


def no_product(a: Sizes, b: Sizes) -> ValueError:
    return ValueError(
        f"a @ b of shapes {a} and {b}: a row of a has {a[-1]} elements and a column of b has "
        f"{b[-2:][0]}, but they must be equally long. {_inner_sizes_agree(a, b)}"
    )


def _inner_sizes_agree(a: Sizes, b: Sizes) -> str:
    """What to write for a product of these shapes, if turning one of them round is enough."""
    turned = {"a @ b.T": (a, b[::-1]), "a.T @ b": (a[::-1], b), "a.T @ b.T": (a[::-1], b[::-1])}
    fit = [code for code, (m, n) in turned.items() if m[-1] == n[-2:][0] and len(m + n) <= 4]
    return f"Write {' or '.join(fit)}." if fit else "Change the size of one of them."


def no_batches(a: Sizes, b: Sizes) -> ValueError:
    return ValueError(
        f"a @ b of shapes {a} and {b}: the axes before the last two count matrices and must "
        f"broadcast, but {a[:-2]} and {b[:-2]} do not. Write "
        f"a.reshape{(*a[:-2], *(1 for _ in b[:-2]), *a[-2:])} @ b for the product of each pair."
    )


def no_reshape(a: Any, shape: Any) -> ValueError:
    return ValueError(
        f"a tensor of shape {a.shape} has {a.size} elements and cannot become {shape}: the sizes "
        f"must multiply to {a.size}. Write t.reshape(-1) for one axis of all."
    )


def no_transpose(a: Any, axes: Any) -> ValueError:
    order, which = tuple(range(a.ndim))[::-1], "to reverse them"
    if isinstance(axes, tuple) and len(axes) == 2 < a.ndim and all(fits(INT, n) for n in axes):
        m, n = (axis % a.ndim for axis in axes)
        order = tuple({m: n, n: m}.get(axis, axis) for axis in range(a.ndim))
        which = f"to swap the axes {axes[0]} and {axes[1]}"
    return ValueError(
        f"transpose() of a tensor of shape {a.shape} takes each of its {a.ndim} axes once, but got "
        f"{axes}. Write t.transpose{order} {which}."
    )


def no_squeeze(a: Any, axis: Any) -> ValueError:
    return ValueError(
        f"squeeze() takes out axes of size 1, and axis {axis} of shape {a.shape} is none. Write "
        "t.squeeze() for all that are, or t.reshape(-1) for one axis of all."
    )


def no_axis(a: Any, axis: Any) -> Exception:
    allowed, write = f"one of {-a.ndim} ... {a.ndim - 1}", "axis=-1 for the last"
    if a.ndim == 0:
        allowed, write = "none", "t.reshape(-1) to give it one"
    return (ValueError if is_a(INT, axis) else TypeError)(
        f"an axis of a tensor of shape {a.shape} is {allowed}, but got {axis!r:.80}. Write {write}."
    )


def no_broadcast_to(a: Any, shape: Any) -> ValueError:
    write = f"sg.broadcast_to(t, {(2, *a.shape)}) for a new axis in front"
    if isinstance(shape, tuple) and len(a.shape) < len(shape) and broadcast((*a.shape, 1), shape):
        write = "t.unsqueeze(-1) to give it a 1 at the end"
    return ValueError(
        f"a tensor of shape {a.shape} does not broadcast to {shape}: aligned at the right, its "
        f"sizes must be those of the shape, or 1. Write {write}."
    )


def no_parts(a: Any, cuts: Any, axis: int) -> Exception:
    n = a.shape[axis]
    return (ValueError if is_a(INT, cuts) else TypeError)(
        f"split() takes the number of equal parts, one that divides the {n} of axis {axis}, or a "
        f"list of places where to cut, but got {cuts!r:.80}. Write sg.split(t, 1, axis={axis}), or "
        f"sg.split(t, [{n // 2}], axis={axis}) for the parts before and after."
    )


def no_shift(shift: Any, axis: Any) -> TypeError:
    return TypeError(
        f"roll() takes an int as shift, or one for each axis, but got {shift!r:.80} for axis "
        f"{axis!r:.80}. Write sg.roll(t, 1), or sg.roll(t, (1, 2), axis=(0, 1))."
    )


def no_repeats(n: int, repeats: Any) -> ValueError:
    return ValueError(
        f"repeat() takes an int of at least 0, or one for each of the {n} elements along the axis, "
        f"but got {repeats!r:.80}. Write sg.repeat(t, 2, axis=0)."
    )


def not_along(a: Any, k: Any, axis: int) -> IndexError:
    n = a.shape[axis]
    extent = f", from {k.min()} to {k.max()}" if k.dtype.kind in "iu" and k.size else ""
    return IndexError(
        f"take_along_axis() of a tensor of shape {a.shape} takes integers with as many axes, "
        f"{-n} ... {n - 1} along axis {axis}, whose other sizes broadcast, but got {k.dtype} of "
        f"shape {k.shape}{extent}. Write sg.take_along_axis(t, "
        "np.argmax(t, axis=0)[None], axis=0) for one element of each column."
    )


def no_matrix(name: str, a: Any) -> ValueError:
    return ValueError(
        f"{name}() takes a matrix, but got shape {a.shape}. Write sg.{name}(t.reshape(1, -1)) to "
        "make one row of all elements."
    )


def no_subscripts(subscripts: Any, shapes: Sequence[Sizes], why: str) -> ValueError:
    return ValueError(
        f"einsum({subscripts!r:.80}) of shapes {', '.join(map(str, shapes))}: {why}. Write "
        'sg.einsum("ij,jk->ik", a, b), a letter for each axis, as for a matrix product.'
    )


def no_pairs(loss: str, y: Any, t: Any) -> ValueError:
    write = "Make a target for each element of the prediction."
    if y.size == t.size:
        write = f"Write sg.{loss}(prediction, target.reshape{y.shape})."
    return ValueError(
        f"{loss} compares element with element, but the prediction has shape {y.shape} and the "
        f"target {t.shape}. {write}"
    )


def no_reduction(reduction: Any) -> ValueError:
    write = 'reduction="mean"'
    if reduction == "batchmean":
        write = 'sg.kl_div(log_q, p, reduction="sum") / len(p) for the mean of the rows'
    return ValueError(
        f'the reduction of a loss is "mean", "sum" or "none", but got {reduction!r:.80}. Write '
        f"{write}."
    )


def no_classes(loss: str, t: np.ndarray, a: Any) -> TypeError:
    others = ""
    if loss == "cross_entropy" and t.dtype.kind == "f":
        others = f" of shape {t.shape}, where probabilities have the shape of the logits, {a.shape}"
    return TypeError(
        f"{loss} takes the numbers of the right classes as targets, integers, but got {t.dtype}"
        f"{others}. "
        "Write np.argmax(targets, axis=-1) of one-hot rows, or np.array(targets).astype(int)."
    )


def no_rows(loss: str, t: np.ndarray, a: Any) -> ValueError:
    if t.shape == a.shape != ():
        return ValueError(
            f"{loss} takes one target for each row, but got targets of the shape of all rows, "
            f"{t.shape}: one-hot rows? Write np.argmax(targets, axis=-1)."
        )
    return ValueError(
        f"{loss} takes rows of shape (..., classes) and targets of shape (...), but got {a.shape} "
        f"and {t.shape}. Write sg.{loss}(logits, targets) with one target for each row, here of "
        f"shape {a.shape[:-1]}."
    )


def no_class(loss: str, t: np.ndarray, classes: int, ignored: int | None) -> ValueError:
    target = t[((t < 0) | (t >= classes)) & (t != ignored)].flat[0]
    write = "np.array(targets) - 1 if your classes count from 1"
    if target == -100 and loss != "one_hot":
        write = f"sg.{loss}(logits, targets, ignore_index=-100) to leave out the rows of -100"
    return ValueError(
        f"there are {classes} classes, so a target is one of 0 ... {classes - 1}, but one is "
        f"{target}. Write {write}."
    )


def no_class_to_ignore(ignore_index: Any) -> ValueError:
    return ValueError(
        f"ignore_index={ignore_index!r:.80} is one of the numbers of classes, but the targets are "
        "probabilities. Write sg.cross_entropy(logits[keep], targets[keep]) with the rows to keep."
    )


def other_features(x: Any, W: Any) -> ValueError:
    """The error of a Linear with a weight `W` that is given an `x` of other features."""
    in_features, out_features = W.shape
    write = (
        f"nn.Linear({x.shape[-1] if x.ndim else 1}, {out_features}) for such inputs, or "
        "nn.Flatten() before it for images"
    )
    if x.shape[-1:] == (out_features,):
        write = (
            "h @ embedding.weight.T, if the weight is one that it shares with an Embedding: here a "
            "weight is (in, out), the transpose of PyTorch's. For other inputs write "
            f"nn.Linear({out_features}, {in_features})"
        )
    return ValueError(
        f"Linear{W.shape} takes inputs whose last axis is {in_features}, but got shape {x.shape}. "
        f"Write {write}."
    )


def other_channels(x: Any, W: Any, groups: int) -> ValueError:
    """The error of a Conv2d with filters `W` that is given images of other channels."""
    channels, n = W.shape[1] * groups, x.ndim
    write = f"nn.Conv2d({x.shape[-3]}, {len(W)}, {W.shape[2:]}) for such images"
    if x.shape[-1] == channels:
        order = (*range(n - 3), n - 1, n - 3, n - 2)
        write = f"x.transpose{order} for images whose channels come last"
    return ValueError(
        f"Conv2d({channels}, {len(W)}, {W.shape[2:]}) takes images (N, C, H, W) of {channels} "
        f"channels, but got shape {x.shape}. Write {write}."
    )


def other_inputs(cell: str, x: Any, in_features: int, hidden: int) -> ValueError:
    if x.shape[-1:] == (in_features,):
        return ValueError(
            f"{cell} takes one step, of shape (N, {in_features}), but got shape {x.shape}. Write "
            f"nn.{cell.removesuffix('Cell')}({in_features}, {hidden}) for a sequence."
        )
    write = (
        f"nn.{cell}({x.shape[-1] if x.ndim else 1}, {hidden}) for such inputs, or nn.Embedding "
        "before it for letters and words"
    )
    return ValueError(
        f"{cell}({in_features}, {hidden}) takes inputs whose last axis is {in_features}, but got "
        f"shape {x.shape}. Write {write}."
    )


def other_state(cell: str, name: str, h: Any, shape: Sizes, why: str) -> ValueError:
    return ValueError(
        f"the state {name} of {cell} has shape {shape} here, {why}, but got {h.shape}. Write "
        f"sg.zeros({shape}), or leave it out to start with zeros."
    )


def no_pair_of_states(lstm: str, state: Any) -> TypeError:
    return TypeError(
        f"{lstm} takes its state as a pair (h, c), but got a {type(state).__name__}. Write "
        "(h, c), as it was returned, or leave it out to start with zeros."
    )


def no_sequence(layer: str, x: Any, axes: str) -> ValueError:
    write = f"nn.{layer}Cell for a single step" if x.ndim < 2 else "x.reshape(T, N, -1)"
    return ValueError(
        f"{layer} takes sequences of shape {axes}, or (T, features) for a single one, but got "
        f"shape {x.shape}. Write {write}."
    )


def no_steps(layer: str, x: Any, axes: str) -> ValueError:
    return ValueError(
        f"{layer} takes sequences {axes} of at least one step, but got shape {x.shape}, where T is "
        "0, and so there is no last state. Leave out what is empty before the call."
    )


def check_attention(q: Sizes, k: Sizes, v: Sizes | None = None) -> None:
    """Raises a ValueError if these are no shapes of queries, keys and values that fit."""
    if min(len(q), len(k)) < 2 or not q[-1] == k[-1] > 0 or not broadcast(q[:-2], k[:-2]):
        raise ValueError(
            f"attention takes queries (..., L, d) and keys (..., S, d), but got shapes {q} and "
            f"{k}. Write x.reshape(N, T, d) to give both these axes, with one d."
        )
    if not k[-2]:
        raise ValueError(
            f"attention takes at least one key, but got shapes {q} and {k}: the weights of nothing "
            "have no sum of 1. Leave out what is empty before the call."
        )
    if v is not None and (len(v) < 2 or v[-2] != k[-2] or not broadcast(k[:-2], v[:-2])):
        raise ValueError(
            f"attention takes a value for each key, (..., S, d_v) for (..., S, d), but got values "
            f"{v} for keys {k}. Make both of the same places."
        )


def check_mask(mask: np.ndarray, shape: Sizes) -> None:
    """Raises an error if a mask of attention is not of booleans, or does not broadcast."""
    if mask.dtype.kind != "b":
        raise TypeError(
            f"the mask of attention is of booleans, True where a query may look, but got "
            f"{mask.dtype}. Write mask == 0 if yours is added, with -inf where none may look, or "
            "mask.astype(bool) if it has 1 where one may."
        )
    fits = 0 < len(mask.shape) <= len(shape) and all(
        m in (1, n) for m, n in zip(mask.shape[::-1], shape[::-1], strict=False)
    )
    if not fits:
        per_key = (*shape[:-2], shape[-1])
        write = f"np.ones({shape}, bool) for one that masks nothing"
        if mask.shape == per_key:
            write = "mask[:, None, :] for a mask of the keys of each sequence"
        raise ValueError(
            f"the mask of attention broadcasts to {shape}, a row for each query and a column for "
            f"each key, but got shape {mask.shape}. Write {write}."
        )


def other_embedding(x: Any, C: int, H: int) -> ValueError:
    return ValueError(
        f"MultiHeadAttention({C}, {H}) takes queries, keys and values of {C} features each, but "
        f"got shape {x.shape}. Write nn.Linear({x.shape[-1] if x.ndim else 1}, {C}) before it."
    )


def no_heads(C: int, H: int) -> ValueError:
    fit = [n for n in range(1, C + 1) if C % n == 0]
    nearest = min(fit, key=lambda n: abs(n - H))
    return ValueError(
        f"the heads of MultiHeadAttention share its features evenly, but {C} features are not "
        f"divisible by {H} heads. Write nn.MultiHeadAttention({C}, {nearest})."
    )
