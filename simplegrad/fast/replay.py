"""replay: a function's NumPy calls, recorded once and made again: of a loss, or of a whole step.

What costs time in a small training step is Python: a Tensor for each result, a dict for the
gradients on the way, new arrays. None of it changes from step to step. `replay` reads the function,
runs it once with what writes down each call of NumPy in place of its arrays, and from then on makes
just these calls, into the same arrays. It is closed by default: what a function may see besides its
arguments is known (`reading`), and its numbers cannot be looked at (`recording`).

The other design would replay the rules of the tape one by one. It would need less than
`recording`, but each rule makes new arrays within, and there would be no listing. Calls of NumPy
that are written down as lines of Python, and compiled, are their own listing.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from simplegrad import autograd, creation, tensor, trained
from simplegrad.fast.program import Names, Otherwise, compiled, script_of, share_memory
from simplegrad.fast.reading import Reading
from simplegrad.fast.recording import (
    NotReplayable,
    Recorded,
    Recording,
    current,
    flattened,
    is_recording,
    listed,
    memory_of,
    plain,
)
from simplegrad.given import SIZE, checked_number, flag
from simplegrad.mistakes import own_memory
from simplegrad.tensor import Tensor
from simplegrad.tools.trace import Tracer

_lock = threading.RLock()  # one recording or replay at a time: they share tensors


def replay(
    function: Callable[..., Tensor] | None = None, *, eager: bool = False, max_tapes: int = 8
) -> Any:
    """Makes a function of tensors fast: later calls repeat the NumPy calls of the first.

    The function gets arrays as Tensors. It returns a loss, one number, whose `backward()` adds to
    `.grad` what it would add without replay, to the last bit; it must come before the next call,
    which uses the same arrays again. Or it is a whole step: it calls `backward()` itself, and
    `nn.clip_grad_norm` and the `step()` and `zero_grad()` of optimizers of `simplegrad.fast` as it
    likes, and returns Tensors. The gradients of a tensor that is used outside of a replayed loss,
    too, or is an argument of it, are added in another order than in one graph.

    What is fixed when the function is recorded is Python: its branches, its loops. A function may
    refer to Tensors, Modules, numbers and texts, to lists, tuples and dicts of such, to functions
    that do likewise, to simplegrad and to the functions of NumPy that only compute. If one of
    these is replaced, or an argument has another shape or dtype, it is recorded again. Everything
    else is refused, and so is what looks at numbers, as an `if` does. Random numbers come from
    `sg.generator()`, and are drawn anew. The function runs as it is while `sg.explain` or
    `sg.step_through` looks on.

    `listing()` of what is returned is the last recording as a Python script of NumPy's calls;
    `listing(measured=True)` says of each line how much memory it moves and how long it takes.

    Args:
        function: What to replay. Without it, `replay` returns a decorator.
        eager: Whether to run the function as it is: for debugging, so that one can step through.
        max_tapes: How many recordings are kept, for as many shapes of arguments. Each thread that
            calls the function has its own.

    Raises:
        TypeError: In the call: an argument is no Tensor, array, number or text; the function
            returns what it may not; or it does what cannot be replayed. Nothing has changed then.
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
        >>> loss_of.listing()[3:28]
        'The calls of NumPy that l'
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
    tapes: list[Tape] = []  # the one that was used last comes first
    code = getattr(function, "__code__", None)
    labels = code.co_varnames[: code.co_argcount] if code is not None else ()

    @functools.wraps(function)
    def replayed(*args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())

        def call(inputs: Sequence[Any]) -> Any:
            named = zip(kwargs, inputs[len(args) :], strict=True)
            return function(*inputs[: len(args)], **dict(named))

        is_watched = isinstance(sys.gettrace(), Tracer)  # by those who want to see it run
        if eager or is_watched or not autograd.is_grad_enabled() or is_recording():
            return call(_as_inputs(given))
        # a thread has its own arrays: another one could call before backward() has read them
        key = (threading.get_ident(), len(args), *kwargs, *map(_kind_of, given))
        with _lock:
            for tape in tapes:
                if tape.key == key and tape.fits():
                    if tape is not tapes[0]:
                        tapes.remove(tape)
                        tapes.insert(0, tape)
                    try:
                        return tape.replay(given)
                    except Otherwise:
                        return call(_as_inputs(given))  # says what is wrong with the index
            _check_room(tapes, key, max_tapes)
            more = [f"argument_{i}" for i in range(len(labels), len(args))]
            names = (*labels[: len(args)], *more, *kwargs)
            new, result = _recorded(function, call, key, dict(zip(names, given, strict=True)))
            tapes[:0] = [new] if new is not None else []
            return result

    def listing(measured: bool = False) -> str:
        """The last recording, as a Python script of NumPy's calls."""
        if not tapes:
            raise RuntimeError(
                "listing() shows the calls of NumPy that were recorded, and none were yet. Call "
                "the function first."
            )
        return tapes[0].script(getattr(function, "__name__", "a function"), measured)

    vars(replayed)["listing"] = listing
    return replayed


class Tape:
    """What was recorded for one kind of arguments.

    It is also the rule of the losses that it returns: their inputs are the leaves that the
    function used, and the partials are the gradients that the lines of backward compute.
    """

    __name__ = "Replay"

    def __init__(self, key: tuple[Any, ...]) -> None:
        self.key, self.run = key, 0
        self.fits: Callable[[], bool] = lambda: True
        self.run_forward: Callable[[], None] = lambda: None
        self.buffers: list[tuple[int, np.ndarray]] = []  # which argument, and where it goes
        self.effects: list[Callable[[], None]] = []  # besides those of the lines
        self.returned: Callable[[Sequence[Any]], Any] = list  # of the arguments
        self.script: Callable[[str, bool], str] = lambda name, measured: ""
        # of a loss, and not of a whole step
        self.result: Any = None
        self.run_backward: Callable[[], None] = lambda: None
        self.d_loss: np.ndarray = np.empty(())
        self.leaves: list[Tensor | int] = []  # a tensor, or which argument
        self.gradients: list[np.ndarray] = []

    def replay(self, given: Sequence[Any]) -> Any:
        """The result for other values of the arguments."""
        self.run += 1  # the losses before are told so, even if this call fails
        for number, buffer in self.buffers:
            a = given[number]
            np.copyto(buffer, a._data if isinstance(a, Tensor) else a)
        self.run_forward()
        for change in self.effects:
            change()
        return self.returned(given) if self.result is None else self.loss(given)

    def loss(self, given: Sequence[Any]) -> Tensor:
        """A Tensor that holds the loss and can be differentiated until the next call."""
        inputs = [given[leaf] if isinstance(leaf, int) else leaf for leaf in self.leaves]
        return tensor.record(self.result.copy(), self, *inputs, run=self.run)

    @property
    def partials(self) -> list[Callable[..., np.ndarray]]:
        """One function for each leaf; the first that is called computes all gradients."""
        found: list[np.ndarray] = []

        def partial(i: int, dc: Any, c: Any, *arrays: Any, run: int) -> np.ndarray:
            if not found:
                with _lock:
                    found.extend(self.computed(dc, run))
            return found[i]

        return [functools.partial(partial, i) for i in range(len(self.leaves))]

    def computed(self, dc: Any, run: int) -> list[np.ndarray]:
        """The gradients for a loss that counts `dc` times."""
        if run != self.run:
            raise RuntimeError(
                "this loss is older than the last call of its replayed function, which has "
                "used the same arrays again. Call loss.backward() before the next call."
            )
        np.copyto(self.d_loss, dc)
        self.run_backward()
        is_own = self.key[0] == threading.get_ident()  # or else its thread may overwrite them
        return self.gradients if is_own else [g.copy() for g in self.gradients]


# Arguments


ARRAYS = np.ndarray, np.generic
PLAIN = int, float, bool, str, type(None)


def _kind_of(a: Any) -> tuple[Any, ...]:
    """What must be the same in a later call for a recording to serve it."""
    if isinstance(a, Tensor):
        data = a._data  # its strides decide how BLAS adds up
        return data.shape, data.dtype, a._requires_grad, data.strides, a._grad is None, a.name
    if isinstance(a, ARRAYS):
        return a.shape, a.dtype, False, a.strides
    if type(a) in PLAIN:
        return type(a), repr(a)  # 0.0 and -0.0 are two
    raise TypeError(
        "a replayed function takes Tensors, arrays, numbers and texts, but got a "
        f"{type(a).__name__}. Write f(np.array(...)), and keep other things outside of the "
        "function."
    )


def _as_inputs(given: Sequence[Any]) -> list[Any]:
    """The arguments as the function gets them: arrays as Tensors, Python's numbers as they are."""
    return [tensor.as_tensor(a) if isinstance(a, np.ndarray | np.generic) else a for a in given]


def _check_room(tapes: list[Tape], key: Any, max_tapes: int) -> None:
    """Of too many recordings, drops one that does not fit now or differs only in numbers."""
    if len(tapes) < max_tapes:
        return
    shapes = _without_numbers(key)
    old = [t for t in tapes[::-1] if _without_numbers(t.key) == shapes or not t.fits()]
    if not old:
        raise RuntimeError(
            f"a replayed function keeps at most {max_tapes} recordings, one for each set of "
            f"shapes, and this call has new shapes: {[kind[0] for kind in shapes]}. Give batches "
            "of the same shape, or write @fast.replay(max_tapes=...)."
        )
    tapes.remove(old[0])


def _without_numbers(key: Any) -> list[Any]:
    return [kind[:4] for kind in key if isinstance(kind, tuple) and len(kind) > 2]


# Recording


def _recorded(
    function: Any, call: Callable[..., Any], key: Any, given: dict[str, Any]
) -> tuple[Tape | None, Any]:
    """Runs the function while its calls are recorded; if that is refused, nothing has changed."""
    reading = Reading(function)
    for opt in reading.optimizers:
        opt.take_in_data()
    reading.hold()
    stage = Stage(reading, given)
    try:
        with stage:
            result = call(stage.inputs)
            stage.differentiate(result)
    except Exception as error:
        stage.recording.refusal = None  # or else it and its traceback were a cycle
        stage.restore()
        call(_as_inputs([*given.values()]))  # an error of its own is raised as it is
        stage.restore()
        if isinstance(error, NotReplayable):
            raise
        raise NotReplayable(
            f"while it was recorded, the function ended with {error!r}, which it does not do "
            "otherwise. Write @fast.replay(eager=True)."
        ) from error
    except BaseException:  # Ctrl-C
        stage.restore()
        raise
    try:
        if changed := reading.changed():
            raise NotReplayable(
                f"the function changes {changed}, which a replay would not. Return what "
                "it computes, or write @fast.replay(eager=True)."
            )
        return _finished(Tape(key), stage, reading, result, [*given.values()])
    except BaseException:
        stage.restore()
        raise


class Stage:
    """Within it, tensors hold what stands for their arrays, and random numbers are recorded.

    Attributes:
        recording: What is recorded.
        inputs: The arguments for the function; `arguments` says which of them are Tensors.
        forward, computed: How many lines, and how many arrays, the function itself has made.
        d_loss: Of a loss, what `backward()` begins with, and `grads` the gradients.
        has_called_backward: Whether the function has done so itself.
    """

    def __init__(self, reading: Reading, given: dict[str, Any]) -> None:
        self.reading, self.recording = reading, Recording(reading.codes)
        self.labels, self.outside = list(given), list(reading.tensors)
        self.inputs = [
            Tensor(a, getattr(a, "requires_grad", False), name=getattr(a, "name", None))
            if isinstance(a, (Tensor, *ARRAYS))
            else a
            for a in given.values()
        ]
        self.arguments = {t: i for i, t in enumerate(self.inputs) if isinstance(t, Tensor)}
        self.generator = creation.generator()
        self.random = self.generator.bit_generator.state
        self.containers = [(x, x.copy()) for x in reading.containers]
        tensors = [a for a in given.values() if isinstance(a, Tensor) and a not in reading.tensors]
        if reading.uses_gradients() and any(t._grad is not None for t in tensors):
            raise NotReplayable(
                "an argument has a .grad, and the function gets a copy, which has none. Make it a "
                "variable of the function: w = sg.Tensor(...)."
            )
        self.tensors = [*self.outside, *tensors]
        self.state = [(t._data, t._grad, t.touched, t.memory.changed) for t in self.tensors]
        self.counts = [(opt, opt.step_count, opt._last) for opt in reading.optimizers]
        arrays = [a for data, grad, *_ in self.state for a in (data, grad) if a is not None]
        arrays += flattened([opt._kept for opt in reading.optimizers])
        self.d_loss: np.ndarray | None = None  # of a loss
        self.grads: dict[int, np.ndarray] = {}
        self.copies = [(a, a.copy()) for a in arrays if isinstance(a, np.ndarray)]

    def __enter__(self) -> None:
        given: Any = self.recording.given
        for t in self.outside:
            t._data, t._grad = given(t._data), None if t._grad is None else given(t._grad)
        for t in self.arguments:
            t._data = given(t._data, is_argument=True)
        self.stand_ins = [t._data for t in self.outside]
        self.own = [t._data for t in self.arguments]
        self.token = current.set(self.recording)
        generator: Any = RecordedGenerator(self.recording, self.generator)
        creation.set_generator(generator)
        self.went_to = [*trained.reached.last]

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        current.reset(self.token)
        self.recording.close()
        creation.set_generator(self.generator)
        assigned = [
            t for t, x in zip(self.outside, self.stand_ins, strict=True) if t._data is not x
        ]
        for t, (data, *_) in zip(self.outside, self.state, strict=False):
            t._data, t._grad = data, plain(t._grad)
        given = zip(self.arguments, self.own, strict=True)
        changed = [t for t, x in given if t._grad is not None or t._data is not x]
        if changed and error is None:
            raise NotReplayable(
                "the function assigns .data or .grad of an argument, which is a copy. Make it a "
                "variable of the function: w = sg.Tensor(...)."
            )
        if assigned and error is None:
            raise NotReplayable(
                f"the function assigns .data of {self.reading.tensors[assigned[0]]}, which cannot "
                "be replayed. Write t.data[...] = values, which changes the array in place, or "
                "@fast.replay(eager=True)."
            )
        if self.recording.refusal is not None and not isinstance(error, NotReplayable):
            raise self.recording.refusal  # the function has gone on after it

    def differentiate(self, result: Any) -> None:
        """Records the chain rule, too, if the function returns a loss and has not done so."""
        self.forward, self.computed = len(self.recording.lines), len(self.recording.made)
        self.has_called_backward = [*trained.reached.last] != self.went_to
        if self.has_called_backward or not (isinstance(result, Tensor) and result.requires_grad):
            return
        if result.size == 1:
            self.d_loss = np.ones(result.shape, result.dtype)
            d_loss: Any = self.recording.given(self.d_loss)
            self.grads = autograd.chain_rule(autograd.tape_of(result), d_loss)

    def restore(self) -> None:
        """Takes back what the call has drawn and changed."""
        self.generator.bit_generator.state = self.random
        for t, (data, grad, touched, changed) in zip(self.tensors, self.state, strict=True):
            t._data, t._grad, t.touched = data, grad, touched
            if t.memory.changed != changed:
                own_memory(t).changed = changed
        for opt, step_count, last in self.counts:
            opt.step_count, opt._last = step_count, last
        for array, values in self.copies:
            array[...] = values
        for container, items in self.containers:
            container.clear()
            (container.update if isinstance(container, dict) else container.extend)(items)


class RecordedGenerator:
    """A generator whose numbers are drawn anew by the lines."""

    def __init__(self, recording: Recording, generator: np.random.Generator) -> None:
        self._recording, self._generator = recording, generator

    def __getattr__(self, name: str) -> Any:
        own, recording = getattr(self._generator, name), self._recording
        if current.get() is not recording:
            return own

        def draw(*args: Any, **kwargs: Any) -> Any:
            numbers = own(*args, **kwargs)
            if "out" in kwargs or not isinstance(numbers, np.ndarray):
                raise recording.taken_out(f"sg.generator().{name}, which gives no array,")
            out, recording.has_effects = recording.new(numbers), True
            recording.add(out, f"[...] = generator().{name}(", *listed(args, kwargs), ")")
            return out

        return draw


def _finished(
    tape: Tape, stage: Stage, reading: Reading, result: Any, given: list[Any]
) -> tuple[Tape | None, Any]:
    """A tape of what was recorded, and what the call that was recorded returns."""
    recording, names, arguments = stage.recording, Names(), stage.arguments
    is_loss = stage.d_loss is not None
    if not (is_loss or stage.has_called_backward or recording.has_effects):
        _check_loss(result)
        result._data = plain(result._data)
        return None, result  # nothing requires gradients
    if not is_loss and any(t.requires_grad for t in arguments):
        raise NotReplayable(
            "the function calls backward() itself, and an argument requires gradients, which "
            "would go to a copy of it. Make it a variable of the function: w = sg.Tensor(...)."
        )
    # lines, and the memory of what they fill
    returned = [_array_of(x) for x in (result if type(result) in (tuple, list) else [result])]
    kept = [*returned, *map(_array_of, stage.grads.values())]
    kept += [a for t in stage.outside for a in (t._data, t._grad)]
    start = len(recording.checks) + stage.forward
    lines, now = share_memory(
        recording.checks + recording.lines, start, set(map(memory_of, kept)), recording.made
    )
    for array, _ in recording.made[: stage.computed]:  # for backward() after this call
        np.copyto(now(array), array)
    for t, where in reading.tensors.items():
        label = where.partition(".")[2] or where  # without the name of the model
        names.give(t._data, label)
        if t._grad is not None:
            names.give(t._grad, f"{label}_grad")
    tape.buffers = [(number, plain(t._data)) for t, number in arguments.items()]
    for number, buffer in tape.buffers:
        names.give(buffer, stage.labels[number])
    names.give_to_results([(now(array), origin) for array, origin in recording.made])
    functions = {"step": lines}
    if is_loss:
        functions = {"forward": lines[:start], "backward": lines[start:]}
    programs = [compiled(part, names, name) for name, part in functions.items()]
    tape.run_forward = programs[0]
    # the rest
    _note_effects(tape, stage, lines)
    if stage.d_loss is not None:
        tape.d_loss, tape.run_backward = stage.d_loss, programs[1]
        leaves = {t.index: t for t in (*arguments, *reading.tensors)}
        for index in stage.grads.keys() & leaves:
            tape.leaves.append(arguments.get(leaves[index], leaves[index]))
            tape.gradients.append(_array_of(stage.grads[index]))
        tape.result = returned[0]
    else:
        tape.returned = _together(result, lambda x: _output(x, stage))
    tape.script = lambda name, measured: script_of(
        f"The calls of NumPy that {name} makes, as they were recorded.",
        functions,
        names,
        returned[0] if isinstance(returned[0], np.ndarray) else None,
        measured,
    )
    tape.fits = reading.compiled()
    return tape, tape.loss(given) if is_loss else tape.returned(given)


def _array_of(x: Any) -> Any:
    return plain(x._data if isinstance(x, Tensor) else x)


def _note_effects(tape: Tape, stage: Stage, lines: list[Any]) -> None:
    """What a call changes besides what its lines write, and the gradients that it relies on."""
    made = {memory_of(array) for array, _ in stage.recording.made}
    read = {id(x) for line in lines for x in flattened(line.parts)}
    tensors = stage.reading.tensors.items()
    for (t, where), (_, grad, *_) in zip(tensors, stage.state, strict=False):
        if t._grad is not grad:
            is_new = memory_of(t._grad) in made  # which the caller may keep
            tape.effects.append(functools.partial(_assign, t, t._grad, is_new))
            tape.effects[-1]()
        if stage.reading.uses_gradients():
            code = "({0}._grad is None) is {1}"
            stage.reading.must_be(f"{where}.grad", code, t, grad is None)
        if t._grad is not grad if grad is None else id(grad) in read:
            stage.reading.must_be(f"{where}.grad", "{0}._grad is {1}", t, grad)
    pairs = list(zip(stage.outside, stage.state, strict=False))
    in_lines = {memory_of(x) for line in lines for x in flattened(line.parts)}
    cleared = [t for t, _ in pairs if t.touched == 0 and memory_of(t._grad) in in_lines]
    changed = [t.memory for t, (*_, before) in pairs if t.memory.changed != before]
    # when gradients came, and when optimizers stepped, in their order
    times: list[Any] = [
        (t.touched, t, "touched") for t, (*_, before, _) in pairs if t.touched > before
    ]
    times += [(opt._last, opt, "_last") for opt, _, last in stage.counts if opt._last > last]
    times.sort(key=itemgetter(0))

    def mark() -> None:
        for t in cleared:
            t.touched = 0
        for _, x, name in times:
            setattr(x, name, trained.now())
        for memory in changed:
            memory.changed = next(tensor._creation_order)

    if cleared or changed or times:
        tape.effects.append(mark)


def _assign(t: Tensor, grad: Any, is_new: bool) -> None:
    t._grad = grad.copy() if is_new else grad


def _check_loss(loss: Any) -> None:
    if not isinstance(loss, Tensor) or loss.size != 1:
        got = loss if isinstance(loss, Tensor) else type(loss).__name__
        raise TypeError(
            f"a replayed function returns one Tensor of one element, but got {got}. Write "
            "return loss.mean(), and compute other results in another function."
        )


def _together(result: Any, output: Any) -> Callable[[Sequence[Any]], Any]:
    """What a whole step returns, as a function of the arguments."""
    if type(result) not in (tuple, list):
        return output(result)
    outputs = [output(x) for x in result]
    return lambda given: type(result)(one(given) for one in outputs)


def _output(x: Any, stage: Stage) -> Callable[[Sequence[Any]], Any]:
    """One thing that a whole step returns, as a function of the arguments."""
    array = _array_of(x)
    if isinstance(x, Tensor):
        if x in stage.reading.tensors:
            return lambda given: x
        if x in stage.arguments:
            number = stage.arguments[x]
            return lambda given: tensor.as_tensor(given[number])
        return lambda given: Tensor(array)
    if type(x) is Recorded and x.ndim == 0:  # as the norm before clipping
        return lambda given: array[()]
    if type(x) is Recorded or not isinstance(x, int | float | str | None):
        raise NotReplayable(
            f"a replayed step returns Tensors, numbers or texts, but got {type(x).__name__}. Write "
            "return loss, and loss.item() outside."
        )
    return lambda given: x
