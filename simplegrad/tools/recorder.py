"""The recorder of `step_through`: it writes down each line that runs, with the variables it saw.

It stops where a debugger stops that steps into everything but other libraries: at each line of the
caller and of simplegrad, where a function returns, and where an error passes. What it saw is kept
as it was at that moment, and written as text only when somebody looks: while the call runs, nothing
but copies of small arrays is made.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import islice
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from simplegrad.tensor import Tensor
from simplegrad.tools.trace import CHAIN_RULE, Tracer

LIMIT = 5_000  # steps
WHOLE = 64  # numbers of an array that are kept, all of them
FIRST = 3  # of a larger one
ENTRIES = 8  # of a list, a tuple, a set or a dict
LARGEST_GRAPH = 60  # tensors, as in draw
NO_ERRORS = StopIteration, StopAsyncIteration, GeneratorExit  # they end an iteration

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
TOOLS = os.path.dirname(__file__) + os.sep
PYTHON = os.path.dirname(linecache.__file__) + os.sep


# What is kept of a value

new = tuple.__new__  # new(Array, (…)) is Array(…) without a call of Python's, twice as fast


class Array(NamedTuple):
    """The numbers of an array: all of a small one, the first of a large one."""

    id: int
    dtype: np.dtype
    shape: tuple[int, ...]
    numbers: bytes


class OfTensor(NamedTuple):
    """A tensor with what may change of it."""

    id: int
    number: int  # its `index`, which a tuple has of its own
    name: str | None
    rule: type | None
    data: Any  # an Array
    grad: Any  # an Array, or None


class Entries(NamedTuple):
    """As many entries of a list, a tuple, a set or a dict as are shown; of a dict, its values."""

    id: int
    type: type
    size: int
    keys: tuple[Any, ...]
    entries: tuple[Any, ...]


class Text(NamedTuple):
    """A text that is shown as it is."""

    text: str


class Other(NamedTuple):
    """Anything else, which is known by its type."""

    type: type


# Keeps a value as it is now, and gathers the tensors that it sees, by their index
Keep = Callable[[Any, dict[int, Tensor]], Any]


def _itself(value: Any, tensors: dict[int, Tensor]) -> Any:
    return value


def _numbers(array: np.ndarray, tensors: dict[int, Tensor]) -> Array | Other:
    if type(array) is not np.ndarray:
        array = (
            np.array(array) if isinstance(array, np.generic) else np.ndarray.view(array, np.ndarray)
        )
    if array.dtype.hasobject:  # its bytes are addresses
        return Other(type(array))
    few = array if array.size <= WHOLE else array.flat[:FIRST]
    return new(Array, (id(array), array.dtype, array.shape, few.tobytes()))


def _tensor(t: Tensor, tensors: dict[int, Tensor]) -> OfTensor | Other:
    try:
        grad = None if t.grad is None else _numbers(t.grad, tensors)
        kept = new(OfTensor, (id(t), t.index, t.name, t.rule, _numbers(t.data, tensors), grad))
    except AttributeError:  # it is being made, and does not have all of it yet
        return Other(Tensor)
    if hasattr(t, "params"):  # and so its inputs, which are set before
        tensors[t.index] = t
    return kept


# What a class of its own may have put in place of these is not called: it could do anything


def _dict(values: dict[Any, Any], tensors: dict[int, Tensor]) -> Entries:
    keys = tuple(islice(dict.keys(values), ENTRIES))
    first = islice(dict.values(values), ENTRIES)
    entries = tuple([KEEP_WITHIN[type(x)](x, tensors) for x in first])
    return new(Entries, (id(values), type(values), dict.__len__(values), keys, entries))


def _entries_of(base: Any) -> Keep:
    def keep(values: Any, tensors: dict[int, Tensor]) -> Entries:
        first = islice(base.__iter__(values), ENTRIES)
        entries = tuple([KEEP_WITHIN[type(x)](x, tensors) for x in first])
        return new(Entries, (id(values), type(values), base.__len__(values), (), entries))

    return keep


def _size_of(base: Any) -> Keep:
    def keep(values: Any, tensors: dict[int, Tensor]) -> Entries:
        return new(Entries, (id(values), type(values), base.__len__(values), (), ()))

    return keep


def error_text(error: BaseException) -> str:
    """The type and the message of an error, or its type alone if the message raises one itself."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _error(error: BaseException, tensors: dict[int, Tensor]) -> Text:
    """Its text, for it holds the frames that it has passed, and those hold this recorder."""
    return Text(error_text(error))


class Keeping(dict[type, Keep]):
    """What keeps the values of each type: looked up in a table at first."""

    def __init__(self, of_lists: dict[type, Keep]) -> None:
        self.table: list[tuple[Any, Keep]] = [
            ((np.ndarray, np.generic), _numbers),
            (Tensor, _tensor),
            *of_lists.items(),
            (BaseException, _error),
            ((int, float, complex, str, bytes, type(None), type(...), range, slice), _itself),
            ((FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, np.dtype), _itself),
            ((np.ufunc, type(np.sum)), _itself),
            (object, lambda value, tensors: new(Other, (type(value),))),
        ]

    def __missing__(self, kind: type) -> Keep:
        self[kind] = next(keep for kinds, keep in self.table if issubclass(kind, kinds))
        return self[kind]


LISTS = list, tuple, set, frozenset
KEEP = Keeping({dict: _dict, **{kind: _entries_of(kind) for kind in LISTS}})
KEEP_WITHIN = Keeping({kind: _size_of(kind) for kind in (dict, *LISTS)})


def kept_of(value: Any, tensors: dict[int, Tensor]) -> Any:
    """What is kept of a value; its class alone where the table cannot have that."""
    try:
        return KEEP[type(value)](value, tensors)
    except Exception:  # it has no hash, since its metaclass has an __eq__ of its own
        return Other(type(value))


# What is kept of a run


class Activation(NamedTuple):
    """One run of a function: its code, and which run has called it (-1: none that we saw)."""

    code: CodeType
    above: int
    names: dict[str, Any]  # its globals
    first: type  # the class of its first argument


class Step(NamedTuple):
    """A moment in the function that runs.

    Attributes:
        activation: Which run it is, by its number.
        event: "line", which is about to run; "return" or "exception", which just came.
        value: What is kept of what was returned, or of the error.
        variables: What is kept of each variable of the function.
        gradients: The gradients that have changed, by the index of their tensor.
    """

    activation: int
    line: int
    event: str
    value: Any
    variables: dict[str, Any]
    gradients: dict[int, Any]


class Recorder(Tracer):
    """Writes down steps, as the trace function of a thread.

    Attributes:
        activations: The runs of functions, in the order in which they began.
        steps: The steps.
        tensors: Results that were seen, and what they were computed from, by their index; none if
            there are more than can be drawn, so that their arrays are not kept.
        born: In which step each tensor was seen first.
        is_large: Whether there are more.
        is_full: Whether the call went on after the last step that there is room for.
        is_lost: Whether the call went on after its trace function was taken away.
    """

    def __init__(self) -> None:
        self.activations: list[Activation] = []
        self.steps: list[Step] = []
        self.tensors: dict[int, Tensor] = {}
        self.born: dict[int, int] = {}
        self.is_large = self.is_full = self.is_lost = False
        self._stack: list[tuple[FrameType, int]] = []  # the functions that are running
        self._gradients: dict[int, Any] = {}

    def watch(self, call: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> Any:
        """What a call returns, with its steps written down."""
        try:
            return super().watch(call, args, kwargs)
        finally:
            self.is_lost = bool(self._stack)
            self._stack.clear()  # else frames and recorder were a cycle

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Python enters a function."""
        code = frame.f_code
        if not is_recorded(code.co_filename):
            return None
        above = self._stack[-1][1] if self._stack else -1
        first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        self._stack.append((frame, len(self.activations)))
        self.activations.append(Activation(code, above, frame.f_globals, type(first)))
        return self.within

    def within(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        """Python comes to a line, returns, or an error passes."""
        if not self._stack or self._stack[-1][0] is not frame:
            return self.within  # a generator that is thrown away
        if len(self.steps) == LIMIT:
            self.is_full = True
            self._stack.clear()
            sys.settrace(None)  # the rest of the call is as fast as ever
            return None
        if event == "line":
            self.write(event, None)
        elif event == "exception":
            if not issubclass(arg[0], NO_ERRORS):
                self.write(event, arg[1])
        elif event == "return":
            last = self.steps[-1] if self.steps else None
            if last is None or (last.event, last.activation) != ("exception", self._stack[-1][1]):
                self.write(event, arg)
            self._stack.pop()
        return self.within

    def write(self, event: str, value: Any) -> None:
        """A step: what the function that runs sees now."""
        frame, number = self._stack[-1]
        seen: dict[int, Tensor] = {}
        now = variables_of(frame).items()
        try:
            variables = {name: KEEP[type(x)](x, seen) for name, x in now}
        except Exception:  # that of one of them; most often there is none, and this is faster
            variables = {name: kept_of(x, seen) for name, x in now}
        came = None if event == "line" else kept_of(value, seen)
        gradients = self.remember(seen)
        self.steps.append(new(Step, (number, frame.f_lineno, event, came, variables, gradients)))

    def remember(self, seen: dict[int, Tensor]) -> dict[int, Any]:
        """Adds results, and all that they were computed from; the gradients that have changed."""
        if self.is_large:
            return {}
        new = [t for index, t in seen.items() if index not in self.born]
        for t in new:  # it grows meanwhile
            self.born.setdefault(t.index, len(self.steps))
            if t.rule is not None:
                self.tensors |= {one.index: one for one in (t, *t.inputs)}
                new += [one for one in t.inputs if one.index not in self.born]
        if len(self.tensors) > LARGEST_GRAPH:
            self.is_large = True
            self.tensors.clear()
        if not self.tensors:
            return {}
        grads: dict[int, np.ndarray] = {}  # on their way through the chain rule
        for frame, _ in self._stack:
            if frame.f_code is CHAIN_RULE:
                grads = frame.f_locals.get("grads", {})
        changed = {}
        for index, t in self.tensors.items():
            grad = grads.get(index, t.grad)
            kept = None if grad is None else _numbers(grad, {})
            if kept != self._gradients.get(index):
                changed[index] = self._gradients[index] = kept
        return changed


def variables_of(frame: FrameType) -> Mapping[str, Any]:
    """The variables of a function; of a module or a cell, those that its code names."""
    variables = frame.f_locals
    if variables is frame.f_globals:
        return {name: variables[name] for name in frame.f_code.co_names if name in variables}
    return variables


@cache
def is_recorded(filename: str) -> bool:
    """Whether the lines of a file are the caller's or the library's, and no other library's."""
    if filename.startswith(PACKAGE):
        return not filename.startswith(TOOLS)
    if filename.startswith("<"):  # of a cell, or of what was made while the program runs
        return not filename.startswith("<frozen") and bool(linecache.getlines(filename))
    return not filename.startswith(PYTHON) and not re.search("(site|dist)-packages", filename)
