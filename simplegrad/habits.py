"""What users bring from other libraries, and what is said of it: names, keywords and positions.

The ground floor, like `given`. The names themselves are data, in `other_names`.
"""

from __future__ import annotations

import functools
import itertools
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar, cast

from simplegrad import given
from simplegrad.other_names import ATTRIBUTES, KEYWORDS, OPTIMIZERS_WITH

Creates = TypeVar("Creates", bound=Callable[..., Any])
Made = TypeVar("Made", bound="_OtherArguments")

# Names


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
        # of None, since Python would add the most similar name of `obj` to what is said
        raise AttributeError(_says(self.place, noun, self.name), name=self.name, obj=None)


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
        from inspect import getattr_static  # only when it is needed: it takes time to import

        names = object.__dir__(self)
        return [n for n in names if not isinstance(getattr_static(self, n, None), _Elsewhere)]


class TensorElsewhere(_OtherNames, of="Tensor"):
    """Names that Tensors have elsewhere."""

    __slots__ = ()


class _OtherArguments(_OtherNames):
    """The base of a class that refuses the arguments which its like take elsewhere."""

    def __new__(cls: type[Made], *args: NoReturn, **kwargs: NoReturn) -> Made:
        _check_call(cls, args, kwargs)
        return super().__new__(cls)


class ModuleElsewhere(_OtherArguments, of="Module"):
    """Names that Modules have elsewhere."""


class OptimizerElsewhere(_OtherArguments, of="Optimizer"):
    """Names that Optimizers have elsewhere."""


class ScheduleElsewhere(_OtherArguments, of="Schedule"):
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
        if says:
            raise AttributeError(says, name=name, obj=None)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

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


# Keywords and positions

NAMES = {"Tensor": "t", "ndarray": "x"}  # how a value is called in the call that is shown


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
        usual = KEYWORDS.get(name, f"{name}={{}}")
        part, _, why = KEYWORDS.get(f"{call}.{name}", usual).partition("  # ")
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
    if hasattr(value, "param_groups"):
        return "opt"
    plain = isinstance(value, str | int | float | tuple | type(None))
    return f"{value!r:.40}" if plain else NAMES.get(type(value).__name__, "model")


def _check_call(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises a TypeError if an object is made with an argument of other libraries."""
    known: set[str] = set()
    call = "nn." * cls.__module__.startswith("simplegrad.nn.") + cls.__name__
    makers = [vars(base)["__init__"] for base in cls.__mro__[:-1] if "__init__" in vars(base)]
    code: Any = None
    for make in makers:
        if (code := getattr(make, "__code__", None)) is None:  # as of list: it knows for itself
            return
        known |= set(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
        if not code.co_flags & 0x08:  # it takes no other keywords: inspect.CO_VARKEYWORDS
            break
        if not make.__module__.startswith("simplegrad.fast"):  # what is left is its own business
            return
    if args and not makers:
        raise TypeError(f"{call}() takes no arguments, but got {args[0]!r:.80}. Write {call}().")
    if args and code.co_argcount == 1 and code.co_kwonlyargcount and not code.co_flags & 0x04:
        names = code.co_varnames[1 : 1 + code.co_kwonlyargcount]
        name = names[-1] if isinstance(args[0], str) else names[0]  # the last is the reduction
        raise TypeError(
            f"{call}() takes {', '.join(names)} by name, but got {args[0]!r:.80}. Write "
            f"{call}({name}={args[0]!r:.80})."
        )
    if wrong := {key: value for key, value in kwargs.items() if key not in known}:
        raise refused(call, wrong, *args, **{k: v for k, v in kwargs.items() if k in known})


def known_arguments(create: Creates) -> Creates:
    """Decorates a function of a shape, whose arguments are easily taken for those elsewhere.

    A second size by position is an error, and so are keywords of other libraries.

    Examples:
        >>> sg.zeros(2, 3)
        Traceback (most recent call last):
        TypeError: sg.zeros takes a shape as one argument, but got 2, 3. Write sg.zeros((2, 3)).
    """
    name = create.__name__
    known = create.__code__.co_varnames[: create.__code__.co_argcount]
    only_a_shape = known[0] == "shape" and "value" not in known

    @functools.wraps(create)
    def created(*args: Any, **kwargs: Any) -> Any:
        if wrong := {key: value for key, value in kwargs.items() if key not in known}:
            right = {key: value for key, value in kwargs.items() if key in known}
            raise refused(f"sg.{name}", wrong, *args, **right)
        if args and only_a_shape:
            _check_one_shape(name, *args)
        return create(*args, **kwargs)

    return cast(Creates, created)


def _check_one_shape(name: str, shape: Any, *others: Any) -> None:
    """Raises a TypeError if a shape is given as ints one by one, as PyTorch takes it."""
    sizes = tuple(itertools.takewhile(lambda n: given.is_a(given.INT, n), (shape, *others)))
    if len(sizes) > 1 and given.fits(given.SIZE, others[0]):
        by_name = {"normal": "mean", "uniform": "low"}.get(name)
        write = f", or sg.{name}({shape}, {by_name}={others[0]})" if by_name else ""
        raise TypeError(
            f"sg.{name} takes a shape as one argument, but got {shape}, {others[0]}. Write "
            f"sg.{name}({tuple(map(int, sizes))}){write}."
        )


def no_gradient(grad: Any, wrong: Mapping[str, Any]) -> TypeError:
    """The error of a backward() that is given what backward() of PyTorch takes."""
    if wrong:
        return refused("loss.backward", wrong)
    return TypeError(
        f"a gradient is expected here, but got {grad}. Write loss.backward(), "
        "loss.backward(retain_grads=True) to keep the gradients of results, or, for gradients with "
        "a graph, sg.grad(loss, model.parameters(), create_graph=True)."
    )


def unusual() -> dict[str, Any]:
    """The params of a rule, for a method that was called in another way than its usual ones.

    It reads the arguments of the method that calls it: `more` by position, `wrong` by keyword.

    Raises:
        TypeError: An argument is one of another library, or has slipped into another's place.
    """
    frame: Any = sys._getframe(1)
    arguments, name = frame.f_locals, frame.f_code.co_name
    usual = {"axis": None, "ddof": 0, "keepdims": False, "min": None, "max": None}
    params = {key: arguments[key] for key in usual if key in arguments}
    more, wrong = arguments.get("more", ()), arguments["wrong"]
    if wrong:
        right = {key: value for key, value in params.items() if value != usual[key]}
        raise refused(f"x.{name}", wrong, *more, **right)
    places = [key for key in params if key != "axis" or name in ("max", "min")]
    given_twice = [key for key in places[: len(more)] if params[key] != usual[key]]
    if len(more) > len(places) or given_twice:
        raise TypeError(
            f"{name}() takes {', '.join(params)}, each of them once, but got {more} after "
            f"{params}. Write x.{name}(axis=0, keepdims=True)."
        )
    params |= dict(zip(places, more, strict=False))
    if "axis" in places and more and _wants_a_pair(frame.f_back.f_code, frame.f_back.f_lasti):
        raise no_pair(name, more[0])
    _check_params(name, **params)
    return {key: bool(x) if key == "keepdims" else x for key, x in params.items()}


def _check_params(name: str, axis: Any, ddof: Any = 0, keepdims: Any = False) -> None:
    """Raises a TypeError if an argument has slipped into the place of another."""
    axes, write = f"axis={axis}", f"x.{name}(axis={axis}, keepdims=True)"
    if not isinstance(keepdims, given.BOOLS):
        if given.is_a(given.INT, axis) and given.is_a(given.INT, keepdims) and axis != keepdims:
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


@functools.lru_cache
def _wants_a_pair(code: types.CodeType, call: int) -> bool:
    """Whether the result of a call is unpacked into two, or indexed by 0 or 1, as a pair is."""
    import dis  # only when it is needed: it takes time to import

    after = (step for step in dis.get_instructions(code) if step.offset > call)
    steps = (step for step in after if step.opname not in ("CACHE", "EXTENDED_ARG"))
    first = next(steps)
    second = next(steps, first)
    if first.opname == "UNPACK_SEQUENCE":
        return first.argval == 2
    is_index = second.opname == "BINARY_SUBSCR" or second.argrepr == "[]"  # Python 3.14 has []
    return is_index and first.opname.startswith("LOAD_") and first.argval in (0, 1)


def no_pair(name: str, axis: Any) -> TypeError:
    return TypeError(
        f"{name}() gives the {name[:3]}ima alone, not a pair of them and their places. Write "
        f"x.{name}(axis={axis}) and np.arg{name}(x, axis={axis}), or x.{name}(axis={axis})[0] for "
        f"the first of the {name[:3]}ima."
    )


def not_joined(name: str, tensors: Any, axis: Any, wrong: Mapping[str, Any]) -> TypeError:
    if wrong:
        return refused(f"sg.{name}", wrong, [*tensors])
    return TypeError(
        f"{name}() takes a list of tensors, and an int as axis, but got {axis!r:.80} as axis. "
        f"Write sg.{name}([a, b]) or sg.{name}([a, b], axis=1)."
    )


def not_split(a: Any, sizes: Any, wrong: Mapping[str, Any]) -> TypeError:
    """The error of a split() with other keywords; with PyTorch's `dim` it is given its sizes."""
    dim = wrong.get("dim")
    if len(wrong) > 1 or not given.is_a(given.INT, dim) or not -a.ndim <= dim < a.ndim:
        return refused("x.split", wrong, sizes)
    n = a.shape[dim]
    if given.fits(given.SIZE, sizes):
        cuts: Any = n // sizes if n and n % sizes == 0 else [*range(sizes, n, sizes)]
    else:
        cuts = [*itertools.accumulate(sizes)][:-1]
    return TypeError(
        "x.split() takes no dim: it is NumPy's, and takes the number of parts, or where to cut, in "
        f"place of sizes. Write x.split({cuts}, axis={dim})."
    )


def no_tiles(*times: Any) -> TypeError:
    return TypeError(
        f"repeat() takes its axis by name, but got {', '.join(map(repr, times))}: it is NumPy's, "
        f"and repeats element by element. Write x.repeat({times[0]}, axis={times[1]}), or "
        "sg.concatenate([x, x]) for what PyTorch's repeat(2, 1) gives."
    )


def no_order(order: Any, params: Mapping[str, Any]) -> TypeError:
    right = [f"{key}={value}" for key, value in params.items() if value not in (None, False)]
    return TypeError(
        f"norm() is the root of the sum of squares, and takes its axis by name, but got {order!r} "
        f"by position. Write x.norm({', '.join(right)}), or sg.abs(x).sum() for the "
        "norm of order 1."
    )


def no_mode() -> TypeError:
    return TypeError(
        "train() takes no argument: it is one mode, and eval() is the other. Write model.train() "
        "or model.eval()."
    )


def refuses(operator: str, write: str) -> Callable[..., NoReturn]:
    """An operator that has no gradient to give: calling it is an error that says what to write."""

    def refuse(t: Any, *others: Any) -> NoReturn:
        raise TypeError(
            f"{operator} of {t!r} is made of steps, which have no slope, so there would be no "
            f"gradient. Write {write} for an array of its numbers."
        )

    return refuse
