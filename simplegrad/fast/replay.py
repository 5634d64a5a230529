"""replay: a function's NumPy calls, recorded once and made again, forward and backward.

What costs time in a small training step is Python: a Tensor for each result, a dict for the
gradients on the way, new arrays. None of it changes from step to step. `replay` runs the function
once, with arrays that write down each call of NumPy, then lets the engine's own chain rule run
over the tape in the same way, and from then on makes just these calls, into the same arrays.
"""

from __future__ import annotations

import functools
import itertools
import operator
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from simplegrad import autograd, creation, tensor
from simplegrad.fast.program import (
    NotReplayable,
    Program,
    Traced,
    is_recording,
    recorded,
    traced,
    traced_call,
)
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor

_lock = threading.RLock()  # one recording or replay at a time: programs share arrays


def replay(
    function: Callable[..., Tensor] | None = None, *, eager: bool = False, max_tapes: int = 8
) -> Any:
    """Makes a function of tensors fast: later calls repeat the NumPy calls of the first.

    The function gets arrays as Tensors and returns a loss, one number. `backward()` on that loss
    adds to `.grad` what it would add without replay, to the last bit; it must come before the next
    call, which uses the same arrays again. An array stays allocated for each result of the function
    and of its partials.

    What is fixed when the function is recorded is Python: its branches and loops, what it prints,
    and what it computes from other things than tensors. The second call runs the function again
    beside its recording and refuses it if the loss differs, as with numbers of `np.random`. An `if`
    that looks at a value is refused at once. Everything else is seen:

    - other data in the arguments, new values in parameters, and the random numbers of Dropout and
      of `sg.generator()`, which are drawn anew;
    - an argument of a new shape or dtype, another Python number as an argument, and a module, list,
      parameter or variable that the function uses and that was replaced: it is recorded again.

    Args:
        function: What to replay. Without it, `replay` returns a decorator.
        eager: Whether to run the function as it is: for debugging, so that one can step through.
        max_tapes: How many recordings are kept, for as many shapes of arguments.

    Raises:
        TypeError: In the call: an argument is no Tensor, array or number; the function returns
            something other than one number as a Tensor; or it does what cannot be replayed.
        RuntimeError: In the call: more shapes of arguments than `max_tapes`. In `backward()`: the
            function was called again since.

    Example:
        >>> from simplegrad import fast
        >>> model = nn.Linear(3, 2)
        >>> @fast.replay
        ... def loss_of(x, y):
        ...     return sg.cross_entropy(model(x), y)
        >>> for step in range(3):
        ...     loss = loss_of(np.ones((4, 3), dtype=np.float32), np.array([0, 1, 0, 1]))
        ...     loss.backward()
        >>> model.bias.grad.shape
        (2,)
    """
    if isinstance(max_tapes, bool) or not isinstance(max_tapes, int) or max_tapes < 1:
        raise ValueError(f"max_tapes is an int of at least 1, but got {max_tapes!r}: max_tapes=8.")
    if function is None:
        return functools.partial(replay, eager=eager, max_tapes=max_tapes)
    if not callable(function):
        raise TypeError(
            f"replay takes a function, but got a {type(function).__name__}. Write @fast.replay "
            "above def loss_of(x, y): ..., and call loss_of(x, y)."
        )
    tapes: list[Tape] = []

    @functools.wraps(function)
    def replayed(*args: Any, **kwargs: Any) -> Tensor:
        given = (*args, *kwargs.values())
        key = (len(args), *kwargs, *[_kind_of(a) for a in given])

        def call(inputs: Sequence[Any]) -> Tensor:
            named = zip(kwargs, inputs[len(args) :], strict=True)
            return function(*inputs[: len(args)], **dict(named))

        if eager or not autograd.is_grad_enabled() or is_recording():
            return call(_as_inputs(given))
        with _lock:
            for tape in tapes:
                if tape.key == key and tape.fits():
                    try:
                        return tape.replay(given, call)
                    except IndexError:
                        return call(_as_inputs(given))  # says what is wrong with the index
            _make_room(tapes, key, max_tapes)
            new_tape = _record(function, call, key, given)
            if new_tape is None:  # nothing requires gradients
                return call(_as_inputs(given))
            tapes.append(new_tape)
            return new_tape.new_loss(given)

    return replayed


class Tape:
    """What was recorded for one set of shapes.

    It is also the rule of the losses that it returns: their inputs are the leaves that the
    function used, and the partials are the gradients that the program of backward computes.
    """

    __name__ = "Replay"

    def __init__(self, key: tuple[Any, ...], watch: Watch) -> None:
        self.key, self.watch = key, watch
        self.forward_program, self.backward_program = Program(), Program()
        self.buffers: list[tuple[int, np.ndarray]] = []  # which argument, and where it goes
        self.loss = self.d_loss = np.empty(())
        self.leaves: list[Tensor | int] = []  # a tensor, or which argument
        self.gradients: list[np.ndarray] = []
        self.data: list[tuple[Tensor, np.ndarray]] = []
        self.run = 0
        self.last_dc: Any = None

    def fits(self) -> bool:
        """Whether all that the function uses is what it was."""
        return self.has_its_arrays() and self.watch.is_unchanged()

    def has_its_arrays(self) -> bool:
        """Whether the tensors that the function uses hold the arrays that the programs read."""
        return all(t._data is data for t, data in self.data)

    def replay(self, given: Sequence[Any], call: Callable[..., Tensor]) -> Tensor:
        """The loss for other values of the arguments."""
        expected = self.called_anew(given, call) if self.run == 1 else None
        for number, buffer in self.buffers:
            a = given[number]
            np.copyto(buffer, a._data if isinstance(a, Tensor) else a)
            if buffer.dtype.kind == "i" and buffer.size and buffer.min() < 0:
                raise IndexError  # as an index it would count from the end: the function decides
        self.forward_program.run()
        if expected is not None and not np.array_equal(expected, self.loss, equal_nan=True):
            raise NotReplayable(
                f"the function returned {expected}, but its recording {self.loss}: it depends on "
                "something that replay cannot see, as numbers of np.random or an array that it "
                "takes out of a tensor. Draw from sg.generator(), compute with tensors, or write "
                "@fast.replay(eager=True)."
            )
        return self.new_loss(given)

    def called_anew(self, given: Sequence[Any], call: Callable[..., Tensor]) -> np.ndarray:
        """The loss that the function itself returns, with the same random numbers."""
        generator = creation.generator()
        before = generator.bit_generator.state
        with autograd.no_grad():
            expected = call(_as_inputs(given)).data
        generator.bit_generator.state = before
        return expected

    def new_loss(self, given: Sequence[Any]) -> Tensor:
        """A Tensor that holds the loss and can be differentiated until the next call."""
        self.run += 1
        inputs = [given[leaf] if isinstance(leaf, int) else leaf for leaf in self.leaves]
        return tensor.record(self.loss.copy(), self, *inputs, run=self.run)

    @property
    def partials(self) -> Iterator[Callable[..., np.ndarray]]:
        """One function for each leaf; the first that is called runs the program."""
        return (functools.partial(self._partial, i) for i in itertools.count())

    def _partial(self, i: int, dc: Any, c: Any, *arrays: Any, run: int) -> np.ndarray:
        if self.last_dc is not dc or run != self.run:  # backward() gives all partials the same dc
            with _lock:
                self.run_backward(dc, run)
        return self.gradients[i]

    def run_backward(self, dc: Any, run: int) -> None:
        """Computes the gradients for a loss that counts `dc` times."""
        if run != self.run:
            raise RuntimeError(
                "this loss is older than the last call of its replayed function, which has "
                "used the same arrays again. Call loss.backward() before the next call."
            )
        np.copyto(self.d_loss, dc)
        self.backward_program.run()
        self.last_dc = dc


def _kind_of(a: Any) -> tuple[Any, ...]:
    """What must be the same in a later call for a recording to serve it."""
    if isinstance(a, Tensor):
        return a.shape, a.dtype, a.requires_grad
    if isinstance(a, np.ndarray | np.generic):
        return a.shape, a.dtype, False
    if isinstance(a, int | float):
        return type(a), a
    raise TypeError(
        f"a replayed function takes Tensors, arrays and numbers, but got a {type(a).__name__}. "
        "Write f(np.array(...)), and keep other things outside of the function."
    )


def _as_inputs(given: Sequence[Any]) -> list[Any]:
    """The arguments as the function gets them: arrays as Tensors, Python's numbers as they are."""
    return [tensor.as_tensor(a) if isinstance(a, np.ndarray | np.generic) else a for a in given]


def _make_room(tapes: list[Tape], key: Any, max_tapes: int) -> None:
    """Drops tapes that cannot be used again, and, of too many, one that does not fit now."""
    tapes[:] = [tape for tape in tapes if tape.has_its_arrays()]
    if len(tapes) < max_tapes:
        return
    shapes = _without_numbers(key)
    old = [t for t in tapes if _without_numbers(t.key) == shapes or not t.fits()]
    if not old:
        new = [kind[0] for kind in shapes]
        raise RuntimeError(
            f"a replayed function keeps at most {max_tapes} recordings, one for each set of "
            f"shapes, and this call has new shapes: {new}. Give batches of the same shape, or "
            "write @fast.replay(max_tapes=...)."
        )
    tapes.remove(old[0])


def _without_numbers(key: Any) -> list[Any]:
    return [kind for kind in key if isinstance(kind, tuple) and len(kind) == 3]


def _record(
    function: Callable[..., Tensor], call: Callable[..., Tensor], key: Any, given: Sequence[Any]
) -> Tape | None:
    """Runs the function on Traced arrays; None if its loss requires no gradient."""
    generator, before = creation.generator(), creation.generator().bit_generator.state
    outside = Watch(function).tensors
    newest = next(tensor._creation_order)
    while True:
        generator.bit_generator.state = before
        tape = Tape(key, Watch(function))
        inputs = [
            a
            if isinstance(a, int | float) and not isinstance(a, np.generic)
            else Tensor(a, isinstance(a, Tensor) and a.requires_grad)
            for a in given
        ]
        arguments = {number: t for number, t in enumerate(inputs) if isinstance(t, Tensor)}
        with _traced_data([*arguments.values(), *outside]):
            with recorded() as tape.forward_program:
                loss = _checked_loss(call(inputs))
            if not loss.requires_grad:
                generator.bit_generator.state = before
                return None
            found = autograd.tape_of(loss)
            used = {id(t): t for c in found for t in (c, *c.inputs) if t.rule is None}
            missed = [
                t for t in used.values() if not isinstance(t._data, Traced) and t.index < newest
            ]
            if missed:  # a tensor that the function reaches in a way that Watch does not know
                outside += missed
                continue
            tape.d_loss = np.ones(loss.shape, loss.dtype)
            with recorded() as tape.backward_program:
                grads = autograd.chain_rule(found, traced(tape.d_loss))
        tape.loss = loss._data.view(np.ndarray)
        for c in found:
            if c.rule is not None:  # for those whom the function has given it to
                c._data = c._data.view(np.ndarray)
        numbers = {t.index: number for number, t in arguments.items()}
        for t in found:
            if t.rule is None:
                tape.leaves.append(numbers.get(t.index, t))
                tape.gradients.append(np.asarray(grads[t.index].view(np.ndarray)))
        tape.buffers = [(number, t._data) for number, t in arguments.items()]
        tape.data = [(t, t._data) for t in outside]
        tape.watch.leave_out_what_changed()
        return tape


def _checked_loss(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = loss if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(
            f"a replayed function returns one Tensor of one element, but got {got}. Write "
            "return loss.mean(), and compute other results in another function."
        )
    return loss


class _traced_data:
    """Within it, tensors hold Traced arrays, and random numbers and new tensors are Traced."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors

    def __enter__(self) -> None:
        self.arrays = [t._data for t in self.tensors]
        self.generator, self.leaf_array = creation.generator(), tensor._leaf_array
        for t in self.tensors:
            t._data = traced(t._data)
        creation.set_generator(_TracedGenerator(self.generator))  # type: ignore[arg-type]
        tensor._leaf_array = self._traced_leaf_array

    def __exit__(self, *exception: object) -> None:
        for t, array in zip(self.tensors, self.arrays, strict=True):
            t._data = array
        creation.set_generator(self.generator)
        tensor._leaf_array = self.leaf_array

    def _traced_leaf_array(self, data: Any, dtype: Any) -> np.ndarray:
        array = data._data if isinstance(data, Tensor) else data
        if isinstance(array, Traced):
            return array.astype(dtype or array.dtype)
        return self.leaf_array(data, dtype)


class _TracedGenerator:
    """A generator whose numbers are drawn anew when the program runs."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        if name == "bit_generator":
            return self._generator.bit_generator
        # looked up when it is called: manual_seed makes another generator
        return functools.partial(traced_call, _draw, name)


def _draw(name: str, *args: Any, **kwargs: Any) -> Any:
    generator = creation.generator()
    generator = getattr(generator, "_generator", generator)
    return np.asarray(getattr(generator, name)(*args, **kwargs))


class Watch:
    """What a function reaches: its variables, and the modules, lists, dicts and objects in them.

    Attributes:
        tensors: The Tensors among them.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.tensors: list[Tensor] = []
        self.looks: list[tuple[Callable[[], Any], list[Any]]] = []
        self.arrays: list[tuple[np.ndarray, np.ndarray]] = []
        seen: set[int] = set()
        stack: list[Any] = [function]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Tensor):
                self.tensors.append(value)
            elif isinstance(value, np.ndarray):
                self.arrays.append((value, value.copy()))
            for look in _looks_into(value):
                values = list(look())
                self.looks.append((look, values))
                stack.extend(values)
            stack.extend(_functions_of(type(value)))

    def leave_out_what_changed(self) -> None:
        """Forgets what the function itself has changed since, such as a counter."""
        looks = []
        for look, before in self.looks:
            now = list(look())
            if len(now) == len(before):
                kept = [x is y for x, y in zip(now, before, strict=True)]
                if not all(kept):
                    before = list(itertools.compress(before, kept))
                    look = functools.partial(_chosen, look, kept)
                looks.append((look, before))
        self.looks = looks

    def is_unchanged(self) -> bool:
        """Whether each look shows the same objects, and each array the same values."""
        for look, before in self.looks:
            now = look()
            if len(now) != len(before) or not all(map(operator.is_, now, before)):
                return False
        return all(np.array_equal(now, before) for now, before in self.arrays)


def _chosen(look: Callable[[], Any], kept: list[bool]) -> list[Any]:
    return list(itertools.compress(look(), kept))


def _looks_into(value: Any) -> list[Callable[[], Any]]:
    """Functions that return what `value` refers to now, and that another call may change."""
    if isinstance(value, types.FunctionType) and not _is_library(value.__module__):
        cells, variables = value.__closure__ or (), value.__globals__
        names = [name for name in _names_in(value) if name in variables]
        defaults = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return [
            *([lambda: [cell.cell_contents for cell in cells]] if cells else []),
            *([lambda: [variables.get(name) for name in names]] if names else []),
            *([lambda: defaults] if defaults else []),
        ]
    if isinstance(value, types.MethodType):
        return [lambda: (value.__func__, value.__self__)]
    if isinstance(value, functools.partial):
        return [lambda: (value.func, *value.args, *value.keywords.values())]
    if isinstance(value, dict):
        return [value.values]
    if isinstance(value, list | tuple | set | frozenset):
        return [lambda: value]
    if isinstance(value, Module):
        return [vars(value).values]
    if isinstance(value, type) or _is_library(type(value).__module__):
        return []
    attributes, functions = getattr(value, "__dict__", {}), _functions_of(type(value))
    used = {name for function in functions for name in _names_in(function)}
    names = [name for name in attributes if name in used]
    return [lambda: [attributes.get(name) for name in names]]


def _is_library(module: str | None) -> bool:
    return (module or "").partition(".")[0] in (
        "builtins",
        "functools",
        "numpy",
        "simplegrad",
        "types",
    )


def _functions_of(owner: type) -> list[types.FunctionType]:
    """The methods that a user has written."""
    return [
        value
        for cls in owner.__mro__
        if not _is_library(cls.__module__)
        for value in vars(cls).values()
        if isinstance(value, types.FunctionType)
    ]


def _names_in(function: types.FunctionType) -> list[str]:
    """The names of globals and attributes in a function and in those defined within it."""
    names: list[str] = []
    stack = [function.__code__]
    while stack:
        code = stack.pop()
        names.extend(code.co_names)
        stack.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
    return names
