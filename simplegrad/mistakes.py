"""What users do by mistake, and what is said of it: each is one call elsewhere.

The ground floor, like `given`: it is handed tensors and modules, and imports neither. What
comes from habits of other libraries is in `habits`.
"""

from __future__ import annotations

import re
import sys
import warnings
import weakref
from contextvars import ContextVar
from operator import attrgetter
from types import FrameType, FunctionType
from typing import Any, NoReturn

import numpy as np

from simplegrad.other_names import ATTRIBUTES, RULE_OF_YOURS

# Numbers taken out of a graph


def given_to_numpy(t: Any) -> TypeError:
    """The error of a function of NumPy that was given a tensor; it names the function if it can."""
    function = _function_at(sys._getframe(2))
    return TypeError(
        f"{function or 'a function of NumPy'} was given {t!r}, which requires gradients. NumPy "
        "computes numbers and remembers nothing, so this part of the gradient would be lost. "
        f"{_in_place_of(function, t)}"
    )


def _in_place_of(function: str, t: Any) -> str:
    name = function.rpartition(".")[2]
    ours = f"sg.{name}(t)" if hasattr(t, name) else ""
    code, _, why = ATTRIBUTES["simplegrad"].get(name, ours).partition("  # ")
    if not function:
        return "Write sg.exp(t) for np.exp(t), and so on, or t.numpy() for the numbers alone."
    if not code:
        takes_one = getattr(getattr(np, name, None), "nin", 0) == 1
        write = f"{function}(t.numpy())" if takes_one else "t.numpy()"
        why = RULE_OF_YOURS.removeprefix("  # ")
        return f"simplegrad has no gradient of it: {why}. Write {write} for the numbers alone."
    if code == f"np.{name}(t.numpy())":
        return f"simplegrad has no {name}: {why}. Write {code} for the numbers alone."
    return f"Write {code} for {function}(t), or t.numpy() for the numbers alone."


def _function_at(frame: FrameType | None) -> str:
    """The function of NumPy, as in np.sin, that has asked for an array; "" if it cannot be told.

    The files of NumPy and of this package are passed over on the way to the user's line. From
    Python 3.11 on a frame knows the columns of its call; before, the line must hold one call alone.
    """
    import linecache  # only when it is needed: it takes time to import

    while frame and frame.f_globals.get("__name__", "").split(".")[0] in ("numpy", "simplegrad"):
        if frame.f_code.co_name == "__array_function__":
            function = frame.f_locals["function"]
            return f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__}"
        frame = frame.f_back
    if frame is None:
        return ""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
    begin = r"\b"
    if hasattr(frame.f_code, "co_positions"):
        first, last, start, end = [*frame.f_code.co_positions()][frame.f_lasti // 2]
        begin, line = r"\A", line.encode()[start:end].decode() if first == last else ""
    calls = re.findall(begin + r"(?:np|numpy)\.(?!as|array)(\w+)\(", line)
    return f"np.{calls[0]}" if len(calls) == 1 else ""


def no_number(t: Any, asked: str, write: str = "") -> ValueError:
    one = f"t[{', '.join('0' * t.ndim)}].item() for one of them, or " if t.size else ""
    return ValueError(f"{asked} one number, but {t!r} has {t.size}. Write {write}{one}t.numpy().")


def check_one_number(t: Any) -> None:
    """Raises an error if `t` has not one number for float(t), or if its gradient would be lost."""
    if t.size != 1:
        write = "sg.exp(t) for math.exp of each of them, and so on, or "
        raise no_number(t, "float(t), int(t) and the functions of math take", write)
    if t.requires_grad:
        _check_not_lost(t, sys._getframe(2))


def no_length(t: Any) -> TypeError:
    return TypeError(f"{t!r} has no axis to count along. Write t.item() for its number.")


def check_format(t: Any, spec: str) -> None:
    """Raises a TypeError if several numbers are to be formatted as one."""
    if spec and t.size != 1:
        raise TypeError(
            f"the format {spec!r} is one for a number, but {t!r} has {t.size}. Write "
            f'f"{{t.mean().item():{spec}}}" for one, or print(t.numpy().round(3)) for all.'
        )


LOSING = re.compile(
    r"\bmath\.(?!is|ceil|floor|trunc)(\w+)\(|\b(fill|setitem|__setitem__|fromiter|astype|array)\("
)
"""Calls that ask a tensor for its number and compute with it, or keep it."""


def _check_not_lost(t: Any, frame: FrameType) -> None:
    """Raises a TypeError if a frame asks for float(t) by math.exp(t), array[0] = t and the like."""
    import linecache  # only when they are needed: they take time to import
    import opcode

    code = frame.f_code
    line = linecache.getline(code.co_filename, frame.f_lineno, frame.f_globals)
    found = None if re.search(r"\b(float|int|item)\(", line) else LOSING.search(line)
    is_assigned = code.co_code[frame.f_lasti] == opcode.opmap["STORE_SUBSCR"]
    if found and found[1]:
        raise TypeError(
            f"math.{found[1]} was given {t!r}, which requires gradients. It computes a number and "
            f"remembers nothing, so this part of the gradient would be lost. Write sg.exp(t) for "
            f"math.exp(t), and so on, or math.{found[1]}(t.item()) where only the number matters."
        )
    if found or is_assigned:
        raise TypeError(
            f"an element of an array was to be {t!r}, which requires gradients. The array would "
            "keep its number and not how it was computed, so this part of the gradient would be "
            "lost. Write sg.stack(tensors) for an array of tensors, or array[0] = t.item() where "
            "only the number matters."
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


def result_made_constant(t: Any) -> RuntimeError:
    return RuntimeError(
        f"{t!r} was computed from tensors that require gradients, so it does, too. "
        "Write t.detach() for a tensor of the same data that does not."
    )


def result_copied(t: Any) -> TypeError:
    return TypeError(
        f"{t!r} is a result and belongs to its graph, so it cannot be copied. Write "
        "copy.deepcopy(t.detach()), or copy the leaves and compute it again. If a module keeps it, "
        "write model.out = None before you copy the model, with the name of that attribute."
    )


def truth_of_many(t: Any) -> ValueError:
    return ValueError(
        f"an `if`, `while`, `and` or `not` asks one question, but {t!r} has {t.size} elements. "
        "Write (t > 0).any() or (t > 0).all(), with what you want to know of them, or "
        "sg.where(t > 0, a, b) to choose for each of them."
    )


# Data that changes between forward and backward


class Memory:
    """What a tensor and its views share: when `.data` of one of them was last assigned.

    Tensors are numbered in the order of their creation, and an assignment takes a number, too.
    """

    changed = -1


UNCHANGED = Memory()  # that of all tensors without views whose data was never assigned

changed_of = attrgetter("memory.changed")


def own_memory(t: Any) -> Memory:
    """The memory of `t`, made when it is first needed."""
    if t.memory is UNCHANGED:
        t.memory = Memory()
    return t.memory


def memory_of(data: Any, inputs: tuple[Any, ...]) -> Memory:
    """The memory of the input that `data` is, or is a view of, if it is of one."""
    owner = data if data.base is None else data.base
    for t in inputs:
        if owner is t._data or owner is t._data.base:
            return own_memory(t)
    return UNCHANGED


def check_data_unchanged(tape: list[Any]) -> None:
    """Raises a RuntimeError if data that forward has seen, and partials read, is another now."""
    for c in tape:
        if c.rule and max(map(changed_of, (*c.inputs, c))) > c.index:
            raise data_changed(max((*c.inputs, c), key=changed_of))


def data_changed(t: Any, how: str = "was assigned") -> RuntimeError:
    return RuntimeError(
        f"the data of {t!r} {how} between forward and backward(), so its gradients would "
        "be those of another computation. Call backward() first and change the data after it, "
        "or make a new tensor instead: u = t * 2 in place of t.data *= 2."
    )


def no_result(module: Any) -> NoReturn:
    name = type(module).__name__
    raise TypeError(
        f"the forward pass of {name} has returned None, as it does without a return. Write "
        f"return x at the end of forward(self, x) of {name}."
    )


# Parameters made in a forward pass


running: ContextVar[Any] = ContextVar("running", default=None)
"""The module whose forward pass the code is in, if it is in one."""


def warn_within_forward() -> None:
    """Warns of a parameter that is made while the forward pass of a module runs."""
    running_module = running.get()
    if running_module is None:
        return
    frame = sys._getframe(1)
    while (caller := frame.f_back) and not (
        caller.f_code.co_name == "__call__" and caller.f_locals.get("self") is running_module
    ):
        frame = caller
    module = type(running_module).__name__
    warn_at(
        frame,
        f"{module} makes a parameter in its forward pass. It is a new one in each call, with new "
        f"numbers, and no optimizer has it, so it is never trained. Make it once, in __init__ of "
        f"{module}, as self.layer = nn.Linear(2, 1), and use it in forward.",
    )


# Parameters that a module does not find


def hidden_in_value(name: str, place: str, value: Any, t: Any) -> TypeError:
    kind = type(value)
    is_function = callable(value) and not isinstance(kind.__call__, FunctionType)  # a lambda, …
    if is_function or isinstance(value, dict | list | tuple):  # the latter, in a key or the like
        write = "self.layer = layer, too, so that the layer is found"
    elif hasattr(value, "keys"):
        write = f"{place} = dict(...)"
    elif hasattr(value, "__iter__"):
        write = f"{place} = list(...)"
    else:
        write = f"class {kind.__name__}(nn.Module)"
    return TypeError(
        f"the attribute {name!r} is a {kind.__name__} that holds {t!r}, where it is not found: a "
        "Module looks for parameters in its attributes, in modules, and in lists, tuples "
        f"and dicts of them. No optimizer would train it. Write {write}."
    )


def hidden_in_class(cls: type, key: str, t: Any) -> TypeError:
    return TypeError(
        f"{cls.__name__}.{key} holds {t!r}, where it is not found: a Module looks for parameters "
        "in vars(self), and not in its class or in __slots__. No optimizer would train it. Write "
        "self.layer = nn.Linear(2, 1) in __init__; what another model trains, a method takes as an "
        "argument."
    )


def read_once(name: str, place: str, value: Any) -> TypeError:
    return TypeError(
        f"the attribute {name!r} is a {type(value).__name__}: parameters in it cannot be found, "
        f"and it is empty after its first use. Write {place} = list(...)."
    )


def same_name(name: str, one: str, other: str) -> ValueError:
    return ValueError(
        f"{one} and {other} both have the name {name!r}, so one of them would never be found. "
        'Write {"left": one, "right": other}, with keys that differ as strings and have no dots.'
    )


def warn_at(frame: FrameType, message: str) -> None:
    """Warns at the line of a frame, once for each line as Python does."""
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    place = frame.f_code.co_filename, frame.f_lineno
    warnings.warn_explicit(message, UserWarning, *place, registry=registry)


# Two schedules of one rate


_schedules: weakref.WeakSet[Any] = weakref.WeakSet()
remember_schedule = _schedules.add


def check_only_schedule(schedule: Any) -> None:
    """Raises a ValueError if the rates of a new schedule are set by another one already."""
    group, optimizer = schedule.group, schedule.optimizer
    # the error keeps no other schedule alive: to delete that is what it advises
    others = [
        (repr(s), s.base_lr)
        for s in _schedules
        if s.optimizer is optimizer and (group is None or s.group in (group, None))
    ]
    for other, base_lr in others:
        raise ValueError(
            f"the rates of this optimizer are set by {other} already, and this one would take what "
            f"it has made of them for its own start. Write del schedule and opt.lr = {base_lr} "
            "before you make another. optim.schedules.Sequential joins schedules one after the "
            "other, and a subclass of optim.schedules.Schedule has a factor(self, t) that does "
            "what both do."
        )


# Rules whose partials are wrong


def too_few_partials(c: Any) -> ValueError:
    names = [name_of_partial(partial) for partial in c.rule.partials]
    needed = ", ".join(f"d{letter}" for letter in "abcdefgh"[: len(c.inputs)])
    return ValueError(
        f"the rule {c.rule.__name__} was given {len(c.inputs)} inputs and has "
        f"{len(names)} partials, {', '.join(names)}, so an input would get no gradient. Write "
        f"partials = {needed}, a function for each input."
    )


def wrong_partial(grad: Any) -> ValueError:
    """The error about what a partial gave, which chain_rule has called."""
    names = sys._getframe(2).f_locals
    partial, c, t = names["partial"], names["c"], names["t"]
    return ValueError(
        f"the partial {name_of_partial(partial)} of the rule {c.rule.__name__} gave shape "
        f"{grad.shape}, but its input has shape {t.shape}, and the result {c.shape}. It must have "
        "the shape of its input, or that to which the rule has broadcast it. Write, for a "
        "product, def da(dc, c, a, b): return dc * b."
    )


def name_of_partial(partial: Any) -> str:
    """Its name: it may be one function for all inputs, which is told the number of one."""
    function = getattr(partial, "func", partial)
    return getattr(function, "__name__", type(function).__name__)


def unused(loss: Any, t: Any) -> RuntimeError:
    why = "write allow_unused=True for a gradient of 0"
    if not t.requires_grad:
        why = "make it with sg.Tensor(..., requires_grad=True) before you compute from it"
    return RuntimeError(
        f"sg.grad was asked for a gradient by {t!r}, on which {loss!r} does not depend: it was not "
        f"computed from it, or only by way of an array. Compute it from that tensor, or {why}."
    )


def not_recorded(what: str) -> RuntimeError:
    return RuntimeError(
        f"{what} was called under no_grad(), where nothing is recorded that could be "
        "differentiated. Call it outside of the block."
    )
