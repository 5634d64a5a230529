"""replay: a function's NumPy calls, recorded once and made again, forward and backward.

What costs time in a small training step is Python: a Tensor for each result, a dict for the
gradients on the way, new arrays. None of it changes from step to step. `replay` runs the function
once, with arrays that write down each call of NumPy, then lets the engine's own chain rule run
over the tape in the same way, and from then on makes just these calls, into the same arrays.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
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
from simplegrad.fast.watch import Watch
from simplegrad.given import SIZE, checked_number, flag
from simplegrad.optimizers.optimizer import Arrays
from simplegrad.tensor import Tensor

_lock = threading.RLock()  # one recording or replay at a time: they share tensors


def replay(
    function: Callable[..., Tensor] | None = None, *, eager: bool = False, max_tapes: int = 8
) -> Any:
    """Makes a function of tensors fast: later calls repeat the NumPy calls of the first.

    The function gets arrays as Tensors and returns a loss, one number. `backward()` on that loss
    adds to `.grad` what it would add without replay, to the last bit; it must come before the next
    call, which uses the same arrays again. An array stays allocated for each result of the function
    and of its partials.

    What is fixed when the function is recorded is Python: its branches and loops, what it prints,
    and what it computes from other things than tensors. The second call, and the first with other
    data, run the function again beside its recording and refuse it if the losses differ, as with
    numbers of `np.random`. An `if` that looks at a value is refused at once. What is seen:

    - other data in the arguments, new values in parameters, and the random numbers of Dropout and
      of `sg.generator()`, which are drawn anew;
    - an argument of a new shape or dtype, another Python number as an argument, and a module, list,
      parameter or variable that the function uses and that was replaced: it is recorded again.

    Args:
        function: What to replay. Without it, `replay` returns a decorator.
        eager: Whether to run the function as it is: for debugging, so that one can step through.
        max_tapes: How many recordings are kept, for as many shapes of arguments. Each thread that
            calls the function has its own.

    Raises:
        TypeError: In the call: an argument is no Tensor, array or number; the function returns
            something other than one number as a Tensor; or it does what cannot be replayed.
        RuntimeError: In the call: more shapes of arguments than `max_tapes`. In `backward()`: the
            function was called again since.

    Examples:
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
    write = "Write @fast.replay(max_tapes=8)."
    max_tapes = checked_number(SIZE, max_tapes, "max_tapes is", write, wrong_type=ValueError)
    eager = flag("replay", "eager", eager)
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
        # a thread has its own arrays: another one could call before backward() has read them
        key = (threading.get_ident(), len(args), *kwargs, *[_kind_of(a) for a in given])

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
        self.data: list[tuple[Tensor, np.ndarray, bool]] = []
        self.run = 1
        self.recorded_arguments: dict[int, Arrays] | None = {}  # and room to compare with them
        self.last_dc: Any = None

    def fits(self) -> bool:
        """Whether all that the function uses is what it was."""
        return self.has_its_arrays() and self.watch.is_unchanged()

    def has_its_arrays(self) -> bool:
        """Whether the tensors that the function uses hold the arrays that the programs read."""
        return all(t._data is data and t._requires_grad is wanted for t, data, wanted in self.data)

    def replay(self, given: Sequence[Any], call: Callable[..., Tensor]) -> Tensor:
        """The loss for other values of the arguments."""
        self.run += 1  # the losses before are told so, even if this call fails
        expected = self.called_anew(given, call) if self.must_be_checked(given) else None
        for number, buffer in self.buffers:
            a = given[number]
            np.copyto(buffer, a._data if isinstance(a, Tensor) else a)
            if buffer.dtype.kind == "i" and buffer.size and buffer.min() < 0:
                raise IndexError  # as an index it would count from the end: the function decides
        self.forward_program.run()
        if expected is not None:
            self.check(expected)
        return self.new_loss(given)

    def called_anew(
        self, given: Sequence[Any], call: Callable[..., Tensor]
    ) -> list[np.ndarray | None]:
        """The loss and the gradients of the function itself, with the same random numbers."""
        before = Before([t for t, _, _ in self.data])
        inputs = _as_inputs(given)
        loss = call(inputs)
        grads = autograd.chain_rule(autograd.tape_of(loss), np.ones_like(loss.data), True)
        before.restore()
        leaves = [inputs[leaf] if isinstance(leaf, int) else leaf for leaf in self.leaves]
        if len({leaf.index for leaf in leaves}) < len(leaves):
            return [loss.data]  # an argument is used from outside, too: two parts of one gradient
        return [loss.data, *(grads.get(leaf.index) for leaf in leaves)]

    def check(self, expected: list[np.ndarray | None]) -> None:
        """Raises an error if the programs give other numbers than the function itself."""
        np.copyto(self.d_loss, 1)
        self.backward_program.run()
        pairs = zip(expected, [self.loss, *self.gradients], strict=False)
        if not all(a is not None and np.array_equal(a, b, equal_nan=True) for a, b in pairs):
            raise NotReplayable(
                f"the function gives the loss {expected[0]}, and its recording {self.loss}, or "
                "their gradients differ: it depends on something that replay cannot see, as "
                "numbers of np.random or an array that it takes out of a tensor. Draw from "
                "sg.generator(), compute with tensors, or write @fast.replay(eager=True)."
            )

    def must_be_checked(self, given: Sequence[Any]) -> bool:
        """In the second call, and in the first whose arguments are not those of the recording."""
        if self.recorded_arguments is None:
            return False
        for number, (array, is_equal) in self.recorded_arguments.items():
            a = given[number]
            a = a._data if isinstance(a, Tensor) else a
            if not np.equal(array, a, out=is_equal).all():
                self.recorded_arguments = None
                return True
        return self.run == 2

    def new_loss(self, given: Sequence[Any]) -> Tensor:
        """A Tensor that holds the loss and can be differentiated until the next call."""
        inputs = [given[leaf] if isinstance(leaf, int) else leaf for leaf in self.leaves]
        return tensor.record(self.loss.copy(), self, *inputs, run=self.run)

    @property
    def partials(self) -> list[Callable[..., np.ndarray]]:
        """One function for each leaf; the first that is called runs the program."""
        return [functools.partial(self._partial, i) for i in range(len(self.leaves))]

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


def _is_array(a: Any) -> bool:
    return isinstance(a, Tensor | np.ndarray | np.generic)


def _kind_of(a: Any) -> tuple[Any, ...]:
    """What must be the same in a later call for a recording to serve it."""
    if _is_array(a):
        array = a._data if isinstance(a, Tensor) else a
        layout = None if array.flags.c_contiguous else array.strides  # it decides how BLAS adds up
        return array.shape, array.dtype, isinstance(a, Tensor) and a.requires_grad, layout
    if isinstance(a, int | float):
        return type(a), repr(a)  # 0.0 and -0.0 are two
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
    return [kind for kind in key if isinstance(kind, tuple) and len(kind) == 4]


def _record(
    function: Callable[..., Tensor], call: Callable[..., Tensor], key: Any, given: Sequence[Any]
) -> Tape | None:
    """Runs the function on Traced arrays; None if its loss requires no gradient."""
    newest = next(tensor._creation_order)
    missed: list[Tensor] = []  # tensors that the function reaches in a way that Watch does not know
    while True:
        watch = Watch(function)
        outside = [*watch.tensors, *missed]
        before, tape = Before(outside), Tape(key, watch)
        inputs = [
            Tensor(a, isinstance(a, Tensor) and a.requires_grad) if _is_array(a) else a
            for a in given
        ]
        arguments = {number: t for number, t in enumerate(inputs) if isinstance(t, Tensor)}
        with _traced_data([*arguments.values(), *outside]):
            with recorded() as tape.forward_program:
                loss = _checked_loss(call(inputs))
            found = autograd.tape_of(loss)
            used = {id(t): t for c in found for t in (c, *c.inputs) if t.rule is None}
            plain = [t for t in used.values() if not isinstance(t._data, Traced)]
            new = [t for t in plain if t.index < newest]
            if loss.requires_grad and not new:
                tape.d_loss = np.ones(loss.shape, loss.dtype)
                with recorded() as tape.backward_program:
                    grads = autograd.chain_rule(found, traced(tape.d_loss))
        if not loss.requires_grad:
            before.restore()
            return None
        if new:
            before.restore()
            missed += new
            continue
        if before.has_new_gradients():
            before.restore()
            raise NotReplayable(
                "the function calls backward() itself, which cannot be replayed. Return the loss, "
                "and call loss.backward() on what the replayed function returns."
            )
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
        tape.recorded_arguments = {
            number: (t._data.copy(), np.empty(t.shape, bool)) for number, t in arguments.items()
        }
        tape.data = [(t, t._data, t._requires_grad) for t in outside]
        tape.watch.leave_out_what_changed()
        return tape


class Before:
    """The random numbers to come and the data and gradients of tensors, as they are now."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.random = creation.generator().bit_generator.state
        self.tensors = [(t, t._data, np.array(t._data)) for t in tensors]
        self.grads = [(t, None if t.grad is None else t.grad.copy()) for t in tensors]

    def restore(self) -> None:
        """Takes back what a call of the function has drawn and changed."""
        creation.generator().bit_generator.state = self.random
        for t, data, values in self.tensors:
            np.copyto(data, values)
            t._data = data
        if self.has_new_gradients():
            for t, grad in self.grads:
                t.grad = grad

    def has_new_gradients(self) -> bool:
        """Whether the function has called backward() itself."""
        return any(
            (t.grad is None) != (grad is None)
            or (grad is not None and not np.array_equal(t.grad, grad, equal_nan=True))
            for t, grad in self.grads
        )


def _checked_loss(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = loss if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(
            f"a replayed function returns one Tensor of one element, but got {got}. Write "
            "return loss.mean(), and compute other results in another function."
        )
    return loss


class _traced_data:
    """Within it, tensors hold Traced arrays, and random numbers are Traced."""

    def __init__(self, tensors: list[Tensor]) -> None:
        self.tensors = tensors

    def __enter__(self) -> None:
        self.arrays = [t._data for t in self.tensors]
        self.traced = [traced(array) for array in self.arrays]
        self.generator = creation.generator()
        for t, array in zip(self.tensors, self.traced, strict=True):
            t._data = array
        creation.set_generator(_TracedGenerator(self.generator))  # type: ignore[arg-type]

    def __exit__(self, *exception: object) -> None:
        assigned = [
            t for t, array in zip(self.tensors, self.traced, strict=True) if t._data is not array
        ]
        for t, array in zip(self.tensors, self.arrays, strict=True):
            t._data = array
        creation.set_generator(self.generator)
        if assigned and exception[0] is None:
            raise NotReplayable(
                f"the function assigns .data of {assigned[0]!r}, which cannot be replayed. Write "
                "t.data += ..., which changes the array in place, or @fast.replay(eager=True)."
            )


class _TracedGenerator:
    """A generator whose numbers are drawn anew when the program runs."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        # looked up when it is called: manual_seed makes another generator
        return functools.partial(traced_call, _draw, name)


def _draw(name: str, *args: Any, **kwargs: Any) -> Any:
    generator = creation.generator()
    generator = getattr(generator, "_generator", generator)
    return np.asarray(getattr(generator, name)(*args, **kwargs))
