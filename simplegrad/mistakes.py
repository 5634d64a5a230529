"""What users do by mistake, and what is said of it: each is one call elsewhere.

The ground floor, like `given`: it is handed tensors and modules, and imports neither.
"""

from __future__ import annotations

import itertools
import re
import sys
import threading
import warnings
import weakref
from collections import Counter, deque
from collections.abc import Container, Mapping, Sequence
from itertools import chain
from operator import ne
from types import FrameType
from typing import Any

# Numbers taken out of a graph


def given_to_numpy(t: Any) -> TypeError:
    return TypeError(
        f"a function of NumPy was given {t!r}, which requires gradients. NumPy computes numbers "
        "and remembers nothing, so this part of the gradient would be lost. Write sg.exp(t) for "
        "np.exp(t), a @ b for np.dot(a, b) and so on, or t.numpy() where only the numbers matter."
    )


def check_no_math() -> None:
    """Raises a TypeError if the line that asks for float(t) is one of math.exp(t) and the like."""
    import linecache  # only when it is needed: it takes time to import

    frame = sys._getframe(2)
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
    found = re.search(r"\bmath\.(?!is|ceil|floor|trunc)(\w+)\(", line)
    if found and "float(" not in line and "item(" not in line:
        name = found[1]
        raise TypeError(
            f"math.{name} was given a Tensor that requires gradients. It computes a number and "
            f"remembers nothing, so this part of the gradient would be lost. Write sg.exp(t) for "
            f"math.exp(t), and so on, or math.{name}(t.item()) where only the number matters."
        )


# Tensors that are changed, copied or asked a question


def element_assigned(t: Any) -> TypeError:
    if t.rule is None:
        write = "t.data[index] = value before t is used, to change the numbers of a leaf"
    else:
        write = "sg.where(condition, value, t) or sg.concatenate([...]) for a new tensor"
    return TypeError(
        f"the elements of {t!r} cannot be assigned one by one: rules that have used them need them "
        f"unchanged to compute gradients. Write {write}."
    )


def data_changed(t: Any) -> RuntimeError:
    return RuntimeError(
        f"the data of {t!r} was assigned between forward and backward(), so its gradients would "
        "be those of another computation. Call backward() first and change the data after it, "
        "or make a new tensor instead: u = t * 2 in place of t.data *= 2."
    )


def result_made_constant(t: Any) -> RuntimeError:
    return RuntimeError(
        f"{t!r} was computed from tensors that require gradients, so it does, too. "
        "Write t.detach() for a tensor of the same data that does not."
    )


def result_copied(t: Any) -> TypeError:
    return TypeError(
        f"{t!r} is a result and belongs to its graph, so it cannot be copied. Write "
        "copy.deepcopy(t.detach()), or copy the leaves and compute it again."
    )


def truth_of_many(t: Any) -> ValueError:
    return ValueError(
        f"an `if`, `while`, `and` or `not` asks one question, but {t!r} has {t.size} elements. "
        "Write (t > 0).any() or (t > 0).all(), with what you want to know of them, or "
        "sg.where(t > 0, a, b) to choose for each of them."
    )


# Parameters made in a forward pass


class _Running(threading.local):
    """The module whose forward pass this thread is in, if it is in one."""

    module: Any = None


running = _Running()


def warn_within_forward() -> None:
    """Warns of a parameter that is made while the forward pass of a module runs."""
    if running.module is None:
        return
    frame = sys._getframe(1)
    while (caller := frame.f_back) and not (
        caller.f_code.co_name == "__call__" and caller.f_locals.get("self") is running.module
    ):
        frame = caller
    module = type(running.module).__name__
    warn_at(
        frame,
        f"{module} makes a parameter in its forward pass. It is a new one in each call, with new "
        f"numbers, and no optimizer has it, so it is never trained. Make it once, in __init__ of "
        f"{module}, as self.layer = nn.Linear(2, 1), and use it in forward.",
    )


def warn_at(frame: FrameType, message: str) -> None:
    """Warns at the line of a frame, once for each line as Python does."""
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    place = frame.f_code.co_filename, frame.f_lineno
    warnings.warn_explicit(message, UserWarning, *place, registry=registry)


# Optimizers of other parameters than those that are trained

now = itertools.count(1).__next__  # the order in which gradients arrive and optimizers step

# Those that are alive, each with the modules whose parameters it was given, as weak references
optimizers: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


class _Backwards(threading.local):
    """The last calls of backward() in this thread: when, and weakly which leaves got gradients."""

    def __init__(self) -> None:
        self.last: deque[tuple[int, list[Any]]] = deque(maxlen=10)


backwards = _Backwards()


def remember_modules(optimizer: Any, params: Sequence[Any]) -> None:
    """Remembers an optimizer, and those of its "params" that are modules."""
    modules = [weakref.ref(p) for p in params if hasattr(p, "parameters")]
    optimizers.setdefault(optimizer, []).extend(modules)


def gradients_went_to(tape: Sequence[Any]) -> None:
    """Remembers which leaves a backward() has given gradients to."""
    backwards.last.append((now(), [weakref.ref(t) for t in tape if t.rule is None]))


def check_trained(optimizer: Any, since: int) -> None:
    """Raises a ValueError if others got the gradients that the optimizer's parameters lack.

    Others are leaves that no optimizer has. There may be such, as inputs that require gradients,
    and a parameter may lack one, as in a head that is not used. Both together are a mistake if the
    others are in a module that the optimizer was given, or of the shapes of what lacks gradients.
    """
    reached = [refs for time, refs in backwards.last if time > since]
    groups = optimizer.param_groups
    lacking = {
        id(t): f"{name!r} of group {group['label']!r}"
        for group in groups
        for name, t in group["params"].items()
        if reached and t.requires_grad and _lacks_gradient(t, since)
    }
    if not lacking:
        return
    living = [opt for ref in optimizers.keyrefs() if (opt := ref()) is not None]
    owned = {id(t) for opt in living for g in opt.param_groups for t in g["params"].values()}
    got = {id(t): t for refs in reached for ref in refs if (t := ref()) is not None}
    others = {key: t for key, t in got.items() if key not in owned and t.requires_grad}
    if others:
        modules = [m for ref in optimizers.get(optimizer, ()) if (m := ref()) is not None]
        found = [(name, t) for m in modules for name, t in m.parameters().items()]
        now_there = [repr(name) for name, t in found if id(t) in others]
        if now_there or _are_replaced(groups, lacking, [t.shape for t in others.values()]):
            raise _not_trained([*lacking.values()], now_there, [*map(repr, others.values())])


def _lacks_gradient(t: Any, since: int) -> bool:
    """Whether `t` got none since then; one that was cleared, and is not 0, was filled by hand."""
    return t.touched <= since and (t.touched > 0 or t.grad is None or not t.grad.any())


def _are_replaced(
    groups: Sequence[Mapping[str, Any]], without: Container[int], others: list[Any]
) -> bool:
    """Whether the shapes of others say that they are where parameters without a gradient were.

    They do if no parameter has a gradient and most of the others are of their shapes, as in a copy
    that is trained in part, and if most that lack one in a group find another, which may differ
    along an axis, as a head for more classes does. A single shape can be that of an input.
    """
    trainable = [[t for t in g["params"].values() if t.requires_grad] for g in groups]
    lacking = [[t.shape for t in row if id(t) in without] for row in trainable]
    trained = Counter(t.shape for t in chain(*trainable) if id(t) not in without)
    if not trained:
        found = _alike([*chain(*lacking)], others, axes=0)
        if found > 1 and 2 * found > len(others):
            return True
    elif trained <= Counter(others):  # all have others beside them, which are those of a teacher
        others = [*(Counter(others) - trained).elements()]
    return any(
        2 * _alike(shapes, others, axes=int(len(shapes) > 1)) > len(shapes)
        for shapes, row in zip(lacking, trainable, strict=True)
        if len(shapes) > 1 or len(row) == 1
    )


def _alike(shapes: list[Any], others: list[Any], axes: int) -> int:
    """How many of these shapes have one of the others each, up to the sizes of so many axes."""
    left, found = list(others), 0
    for shape in shapes:
        alike = [s for s in left if len(s) == len(shape) and sum(map(ne, s, shape)) <= axes]
        if alike:
            left.remove(shape if shape in alike else alike[0])
            found += 1
    return found


def _not_trained(mine: list[str], now_there: list[str], others: list[str]) -> ValueError:
    def some(names: list[str]) -> str:
        return ", ".join([*names[:3], *([f"and {len(names) - 3} more"] if names[3:] else [])])

    them = f"{some(now_there)} of the model as it is now" if now_there else some(others)
    return ValueError(
        f"step() has no new gradient for {some(mine)}, but backward() gave one to {them}, "
        "which no optimizer has. A part of the model was replaced after its optimizer was made, or "
        "the loss was computed with a copy of the model. Nothing was updated. Write opt = "
        "Adam(model=model) with the model that computes the loss, and opt.load_state(old_opt."
        'state()) to keep the moments, or opt.add_param_group({"params": model.head}) for what is '
        "new."
    )
