"""A recording: the NumPy calls that a computation makes, written down as lines of Python.

While a `Recording` is on, a `Recorded` stands for the array of a tensor. It is no array, but an
object that has just the operations that can be written down: each is carried out, and becomes a
line such as `np.multiply(x, w, out=mul)`, which writes into an array made once. Whatever else asks
for its numbers, be it NumPy, Python or the user, gets `NotReplayable`: a branch, a copy or a text
would not see them change.

A view shares the memory of its array and needs no line. A call that was made with the same arrays
is not made again. What depends on no Recorded is constant, and computed once.
"""

from __future__ import annotations

import functools
import linecache
import operator
import sys
from collections.abc import Callable, Container, Iterator
from contextvars import ContextVar
from types import CodeType
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from simplegrad import given
from simplegrad.partials import AsArray
from simplegrad.tensor import Tensor


class NotReplayable(TypeError):
    """Something that a recording could not repeat with other values."""


class Line(NamedTuple):
    """A line of Python: texts, and values that stand between them by name."""

    parts: tuple[Any, ...]
    origin: Any  # the code that made the call, or the comment above it


class Recording:
    """Lines in their order.

    Attributes:
        codes: The code of the user's functions.
        checks: The lines that come before all others: whether the indices are in range.
        lines: The others.
        made: The arrays that they fill, each with the code that made it.
        has_effects: Whether a line changes what the caller can see, or draws random numbers.
        refusal: What was refused first: a function may have gone on after it.
    """

    def __init__(self, codes: Container[CodeType]) -> None:
        self.codes, self.has_effects = codes, False
        self.checks: list[Line] = []
        self.lines: list[Line] = []
        self.made: list[tuple[np.ndarray, CodeType | None]] = []
        self.refusal: NotReplayable | None = None
        self.is_in_loop = False
        self.rates: dict[Any, tuple[np.ndarray, Line]] = {}  # of an optimizer, and what sets them
        self._results: dict[Any, Recorded] = {}  # of calls that need not be made again
        self._constants: dict[Any, Any] = {}
        # of memory, by the id of the array that owns it
        self._owners: dict[int, Recorded] = {}
        self._versions: dict[int, int] = {}  # how often it was written into
        self._outside: set[int] = set()  # the caller can see it
        self._arguments: set[int] = set()  # it is filled before each call
        self._fixed: set[int] = set()  # it stands for two results, and must not change

    def given(self, array: np.ndarray, is_argument: bool = False) -> Recorded:
        """What stands for an array that was there before."""
        (self._arguments if is_argument else self._outside).add(memory_of(array))
        return Recorded(self, array)

    def new(self, array: np.ndarray) -> Recorded:
        """What stands for an array that a line is to fill."""
        self.made.append((array, _origin()))
        return Recorded(self, array, is_scalar=array.ndim == 0)  # as NumPy makes of it

    def add(self, *parts: Any) -> None:
        """Writes down a line."""
        origin = _equation() if self.is_in_loop else _origin()
        self.lines.append(Line(mapped(self._lasting, parts), origin))

    def call(self, function: Any, name: str, args: Any, kwargs: Any) -> Recorded:
        """Calls a function of NumPy that takes `out`, once for the same arrays."""
        key = self._key((name, args, kwargs))
        result = self._results.get(key)
        if result is None or memory_of(result._array) in self._versions:
            numbers = self._computed(function, name, args, kwargs)
            result = self._results[key] = self.new(np.asarray(numbers))
            self.add(*called(name, args, {**kwargs, "out": result}))
        else:
            self._fixed.add(memory_of(result._array))
        return result

    def store(self, function: Any, name: str, args: Any, kwargs: Any, *parts: Any) -> Any:
        """Calls a function that has no `out`: what it returns is a view, or stored in an array."""
        arrays = [x for x in flattened((args, kwargs)) if isinstance(x, np.ndarray)]
        result = self._computed(function, name, args, kwargs)
        return self._stored(result, arrays, name, *(parts or called(name, args, kwargs)))

    def _stored(self, result: Any, arrays: list[Any], name: str, *parts: Any) -> Any:
        if isinstance(result, list | tuple):
            items = enumerate(result)
            return type(result)(self._stored(x, arrays, name, *parts, f"[{i}]") for i, x in items)
        if not isinstance(result, np.ndarray | np.generic):
            raise self.taken_out(name)
        if not result.size or any(np.may_share_memory(result, a) for a in arrays):
            return Recorded(self, result)  # type: ignore[arg-type]
        out = self.new(np.array(result))
        self.add(out, "[...] = ", *parts)
        return out

    def write(self, function: Any, name: str, args: Any, kwargs: Any, *targets: Any) -> None:
        """Makes a call that changes `targets`."""
        self.changes(*targets)
        function(*plain(args), **plain(kwargs))
        self.add(*called(name, args, kwargs))

    def _computed(self, function: Any, name: str, args: Any, kwargs: Any) -> Any:
        """What a function returns; that is no array of the user's, given to be written into."""
        result = function(*plain(args), **plain(kwargs))
        if any(x is result for x in items_in(args)):
            raise self.taken_out(f"{name} with such arguments")
        return result

    def loop(self, blocks: list[tuple[np.ndarray, ...]], run: Callable[..., None]) -> None:
        """Records what is done with the first block as a loop over all of them, in one line."""
        start, known, ends = len(self.lines), len(self.rates), []
        self.is_in_loop = True
        for block in blocks:
            run(*map(self.given, block))
            ends.append(len(self.lines))
        self.is_in_loop = False
        parts, last = ["for ", *listed(blocks[0], {}), " in ", Blocks(blocks), ":"], None
        for line in self.lines[start : ends[0]]:
            if line.origin != last:
                parts += [f"\n    {line.origin}"]
            last = line.origin
            parts += ["\n    ", *line.parts]
        rates = [line for _, line in self.rates.values()]
        self.lines[start:] = [*rates[known:], Line(tuple(parts), _origin())]

    def of_one_dtype(self, args: Any) -> Any:
        """Numbers beside floats of one dtype as arrays of it, which cost NumPy less."""
        dtypes = {x.dtype for x in args if isinstance(x, np.ndarray | np.generic)}
        if len(dtypes) != 1 or next(iter(dtypes)).kind != "f":
            return args

        def array_of(x: Any) -> Any:
            if type(x) is Rate:
                return self._rate(x, *dtypes)
            return np.array(x, *dtypes) if type(x) in (int, float) else x

        return tuple(map(array_of, args))

    def _rate(self, rate: Rate, dtype: Any) -> Recorded:
        """An array that is filled with a rate in each step."""
        key = (dtype, rate.value, *(x if isinstance(x, str) else id(x) for x in rate.parts))
        if key not in self.rates:
            array = np.array(rate.value, dtype)
            parts = rate.parts[1:-1] if rate.parts[0] == "(" else rate.parts
            self.rates[key] = array, Line((array, ".fill(", *parts, ")"), STEP)
        return Recorded(self, self.rates[key][0])

    def changes(self, *targets: Any) -> None:
        """Notes that arrays are written into."""
        for target in targets:
            memory = memory_of(plain(target))
            if type(target) is not Recorded or memory in self._fixed | self._arguments:
                raise self.refuse(
                    "this writes into an array that is not recorded, into an argument, or into one "
                    "of two equal results. Write mask = mask * (t.data > 0) in place of "
                    "mask *= (t.data > 0), or @fast.replay(eager=True)."
                )
            self.has_effects |= memory in self._outside
            self._versions[memory] = self._versions.get(memory, 0) + 1

    def is_within(self, index: Recorded, n: int, ignored: int | None = None) -> bool:
        """Whether all integers are in 0 ... n - 1, for which a line looks again in each call."""
        array, key = index._array, ("index", self._key(index), n, ignored)
        unsigned = array.view(f"u{array.itemsize}")  # in which a negative number is a large one
        if not given.lies_within(array, n, ignored):
            return False
        if array.size and key not in self._results:
            self._results[key] = index
            but = () if ignored is None else (", where=", array, f" != {ignored}, initial=0")
            parts = ("check(np.maximum.reduce(", unsigned, ", axis=None", *but, f") < {n})")
            line = Line(parts, None)
            is_early = memory_of(array) in self._arguments
            if self.has_effects and not is_early:
                raise self.refuse(
                    "these indices are computed when it is too late to refuse them: something has "
                    "been changed, or random numbers drawn. Compute them before."
                )
            (self.checks if is_early else self.lines).append(line)
        return True

    def lies_between(self, a: Recorded, low: float, high: float) -> bool:
        """Whether no number is out of a range, for which a line looks again where it is in time."""
        array, is_early = a._array, memory_of(a._array) in self._arguments
        if array.size and (is_early or not self.has_effects):
            parts = "np.fmin.reduce(", array, f", axis=None) < {low} or np.fmax.reduce(", array
            line = Line(("check(not (", *parts, f", axis=None) > {high}))"), None)
            (self.checks if is_early else self.lines).append(line)
        return given.lies_between(array, low, high)

    def refuse(self, why: str) -> NotReplayable:
        """The error for what cannot be repeated, with the line of the user that asked for it."""
        frame = next((f for f in _frames() if f.f_code in self.codes), None)
        if frame is not None:
            file = frame.f_code.co_filename
            line = linecache.getline(file, frame.f_lineno, frame.f_globals).strip()
            why += f" It is line {frame.f_lineno} of {file}: {line}"
        self.refusal = self.refusal or NotReplayable(why)
        return self.refusal

    def taken_out(self, how: str) -> NotReplayable:
        """The error for numbers that are asked for."""
        return self.refuse(
            f"{how} asks for the numbers of a recorded array, and would see those of the recording "
            "for good. Compute with tensors, as sg.where(t > 0, a, b) in place of an if, or write "
            "@fast.replay(eager=True)."
        )

    def numbers_of(self, x: Any) -> Any:
        """Arguments of a function of NumPy, with what stands for the arrays of Tensors."""
        if any(isinstance(t, Tensor) and t.requires_grad for t in items_in(x)):
            raise self.refuse("A function of NumPy was given a Tensor. Write sg.exp(t).")
        return mapped(lambda x: x._data if isinstance(x, Tensor) else x, x)

    def no_arrays(self, name: str, others: Any) -> None:
        """Raises an error if what is recorded is more than an array that is computed with.

        It could be an axis, a shape, or an array to write into; or a function is given.
        """
        for x in items_in(others):
            if type(x) is Recorded or (callable(x) and not isinstance(x, type)):
                raise self.taken_out(f"{name} with such arguments")

    def index_of(self, a: Any, index: Any) -> Any:
        """An index of `a`, with what stands for Tensors; its integers are in range."""
        index = self.numbers_of(index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(type(x) is Recorded for p in parts if type(p) is not Recorded for x in items_in(p)):
            raise self.taken_out("a slice or a list")
        axes = [0 if p is None or p is ... else p.ndim if _is_mask(p) else 1 for p in parts]
        rest = a.ndim - sum(axes)
        for number, part in enumerate(parts):
            if type(part) is not Recorded:
                continue
            if _is_mask(part):
                raise self.refuse(
                    "indexing by a condition gives an array whose shape depends on numbers. Write "
                    "sg.where(condition, a, b), or @fast.replay(eager=True)."
                )
            n = a.shape[sum(axes[:number]) + rest * any(p is ... for p in parts[:number])]
            if not self.is_within(part, n) and a._array[plain(index)] is not None:
                raise self.refuse(
                    f"a recorded index counts from 0 to {n - 1}, and this one counts from the end. "
                    f"Write index % {n}."
                )
        return index

    def copy_of(self, a: Recorded, dtype: Any, order: Any = "K", **kwargs: Any) -> Recorded:
        """The same values in a new array; nobody changes an argument, which is its own copy."""
        result = a._array.astype(dtype, order=order, **kwargs)
        is_alike = (result.dtype, result.strides) == (a.dtype, a._array.strides)
        if result is a._array or (
            is_alike and memory_of(a._array) in self._fixed | self._arguments
        ):
            return a
        out = self.new(result)
        self.add(*called("np.copyto", (out, a), {"casting": "unsafe"}))
        return out

    def close(self) -> None:
        """Lets go of what stands for arrays, which refers to this recording, too."""
        self._owners.clear()
        self._results.clear()

    def owner_of(self, recorded: Recorded) -> Recorded | None:
        """What stands for the array whose memory this one shares; None for its own."""
        owner = self._owners.setdefault(memory_of(recorded._array), recorded)
        return None if owner is recorded else owner

    def _key(self, x: Any) -> Any:
        """What is the same for the same values."""
        if isinstance(x, tuple | list | dict):
            return (type(x), *map(self._key, x.items() if isinstance(x, dict) else x))
        if type(x) is Recorded:
            return (*place_of(x._array), self._versions.get(memory_of(x._array), 0))
        is_array = isinstance(x, np.ndarray | np.generic)
        return id(self._lasting(x)) if is_array else (type(x), repr(x))

    def _lasting(self, x: Any) -> Any:
        """What a line is made of, with copies of constants: the function may change them later."""
        if type(x) is Recorded:
            return x._array
        if not isinstance(x, np.ndarray | np.generic):
            return x
        key = type(x), x.dtype.str, x.shape, getattr(x, "strides", ()), x.tobytes()
        if key not in self._constants:
            self._constants[key] = _copy_in_place(x) if isinstance(x, np.ndarray) else x
        return self._constants[key]


current: ContextVar[Recording | None] = ContextVar("recording", default=None)


def items_in(x: Any) -> Iterator[Any]:
    """What containers and slices hold."""
    stack = [x]
    while stack:
        x = stack.pop()
        if isinstance(x, slice):
            stack += [x.start, x.stop, x.step]
        elif isinstance(x, tuple | list | dict):
            stack += x.values() if isinstance(x, dict) else x
        else:
            yield x


def plain(x: Any) -> Any:
    """`x` with arrays in place of what stands for them."""
    return mapped(lambda x: x._array if type(x) is Recorded else x, x)


def place_of(a: np.ndarray) -> tuple[Any, ...]:
    """Which numbers in memory these are."""
    return a.__array_interface__["data"][0], a.shape, a.strides, a.dtype.str


def owner_of(array: Any) -> Any:
    """The array that owns the memory of this one."""
    while isinstance(getattr(array, "base", None), np.ndarray):
        array = array.base
    return array


def memory_of(array: Any) -> int:
    """The id of the array that owns the memory of this one."""
    return id(owner_of(array))


def _copy_in_place(x: np.ndarray) -> np.ndarray:
    """A copy that lies in memory as the array does, which decides how BLAS adds up."""
    if x.flags.c_contiguous or x.flags.f_contiguous:
        return x.copy(order="K")
    low, high = np.lib.array_utils.byte_bounds(x)
    memory = np.zeros(-(-(high - low) // x.itemsize), x.dtype)
    copy = np.ndarray(x.shape, x.dtype, memory, place_of(x)[0] - low, x.strides)
    copy[...] = x
    return copy


def flattened(x: Any) -> Iterator[Any]:
    """The values in containers, with arrays in place of what stands for them."""
    return items_in(plain(x))


def mapped(function: Callable[[Any], Any], x: Any) -> Any:
    """What a function makes of a value, or of those that containers and slices hold."""
    if type(x) in (tuple, list):
        return type(x)([mapped(function, item) for item in x])
    if isinstance(x, slice):
        return slice(*mapped(function, (x.start, x.stop, x.step)))
    if type(x) is dict:
        return {key: mapped(function, value) for key, value in x.items()}
    return function(x)


def listed(args: Any, kwargs: Any) -> list[Any]:
    """The parts of a line for the arguments of a call."""
    parts: list[Any] = []
    for key, value in [*(("", x) for x in args), *((f"{k}=", x) for k, x in kwargs.items())]:
        parts += [f", {key}" if parts else key, repr(value) if isinstance(value, str) else value]
    return parts


def called(name: str, args: Any, kwargs: Any) -> list[Any]:
    """The parts of a line for a call."""
    return [f"{name}(", *listed(args, kwargs), ")"]


def _frames() -> Iterator[Any]:
    frame: Any = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _origin() -> Any:
    """The code, of a rule or of the user, that makes a call now."""
    here = (__name__, "numpy.lib.mixins")
    return next(f.f_code for f in _frames() if f.f_globals.get("__name__") not in here)


STEP = "The optimizer's step"


def _equation() -> str:
    """The comment above the line of an optimizer's passes that makes a call now."""
    frame = next(f for f in _frames() if f.f_code.co_name == "passes")
    above = linecache.getlines(frame.f_code.co_filename, frame.f_globals)[: frame.f_lineno]
    lines = [line.strip() for line in above[frame.f_code.co_firstlineno :]]
    return next((line for line in reversed(lines) if line.startswith("#")), f"# {STEP}")


def _is_numpys(function: Any) -> bool:
    """Whether np.name is this function."""
    return getattr(np, function.__name__, None) is function


class Blocks(list[Any]):
    """Arrays that a loop goes through, which has a name."""


class Rate:
    """A number that may be another in the next step, and the parts of the code that computes it."""

    def __init__(self, value: float, *parts: Any) -> None:
        self.value, self.parts = value, parts

    def __neg__(self) -> Rate:
        return Rate(-self.value, "-", *self.parts)

    def __gt__(self, other: Any) -> bool:
        if self.parts[1:] == (".step_count",) and other == 1:  # which each recording is made for
            return self.value > 1
        return self._is_looked_at(other)

    def _is_looked_at(self, *others: Any) -> Any:
        recording: Any = current.get()
        raise recording.refuse(
            "passes() looks at lr or step_count, which may be another in the next step. Compute "
            "with it, or write @fast.replay(eager=True)."
        )

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __ge__ = __float__ = __int__ = _is_looked_at
    __hash__ = None  # type: ignore[assignment]


def _arithmetic(name: str, sign: str) -> None:
    """Gives rates an operator."""
    function = getattr(operator, name)

    def computed(a: Any, b: Any) -> Rate:
        values = [x.value if type(x) is Rate else x for x in (a, b)]
        a, b = (x.parts if type(x) is Rate else (x,) for x in (a, b))
        return Rate(function(*values), "(", *a, f" {sign} ", *b, ")")

    setattr(Rate, f"__{name}__", computed)
    setattr(Rate, f"__r{name}__", lambda b, a: computed(a, b))


for _name, _sign in ("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("pow", "**"):
    _arithmetic(_name, _sign)


POWERS: dict[Any, Any] = {2: np.square, 0.5: np.sqrt, -1: np.reciprocal}
SAMPLE = np.linspace(0, 3, 1000, dtype=np.float32)
OF_ARRAYS_TOO = np.array_equal(SAMPLE ** np.array(2, np.float32), np.square(SAMPLE))


def _number(x: Any) -> Any:
    """A constant that ** looks at: a number of Python or, in some versions, an array of one."""
    is_one = OF_ARRAYS_TOO and type(x) is np.ndarray and x.ndim == 0 and x.dtype.kind == "f"
    return x.item() if is_one else x if type(x) in (int, float) else None


def _is_mask(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "b"


class Recorded(NDArrayOperatorsMixin):
    """What stands for an array. In other threads, and after the recording, it is like one."""

    __slots__ = ("_array", "_is_scalar", "_recording")

    def __init__(self, recording: Recording, array: np.ndarray, is_scalar: bool = False) -> None:
        self._recording, self._array, self._is_scalar = recording, array, is_scalar
        if array.base is None:
            recording.owner_of(self)

    __class__ = property(lambda self: np.ndarray)  # for isinstance

    # What does not depend on the numbers

    shape = property(lambda self: self._array.shape)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    dtype = property(lambda self: self._array.dtype)
    itemsize = property(lambda self: self._array.itemsize)
    base = property(lambda self: self._recording.owner_of(self))
    T = property(lambda self: Recorded(self._recording, self._array.T))
    mT = property(lambda self: Recorded(self._recording, self._array.mT))

    def __len__(self) -> int:
        return len(self._array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    # For an onlooker such as a debugger, and for no function of the user's

    def __repr__(self) -> str:
        return repr(self._shown("repr()"))

    @property
    def flat(self) -> Any:
        """The elements one by one, which the repr of a Tensor shows."""
        return self._shown(".flat, or the text of a Tensor,").flat

    def _shown(self, how: str) -> np.ndarray:
        outside = (f for f in _frames() if "simplegrad" not in f.f_globals.get("__name__", ""))
        if current.get() is self._recording and next(outside).f_code in self._recording.codes:
            raise self._recording.taken_out(how)
        return self._array

    # NumPy's two protocols

    def __array_ufunc__(self, ufunc: Any, method: Any, *args: Any, **kwargs: Any) -> Any:
        if AsArray in map(type, args):
            return NotImplemented
        recording, outs = self._recording, kwargs.pop("out", None)
        call: Any = ufunc if method == "__call__" else getattr(ufunc, method)
        name = f"np.{ufunc.__name__}" + f".{method}" * (method != "__call__")
        if current.get() is not recording:
            return call(*plain(args), **plain(kwargs), **({"out": plain(outs)} if outs else {}))
        if not _is_numpys(ufunc):
            raise recording.taken_out(f"{ufunc.__name__}, which is none of np.,")
        for key, default in ("dtype", None), ("where", True):  # reductions always name them
            if kwargs.get(key, 0) is default:
                del kwargs[key]
        args, kwargs = recording.numbers_of(args), recording.numbers_of(kwargs)
        if method == "at":
            args = (args[0], recording.index_of(args[0], args[1]), *args[2:])
            return recording.write(call, name, args, kwargs, args[0])
        others = args[1:] if method != "__call__" else ()
        recording.no_arrays(name, (others, {**kwargs, "where": None}))
        if outs is not None and not (type(outs[0]) is Recorded and outs[0]._is_scalar):
            kwargs["out"] = outs[0] if len(outs) == 1 else outs
            recording.write(call, name, recording.of_one_dtype(args), kwargs, *outs)
            return kwargs["out"]
        if method == "__call__" and ufunc.signature is None:
            if name == "np.power" and _number(args[1]) in POWERS and args[0].dtype.kind == "f":
                return POWERS[_number(args[1])](args[0])  # as the operator ** does
            args = recording.of_one_dtype(args)
        return (recording.call if ufunc.nout == 1 else recording.store)(call, name, args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if AsArray in types:
            return NotImplemented
        recording, name = self._recording, function.__name__
        if current.get() is not recording:
            return function(*plain(args), **plain(kwargs))
        is_known = name in METHODS or name in ALLOWED
        if not (is_known and _is_numpys(function)) or (name == "where" and len(args) != 3):
            raise recording.taken_out(f"np.{name}")
        args, kwargs = recording.numbers_of(args), recording.numbers_of(kwargs)
        is_method = args and type(args[0]) is Recorded and args[0]._has_method(name)
        if is_method and name not in ("reshape", "transpose"):  # which come in two forms
            if name == "copy":
                kwargs = {"order": "K", **kwargs}  # the default of np.copy, and not of a.copy()
            return METHODS[name](*args, **kwargs)
        others = args[ARRAYS.get(name, 1) :], {**kwargs, "where": None}
        if "out" in kwargs or (name == "einsum" and not isinstance(args[0], str)):
            raise recording.taken_out(f"np.{name} with such arguments")
        recording.no_arrays(f"np.{name}", others)
        if name in ("shape", "ndim", "size", "result_type"):
            return function(*plain(args), **plain(kwargs))
        if name == "copyto":
            return recording.write(function, "np.copyto", args, kwargs, args[0])
        if name in ("zeros_like", "ones_like"):
            out = recording.new(function(*plain(args), **kwargs))
            recording.add(out, f".fill({int(name == 'ones_like')})")
            return out
        if name == "where" and _is_mask(args[0]):  # which needs no other array
            out = recording.new(np.where(*plain(args)))
            condition, a, b = args
            for x, where in (b, {}), (a, {"where": condition}):
                recording.add(*called("np.copyto", (out, x), {"casting": "unsafe", **where}))
            return out
        record = recording.call if name in ("concatenate", "stack") else recording.store
        return record(function, f"np.{name}", args, kwargs)

    def _has_method(self, name: str) -> bool:
        """Whether METHODS has it; some means NumPy computes in another way than by its steps."""
        is_usual = self.dtype.char in "fd" and self.size < 2**24
        return name in METHODS and (is_usual or name not in ("mean", "var", "std"))

    # What NumPy does not offer to these protocols

    def __getitem__(self, index: Any) -> Any:
        if current.get() is not self._recording:
            return self._array[plain(index)]
        recording, index = self._recording, self._recording.index_of(self, index)
        # in range, so that NumPy needs no array for what goes wrong
        if type(index) is Recorded and np.can_cast(index.dtype, np.intp):
            args = {"axis": 0, "mode": "clip"}
            return recording.call(np.take, "np.take", (self, index), args)
        parts = self, "[", index, "]"
        return recording.store(operator.getitem, "[]", (self, index), {}, *parts)

    def __setitem__(self, index: Any, value: Any) -> None:
        recording = self._recording
        if current.get() is not recording:
            self._array[plain(index)] = plain(value)
            return
        index, value = recording.index_of(self, index), recording.numbers_of(value)
        view = np.asarray(self._array[plain(index)])
        if type(value) is Recorded and place_of(value._array) == place_of(view):
            return  # after x[index] += 1, which has written into the view
        recording.changes(self)
        self._array[plain(index)] = plain(value)
        recording.add(self, "[", index, "] = ", value)

    def __getattr__(self, name: str) -> Any:
        """A method that can be recorded; what has not been said to be safe is not."""
        if current.get() is not self._recording:
            return getattr(self._array, name)
        if self._has_method(name):
            return functools.partial(METHODS[name], self)
        if name in ALLOWED - {"sort"} and hasattr(np.ndarray, name):  # that would change it
            return functools.partial(getattr(np, name), self)
        if name[:2] == "__":  # Python and NumPy ask for many, and do without
            raise AttributeError(name)
        raise self._recording.taken_out(f".{name}")


def _refuse(name: str, how: str) -> Any:
    def refuse(self: Recorded, *args: Any, **kwargs: Any) -> Any:
        # NumPy asks for the index of an exponent, and goes on if there is none
        has_none = name == "__index__" and (self.ndim > 0 or self.dtype.kind not in "iu")
        if current.get() is not self._recording or has_none:
            return getattr(np.ndarray, name)(self._array, *args, **kwargs)
        raise self._recording.taken_out(how)

    return refuse


OTHERS = {"array": "np.array() or np.asarray()", "bool": "an if, or bool(),", "contains": "in"}
OTHERS |= {"format": "an f-string, or format()", "reduce_ex": "a copy"}
for _name in (
    *("array", "bool", "complex", "contains", "copy", "deepcopy", "float", "format", "index"),
    *("int", "reduce_ex", "str"),
):
    setattr(Recorded, f"__{_name}__", _refuse(f"__{_name}__", OTHERS.get(_name, f"{_name}()")))


def _leave_to_tensors(name: str) -> None:
    """Makes array * Tensor a call of the Tensor's __rmul__, as for any array."""
    numpys = getattr(NDArrayOperatorsMixin, name)
    setattr(Recorded, name, lambda a, b: NotImplemented if isinstance(b, Tensor) else numpys(a, b))


for _name in ("add", "sub", "mul", "truediv", "pow", "matmul", "lt", "le", "gt", "ge", "eq", "ne"):
    _leave_to_tensors(f"__{_name}__")


# Methods of arrays, by their names: those of one call, and those of several


def _reduction(ufunc: Any, **fixed: Any) -> Any:
    return lambda a, axis=None, **kwargs: ufunc.reduce(a, axis=axis, **fixed, **kwargs)


def _mean(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """In the two steps of np.mean."""
    c = np.sum(a, axis=axis, keepdims=keepdims)
    return np.true_divide(c, a.size // max(c.size, 1))


def _var(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False) -> Any:
    """In the steps of np.var."""
    x = a - _mean(a, axis, keepdims=True)
    c = np.sum(x * x, axis=axis, keepdims=keepdims)
    return np.true_divide(c, max(a.size // max(c.size, 1) - ddof, 0))


def _take(a: Any, indices: Any, axis: int | None = None) -> Any:
    a = np.reshape(a, -1) if axis is None else a
    return a[(*[slice(None)] * ((axis or 0) % a.ndim), indices)]


def _fill(a: Any, value: Any) -> None:
    a._recording.changes(a)
    a._array.fill(value)
    a._recording.add(a, ".fill(", value, ")")


def _in_one_call(first: Any, function: Any, arrays: dict[str, Any], *args: Any) -> Any:
    """A function of simplegrad that looks at numbers, and changes them."""
    recording = first._recording
    recording.changes(*arrays.values())
    out = recording.new(np.array(function(plain(arrays), *args)))
    recording.add(out, "[...] = ", function, *called("", (arrays, *args), {}))
    return out


METHODS: dict[str, Any] = {
    "sum": _reduction(np.add),
    "prod": _reduction(np.multiply),
    "max": _reduction(np.maximum),
    "min": _reduction(np.minimum),
    "all": _reduction(np.logical_and, dtype=bool),
    "any": _reduction(np.logical_or, dtype=bool),
    "mean": _mean,
    "var": _var,
    "std": lambda a, *args, **kwargs: np.sqrt(_var(a, *args, **kwargs)),
    "take": _take,
    "fill": _fill,
    "astype": lambda a, dtype, *args, **kwargs: a._recording.copy_of(a, dtype, *args, **kwargs),
    "copy": lambda a, order="C": a._recording.copy_of(a, a.dtype, order),
    "reshape": lambda a, *shape: np.reshape(a, shape[0] if len(shape) == 1 else shape),
    "transpose": lambda a, *axes: np.transpose(a, axes[0] if len(axes) == 1 else axes or None),
    "lies_within": lambda a, *args: a._recording.is_within(a, *args),
    "lies_between": lambda a, *args: a._recording.lies_between(a, *args),
    "in_one_call": _in_one_call,
}
PRODUCTS = "dot", "inner", "isclose", "kron", "outer", "tensordot"
ARRAYS = {  # how many of the arguments are arrays
    "clip": 3,
    "copyto": 2,
    "einsum": 9,
    "where": 3,
    **dict.fromkeys(PRODUCTS, 2),
}
ALLOWED = {
    *("argmax", "argmin", "argsort", "around", "atleast_1d", "atleast_2d", "average", "clip"),
    *("broadcast_to", "column_stack", "concatenate", "copyto", "cumprod", "cumsum", "diag", "diff"),
    *("diagonal", "dot", "dstack", "einsum", "expand_dims", "flip", "hstack", "inner", "isclose"),
    *("kron", "mean", "median", "moveaxis", "ndim", "ones_like", "outer", "pad", "ravel", "repeat"),
    *("result_type", "roll", "round", "shape", "size", "sort", "split", "squeeze", "stack", "std"),
    *("swapaxes", "tensordot", "tile", "trace", "tril", "triu", "var", "vstack", "where"),
    "zeros_like",
}
