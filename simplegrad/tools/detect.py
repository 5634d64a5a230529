"""detect_anomaly and detect_accumulation: they watch the code that runs, where they are asked to.

Both look on through `sys.setprofile`: Python calls them whenever a function of their thread is
called or returns. Nothing else in the library knows of them, and they cost nothing elsewhere.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from simplegrad import autograd, mistakes, tensor
from simplegrad.modes import Mode
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.tensor import Tensor

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
OF_NUMPY = os.path.dirname(np.__file__) + os.sep

ARRAY = np.ndarray | np.generic

RECORD = tensor.record.__code__
CHAIN_RULE = autograd.chain_rule.__code__
ACCUMULATE = Tensor.accumulate_grad.__code__

HINTS = {
    "Div": "a / (b + 1e-8) if b can be 0",
    "Exp": "sg.logsumexp(a) or sg.softmax(a), which do not overflow, or take a smaller lr",
    "Log": "sg.log(a + 1e-8) if a can be 0, and sg.log_softmax(a) for sg.log(sg.softmax(a))",
    "Pow": "(a + 1e-8) ** b if a can be 0, and sg.abs(a) ** b if it can be negative",
    "Sqrt": "sg.sqrt(a + 1e-8) if a can be 0, where the slope of the root is infinite",
}
"""What to write instead, by the rule that gives the first number that is not finite."""


class _Watch:
    """What Python calls for each call and return of a thread: it lets the modes look."""

    def __init__(self, outer: Any) -> None:
        self.outer = outer
        self.blocks: list[list[Mode]] = []  # of this thread, whatever their context

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        if self.outer:
            self.outer(frame, event, arg)
        for mode in [mode for block in _Watching.blocks.get() for mode in block]:
            mode._look(frame, event, arg)  # type: ignore[attr-defined]
        if not any(self.blocks):  # another thread has ended the last one
            sys.setprofile(self.outer)
        _let_numpy_warn()


_thread = threading.local()  # its `watch` is that of this thread, if it has one


class _Watching(Mode):
    """A mode that looks at every call and return within it, beside a profiler written in Python."""

    blocks = ContextVar("watching", default=())

    def __enter__(self) -> None:
        outer: Any = sys.getprofile()
        if outer is not None and not callable(outer):
            raise RuntimeError(
                f"another profiler is at work, {type(outer).__name__}, and Python has room for "
                "one. Write the detect_... context in a program that runs without it."
            )
        super().__enter__()
        watch = _thread.watch = outer if isinstance(outer, _Watch) else _Watch(outer)
        watch.blocks = [*filter(None, watch.blocks), self._entered[-1]]
        sys.setprofile(watch)

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        watch = getattr(_thread, "watch", None)
        if watch is not None:  # set anew, for an error that it raises takes it away
            sys.setprofile(watch if any(watch.blocks) else watch.outer)


class detect_anomaly(_Watching):
    """Within it, the first NaN or infinity is an error that says where it comes from.

    The result of every rule is looked at, and in `backward()` that of every partial. An infinity
    that a rule is given, as the -inf of a mask, may pass through it; a NaN may not. Data that was
    written to between forward and backward, as by `w.data[0] = 1`, is an error, too. It is also a
    decorator. It slows training down: find the place, then take it out again.

    Raises:
        FloatingPointError: A number is not finite. It names the rule, its line, the numbers that
            met there, and your line.
        RuntimeError: Data was changed between forward and backward; or another profiler, such as
            cProfile, is at work.

    Examples:
        >>> p = sg.Tensor([0.5, 0.0], requires_grad=True)
        >>> try:
        ...     with sg.detect_anomaly():
        ...         loss = -(p * sg.log(p)).sum()
        ... except FloatingPointError as error:
        ...     print(str(error).splitlines()[0])
        Log gives -inf in forward: c[1] = -inf, where a[1] = 0.
    """

    def __init__(self, *wrong: Any) -> None:
        super().__init__(*wrong)
        self.made: dict[int, _Made] = {}  # each living result, by its index

    def __enter__(self) -> None:
        super().__enter__()
        if _errors_before.get() is None:
            _errors_before.set(np.seterr(all="ignore"))

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        _let_numpy_warn()

    def _look(self, frame: FrameType, event: str, result: Any) -> None:
        if frame.f_code is RECORD and event == "return" and isinstance(result, Tensor):
            self._look_at_result(frame, result)
        elif frame.f_back and frame.f_back.f_code is CHAIN_RULE:
            c = frame.f_back.f_locals["c"]
            c = getattr(c, "tensor", c)  # of a node of sg.grad
            if event == "call" and c.index in self.made:
                _check_sums((*c.inputs, c), self.made[c.index].sums)
            elif event == "return" and isinstance(result, ARRAY):
                self._look_at_partial(frame, c, np.asarray(result))

    def _look_at_result(self, frame: FrameType, result: Tensor) -> None:
        rule, inputs = frame.f_locals["rule"], frame.f_locals["inputs"]
        given = dict(zip(_names_of_inputs(rule), [t.data for t in inputs], strict=False))
        line = _users_line(frame)
        c = np.asarray(result.data)  # the array of a recording would not give its values
        if _is_anomaly(c, given | frame.f_locals["params"]):
            where = f"  {_line_of_forward(rule)}\ncalled by\n  {line}"
            raise FloatingPointError(_report(rule, "forward", "c", c, given, where))
        index, made = result.index, self.made
        sums = [_sum_of(t) for t in (*result.inputs, result)]
        made[index] = _Made(line, sums, weakref.ref(result, lambda _: made.pop(index)))

    def _look_at_partial(self, frame: FrameType, c: Tensor, result: np.ndarray) -> None:
        names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
        given = {name: frame.f_locals[name] for name in names}
        if _is_anomaly(result, given):
            is_known = c.index in self.made
            line = self.made[c.index].line if is_known else "a line before detect_anomaly()"
            where = (
                f"  {_line(frame.f_code.co_filename, frame.f_lineno)}\n"
                f"called by\n  {_users_line(frame)}\nfor the result of\n  {line}"
            )
            name = frame.f_code.co_name
            raise FloatingPointError(_report(c.rule, "backward", name, result, given, where))


_errors_before: ContextVar[Any] = ContextVar("errors_before", default=None)


def _let_numpy_warn() -> None:
    """Gives a context that is no longer in `detect_anomaly` its warnings back."""
    before, modes = _errors_before.get(), itertools.chain(*_Watching.blocks.get())
    if before is not None and not any(isinstance(mode, detect_anomaly) for mode in modes):
        np.seterr(**before)
        _errors_before.set(None)


class _Made(NamedTuple):
    """Where a result was made, and what its inputs and itself were then."""

    line: str
    sums: list[int]
    result: weakref.ref[Tensor]


def _sum_of(t: Tensor) -> int:
    """A number that changes with the data."""
    return hash(np.asarray(t.data).tobytes())


def _check_sums(tensors: Sequence[Tensor], sums: Sequence[int]) -> None:
    for t, before in zip(tensors, sums, strict=True):
        if _sum_of(t) != before:
            raise mistakes.data_changed(t, "was written to")


class detect_accumulation(_Watching):
    """Within it, a forgotten `zero_grad()` is a warning, at the `backward()` that shows it.

    `backward()` adds to gradients. It warns if it adds to one that `step()` has used and that
    nothing has set to zero since. To accumulate on purpose, over several `backward()` for one
    `step()`, gives no warning. It is also a decorator.

    Raises:
        RuntimeError: Another profiler, such as cProfile, is at work.

    Examples:
        >>> import warnings
        >>> w = sg.Tensor(1.0, requires_grad=True, name="w")
        >>> opt = optim.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
        >>> with warnings.catch_warnings(record=True) as caught, sg.detect_accumulation():
        ...     warnings.simplefilter("always")
        ...     for step in range(2):
        ...         (w**2).backward()
        ...         opt.step()
        >>> print(str(caught[0].message)[:53])
        backward() adds to a gradient that step() has used al
    """

    def __init__(self, *wrong: Any) -> None:
        super().__init__(*wrong)
        self.used: dict[int, np.ndarray] = {}  # the gradients of the last step, by tensor.index

    def _look(self, frame: FrameType, event: str, result: Any) -> None:
        if event == "return" and frame.f_code.co_name == "step":
            opt = frame.f_locals.get("self")
            if isinstance(opt, Optimizer):
                tensors = [t for group in opt.param_groups for t in group["params"].values()]
                self.used.update({t.index: t.grad.copy() for t in tensors if t.grad is not None})
        elif event == "call" and frame.f_code is ACCUMULATE:
            t = frame.f_locals["self"]
            before = self.used.pop(t.index, None)
            if before is not None and before.any() and np.array_equal(t.grad, before):
                self.used.clear()  # one warning stands for all parameters
                mistakes.warn_at(
                    _users_frame(frame),
                    f"backward() adds to a gradient that step() has used already, of {t!r}: it "
                    "becomes the sum over more than one step, and the steps grow too long. Write "
                    "opt.zero_grad() after opt.step().",
                )


def _is_anomaly(result: np.ndarray, given: Mapping[str, Any]) -> bool:
    """Whether a result has a NaN, or an infinity that nothing had that it was computed from."""
    if np.isfinite(result).all():
        return False
    return bool(
        np.isnan(result).any() or not any(np.isinf(x).any() for x in _arrays(given).values())
    )


def _arrays(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in given.items() if isinstance(x, ARRAY | float)}


def _report(
    rule: Any, direction: str, name: str, result: np.ndarray, given: Mapping[str, Any], where: str
) -> str:
    """What happened, where, and what to write instead."""
    arrays = _arrays(given)
    is_wrong = np.isnan(result) if np.isnan(result).any() else np.isinf(result)
    i = tuple(np.argwhere(is_wrong)[0].tolist())
    numbers = ", ".join(_numbers_at(i, x, name, result.shape) for name, x in arrays.items())
    if any(np.isnan(x).any() for x in arrays.values()):
        verb = "is given"
        advice = "It was there before: look at the data, or start detect_anomaly() earlier."
    else:
        verb = "gives"
        advice = f"Write {HINTS[rule.__name__]}." if rule.__name__ in HINTS else ""
    what = f"{rule.__name__} {verb} {result[i]} in {direction}"
    result_i = _numbers_at(i, result, name, result.shape)
    return f"{what}: {result_i}, where {numbers}.\n{where}\n{advice}".rstrip()


def _numbers_at(i: tuple[int, ...], x: np.ndarray, name: str, shape: tuple[int, ...]) -> str:
    """The element of `x` that meets element `i` of an array of `shape`; if none does, its range."""
    try:
        x_i = np.broadcast_to(x, shape)[i]
    except ValueError:
        return f"{name} is from {x.min():.6g} to {x.max():.6g}" if x.size else f"{name} is empty"
    return f"{name}{list(i) if x.ndim else ''} = {float(x_i):.6g}"


def _names_of_inputs(rule: Any) -> Iterator[str]:
    """What `forward` of a rule calls its inputs; those that have no name are numbered."""
    code = getattr(rule.forward, "__code__", None) if hasattr(rule, "forward") else None
    names = code.co_varnames[: code.co_argcount] if code else ()
    return iter(names) if names else (f"a_{i}" for i in itertools.count())


def _line_of_forward(rule: Any) -> str:
    """The line with which `forward` of a rule returns."""
    if not hasattr(rule, "forward"):
        return f"{rule.__name__} has no line of its own: write @fast.replay(eager=True) to see them"
    code = rule.forward.__code__
    return _line(code.co_filename, max(n for *_, n in code.co_lines() if n is not None))


def _users_line(frame: FrameType) -> str:
    frame = _users_frame(frame)
    return _line(frame.f_code.co_filename, frame.f_lineno)


def _users_frame(frame: FrameType) -> FrameType:
    """The innermost frame that is not of the library, nor of NumPy, which partials call."""
    while frame.f_code.co_filename.startswith((PACKAGE, OF_NUMPY)) and frame.f_back:
        frame = frame.f_back
    return frame


def _line(filename: str, number: int) -> str:
    """A line of source with its place; the cells of a notebook have no file."""
    import linecache  # only when it is needed: it takes time to import

    code = linecache.getline(filename, number).strip()
    place = f"{filename}:{number}" if os.path.exists(filename) else f"line {number}"
    return f"{place.replace(PACKAGE, 'simplegrad/')}: {code}"
