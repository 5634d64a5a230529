"""What users do by mistake, and what is said of it: each is one call elsewhere.

The ground floor, like `given`: it is handed tensors and modules, and imports neither. What other
libraries call otherwise is data, in `other_names`.
"""

from __future__ import annotations

import re
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, NoReturn

from simplegrad import given
from simplegrad.other_names import (
    ATTRIBUTES,
    FUNCTIONS,
    KEYWORDS,
    OPTIMIZERS_WITH,
    RULE_OF_YOURS,
)

# Names of other libraries


def _says(place: str, noun: str, name: str) -> str | None:
    """What a name of another library is here; None if it is not known."""
    code, _, why = ATTRIBUTES[place].get(name, "").partition("  # ")
    return f"{noun} has no {name!r}{why and f': {why}'}. Write {code}." if code else None


class _Elsewhere:
    """A name that another library has: asking for it is an AttributeError that helps."""

    def __init__(self, place: str, name: str) -> None:
        self.place, self.name = place, name
        self.__doc__ = f"Not here. Write {ATTRIBUTES[place][name]}"  # for help()

    def __get__(self, obj: Any, owner: type) -> NoReturn:
        noun = f"{'an' if self.place[0] in 'AEIO' else 'a'} {self.place}"
        raise AttributeError(_says(self.place, noun, self.name))


class _OtherNames:
    """The base of a class that answers for the names which its like have elsewhere.

    They are attributes that cannot be read. `hasattr` and `dir` do not know them, and `help` lists
    them at its end. A `__getattr__` in their place would slow down every access to a Tensor.

    Examples:
        >>> sg.ones((2, 3)).view(3, 2)
        Traceback (most recent call last):
        AttributeError: a Tensor has no 'view'. Write t.reshape(3, 2).
    """

    __slots__ = ()

    def __init_subclass__(cls, of: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ATTRIBUTES.get(of, ()):
            setattr(cls, name, _Elsewhere(of, name))

    def __dir__(self) -> list[str]:
        found = {k: v for cls in reversed(type(self).__mro__) for k, v in vars(cls).items()}
        found |= getattr(self, "__dict__", {})
        names = object.__dir__(self)
        return [name for name in names if not isinstance(found.get(name), _Elsewhere)]


class TensorElsewhere(_OtherNames, of="Tensor"):
    """Names that Tensors have elsewhere."""

    __slots__ = ()


class ModuleElsewhere(_OtherNames, of="Module"):
    """Names that Modules have elsewhere."""


class OptimizerElsewhere(_OtherNames, of="Optimizer"):
    """Names that Optimizers have elsewhere."""


class ScheduleElsewhere(_OtherNames, of="Schedule"):
    """Names that Schedules have elsewhere."""


def answer_for(package: str) -> None:
    """Gives a package a `__getattr__`, which answers for the names that its like have elsewhere.

    Examples:
        >>> sg.randn(2, 3)
        Traceback (most recent call last):
        AttributeError: simplegrad has no 'randn'. Write sg.normal((2, 3)).
    """

    def no_name(name: str) -> NoReturn:
        says = _says(package, package, name)
        if says and sys._getframe(1).f_code.co_name == "_handle_fromlist":
            raise ImportError(says)  # from package import name: Python would say less
        raise AttributeError(says or f"module {package!r} has no attribute {name!r}")

    vars(sys.modules[package])["__getattr__"] = no_name
    if package == "simplegrad":
        sys.modules["simplegrad.tensor"].__class__ = _NoFunction


class _NoFunction(types.ModuleType):
    """The file `simplegrad.tensor`, which has the name of a function of PyTorch."""

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Says what to write."""
        raise TypeError(
            "sg.tensor is the file with the class Tensor, and no function. Write "
            "sg.Tensor([1.0, 2.0])."
        )


def refused(call: str, wrong: Mapping[str, Any], *args: Any, **kwargs: Any) -> TypeError:
    """The error of a call with keywords that it does not know.

    Args:
        call: What was called, as a user writes it: "x.sum".
        wrong: The keywords that it does not know.
        args: What else it was given, which the corrected call is to have, too.
        kwargs: The same by name.
    """
    optimizers = OPTIMIZERS_WITH if call in (*OPTIMIZERS_WITH.values(), "RMSProp") else {}
    names = [name for name in wrong if name in KEYWORDS or name in optimizers]
    if not names:
        return TypeError(f"{call}() got an unexpected keyword argument {next(iter(wrong))!r}")
    write, reasons = call, []
    parts = [*map(_shown, args), *(f"{key}={_shown(value)}" for key, value in kwargs.items())]
    for name in names:
        part, _, why = KEYWORDS.get(name, f"{name}={{}}").partition("  # ")
        if (optimizer := optimizers.get(name, call)) != call:
            write, why = optimizer, f"{optimizer} has it"
        parts += [part.format(_shown(wrong[name]))] if part else []
        reasons += [why] if why else []
    why = "".join(f": {reason}" for reason in dict.fromkeys(reasons))
    return TypeError(
        f"{call}() takes no {', '.join(names)}{why}. Write {write}({', '.join(parts)})."
    )


def _shown(value: Any) -> str:
    """A value as it stands in a call: a name, for what is no number, text or tuple."""
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    plain = isinstance(value, str | int | float | tuple | type(None))
    return f"{value!r:.40}" if plain else {"Tensor": "t"}.get(type(value).__name__, "model")


def check_call(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises a TypeError if an object is made with an argument of other libraries."""
    known: set[str] = set()
    call = "nn." * cls.__module__.startswith("simplegrad.nn.") + cls.__name__
    makers = [vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)]
    for make in makers:
        code = make.__code__
        known |= set(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
        if not code.co_flags & 0x08:  # it takes no other keywords: inspect.CO_VARKEYWORDS
            break
        if not make.__module__.startswith("simplegrad.fast"):  # what is left is its own business
            return
    if args and not makers:
        raise TypeError(f"{call}() takes no arguments, but got {args[0]!r:.80}. Write {call}().")
    if wrong := {key: value for key, value in kwargs.items() if key not in known}:
        raise refused(call, wrong, *args, **{k: v for k, v in kwargs.items() if k in known})


def no_gradient(grad: Any, wrong: Mapping[str, Any]) -> TypeError:
    """The error of a backward() that is given what backward() of PyTorch takes."""
    if wrong:
        return refused("loss.backward", wrong)
    return TypeError(
        f"backward() takes a gradient first, but got {grad}. Write loss.backward(), or "
        "loss.backward(retain_grads=True) to keep the gradients of results."
    )


class _Dict(dict[tuple[Any, ...], Any]):
    """How a method makes the params of its rule: with `dict`, if all that it was given is usual.

    It is asked by the types of arguments that may be others by mistake, and by the names of those
    that the method does not know. A look-up is no step for a debugger; all else comes here.
    """

    def __missing__(self, key: tuple[Any, ...]) -> Callable[..., dict[str, Any]]:
        frame: Any = sys._getframe(1)
        arguments, name = frame.f_locals, frame.f_code.co_name
        if wrong := arguments["wrong"]:
            raise refused(f"x.{name}", wrong)
        params = {k: arguments[k] for k in ("axis", "ddof", "keepdims") if k in arguments}
        if args := arguments.get("args", ()):
            if len(args) > 2 or params["axis"] is not None:
                raise TypeError(
                    f"{name}() takes axis and keepdims, each of them once, but got {args} and "
                    f"axis={params['axis']}. Write x.{name}(axis=0, keepdims=True)."
                )
            params |= dict(zip(("axis", "keepdims"), args, strict=False))
            if _wants_a_pair(frame.f_back):
                raise no_pair(name, args[0])
        _check_params(name, **params)
        flags = {key: bool(flag) for key, flag in params.items() if key == "keepdims"}
        return lambda **usual: params | flags  # NumPy takes no np.True_


DICT = _Dict({(): dict, (False,): dict, (bool,): dict, (int, bool): dict})


def _check_params(name: str, axis: Any, ddof: Any = 0, keepdims: Any = False) -> None:
    """Raises a TypeError if an argument has slipped into the place of another."""
    axes, write = f"axis={axis}", f"x.{name}(axis={axis}, keepdims=True)"
    if not isinstance(keepdims, given.BOOLS):
        if given.is_a(given.INT, axis) and given.is_a(given.INT, keepdims):
            write = f"x.{name}(axis=({axis}, {keepdims})) for both axes"
        raise TypeError(
            f"{name}() takes True or False as keepdims, after {axes}, but got {keepdims!r:.80}. "
            f"Write {write}."
        )
    if not given.is_a(given.NUMBER, ddof):
        raise TypeError(
            f"{name}() takes a number as ddof, after {axes}, but got {ddof!r:.80}. Write "
            f"x.{name}({axes}, keepdims=True) or x.{name}({axes}, ddof=1)."
        )
    if name == "unsqueeze" and not given.is_a(given.INT, axis):
        raise TypeError(
            f"unsqueeze() takes the place of the new axis, an int, but got {axis!r:.80}. Write "
            "x.unsqueeze(0) or x.unsqueeze(-1)."
        )


def _wants_a_pair(frame: FrameType) -> bool:
    """Whether a result is at once unpacked into two, or indexed by 0 or 1, as a pair is."""
    from opcode import opmap  # only when it is needed

    code, after, high = frame.f_code, [], 0
    words = code.co_code[frame.f_lasti + 2 :]
    for op, arg in zip(words[::2], words[1::2], strict=True):
        if op == opmap["EXTENDED_ARG"]:
            high = (high | arg) << 8
        elif op != opmap.get("CACHE"):
            after.append((op, high | arg))
            high = 0
        if len(after) == 2:
            break
    op, arg = after[0]
    if op == opmap["UNPACK_SEQUENCE"]:
        return arg == 2
    subscripts = [(opmap.get("BINARY_SUBSCR"), after[-1][1]), (opmap.get("BINARY_OP"), 26)]
    if after[-1] not in subscripts:  # BINARY_OP 26 is the [] of Python 3.14
        return False
    constant = code.co_consts[arg] if op == opmap["LOAD_CONST"] else arg
    return op in (opmap["LOAD_CONST"], opmap.get("LOAD_SMALL_INT")) and constant in (0, 1)


def no_pair(name: str, axis: Any) -> TypeError:
    return TypeError(
        f"{name}() gives the {name[:3]}ima alone, and no pair of them and their places. Write "
        f"x.{name}(axis={axis}) and np.arg{name}(x, axis={axis}), or x.{name}(axis={axis})[0] for "
        f"the first of the {name[:3]}ima."
    )


# Numbers taken out of a graph


def given_to_numpy(t: Any) -> TypeError:
    """The error of a function of NumPy that was given a tensor; it names the function if it can."""
    function = _function_at(sys._getframe(2))
    return TypeError(
        f"{function or 'a function of NumPy'} was given {t!r}, which requires gradients. NumPy "
        "computes numbers and remembers nothing, so this part of the gradient would be lost. "
        f"{_in_place_of(function)}"
    )


def _in_place_of(function: str) -> str:
    name = function.rpartition(".")[2]
    ours = {n: f"sg.{n}(t)" for n in sys.modules["simplegrad.functional"].__all__}
    table = ATTRIBUTES["simplegrad"] | ours | FUNCTIONS
    code, _, why = table.get(name, "").partition("  # ")
    if not function:
        return "Write sg.exp(t) for np.exp(t), and so on, or t.numpy() for the numbers alone."
    if not code or code == f"np.{name}(t.numpy())":
        why = why or RULE_OF_YOURS.removeprefix("  # ")
        return (
            f"simplegrad has no {name}: {why}. Write {function}(t.numpy()) for the numbers alone."
        )
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


def check_one_number(t: Any, wanted: type) -> None:
    """Raises an error if float(t) or int(t) is not to be had, or comes from math.exp(t)."""
    if t.size != 1:
        write = "sg.exp(t) for math.exp of each of them, and so on, or "
        raise no_number(t, "float(t), int(t) and the functions of math take", write)
    if t.requires_grad and wanted is float:
        _check_no_math(sys._getframe(2))


def _check_no_math(frame: FrameType) -> None:
    """Raises a TypeError if the line that asks for float(t) is one of math.exp(t) and the like."""
    import linecache  # only when it is needed: it takes time to import

    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
    found = re.search(r"\bmath\.(?!is|ceil|floor|trunc)(\w+)\(", line)
    if found and "float(" not in line and "item(" not in line:
        name = found[1]
        raise TypeError(
            f"math.{name} was given a Tensor that requires gradients. It computes a number and "
            f"remembers nothing, so this part of the gradient would be lost. Write sg.exp(t) for "
            f"math.exp(t), and so on, or math.{name}(t.item()) where only the number matters."
        )


def no_length(t: Any) -> TypeError:
    return TypeError(f"{t!r} has no axis to count along. Write t.item() for its number.")


def check_format(t: Any, spec: str) -> None:
    """Raises a TypeError if several numbers are to be formatted as one."""
    if spec and t.size != 1:
        raise TypeError(
            f"the format {spec!r} is one for a number, but {t!r} has {t.size}. Write "
            f'f"{{t.mean().item():{spec}}}" for one, or print(t.numpy().round(3)) for all.'
        )


def refuses(operator: str, write: str) -> Callable[..., NoReturn]:
    """An operator that has no gradient to give: calling it is an error that says what to write."""

    def refuse(t: Any, *others: Any) -> NoReturn:
        raise TypeError(
            f"{operator} of {t!r} is made of steps, which have no slope, so there would be no "
            f"gradient. Write {write} for an array of its numbers."
        )

    return refuse


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


def no_pairs(y: Any, t: Any) -> ValueError:
    write = "Make a target for each element of the prediction."
    if y.size == t.size:
        write = f"Write sg.mse_loss(prediction, target.reshape{y.shape})."
    return ValueError(
        f"mse_loss compares element with element, but the prediction has shape {y.shape} and the "
        f"target {t.shape}. {write}"
    )


def not_joined(name: str, tensors: Any, axis: Any, wrong: Mapping[str, Any]) -> TypeError:
    if wrong:
        return refused(f"sg.{name}", wrong, [*tensors])
    return TypeError(
        f"{name}() takes a list of tensors, and an int as axis, but got {axis!r:.80} as axis. "
        f"Write sg.{name}([a, b]) or sg.{name}([a, b], axis=1)."
    )


def other_features(x: Any, W: Any) -> ValueError:
    """The error of a Linear with a weight `W` that is given an `x` of other features."""
    in_features, out_features = W.shape
    write = (
        f"nn.Linear({x.shape[-1] if x.ndim else 1}, {out_features}) for such inputs, or "
        "nn.Flatten() before it for images"
    )
    if x.shape[-1:] == (out_features,):
        write = (
            "h @ embedding.weight.T, if the weight is one that it shares with an Embedding: here a "
            "weight is (in, out), the transpose of PyTorch's. For other inputs write "
            f"nn.Linear({out_features}, {in_features})"
        )
    return ValueError(
        f"Linear{W.shape} takes inputs whose last axis is {in_features}, but got shape {x.shape}. "
        f"Write {write}."
    )


def no_class(target: Any, classes: int) -> ValueError:
    write = "np.array(targets) - 1 if your classes count from 1"
    if target == -100:
        write = (
            "keep = np.array(targets) != -100, and then sg.cross_entropy(logits[keep], "
            "np.array(targets)[keep]), to leave out the rows that PyTorch's ignore_index leaves out"
        )
    return ValueError(
        f"the logits have {classes} classes, so a target is one of 0 ... {classes - 1}, but one is "
        f"{target}. Write {write}."
    )


def no_mode() -> TypeError:
    return TypeError(
        "train() takes no argument: it is one mode, and eval() is the other. Write model.train() "
        "or model.eval()."
    )


def no_result(module: Any) -> NoReturn:
    name = type(module).__name__
    raise TypeError(
        f"the forward pass of {name} has returned None, as it does without a return. Write "
        f"return x at the end of forward(self, x) of {name}."
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


# Two schedules of one rate


_schedules: weakref.WeakSet[Any] = weakref.WeakSet()
remember_schedule = _schedules.add


def check_only_schedule(schedule: Any) -> None:
    """Raises a ValueError if the rates of a new schedule are set by another one already."""

    def sets_the_same(other: Any) -> bool:
        same_groups = schedule.group == other.group or None in (schedule.group, other.group)
        return other.optimizer is schedule.optimizer and same_groups

    # the error keeps no other schedule alive: to delete that is what it advises
    others = [(repr(other), other.base_lr) for other in _schedules if sets_the_same(other)]
    for other, base_lr in others:
        raise ValueError(
            f"the rates of this optimizer are set by {other} already, and this one would take what "
            f"it has made of them for its own start. Write del schedule and opt.lr = {base_lr} "
            "before you make another, or a subclass of optim.schedules.Schedule whose "
            "factor(self, t) does what both do."
        )


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
