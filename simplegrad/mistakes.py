"""What users do by mistake, and what is said of it: each is one call elsewhere.

The ground floor, like `given`: it is handed tensors and modules, and imports neither.
"""

from __future__ import annotations

import re
import sys
import threading
import warnings
import weakref
from types import FrameType, FunctionType
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
        "copy.deepcopy(t.detach()), or copy the leaves and compute it again. If a module keeps it, "
        "write model.out = None before you copy the model, with the name of that attribute."
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


# Parameters that a module does not find


def hidden_in_value(name: str, value: Any, t: Any) -> TypeError:
    kind = type(value)
    is_function = callable(value) and not isinstance(kind.__call__, FunctionType)  # a lambda, …
    if is_function or isinstance(value, dict | list | tuple):  # the latter, in a key or the like
        write = "self.layer = layer, too, so that the layer is found"
    elif hasattr(value, "keys"):
        write = f"self.{name} = dict(...)"
    elif hasattr(value, "__iter__"):
        write = f"self.{name} = list(...)"
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


def read_once(name: str, value: Any) -> TypeError:
    return TypeError(
        f"the attribute {name!r} is a {type(value).__name__}: parameters in it cannot be found, "
        f"and it is empty after its first use. Write self.{name} = list(...)."
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


# Optimizers of another model than the one that is trained


def remember_original(t: Any, original: Any) -> Any:
    """The deep copy `t`, which knows its original from now on."""
    t.copied_from = weakref.ref(original)
    return t


def originals_of(tensors: list[Any]) -> list[tuple[Any, Any]]:
    """The tensors that are deep copies, each with its original, where that is still there."""
    pairs = [(t, t.copied_from()) for t in tensors if hasattr(t, "copied_from")]
    return [(t, original) for t, original in pairs if original is not None]


def check_originals(pairs: list[tuple[Any, Any]]) -> None:
    """Raises a ValueError if the originals have gradients, and none of their copies has."""

    def has_gradient(t: Any) -> bool:
        return t.grad is not None and bool(t.grad.any())

    with_gradient = [original for _, original in pairs if has_gradient(original)]
    if with_gradient and not any(has_gradient(t) for t, _ in pairs):
        raise ValueError(
            "step() would train nothing: this optimizer was made from a deep copy of the model, "
            "whose parameters have no gradients, and the loss was computed with the original, "
            f"which has got them: {with_gradient[0]!r}. Nothing was updated. Write "
            "Adam(model=model) with the model that computes the loss."
        )
