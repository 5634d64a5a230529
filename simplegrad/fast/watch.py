"""Watch: has anything changed outside of a function that it would see when it runs again?

A recording holds on to the modules, lists, numbers and arrays that the function used. `Watch` looks
for them from the function itself: through its variables, into modules, containers and the
attributes of objects that the function names. It compares by identity, so a look costs little.
"""

from __future__ import annotations

import collections
import functools
import itertools
import operator
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor


class Watch:
    """What a function reaches: its variables, and the modules, lists, dicts and objects in them.

    Attributes:
        tensors: The Tensors among them.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.names: set[str] = set()  # of globals and attributes, in the functions reached so far
        known = -1
        while known < len(self.names):  # a function found late may name more attributes
            known = len(self.names)
            self._walk(function)

    def _walk(self, function: Callable[..., Any]) -> None:
        self.tensors: list[Tensor] = []
        self.looks: list[tuple[Callable[[], Any], list[Any]]] = []
        self.arrays: list[tuple[np.ndarray, np.ndarray]] = []
        seen: set[int] = set()
        stack: list[Any] = [function]
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Tensor):
                self.tensors.append(value)
            elif isinstance(value, np.ndarray):
                self.arrays.append((value, value.copy()))
            elif isinstance(value, types.FunctionType) and not _is_library(value.__module__):
                self.names.update(_names_in(value))
            for look in _looks_into(value, self.names):
                values = list(look())
                self.looks.append((look, values))
                stack.extend(values)

    def leave_out_what_changed(self) -> None:
        """Forgets what the function itself has changed since, such as a counter.

        Not so a tensor or an array that it has assigned: then it is recorded anew in each call.
        """
        looks = []
        for look, before in self.looks:
            now = list(look())
            if len(now) == len(before):
                kept = [
                    x is y or isinstance(x, Tensor | np.ndarray)
                    for x, y in zip(now, before, strict=True)
                ]
                if not all(kept):
                    before = list(itertools.compress(before, kept))
                    look = functools.partial(_chosen, look, kept)
                looks.append((look, before))
        self.looks = looks

    def is_unchanged(self) -> bool:
        """Whether each look shows the same objects, and each array the same values."""
        for look, before in self.looks:
            now = look()
            if len(now) != len(before) or not all(map(operator.is_, now, before)):
                return False
        return all(np.array_equal(now, before) for now, before in self.arrays)


def _chosen(look: Callable[[], Any], kept: list[bool]) -> list[Any]:
    return list(itertools.compress(look(), kept))


def _looks_into(value: Any, names: set[str]) -> list[Callable[[], Any]]:
    """Functions that return what `value` refers to now, by `names` where it has many."""
    if isinstance(value, dict):
        return [value.values]
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        return [lambda: value]
    if isinstance(value, functools.partial):
        return [lambda: (value.func, *value.args, *value.keywords.values())]
    if isinstance(value, types.MethodType):
        return [lambda: (value.__func__, value.__self__)]
    if isinstance(value, types.ModuleType):
        own = vars(value)
        return [] if _is_library(value.__name__) else [_some(own, names.intersection(own))]
    if isinstance(value, types.FunctionType) and not _is_library(value.__module__):
        cells, defaults = value.__closure__ or (), value.__defaults__ or ()
        by_name = value.__kwdefaults__ or {}
        return [
            *([lambda: [cell.cell_contents for cell in cells]] if cells else []),
            *([lambda: [*defaults, *by_name.values()]] if defaults or by_name else []),
            _some(value.__globals__, names.intersection(value.__globals__)),
        ]
    if isinstance(value, Module):
        return [vars(value).values, lambda: (type(value),)]
    if isinstance(value, property):
        return [lambda: (value.fget,)]
    if isinstance(value, staticmethod | classmethod):
        return [lambda: (value.__func__,)]
    if isinstance(value, type):
        classes = _user_classes(value)
        wanted = {name for cls in classes for name, x in vars(cls).items() if _is_method(x)}
        wanted |= {name for cls in classes for name in names.intersection(vars(cls))}
        return [_some(vars(cls), wanted) for cls in classes]
    if _is_library(type(value).__module__):
        return []
    classes = _user_classes(type(value))
    slots = [s for cls in classes for s in vars(cls).get("__slots__", ()) if s in names]
    wanted = {name for cls in classes for name in names.intersection(vars(cls))}
    own = getattr(value, "__dict__", {})
    return [
        lambda: [getattr(value, slot, None) for slot in slots],
        _some(own, wanted | names.intersection(own)),
        lambda: (type(value),),
    ]


def _user_classes(cls: type) -> list[type]:
    return [c for c in cls.__mro__ if not _is_library(c.__module__)]


def _is_method(value: Any) -> bool:
    return isinstance(value, types.FunctionType | property | staticmethod | classmethod)


def _some(values: Mapping[str, Any], names: Iterable[str]) -> Callable[[], Any]:
    fixed = list(names)
    return lambda: [values.get(name) for name in fixed]


@functools.cache
def _is_library(module: object) -> bool:
    """Whether a module is one that users do not change."""
    # That of a class is no string where the class keeps those of its instances, as Cython's does
    top = module.partition(".")[0] if isinstance(module, str) else ""
    path = getattr(sys.modules.get(top), "__file__", None) or ""
    is_installed = top == "simplegrad" or "site-packages" in path or "dist-packages" in path
    return is_installed or top in sys.stdlib_module_names - {"types"}


def _names_in(function: types.FunctionType) -> list[str]:
    """The names of globals and attributes in a function and in those defined within it."""
    names: list[str] = []
    stack = [function.__code__]
    while stack:
        code = stack.pop()
        names.extend(code.co_names)
        stack.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
    return names
