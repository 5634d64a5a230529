"""Reading: what a function refers to, all of which must be known to stay what it is.

A recording is right as long as what the function sees besides its arguments is what it saw. So its
code is read before it runs, with that of the functions and modules that it names. What it may refer
to is a short list:

- Tensors, Modules, numbers, texts and flags; lists, tuples and dicts of such; small arrays;
- functions, which are read in the same way; classes and modules, for what they are asked for;
- simplegrad, math, and the functions of NumPy and Python that do nothing but compute;
- the optimizers of `simplegrad.fast`, for their `step` and `zero_grad`.

All of it is compared in each call. Anything else is refused by name.
"""

from __future__ import annotations

import builtins
import dis
import functools
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from simplegrad import creation
from simplegrad.fast.in_place import InPlace
from simplegrad.fast.recording import ALLOWED, METHODS, NotReplayable, items_in
from simplegrad.nn.module import Module
from simplegrad.optimizers import Optimizer
from simplegrad.rules.shapes import EachInput
from simplegrad.tensor import Tensor

FEW = 4096  # numbers of an array that are compared in each call
CONSTANTS = {int, float, complex, bool, str, bytes, type(None), type(...), range, slice}
PURE = {
    *(abs, all, any, bool, dict, divmod, enumerate, filter, float, frozenset, int, isinstance),
    *(iter, len, list, map, max, min, next, pow, range, repr, reversed, round, set, slice, sorted),
    *(str, sum, super, tuple, zip, Module),
}
OF_NUMPY = {
    *(METHODS.keys() & vars(np).keys() | ALLOWED),
    *("arange", "array", "asarray", "dtype", "eye", "finfo", "full", "identity"),
    *("iinfo", "indices", "linspace", "meshgrid", "ndarray", "ones", "tri", "zeros"),
}
PURE |= {getattr(np, name) for name in OF_NUMPY}
ROOMS = "autograd", "creation", "fast.replay", "functional", "given", "habits", "modes", "nn"
OF_SIMPLEGRAD = tuple(
    f"simplegrad.{room}" for room in (*ROOMS, "derivatives", "partials", "rules", "tensor")
)
NOT_PURE = {creation.manual_seed, creation.set_generator}
NAMED_BY_NOBODY = {"forward", "partials", "extra_repr", "passes"}  # but asked for, as __call__ is
UNSEEN = {  # what code may not do
    "IMPORT_NAME": "imports {}. Import it at the top of the file.",
    "STORE_GLOBAL": "assigns the global {}. Return the value.",
    "DELETE_GLOBAL": "deletes the global {}.",
    "DELETE_ATTR": "deletes the attribute {}.",
    "LOAD_BUILD_CLASS": "defines a class. Define it outside.",
    "MATCH_CLASS": "matches a class. Write isinstance(x, C).",
}
LINE = "line_number" if sys.version_info >= (3, 13) else "starts_line"  # of an instruction
FUNCTIONS = types.FunctionType, property, staticmethod, classmethod
WRAPPED = [  # what else functions are in
    *((types.MethodType, "__func__"), (types.MethodType, "__self__"), (property, "fget")),
    *(((staticmethod, classmethod), "__func__"), (EachInput, "partial")),
]


class Fact(NamedTuple):
    """A condition in Python, the values that it names, and what it is about."""

    code: str
    values: tuple[Any, ...]
    where: str


def condition(facts: list[Fact], first: str = "pass") -> Callable[..., bool]:
    """A function of args and kwargs that tells whether all of this holds."""
    names: dict[int, str] = {}
    values: dict[str, Any] = {"get_ident": threading.get_ident}
    for value in (value for fact in facts for value in fact.values):
        values[names.setdefault(id(value), f"v{len(names)}")] = value
    codes = (fact.code.format(*[names[id(value)] for value in fact.values]) for fact in facts)
    source = f"""def holds(args=(), kwargs=None):
    try:
        {first}
        return {" and ".join(dict.fromkeys(["True", *codes]))}
    except (LookupError, ValueError, AttributeError):
        return False"""
    exec(compile(source, "<what a recording relies on>", "exec"), values)
    return values.pop("holds")  # or else it and its globals were a cycle


def changed(facts: list[Fact]) -> str:
    """The name of something that is not as it was; none if all is."""
    return next((fact.where for fact in facts if not condition([fact])()), "")


class Reading:
    """What a function refers to, and whether it is still the same.

    Attributes:
        tensors: The Tensors, each with a name.
        optimizers: The optimizers.
        codes: The code of the functions that were read.
        facts: What must be as it is for a recording to be right.
        containers: The lists and dicts.
    """

    def __init__(self, function: Any) -> None:
        self.tensors: dict[Tensor, str] = {}
        self.optimizers: dict[InPlace, str] = {}
        self.codes: set[types.CodeType] = set()
        self.facts: list[Fact] = []
        self._seen: dict[Any, Any] = {}  # by id; it keeps the values, so that no other gets theirs
        self._names: set[str] = set()  # of attributes that the code asks for
        self._classes: dict[type, set[str]] = {}  # and what of each has been looked at
        self._modules: list[tuple[Module, str]] = []
        self.containers: list[Any] = []
        self._stack = [(function, getattr(function, "__name__", "the function"), "")]
        known = -1
        while self._stack or known != len(self._names):
            known = len(self._names)
            while self._stack:
                self._look(*self._stack.pop())
            for cls in [*self._classes]:
                self._look_into_class(cls)
            for module, where in self._modules:
                for key, value in vars(module).items():
                    is_searched = any(isinstance(x, Tensor | Module) for x in items_in(value))
                    if key in self._names or is_searched:  # for parameters
                        self._stack.append((value, f"{where}.{key}", ""))
            for opt, where in self.optimizers.items():  # what a subclass adds
                for key in vars(opt).keys() & self._names - {"step_count"}:
                    self.must_keep(f"{where}.{key}", opt, key)
                    self._stack.append((vars(opt)[key], f"{where}.{key}", ""))
            self._stack = [one for one in self._stack if id(one[0]) not in self._seen]
        for opt in self.optimizers:
            for group in opt.param_groups:
                for key, t in group["params"].items():
                    self.tensors.setdefault(t, key)

    def uses_gradients(self) -> bool:
        """Whether the code looks at `.grad` itself."""
        return "grad" in self._names

    def must_be(self, where: str, code: str, *values: Any) -> None:
        """Adds a condition for a recording to be right."""
        self.facts.append(Fact(code, values, where))

    def must_keep(self, where: str, owner: Any, *attributes: str) -> None:
        """Adds that attributes are to be the objects that they are now."""
        for key in attributes:
            self.must_be(where, f"{{0}}.{key} is {{1}}", owner, getattr(owner, key))

    def hold(self) -> None:
        """Adds that tensors and optimizers are to have the arrays that they have now."""
        for t, where in self.tensors.items():
            self.must_keep(where, t, "_data", "_requires_grad", *self._names & {"name"})
        for opt, where in self.optimizers.items():
            self.must_keep(where, opt, "_parts")
            for group in opt.param_groups:
                for key in opt.hyperparameters.keys() - {"lr"}:
                    self.must_be(where, f"{{0}}[{key!r}] is {{1}}", group, group[key])

    # What is on the list

    def _look(self, value: Any, where: str, place: str) -> None:
        """Notes what a value is made of; raises an error if it is not on the list."""
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, type) and issubclass(value, Module):
            self._name_class(value, where)
        if type(value) in CONSTANTS or _is_pure(value):
            return
        parts: list[Any] = []
        if type(value) is Tensor and value.rule is None:
            self.tensors[value] = where
        elif isinstance(value, Module):
            self._modules.append((value, where))
            self._name_class(type(value), where)
            self.must_keep(where, value, "__class__", "__dict__")
            self._must_hold(vars(value), where)
        elif type(value) is np.ndarray and value.size <= FEW and not value.dtype.hasobject:
            self.must_be(where, "{0}.tobytes() == {1}", value, value.tobytes())
            self.must_be(where, "({0}.shape, {0}.dtype) == {1}", value, (value.shape, value.dtype))
        elif type(value) in (list, tuple, dict) or hasattr(type(value), "_fields"):
            self._must_hold(value, where)
            keys = getattr(value, "_fields", None) or range(len(value))
            pairs = value.items() if isinstance(value, dict) else zip(keys, value, strict=True)
            for key, part in pairs:
                name = f".{key}" if hasattr(value, "_fields") else f"[{key!r}]"
                self._stack.append((part, f"{where}{name}", place))
        elif isinstance(value, types.FunctionType):
            self._look_at_function(value, where, place)
        elif type(value) is functools.partial and not vars(value):
            self.must_keep(where, value, "func", "args", "keywords")
            parts = [value.func, *value.args, value.keywords]
        elif isinstance(value, type) and "__init__" not in vars(value):
            self._name_class(value, where)
        else:
            parts = [getattr(value, key) for kind, key in WRAPPED if isinstance(value, kind)]
            if not parts:
                self._refuse(where, _why_not(value), place)
        self._stack += [(part, where, place) for part in parts]

    def _refuse(self, where: str, what: str, place: str = "") -> NoReturn:
        raise NotReplayable(f"{where} {what} Or write @fast.replay(eager=True). {place}".strip())

    def _must_hold(self, container: Any, where: str) -> None:
        """A list, a tuple or a dict is to hold just what it holds."""
        self.containers += [container] if type(container) in (list, dict) else []
        pairs = [*(container.items() if hasattr(container, "items") else enumerate(container))]
        keys = [key for key, _ in pairs]
        if not hasattr(container, "items"):
            self.must_be(where, f"len({{0}}) == {len(container)}", container)
        elif all(type(key) is str for key in keys):
            self.must_be(where, "[*{0}] == {1}", container, keys)  # whose order counts
        else:  # and whether a key is 1 or 1.0
            self.must_be(where, "[*map(repr, {0})] == {1}", container, [*map(repr, keys)])
        for key, item in pairs:
            if not isinstance(key, str | int | tuple):
                self._refuse(where, f"has the key {key!r:.40}, but keys are texts and numbers.")
            self.must_be(f"{where}[{key!r}]", "{0}[{1}] is {2}", container, key, item)

    def _name_class(self, cls: type, where: str) -> None:
        """A class, of which the code may ask for something."""
        if type(cls) is not type and cls not in self._classes:
            self._refuse(where, "has a class with a class of its own, which may answer for it.")
        self._classes.setdefault(cls, set())

    def _look_into_class(self, cls: type) -> None:
        """What the code, or Python, asks a class and its bases for."""
        self.must_keep(cls.__name__, cls, "__mro__")
        if issubclass(cls, Module):
            self.must_keep(cls.__name__, cls, "forward", "training")
            self._stack.append((cls.forward, f"{cls.__name__}.forward", ""))
        for base in cls.__mro__:
            if base is object or _is_ours(base):
                continue
            own, known = vars(base), self._classes.setdefault(base, set())
            if not known:
                known.add("")
                self._must_hold(own, base.__name__)
            for key, value in own.items():
                is_method = key[:2] == key[-2:] == "__" and isinstance(value, FUNCTIONS)
                wanted = key in self._names or key in NAMED_BY_NOBODY or is_method
                if wanted and key != "__init__" and key not in known:
                    known.add(key)
                    self._stack.append((value, f"{base.__name__}.{key}", ""))

    def _look_at_function(self, function: types.FunctionType, where: str, place: str) -> None:
        code, is_ours = function.__code__, _is_ours(function)
        room = function.__globals__.get("__name__", "")
        does_more = function in NOT_PURE or room.startswith("numpy")
        if does_more or (is_ours and not room.startswith(OF_SIMPLEGRAD)):
            self._refuse(where, _why_not(function), place)
        self.must_keep(where, function, "__code__")
        if vars(function).keys() - {"__wrapped__"} and not is_ours:
            self._refuse(where, "has attributes of its own, which may change unseen.", place)
        held = {}
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":  # which super() uses
                try:
                    held[name] = cell.cell_contents
                except ValueError:
                    self._refuse(where, f"refers to {name}, which has no value yet.")
                self.must_keep(name, cell, "cell_contents")
        if is_ours:  # what one of a decorator holds may be the user's
            functions = types.FunctionType | types.MethodType | Module
            self._stack += [(x, where, place) for x in held.values() if isinstance(x, functions)]
            return
        self.must_keep(where, function, "__defaults__", "__kwdefaults__")
        defaults = function.__defaults__, function.__kwdefaults__
        self._stack += [(x, f"a default of {where}", place) for x in defaults]
        for one in codes_in(code):
            self._read(one, function, held)

    # Code

    def _read(
        self, code: types.CodeType, function: types.FunctionType, held: dict[str, Any]
    ) -> None:
        """Goes through the instructions of a function, which finds `held` in those around it."""
        self.codes.add(code)
        line = code.co_firstlineno
        steps = [s for s in dis.get_instructions(code) if s.opname != "EXTENDED_ARG"]
        for number, step in enumerate(steps):
            line = getattr(step, LINE) or line
            where = f"line {line} of {code.co_filename}, in {function.__qualname__},"
            name, op = step.argval, step.opname
            if op in UNSEEN:
                self._refuse(where, UNSEEN[op].format(name))
            if op == "STORE_DEREF" and name in held:
                self._refuse(where, f"assigns {name} of the function around it. Return the value.")
            if op == "STORE_ATTR" and name not in ("data", "grad"):
                self._refuse(
                    where,
                    f"assigns the attribute {name}, which a replay would not. Return the value, or "
                    f"keep it in a Tensor and write self.{name}.data[...] = value.",
                )
            if op in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "STORE_ATTR"):
                if name[:2] == name[-2:] == "__" or name in ("gi_frame", "format", "format_map"):
                    self._refuse(where, f"asks for {name}, of which it is not known what it shows.")
                self._names.add(name)
            after = steps[number + 1 :]
            if op in ("LOAD_GLOBAL", "LOAD_NAME") and not name.startswith("@py"):  # of pytest
                self._look_along(self._global(function, name, where), name, after, where)
            elif op in ("LOAD_DEREF", "LOAD_CLASSDEREF") and name in held:
                self._look_along(held[name], name, after, where)

    def _global(self, function: types.FunctionType, name: str, where: str) -> Any:
        for names in function.__globals__, vars(builtins):
            if name in names:
                self.must_be(name, f"{{0}}[{name!r}] is {{1}}", names, names[name])
                return names[name]
            self.must_be(name, f"{name!r} not in {{0}}", names)
        self._refuse(where, f"refers to {name}, which is not defined.")

    def _look_along(self, value: Any, name: str, steps: list[Any], where: str) -> None:
        """What a name refers to: of modules, classes and optimizers, what they are asked for."""
        for step in steps:
            if step.opname == "PUSH_NULL":
                continue
            is_asked = step.opname in ("LOAD_ATTR", "LOAD_METHOD")
            if isinstance(value, type) and is_asked and not _is_pure(value):
                return self._name_class(value, name)  # as Base in Base.forward(self, x)
            if not isinstance(value, types.ModuleType | InPlace):
                break
            if step.opname == "STORE_ATTR":
                self._refuse(where, f"assigns {name}.{step.argval}. Do so outside of the function.")
            if not is_asked:
                self._refuse(where, f"uses {name} in another way than {name}.something.")
            own, name = vars(value), f"{name}.{step.argval}"
            if isinstance(value, InPlace):
                if step.argval not in ("step", "zero_grad") or step.argval in own:
                    self._refuse(
                        where, f"asks for {name}, which may change: pass it as an argument."
                    )
                self._name_class(type(value), name)
                self.optimizers[value] = name.rpartition(".")[0]
                return
            value = own[step.argval] if step.argval in own else getattr(value, step.argval)
            if step.argval in own:
                self.must_be(name, "{0}[{1}] is {2}", own, step.argval, value)
        if isinstance(value, types.ModuleType):
            self._refuse(where, f"uses the module {name} as a value.")
        self._stack.append((value, name, f"It is {where.rstrip(',')}."))


def codes_in(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code of a function, and of those that are defined in it."""
    codes = [code]
    for code in codes:  # it grows meanwhile
        yield code
        codes += [x for x in code.co_consts if isinstance(x, types.CodeType)]


def _is_ours(value: Any) -> bool:
    """Whether a function or a class is one of simplegrad."""
    is_function = isinstance(value, types.FunctionType)
    name = value.__globals__.get("__name__") if is_function else value.__module__
    if not isinstance(name, str) or name.partition(".")[0] != "simplegrad":
        return False
    own = vars(sys.modules[name]) if name in sys.modules else {}
    return value.__globals__ is own if is_function else own.get(value.__name__) is value


def _is_pure(value: Any) -> bool:
    """Whether a function or a class does nothing but compute, and is not the user's."""
    if isinstance(value, type):
        is_ours = _is_ours(value) and value.__module__.startswith(OF_SIMPLEGRAD)
        is_error = issubclass(value, BaseException) and value.__module__ == "builtins"
        is_number = issubclass(value, np.generic) and value.__module__ == "numpy"
        return is_ours or is_error or is_number or value in PURE
    if isinstance(value, np.generic):
        return type(value).__module__ == "numpy" and not isinstance(value, np.void)
    if isinstance(value, types.BuiltinFunctionType) and value.__module__ in ("math", "_operator"):
        return True
    is_function = isinstance(value, types.BuiltinFunctionType | types.FunctionType | type(np.sum))
    return isinstance(value, np.ufunc | np.dtype) or (is_function and value in PURE)


def _why_not(value: Any) -> str:
    """Why a value is not on the list, and what to write."""
    kind = type(value).__name__
    what = f"is {'an' if kind[:1] in 'AEIOUaeiou' else 'a'} {kind}"
    if isinstance(value, Tensor):
        return (
            "is a result that was computed outside. Compute it within the function, pass it as an "
            "argument, or write .detach() for its numbers."
        )
    if isinstance(value, np.ndarray):
        return (
            f"is an array of {value.size:,} numbers, which may change unseen: pass it as an "
            "argument, or make it a Tensor, sg.Tensor(array)."
        )
    if kind in ("Generator", "RandomState"):
        return f"{what}: draw from sg.generator(), or pass the numbers as an argument."
    if isinstance(value, Optimizer):
        return f"{what} of simplegrad.optimizers: write fast.{kind}, whose steps are recorded."
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType | type):
        return "may do more than compute, or see what may change: call it outside."
    return f"{what}, which may change unseen: pass what it holds as an argument."
