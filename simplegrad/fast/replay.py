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
import itertools
import sys
import threading
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from simplegrad import autograd, creation, tensor, trained
from simplegrad.autograd import no_grads
from simplegrad.fast.program import Names, Otherwise, compiled, script_of, share_memory
from simplegrad.fast.reading import Fact, Reading, changed, condition
from simplegrad.fast.recording import (
    Line,
    NotReplayable,
    Recorded,
    Recording,
    called,
    current,
    flattened,
    memory_of,
    plain,
)
from simplegrad.given import SIZE, checked_number, flag
from simplegrad.mistakes import own_memory
from simplegrad.tensor import Tensor
from simplegrad.tools.trace import Tracer

_lock = threading.RLock()  # one recording or replay at a time: they share tensors
CONSTANT = Tensor(0.0)  # the input of what is returned without a graph


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

    @functools.wraps(function)
    def replayed(*args: Any, **kwargs: Any) -> Any:
        is_watched = isinstance(sys.gettrace(), Tracer)  # by those who want to see it run
        if eager or is_watched or any(no_grads()) or current.get() is not None:
            return _as_it_is(function, args, kwargs)
        with _lock:
            for tape in tapes:
                if tape.fits(args, kwargs):
                    if tape is not tapes[0]:
                        tapes.remove(tape)
                        tapes.insert(0, tape)
                    try:
                        return tape.replay(tape, (*args, *kwargs.values()))
                    except Otherwise:
                        return _as_it_is(function, args, kwargs)  # says what is wrong
            new = Tape(_facts_of(args, kwargs))
            _make_room(tapes, new, max_tapes)
            result = _recorded(new, function, args, kwargs)
            tapes[:0] = [new] if new.fits is not None else []
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

    def __init__(self, known: list[Fact]) -> None:
        self.known, self.facts, self.run = known, list[Fact](), 0  # of arguments, and of the rest
        self.kinds = [values[1] for _, values, _ in known[1:] if values[0] is not PLAIN]
        self.fits: Any = None  # whether it is right for a call
        self.replay: Any = None  # the call itself
        self.script: Any = None  # its listing
        # of a loss, and not of a whole step
        self.run_backward: Any = None
        self.d_loss: np.ndarray = np.empty(())
        self.gradients: list[np.ndarray] = []

    @property
    def partials(self) -> list[Callable[..., np.ndarray]]:
        """One function for each leaf; the first that is called computes all gradients."""
        found: list[np.ndarray] = []

        def partial(i: int, dc: Any, c: Any, *arrays: Any, run: int) -> np.ndarray:
            if not found:
                with _lock:
                    found.extend(self.computed(dc, run))
            return found[i]

        return [functools.partial(partial, i) for i in range(len(self.gradients))]

    def computed(self, dc: Any, run: int) -> list[np.ndarray]:
        """The gradients for a loss that counts `dc` times."""
        if run != self.run:
            raise RuntimeError(
                "this loss is older than the last call of its replayed function, which has "
                "used the same arrays again. Call loss.backward() before the next call."
            )
        np.copyto(self.d_loss, dc)
        self.run_backward()
        is_own = self.known[0].values[0] == threading.get_ident()
        return self.gradients if is_own else [g.copy() for g in self.gradients]


# Arguments


ARRAYS = np.ndarray, np.generic
PLAIN = int, float, bool, str, type(None)
KINDS = {  # strides decide how BLAS adds up; 0.0 and -0.0 are two
    (Tensor,): "({0}._data.shape, {0}._data.dtype, {0}._data.strides, {0}._requires_grad, "
    "{0}._grad is None, {0}.name)",
    ARRAYS: "({0}.shape, {0}.dtype, {0}.strides)",
    PLAIN: "(type({0}), repr({0}))",
}


def _facts_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Fact]:
    """What must be the same in a later call for a recording to serve it.

    A thread has its own recordings: another one could call before backward() has read its arrays.
    """
    key = threading.get_ident(), (len(args), *kwargs)
    facts = [Fact("get_ident() == {0} and (len(args), *kwargs) == {1}", key, "")]
    for i, a in enumerate((*args, *kwargs.values())):
        for types, code in KINDS.items():
            if isinstance(a, types) and (types is not PLAIN or type(a) in PLAIN):
                values = types, eval(code.format("a"), {"a": a})
                same = f"{code.format(f'given[{i}]')} == {{1}}"
                facts.append(Fact(f"isinstance(given[{i}], {{0}}) and {same}", values, ""))
                break
        else:
            raise TypeError(
                "a replayed function takes Tensors, arrays, numbers and texts, but got a "
                f"{type(a).__name__}. Write f(np.array(...)), and keep other things outside of the "
                "function."
            )
    return facts


def _as_it_is(function: Any, args: Any, kwargs: Any) -> Any:
    """Calls the function with arrays as Tensors."""

    def of(a: Any) -> Any:
        return tensor.as_tensor(a) if isinstance(a, ARRAYS) else a

    return function(*map(of, args), **{key: of(a) for key, a in kwargs.items()})


def _make_room(tapes: list[Tape], new: Tape, max_tapes: int) -> None:
    """Of too many recordings, drops one that does not fit now or differs only in numbers."""
    if len(tapes) < max_tapes:
        return
    old = [t for t in tapes[::-1] if t.kinds == new.kinds or changed(t.facts)]
    if not old:
        raise RuntimeError(
            f"a replayed function keeps at most {max_tapes} recordings, one for each set of "
            f"shapes, and this call has new shapes: {[kind[0] for kind in new.kinds]}. Give "
            "batches of the same shape, or write @fast.replay(max_tapes=...)."
        )
    tapes.remove(old[0])


# Recording


def _recorded(tape: Tape, function: Any, args: Any, kwargs: Any) -> Any:
    """Runs the function while its calls are recorded; if that is refused, nothing has changed."""
    stage = Stage(function, args, kwargs)
    try:
        with stage:
            result = function(*stage.args, **stage.kwargs)
            stage.check_tensors()
            stage.differentiate(result)
        if what := changed(stage.reading.facts):
            raise NotReplayable(
                f"the function changes {what}, which a replay would not. Return what "
                "it computes, or write @fast.replay(eager=True)."
            )
        return _finished(tape, stage, result, (*args, *kwargs.values()))
    except BaseException as error:
        stage.recording.refusal = None  # or else it and its traceback were a cycle
        stage.restore()
        if not isinstance(error, Exception):  # but Ctrl-C
            raise
        _as_it_is(function, args, kwargs)  # an error of its own is raised as it is
        stage.restore()
        if isinstance(error, NotReplayable):
            raise
        raise NotReplayable(
            f"while it was recorded, the function ended with {error!r}, which it does not do "
            "otherwise. Write @fast.replay(eager=True)."
        ) from error


class Stage:
    """Within it, tensors hold what stands for their arrays, and random numbers are recorded.

    Attributes:
        reading: What the function refers to.
        recording: What is recorded.
        args, kwargs: For the function; `arguments` says which of all arguments are Tensors.
        forward, computed: How many lines, and how many arrays, the function itself has made.
        d_loss: Of a loss, what `backward()` begins with, and `grads` the gradients.
        has_called_backward: Whether the function has done so itself.
    """

    def __init__(self, function: Any, args: Any, kwargs: Any) -> None:
        self.reading = reading = Reading(function)
        for opt in reading.optimizers:
            opt.take_in(with_gradients=False)
        reading.hold()
        self.recording, self.outside = Recording(reading.codes), list(reading.tensors)
        code = getattr(function, "__code__", None)
        labels = code.co_varnames[: code.co_argcount] if code is not None else ()
        self.labels = [*[*labels, *["argument"] * len(args)][: len(args)], *kwargs]
        given = (*args, *kwargs.values())
        inputs = [
            Tensor(a, getattr(a, "requires_grad", False), name=getattr(a, "name", None))
            if isinstance(a, (Tensor, *ARRAYS))
            else a
            for a in given
        ]
        self.args = inputs[: len(args)]
        self.kwargs = dict(zip(kwargs, inputs[len(args) :], strict=True))
        self.arguments = {t: i for i, t in enumerate(inputs) if isinstance(t, Tensor)}
        self.generator = creation.generator()
        self.random = self.generator.bit_generator.state
        self.containers = [(x, x.copy()) for x in reading.containers]
        tensors = [a for a in given if isinstance(a, Tensor) and a not in reading.tensors]
        if reading.uses_gradients() and any(t._grad is not None for t in tensors):
            raise NotReplayable(
                "an argument has a .grad, and the function gets a copy, which has none. Make it a "
                "variable of the function: w = sg.Tensor(...)."
            )
        self.tensors = [*self.outside, *tensors]
        self.state = [(t._data, t._grad, t.touched, t.memory.changed) for t in self.tensors]
        self.counts = [(opt, opt.step_count, opt._last) for opt in reading.optimizers]
        arrays = flattened([self.state, [opt._kept for opt in reading.optimizers]])
        self.copies = [(a, a.copy()) for a in arrays if isinstance(a, np.ndarray)]
        self.d_loss: Any = None  # of a loss
        self.grads: dict[int, np.ndarray] = {}

    def __enter__(self) -> None:
        given: Any = self.recording.given
        for t in self.outside:
            t._data, t._grad = given(t._data), None if t._grad is None else given(t._grad)
        for t in self.arguments:
            t._data = given(t._data, is_argument=True)
        self.stand_ins = {t: t._data for t in (*self.outside, *self.arguments)}
        self.token = current.set(self.recording)
        generator: Any = RecordedGenerator(self.recording, self.generator)
        creation.set_generator(generator)
        self.went_to = [*trained.reached.last]

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        current.reset(self.token)
        self.recording.close()
        creation.set_generator(self.generator)
        for t, (data, *_) in zip(self.outside, self.state, strict=False):
            t._data, t._grad = data, plain(t._grad)
        if self.recording.refusal is not None and not isinstance(error, NotReplayable):
            raise self.recording.refusal  # the function has gone on after it

    def check_tensors(self) -> None:
        """Raises an error if what a tensor holds has been assigned."""
        for t, stand_in in self.stand_ins.items():
            if t in self.arguments and (t._grad is not None or t._data is not stand_in):
                raise NotReplayable(
                    "the function assigns .data or .grad of an argument, which is a copy. Make it "
                    "a variable of the function: w = sg.Tensor(...)."
                )
            if t._data is not stand_in:
                raise NotReplayable(
                    f"the function assigns .data of {self.reading.tensors[t]}, which cannot be "
                    "replayed. Write t.data[...] = values, which changes the array in place, or "
                    "@fast.replay(eager=True)."
                )

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
        for t, (data, grad, touched, time) in zip(self.tensors, self.state, strict=True):
            t._data, t._grad, t.touched = data, grad, touched
            if t.memory.changed != time:
                own_memory(t).changed = time
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
            recording.add(out, "[...] = ", *called(f"generator().{name}", args, kwargs))
            return out

        return draw


def _finished(tape: Tape, stage: Stage, result: Any, given: tuple[Any, ...]) -> Any:
    """Makes the tape of what was recorded; returns what the call that was recorded returns."""
    recording, reading, names, arguments = stage.recording, stage.reading, Names(), stage.arguments
    is_loss = stage.d_loss is not None
    if not (is_loss or stage.has_called_backward or recording.has_effects):
        if not isinstance(result, Tensor) or result.size != 1:
            got = result if isinstance(result, Tensor) else type(result).__name__
            raise NotReplayable(
                f"a replayed function returns one Tensor of one element, but got {got}. Write "
                "return loss.mean(), and compute other results in another function."
            )
        result._data = plain(result._data)
        return result  # nothing requires gradients
    if not is_loss and any(t.requires_grad for t in arguments):
        raise NotReplayable(
            "the function calls backward() itself, and an argument requires gradients, which "
            "would go to a copy of it. Make it a variable of the function: w = sg.Tensor(...)."
        )
    # lines, and the memory of what they fill
    results = result if type(result) in (tuple, list) else [result]
    returned = [_array_of(x) for x in results]
    kept = [*returned, *map(_array_of, stage.grads.values())]
    kept += [a for t in stage.outside for a in (t._data, t._grad)]
    start = len(recording.checks) + stage.forward
    lines, now = share_memory(
        recording.checks + recording.lines, start, set(map(memory_of, kept)), recording.made
    )
    for array, _ in recording.made[: stage.computed]:  # for backward() after this call
        np.copyto(now(array), array)
    # names
    for t, where in reading.tensors.items():
        label = where.partition(".")[2] or where  # without the name of the model
        names.give(t._data, label)
        if t._grad is not None:
            names.give(t._grad, f"{label}_grad")
    for opt in reading.optimizers:
        for part in opt._parts:
            code = type(opt).passes.__code__
            for label, array in zip(code.co_varnames[2:], part.blocks[0], strict=False):
                names.give(array, label)
            names.made |= {memory_of(a) for block in part.blocks for a in block[-2:]}
            names.give(part.group, part.group["label"])
    for array, _ in recording.rates.values():
        names.give(array, "rate")
    inputs = [Line(("tape.run += 1",), None)]  # the losses before are told so
    for t, i in arguments.items():
        names.give(plain(t._data), stage.labels[i])
        data = "._data" * isinstance(given[i], Tensor)
        inputs.append(Line((plain(t._data), f"[...] = given[{i}]{data}"), None))
    names.give_to_results([(now(array), origin) for array, origin in recording.made])
    # the rest
    effects = _effects(stage, lines)
    if is_loss:
        leaves = [t for t in (*arguments, *reading.tensors) if t.index in stage.grads]
        tape.gradients = [_array_of(stage.grads[t.index]) for t in leaves]
        tape.d_loss = stage.d_loss
        of_leaves = ((f"given[{arguments[t]}]" if t in arguments else t, ", ") for t in leaves)
        tape.run_backward = compiled(lines[start:], names)
        functions = {"forward": lines[:start], "backward": lines[start:]}
        output = [tensor.record, "(", returned[0], ".copy(), tape, "]
        output += [*itertools.chain(*of_leaves), "run=tape.run)"]
    else:
        functions = {"step": lines}
        output = [part for x in results for part in (*_output(x, stage), ", ")]
        if results is result:
            output = ["(", *output, ")"] if type(result) is tuple else ["[", *output, "]"]
        else:
            output.pop()
    forward, returns = next(iter(functions.values())), Line(("return ", *output), None)
    tape.facts, head = reading.facts, "replay(tape, given)"
    tape.fits = condition(tape.known + tape.facts, "given = (*args, *kwargs.values())")
    tape.replay = compiled([*inputs, *forward, *effects, returns], names, head)
    first = returned[0] if isinstance(returned[0], np.ndarray) else None
    tape.script = functools.partial(script_of, functions, names, first)
    return compiled([returns], names, head)(tape, given)


def _array_of(x: Any) -> Any:
    return plain(x._data if isinstance(x, Tensor) else x)


def _effects(stage: Stage, lines: list[Line]) -> list[Line]:
    """What a call changes besides what its lines write; notes the gradients that it relies on."""
    reading, effects = stage.reading, []
    made = {memory_of(array) for array, _ in stage.recording.made}
    in_lines = [x for line in lines for x in flattened(line.parts)]
    read, memory = {*map(id, in_lines)}, {*map(memory_of, in_lines)}
    times: list[Any] = []  # when gradients came, and when optimizers stepped
    for t, (_, grad, touched, time) in zip(stage.outside, stage.state, strict=False):
        where = f"{reading.tensors[t]}.grad"
        if reading.uses_gradients():
            reading.must_be(where, "({0}._grad is None) is {1}", t, grad is None)
        if t._grad is not grad if grad is None else id(grad) in read:
            reading.must_be(where, "{0}._grad is {1}", t, grad)
        if t._grad is not grad:
            effects.append([t, "._grad = ", t._grad])
            if t._grad is not None and memory_of(t._grad) in made:  # which the caller may keep
                effects[-1].append(".copy()")
                t._grad = t._grad.copy()
        if t.touched == 0 and memory_of(t._grad) in memory:
            effects.append([t, ".touched = 0"])
        if t.touched > touched:
            times.append((t.touched, t, ".touched = "))
        if t.memory.changed != time:
            effects.append([t.memory, ".changed = next(", tensor._creation_order, ")"])
    for opt, step_count, last in stage.counts:
        reading.must_be("step_count", "({0}.step_count > 0) is {1}", opt, step_count > 0)
        if opt._last > last:
            times.append((opt._last, opt, "._last = "))
    effects += [[x, code, trained.now, "()"] for _, x, code in sorted(times, key=itemgetter(0))]
    return [Line(tuple(parts), None) for parts in effects]


def _output(x: Any, stage: Stage) -> list[Any]:
    """The parts of the code for one thing that a whole step returns."""
    if isinstance(x, Tensor):
        if x in stage.arguments:
            return [tensor.as_tensor, f"(given[{stage.arguments[x]}])"]
        if x in stage.reading.tensors:
            return [x]
        return [tensor.record, "(", _array_of(x), ".copy(), None, ", CONSTANT, ")"]
    if type(x) is Recorded and x.ndim == 0:  # as the norm before clipping
        return [_array_of(x), "[()]"]
    if type(x) is Recorded or not isinstance(x, int | float | str | None):
        raise NotReplayable(
            f"a replayed step returns Tensors, numbers or texts, but got {type(x).__name__}. Write "
            "return loss, and loss.item() outside."
        )
    return [repr(x) if isinstance(x, str) else x]
