"""A program: the calls of NumPy that a computation made, to be made again into the same arrays.

`Traced` is an array that writes down what is done with it. While a `Program` records, every call of
NumPy on a Traced array is carried out and appended to the program, and its result is Traced, too.
To run the program is to make the same calls in the same order, each with `out=` the array that it
gave when it was recorded: the same bits, and nothing is allocated but where NumPy has no `out`.

A view of a Traced array shares its memory and needs no call. What would take a value out of the
arrays, such as `float(x)` or `if x > 0`, raises `NotReplayable`: a program could not see it change.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from simplegrad.tensor import Tensor

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class NotReplayable(TypeError):
    """Something that a recorded program could not repeat with other values."""


class Program:
    """Calls in their order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def run(self) -> None:
        """Makes the calls again."""
        for function, args in self.calls:
            function(*args)

    def add(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Appends a call, with plain arrays for Traced ones."""
        if kwargs:
            function = functools.partial(function, **{k: plain(v) for k, v in kwargs.items()})
        self.calls.append((function, plain(args)))


class _Recording(threading.local):
    """The program that records, in this thread."""

    program: Program | None = None


_recording = _Recording()


def is_recording() -> bool:
    """Whether a program records in this thread."""
    return _recording.program is not None


@contextlib.contextmanager
def recorded() -> Iterator[Program]:
    """A program that records what this thread does with Traced arrays meanwhile."""
    _recording.program = program = Program()
    try:
        yield program
    finally:
        _recording.program = None


def _program() -> Program:
    return _recording.program or Program()  # where none records, what is written down is lost


def plain(x: Any) -> Any:
    """`x` with ordinary arrays in place of Traced ones and of Tensors, which share their memory."""
    if isinstance(x, Tensor):
        x = x._data
    if isinstance(x, Traced):
        return x.view(np.ndarray)
    if type(x) in (tuple, list):
        return type(x)(plain(item) for item in x)
    return x


def traced(x: np.ndarray) -> Traced:
    """The same memory as a Traced array."""
    return np.asarray(x).view(Traced)


def traced_call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls `function`; what it returns is Traced, and computed anew when the program runs."""
    args, kwargs = plain(args), {key: plain(value) for key, value in kwargs.items()}
    return _traced_result(function(*args, **kwargs), function, args, kwargs)


def _traced_result(result: Any, function: Any, args: Any, kwargs: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(
            _traced_result(item, _item_of(function, i), args, kwargs)
            for i, item in enumerate(result)
        )
    if not isinstance(result, np.ndarray | np.generic):
        return result
    arrays = [x for x in _flattened((args, tuple(kwargs.values()))) if isinstance(x, np.ndarray)]
    if isinstance(result, np.ndarray) and any(np.may_share_memory(result, x) for x in arrays):
        return traced(result)  # a view
    out = np.array(result)
    _program().add(_store, out, function, args, kwargs)
    return traced(out)


def _item_of(function: Callable[..., Any], i: int) -> Callable[..., Any]:
    return lambda *args, **kwargs: function(*args, **kwargs)[i]


def _flattened(x: Any) -> Iterator[Any]:
    stack = [x]
    while stack:
        x = stack.pop()
        if isinstance(x, tuple | list):
            stack.extend(x)
        else:
            yield x


def _store(out: np.ndarray, function: Any, args: Any, kwargs: Any) -> None:
    """Calls a function that has no `out`."""
    result = function(*args, **kwargs)
    if np.shape(result) != out.shape:
        raise NotReplayable(
            f"a result of {getattr(function, '__name__', function)} had shape {out.shape} when it "
            f"was recorded and has {np.shape(result)} now: shapes may not depend on values. Write "
            "@fast.replay(eager=True) for this function."
        )
    out[...] = result


# Functions of NumPy that only call ufuncs and methods of their argument: these get recorded
TRANSPARENT = {np.all, np.any, np.clip, np.max, np.mean, np.min, np.prod, np.std, np.sum, np.var}
WITH_OUT = {np.concatenate, np.stack, np.take}
SHAPED_BY_VALUES = {np.argwhere, np.compress, np.extract, np.flatnonzero, np.nonzero, np.unique}


class Traced(np.ndarray):
    """An array that records what NumPy does with it; see the module."""

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        program, inputs = _program(), plain(args)
        outs = kwargs.pop("out", None)
        for key, default in ("dtype", None), ("where", True):  # reductions always name them
            if key in kwargs and kwargs[key] is default:
                del kwargs[key]
        call = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            _check_own(args[0])
            call(*inputs)
            program.add(call, *inputs)
            return None
        if outs is not None:
            _check_own(*outs)
            call(*inputs, out=plain(outs), **kwargs)
            program.add(call, *inputs, out=outs, **kwargs)
            return outs[0] if len(outs) == 1 else outs
        if ufunc.nout != 1:
            return traced_call(call, *inputs, **kwargs)
        out = np.asarray(call(*inputs, **kwargs))
        program.add(call, *inputs, out=out, **kwargs)
        return traced(out)

    def __repr__(self) -> str:
        return repr(plain(self))  # a debugger that shows it must add nothing to the recording

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in TRANSPARENT:
            return super().__array_function__(function, types, args, kwargs)
        if function in SHAPED_BY_VALUES or (function is np.where and len(args) == 1):
            raise NotReplayable(
                f"np.{function.__name__} gives an array whose shape depends on values, so it "
                "cannot be replayed. Write sg.where(condition, a, b), or @fast.replay(eager=True)."
            )
        program = _program()
        if function is np.zeros_like:
            out = np.zeros_like(*plain(args), **kwargs)
            program.add(out.fill, 0)
            return traced(out)
        if function is np.where:
            condition, a, b = plain(args)
            out = np.where(condition, a, b)
            program.add(np.copyto, out, b)
            program.add(np.copyto, out, a, where=np.asarray(condition))
            return traced(out)
        if function is np.copyto:
            _check_own(args[0])
            np.copyto(*plain(args), **{key: plain(value) for key, value in kwargs.items()})
            program.add(np.copyto, *args, **kwargs)
            return None
        if function in WITH_OUT and "out" not in kwargs and "mode" not in kwargs:
            out = np.asarray(function(*plain(args), **kwargs))
            if function is np.take:  # "raise", the default, would write by way of another array
                kwargs = {**kwargs, "mode": "clip"}
            program.add(function, *args, out=out, **kwargs)
            return traced(out)
        return traced_call(function, *args, **kwargs)

    # Methods that NumPy does not offer to the two protocols above

    def __getitem__(self, index: Any) -> Any:
        """Views are views; what an index copies is copied again by the program."""
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, Traced) and part.dtype == bool:
                raise NotReplayable(
                    "indexing by a condition gives an array whose shape depends on values, so it "
                    "cannot be replayed. Write sg.where(condition, a, b), or "
                    "@fast.replay(eager=True)."
                )
        return traced_call(operator.getitem, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        index, value, array = plain(index), plain(value), plain(self)
        array[index] = value
        _program().add(operator.setitem, array, index, value)

    def astype(self, dtype: Any, *args: Any, **kwargs: Any) -> Any:
        """The same values in a new array."""
        out = plain(self).astype(dtype)
        _program().add(np.copyto, out, self, casting="unsafe")
        return traced(out)

    def copy(self, *args: Any, **kwargs: Any) -> Any:
        """The same values in a new array."""
        return self.astype(self.dtype)

    def reshape(self, *shape: Any, **kwargs: Any) -> Any:
        """A view where there is one."""
        return traced_call(np.ndarray.reshape, self, *shape, **kwargs)

    def __array__(self, *dtype: Any, copy: bool | None = None) -> Any:
        """For np.asarray(tensor): simplegrad reads the data in checks and as indices, and may."""
        caller = sys._getframe(2).f_globals.get("__name__", "")
        if is_recording() and not caller.startswith("simplegrad."):
            raise _taken_out("np.asarray(tensor)")
        return plain(self).__array__(*dtype, copy=copy)


def _check_own(*outs: Any) -> None:
    """What a program writes into must be its own: others would go on with the values of now."""
    if is_recording() and not all(isinstance(out, Traced) for out in outs):
        raise NotReplayable(
            "this writes a result into an array that is not replayed, which would keep the values "
            "of the recording for good. Write mask = mask * (t.data > 0) in place of mask *= ..., "
            "or @fast.replay(eager=True)."
        )


def _recorded_method(name: str) -> Callable[..., Any]:
    method = getattr(np.ndarray, name)
    return lambda self, *args, **kwargs: traced_call(method, self, *args, **kwargs)


def _refused_method(name: str) -> Callable[..., Any]:
    method = getattr(np.ndarray, name)

    def refuse(self: Traced, *args: Any, **kwargs: Any) -> Any:
        if is_recording():
            raise _taken_out("an if, or bool()," if name == "__bool__" else name)
        return method(plain(self), *args, **kwargs)

    return refuse


def _taken_out(how: str) -> NotReplayable:
    return NotReplayable(
        f"{how} takes a value out of the arrays, and Python would see the one of the recording for "
        "good. Compute with tensors, as sg.where(condition, a, b) in place of if, or write "
        "@fast.replay(eager=True)."
    )


for _name in (
    *("argmax", "argmin", "argsort", "choose", "cumprod", "cumsum", "diagonal", "dot"),
    *("flatten", "ravel", "repeat", "round", "searchsorted", "take", "trace"),
):
    setattr(Traced, _name, _recorded_method(_name))

for _name in (
    *("__bool__", "__complex__", "__contains__", "__float__", "__index__", "__int__"),
    *("byteswap", "compress", "fill", "item", "nonzero", "partition", "put", "resize", "sort"),
    *("tobytes", "tofile", "tolist"),
):
    setattr(Traced, _name, _refused_method(_name))
