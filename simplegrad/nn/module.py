"""Module: something with parameters and a forward pass."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Generator, Iterator
from typing import Any

import numpy as np

from simplegrad import mistakes
from simplegrad.tensor import Tensor


class Module:
    """The base of layers and models: assign parameters and other modules, define `forward`.

    A parameter is an attribute that is a Tensor and requires gradients. Modules and parameters are
    also found in attributes that are lists, tuples and dicts. Nothing is registered and no
    `super().__init__()` is needed: the attributes are looked through when they are asked for.

    Attributes:
        training: Whether the module is in training mode, as after `train()`, or in evaluation mode,
            as after `eval()`: Dropout looks at it.

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
            return self.forward(*args, **kwargs)
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
        """The parameters and the tensors that require no gradient, such as frozen ones, by name.

        Raises:
            TypeError: An attribute hides parameters: it is a set, a generator, or an object that is
                no Module.

        Examples:
            >>> layer = nn.Linear(2, 3)
            >>> layer.weight.requires_grad = False
            >>> list(layer.parameters()), list(layer.tensors())
            (['bias'], ['weight', 'bias'])
        """
        found: dict[int, tuple[str, Tensor]] = {}
        for name, value in _walk(self):
            if isinstance(value, Tensor):
                found.setdefault(id(value), (name, value))
        for name, value in _walk(self):
            if not isinstance(value, Tensor | Module):
                _check_nothing_hidden(name, value, found)
        return dict(found.values())

    def modules(self) -> dict[str, Module]:
        """This module, named "", and all within it by dotted name, in the order of definition.

        Examples:
            >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).modules())
            ['', 'layers.0', 'layers.1']
        """
        return {name: value for name, value in _walk(self) if isinstance(value, Module)}

    def train(self) -> Module:
        """Puts this module and all within it in training mode.

        Examples:
            >>> nn.Dropout(0.5).train().training
            True
        """
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

    def extra_repr(self) -> str:
        """The arguments shown by the repr: subclasses define it, if they have any."""
        return ""

    def __repr__(self) -> str:
        modules = self.modules()
        rows = []
        for name, module in modules.items():
            around = [m for m in modules if name != m and (m == "" or name.startswith(f"{m}."))]
            own_name = f"{name.removeprefix(f'{around[-1]}.')}: " if around else ""
            tensors = {id(t): t for _, t in _walk(module) if isinstance(t, Tensor)}
            count = sum(t.size for t in tensors.values() if t.requires_grad)
            text = f"{'  ' * len(around)}{own_name}{type(module).__name__}({_arguments(module)})"
            rows.append((text, f"{count:,}"))
        width = max(len(text) for text, _ in rows)
        digits = max(len(count) for _, count in rows)
        return "\n".join(f"{text:{width}}  {count:>{digits}} parameters" for text, count in rows)


def _arguments(module: Module) -> str:
    """What `extra_repr` says, also while a debugger is in the middle of making the module."""
    try:
        return module.extra_repr()
    except AttributeError as error:
        return f"not made yet: {error}"


def _walk(root: Any) -> Iterator[tuple[str, Any]]:
    """`root` and what its attributes and containers hold, by dotted name; every module once."""
    seen = set()
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        name, value = stack.pop()
        if isinstance(value, Module):
            children = vars(value)
        elif isinstance(value, dict):
            children = value
        elif isinstance(value, list | tuple):
            children = {str(i): child for i, child in enumerate(value)}
        else:
            yield name, value
            continue
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Module):
            yield name, value
        prefix = f"{name}." if name else ""
        stack.extend((f"{prefix}{key}", child) for key, child in reversed(children.items()))


def _check_nothing_hidden(name: str, value: Any, found: Container[int]) -> None:
    """Raises a TypeError if an attribute holds parameters where Module does not look for them."""
    kind = type(value).__name__
    if isinstance(value, Generator | map | filter):
        raise TypeError(
            f"the attribute {name!r} is a {kind}: parameters in it cannot be found, and it is "
            f"empty after its first use. Write self.{name} = list(...)."
        )
    inside: Any = []
    write = f"self.{name} = list(...)"
    if isinstance(value, set | frozenset | deque):
        inside = list(value)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        inside = value.tolist()
    elif isinstance(vars_of := getattr(value, "__dict__", None), dict):
        inside = vars_of
        write = f"class {kind}(nn.Module)"
    for _, t in _walk(inside):
        if isinstance(t, Tensor) and t.requires_grad and id(t) not in found:
            raise TypeError(
                f"the attribute {name!r} is a {kind} that holds {t!r}, where it is not found: a "
                "Module looks for parameters in its attributes, in modules, and in lists, tuples "
                f"and dicts of them. No optimizer would train it. Write {write}."
            )
