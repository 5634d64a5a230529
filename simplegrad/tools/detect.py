"""detect_anomaly and detect_accumulation: they watch the code that runs, where they are asked to.

Both look on through `sys.setprofile`: Python calls them whenever a function of their thread is
called or returns. Nothing else in the library knows of them, and they cost nothing elsewhere.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import numpy as np

from simplegrad import autograd, mistakes, tensor
from simplegrad.optimizers.optimizer import Optimizer
from simplegrad.tensor import Tensor

PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep

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


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within it, the first NaN or infinity is an error that says where it comes from.

    The result of every rule is looked at, and in `backward()` that of every partial. An infinity
    that a rule is given, as the -inf of a mask, may pass through it; a NaN may not. It is also a
    decorator. It slows training down: find the place, then take it out again.

    Raises:
        FloatingPointError: A number is not finite. It names the rule, its line, the numbers that
            met there, and your line.
        RuntimeError: Another profiler, such as cProfile, is at work.

    Examples:
        >>> p = sg.Tensor([0.5, 0.0], requires_grad=True)
        >>> try:
        ...     with sg.detect_anomaly():
        ...         loss = -(p * sg.log(p)).sum()
        ... except FloatingPointError as error:
        ...     print(str(error).splitlines()[0])
        Log gives -inf in forward: c[1] = -inf, where a[1] = 0.
    """
    users_lines: dict[int, tuple[str, Any]] = {}  # where each living result was made, by its index

    def look(frame: FrameType, event: str, result: Any) -> None:
        if event != "return":
            return
        if frame.f_code is RECORD and isinstance(result, Tensor):
            rule, inputs = frame.f_locals["rule"], frame.f_locals["inputs"]
            given = dict(zip(_names_of_inputs(rule), [t.data for t in inputs], strict=False))
            line = _users_line(frame)
            c = np.asarray(result.data)  # the array of a recording would not give its values
            if _is_anomaly(c, given):
                where = f"  {_line_of_forward(rule)}\ncalled by\n  {line}"
                raise FloatingPointError(_report(rule, "forward", "c", c, given, where))
            index = result.index
            users_lines[index] = line, weakref.ref(result, lambda _: users_lines.pop(index))
        elif frame.f_back and frame.f_back.f_code is CHAIN_RULE and isinstance(result, ARRAY):
            names = frame.f_code.co_varnames[: frame.f_code.co_argcount]
            given = {name: frame.f_locals[name] for name in names}
            result = np.asarray(result)
            if _is_anomaly(result, given):
                c = frame.f_back.f_locals["c"]
                line, _ = users_lines.get(c.index, ("a line before detect_anomaly()", None))
                where = (
                    f"  {_line(frame.f_code.co_filename, frame.f_lineno)}\n"
                    f"called by\n  {_users_line(frame)}\nfor the result of\n  {line}"
                )
                name = frame.f_code.co_name
                raise FloatingPointError(_report(c.rule, "backward", name, result, given, where))

    with _watching(look), np.errstate(all="ignore"):
        yield


@contextlib.contextmanager
def detect_accumulation() -> Iterator[None]:
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
    used: dict[int, np.ndarray] = {}  # the gradients of the last step, by the index of the tensor

    def look(frame: FrameType, event: str, result: Any) -> None:
        if event == "return" and frame.f_code.co_name == "step":
            opt = frame.f_locals.get("self")
            if isinstance(opt, Optimizer):
                tensors = [t for group in opt.param_groups for t in group["params"].values()]
                used.update({t.index: t.grad.copy() for t in tensors if t.grad is not None})
        elif event == "call" and frame.f_code is ACCUMULATE:
            t = frame.f_locals["self"]
            before = used.pop(t.index, None)
            if before is not None and before.any() and np.array_equal(t.grad, before):
                used.clear()  # one warning stands for all parameters
                _warn_of_accumulation(t, frame)

    with _watching(look):
        yield


@contextlib.contextmanager
def _watching(look: Callable[[FrameType, str, Any], None]) -> Iterator[None]:
    """Within it, `look` is called for every call and return, beside those that already are."""
    outer: Any = sys.getprofile()
    if outer is not None and not callable(outer):
        raise RuntimeError(
            f"another profiler is at work, {type(outer).__name__}, and Python has room for one. "
            "Write the detect_... context in a program that runs without it."
        )

    def both(frame: FrameType, event: str, arg: Any) -> None:
        outer(frame, event, arg)
        look(frame, event, arg)

    sys.setprofile(both if outer else look)
    try:
        yield
    finally:
        sys.setprofile(outer)


def _is_anomaly(result: np.ndarray, given: Mapping[str, Any]) -> bool:
    """Whether a result has a NaN, or an infinity that nothing had that it was computed from."""
    if np.isfinite(result).all():
        return False
    return bool(
        np.isnan(result).any() or not any(np.isinf(x).any() for x in _arrays(given).values())
    )


def _arrays(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in given.items() if isinstance(x, ARRAY)}


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
    """The innermost frame that is not of the library."""
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back:
        frame = frame.f_back
    return frame


def _line(filename: str, number: int) -> str:
    """A line of source with its place; the cells of a notebook have no file."""
    import linecache  # only when it is needed: it takes time to import

    code = linecache.getline(filename, number).strip()
    place = f"{filename}:{number}" if os.path.exists(filename) else f"line {number}"
    return f"{place.replace(PACKAGE, 'simplegrad/')}: {code}"


def _warn_of_accumulation(t: Tensor, frame: FrameType) -> None:
    frame = _users_frame(frame)
    mistakes.warn_at(
        frame,
        f"backward() adds to a gradient that step() has used already, of {t!r}: it becomes the sum "
        "over more than one step, and the steps grow too long. Write opt.zero_grad() after "
        "opt.step().",
    )
