"""Module: something with parameters and a forward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, FunctionType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from simplegrad import given, habits, mistakes, trained
from simplegrad.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Kind = TypeVar("Kind")


class Module(habits.ModuleElsewhere):
    """The base of layers and models: assign parameters and other modules, define `forward`.

    A parameter is an attribute that is a Tensor, a leaf, and requires gradients: a result that the
    module keeps is none. Modules and parameters are also found in attributes that are lists, tuples
    and dicts. Nothing is registered and no `super().__init__()` is needed: the attributes are
    looked through when they are asked for.

    Attributes:
        training: Whether the module is in training mode, as after `train()`, or in evaluation mode,
            as after `eval()`: Dropout and BatchNorm look at it.

    Examples:
        >>> class Line(nn.Module):
        ...     def __init__(self):
        ...         self.slope = sg.Tensor(2.0, requires_grad=True)
        ...
        ...     def forward(self, x):
        ...         return self.slope * x
        >>> Line()(3.0).item()
        6.0
    """

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the result; subclasses define it. Call the module itself instead."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward pass. Write a method forward(self, x) that "
            "returns a Tensor."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # for the warning of a parameter that forward makes
        before = mistakes.running.set(self)
        try:
            result = self.forward(*args, **kwargs)
            return result if result is not None else mistakes.no_result(self)
        finally:
            mistakes.running.reset(before)

    def parameters(self) -> dict[str, Tensor]:
        """The parameters by dotted name, in the order of definition; a shared one comes once.

        Examples:
            >>> list(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)).parameters())
            ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
        """
        return {name: t for name, t in self.tensors().items() if t.requires_grad}

    def tensors(self) -> dict[str, Tensor]:
        """The parameters and the leaves that require no gradient, such as frozen ones, by name.

        Results are left out. A tensor that was computed without gradients, as within `no_grad()`,
        is no result but a leaf: what a module keeps of it, such as a running mean, is its state.

        Raises:
            TypeError: Parameters are hidden where none are looked for: in a set, an iterator, a
                function, an object that is no Module, or a class attribute.
            ValueError: Two tensors have one name.

        Examples:
            >>> layer = nn.Linear(2, 3)
            >>> layer.weight.requires_grad = False
            >>> list(layer.parameters()), list(layer.tensors())
            (['bias'], ['weight', 'bias'])
        """
        walked = list(_walk(self))
        _check_nothing_hidden(self, walked)
        leaves = ((path, t) for path, t in walked if isinstance(t, Tensor) and t.rule is None)
        return _by_name(self, leaves)

    def modules(self) -> dict[str, Module]:
        """This module, named "", and all within it by dotted name, in the order of definition.

        Raises:
            ValueError: Two modules have one name.

        Examples:
            >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).modules())
            ['', 'layers.0', 'layers.1']
        """
        return _by_name(self, ((path, m) for path, m in _walk(self) if isinstance(m, Module)))

    def train(self, *args: NoReturn, **wrong: NoReturn) -> Module:
        """Puts this module and all within it in training mode.

        Examples:
            >>> nn.Dropout(0.5).train().training
            True
        """
        if args or wrong:
            raise habits.no_mode()
        return self._set_training(True)

    def eval(self) -> Module:
        """Puts this module and all within it in evaluation mode.

        Examples:
            >>> nn.Dropout(0.5).eval().training
            False
        """
        return self._set_training(False)

    def _set_training(self, training: bool) -> Module:
        for module in self.modules().values():
            module.training = training
        return self

    def apply(self, function: Callable[[Module], Any]) -> Module:
        """Calls a function with each module within this one, the innermost first, and with this.

        Examples:
            >>> def start(module):
            ...     if isinstance(module, nn.Linear):
            ...         nn.init.zeros_(module.bias)
            >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU()).apply(start)
            >>> model[0].bias.numpy()
            array([0., 0., 0.], dtype=float32)
        """
        modules = self.modules()
        for name in sorted(modules, key=lambda name: -len(name.split(".")) if name else 0):
            function(modules[name])
        return self

    def astype(self, dtype: DTypeLike) -> Module:
        """Converts the tensors of floats of this module, and their gradients, to another dtype.

        They stay the same objects, which is why optimizers stay valid: their moments are converted,
        too. A recording of `fast.replay` is made anew in its next call, and `backward()` of what
        was computed before raises an error, as for any other change of data.

        Args:
            dtype: One of floats.

        Raises:
            TypeError: `dtype` is not one of floats.
            ValueError: An optimizer of these tensors has an `eps` that the dtype rounds to 0.
                Nothing has been changed then.

        Examples:
            >>> model = nn.Linear(2, 3)
            >>> model.astype("float64").weight.dtype
            dtype('float64')
        """
        dtype = given.layer_dtype("a Module", dtype)
        floats = [t for t in self.tensors().values() if t.dtype.kind == "f" and t.dtype != dtype]
        new = {t: Tensor(t, dtype=dtype) for t in floats}
        optimizers = trained.optimizers_of(floats)
        for opt in optimizers:
            opt._check_dtypes(new)
        for t in floats:
            new[t].grad = t.grad
            t._data, t._grad = new[t]._data, new[t]._grad
            t.data = t.data  # which tells that it has changed
        for opt in optimizers:
            opt._take_dtypes()
        return self

    def extra_repr(self) -> str:
        """The arguments shown by the repr: subclasses define it, if they have any."""
        return ""

    def __repr__(self) -> str:
        modules = [(_name(path), m) for path, m in _walk(self) if isinstance(m, Module)]
        rows = []
        for name, module in modules:
            around = [m for m, _ in modules if name != m and (m == "" or name.startswith(f"{m}."))]
            own_name = f"{name.removeprefix(f'{around[-1]}.')}: " if around else ""
            tensors = {id(t): t for _, t in _walk(module) if isinstance(t, Tensor)}
            count = sum(t.size for t in tensors.values() if _is_parameter(t))
            others = sum(t.size for t in tensors.values() if t.rule is None) - count
            text = f"{'  ' * len(around)}{own_name}{type(module).__name__}({_arguments(module)})"
            rows.append((text, f"{count:,}", f", {others:,} not trained" if others else ""))
        width, digits = (max(len(row[i]) for row in rows) for i in (0, 1))
        return "\n".join(
            f"{text:{width}}  {count:>{digits}} parameters{others}" for text, count, others in rows
        )


class ModuleOfOptions(Module):
    """A module that has nothing but options, which its repr shows."""

    def extra_repr(self) -> str:
        options = {name: value for name, value in vars(self).items() if name != "training"}
        return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _arguments(module: Module) -> str:
    """What `extra_repr` says, also while a debugger is in the middle of making the module."""
    try:
        return module.extra_repr()
    except AttributeError as error:
        return f"not made yet: {error}"


def _is_parameter(t: Tensor) -> bool:
    return t.requires_grad and t.rule is None


Path = tuple[Any, ...]  # the attributes, keys and indices that lead to a value


def _name(path: Path) -> str:
    return ".".join(map(str, path))


def _walk(root: Module) -> Iterator[tuple[Path, Any]]:
    """`root` and what its attributes and containers hold; modules and containers come once."""
    seen = set()
    stack: list[tuple[Path, Any]] = [((), root)]
    while stack:
        path, value = stack.pop()
        children: dict[Any, Any]
        if isinstance(value, Module):
            children = vars(value)
        elif isinstance(value, dict):
            children = value
        elif isinstance(value, list | tuple):
            children = dict(enumerate(value))
        else:
            yield path, value
            continue
        if id(value) not in seen:
            seen.add(id(value))
            yield path, value
            stack.extend(((*path, key), child) for key, child in reversed(children.items()))


def held(root: Module, types: Any) -> dict[str, Any]:
    """What a module holds of some types besides modules, by the code that leads to it.

    Examples:
        >>> nn.module.held(nn.Sequential(nn.Dropout(0.5)), float)
        {'layers[0].p': 0.5}
    """
    found = ((path, value) for path, value in _walk(root) if isinstance(value, types))
    return {_code(root, path).removeprefix("self."): value for path, value in found}


def _by_name(root: Module, found: Iterable[tuple[Path, Kind]]) -> dict[str, Kind]:
    """What was found in `root`, each once, by its first dotted name, which no other has."""
    first: dict[int, tuple[Path, Kind]] = {}
    for path, value in found:
        first.setdefault(id(value), (path, value))
    named: dict[str, tuple[Path, Kind]] = {}
    for path, value in first.values():
        other, _ = named.setdefault(_name(path), (path, value))
        if other is not path:
            raise mistakes.same_name(_name(path), _code(root, other), _code(root, path))
    return {name: value for name, (_, value) in named.items()}


def _code(value: Any, path: Path) -> str:
    """How Python writes what a path leads to: self.layers[0].weight."""
    code = "self"
    for key in path:
        if isinstance(value, Module):
            code += f".{key}" if str(key).isidentifier() else f".__dict__[{key!r}]"
            value = vars(value)[key]
        else:
            code += f"[{key!r}]"
            value = value[key]
    return code


def _check_nothing_hidden(root: Module, walked: list[tuple[Path, Any]]) -> None:
    """Raises a TypeError if there are parameters where Module does not look for them."""
    seen = {id(value) for _, value in walked}
    types = {type(value) for _, value in walked if isinstance(value, Module)}
    for cls in {cls for kind in types for cls in kind.__mro__} - {Module, object}:
        for key, value in vars(cls).items():
            if (t := _parameter_in([value], seen)) is not None:
                raise mistakes.hidden_in_class(cls, key, t)
    for path, value in walked:
        if isinstance(value, GeneratorType | map | filter | itertools.starmap):
            raise mistakes.read_once(_name(path), _code(root, path), value)
        held = _held_by(value)
        if isinstance(value, FunctionType):
            held += _globals_named_in(value)
        if (t := _parameter_in(held, seen)) is not None:
            if isinstance(value, Module):
                raise mistakes.hidden_in_class(type(value), "__slots__", t)
            raise mistakes.hidden_in_value(_name(path), _code(root, path), value, t)


def _parameter_in(values: list[Any], seen: set[int]) -> Tensor | None:
    """A parameter that these values lead to, by way of others that nobody has seen."""
    while values:
        value = values.pop()
        if id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, Tensor) and _is_parameter(value):
                return value
            values += _held_by(value)
    return None


def _held_by(value: Any) -> list[Any]:
    """What a value refers to, whatever it is; of a function not its globals, nor of a graph."""
    if isinstance(value, Tensor | ModuleType | FrameType):
        return []
    if isinstance(value, FunctionType):
        return [value.__closure__, value.__defaults__, value.__kwdefaults__, vars(value)]
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype.hasobject else []
    import gc  # here, since `import simplegrad` needs nothing of it

    return gc.get_referents(value)


def _globals_named_in(function: FunctionType) -> list[Any]:
    """The tensors, modules and containers of them that a function finds by their global names."""
    import dis

    codes = [function.__code__]
    for code in codes:  # it grows meanwhile
        codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    steps = [step for code in codes for step in dis.get_instructions(code)]
    names = {step.argval for step in steps if step.opname == "LOAD_GLOBAL"}
    values = [function.__globals__.get(name) for name in names]
    return [value for value in values if isinstance(value, Tensor | Module | list | tuple | dict)]
