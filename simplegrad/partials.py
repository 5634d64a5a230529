"""Partials run on Tensors, so that what they compute has a gradient, too.

A rule's partial is written for arrays. It is given an `AsArray` for each of them here: NumPy leads
what is computed with it to this class, by two protocols, and this class leads it on to the function
of simplegrad that does the same. The second derivative needs no equation of its own.
"""

from __future__ import annotations

import functools
import itertools
import operator
import sys
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from simplegrad import functional, rules
from simplegrad.given import Sizes
from simplegrad.mistakes import name_of_partial
from simplegrad.rules.shapes import is_basic
from simplegrad.tensor import Tensor, TensorLike, as_tensor, record

CONSTANT = {
    *(np.equal, np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal),
    *(np.sign, np.logical_and, np.logical_or, np.logical_not, np.isfinite, np.isnan, np.isinf),
    *(np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort),
}
"""What has the gradient 0 wherever it has one: its result is an array."""

LED_TO: dict[Any, Any] = {
    np.negative: operator.neg,
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.true_divide: operator.truediv,
    np.power: operator.pow,
    np.square: lambda a: a**2,
    np.matmul: operator.matmul,
    np.expand_dims: Tensor.unsqueeze,
    np.take: lambda a, i, axis: a[(*[slice(None)] * (axis % a.ndim), i)],
    np.flip: lambda a, axis: a[(*[slice(None)] * (axis % a.ndim), slice(None, None, -1))],
    **{
        getattr(np, name): getattr(functional, name)
        for name in "abs broadcast_to clip concatenate cos cumsum einsum exp log log1p logaddexp "
        "maximum minimum outer pad prod sin split sqrt stack std tanh trace tril triu where".split()
    },
    **{
        getattr(np, name): getattr(Tensor, name)
        for name in "max mean min reshape squeeze sum transpose var".split()
    },
}
"""NumPy's functions, and those of simplegrad that compute the same of Tensors."""


class AsArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A Tensor in the place of an array: what NumPy is asked to do with it, simplegrad does.

    Args:
        tensor: The Tensor.
        zeros: The same, if a partial has made it to add to some of its elements.
        place: Of which `zeros` it is a part, and at which index.
    """

    __slots__ = "place", "tensor", "zeros"

    def __init__(self, tensor: Tensor, zeros: Tensor | None = None, place: Any = None) -> None:
        self.tensor, self.zeros, self.place = tensor, zeros, place

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.tensor, name)
        if not callable(value):
            return _lifted(value)
        return lambda *args, **kwargs: _lifted(value(*_lowered(args), **_lowered(kwargs)))

    @property
    def mT(self) -> AsArray:
        *batch, n, m = range(self.tensor.ndim)
        return AsArray(self.tensor.transpose(*batch, m, n))

    def __len__(self) -> int:
        return len(self.tensor)

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise _no_gradient("np.array()")

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at" and getattr(args[0], "zeros", None) is not None:
            return args[0]._add(*args[1:])
        if method != "__call__" or "out" in kwargs:
            raise _no_gradient(f"np.{ufunc.__name__}.{method}, or a change in place")
        return self.__array_function__(ufunc, (), args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        args, kwargs = _lowered(args), _lowered(kwargs)
        if function is np.zeros_like:
            zeros = Tensor(np.zeros_like(args[0].data, **kwargs))
            return AsArray(zeros, zeros)
        if function in CONSTANT:
            return function(*(a.data if isinstance(a, Tensor) else a for a in args), **kwargs)
        if function not in LED_TO:
            raise _no_gradient(f"np.{function.__name__}")
        return _lifted(LED_TO[function](*args, **kwargs))

    # da[index] += dc, as in the partial of Index

    def __getitem__(self, index: Any) -> AsArray:
        has_place = self.zeros is not None and is_basic(index)
        return AsArray(self.tensor[index], place=(self, index) if has_place else None)

    def __iadd__(self, dc: Any) -> AsArray:
        if self.place is None:
            raise _no_gradient("+=")
        da, index = self.place
        da._add(index, dc)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if getattr(value, "place", None) is None or value.place[0] is not self:
            raise _no_gradient("an assignment to an index")

    def _add(self, index: Any, dc: Any) -> None:
        new = scatter(_lowered(dc), index, self.shape)
        self.tensor = new if self.tensor is self.zeros else self.tensor + new


def _lifted(value: Any) -> Any:
    """What a function of simplegrad gives, as a partial expects it from NumPy."""
    if isinstance(value, list):
        return [*map(_lifted, value)]
    return AsArray(value) if isinstance(value, Tensor) else value


def _lowered(value: Any) -> Any:
    """What a partial gives to NumPy, as a function of simplegrad expects it."""
    if isinstance(value, list | tuple):
        return type(value)(map(_lowered, value))
    if isinstance(value, dict):
        return {key: _lowered(x) for key, x in value.items()}
    return value.tensor if isinstance(value, AsArray) else value


def _no_gradient(what: str) -> TypeError:
    frame: Any = sys._getframe(1)
    while "partial" not in frame.f_locals or "c" not in frame.f_locals:
        frame = frame.f_back
    rule, name = frame.f_locals["c"].rule.__name__, name_of_partial(frame.f_locals["partial"])
    return TypeError(
        f"the partial {name} of the rule {rule} uses {what}, of which simplegrad knows no gradient, "
        "so the gradient of this gradient is not known. Write the partial with operators and "
        "functions such as np.exp, np.where and np.sum, or without create_graph=True."
    )


def scatter(a: TensorLike, index: Any, shape: Sizes) -> Tensor:
    """Zeros with the elements of `a` added at an index: the gradient of `zeros[index]`."""
    a, params = as_tensor(a), {"index": index, "shape": shape}
    return record(rules.Scatter.forward(a.data, **params), rules.Scatter, a, **params)


class Node:
    """A tensor of a tape for the chain rule: it says whether its gradient is asked for.

    On Tensors, its data is the Tensor, and its rule has partials that name what they return.
    """

    def __init__(self, t: Tensor, inputs: list[Node], asked: bool, on_tensors: bool) -> None:
        self.tensor, self.inputs, self.requires_grad = t, inputs, asked
        self.index, self.shape, self.params, self.name = t.index, t.shape, t.params, t.name
        self.data, self.rule = t.data, t.rule
        if on_tensors:
            self.data = AsArray(t)
        if on_tensors and t.rule is not None:
            partials = [_named(p, t.rule) for _, p in zip(inputs, t.rule.partials, strict=False)]
            self.rule = SimpleNamespace(partials=partials, __name__=t.rule.__name__)


def nodes_of(tape: list[Tensor], inputs: Collection[Tensor], on_tensors: bool) -> list[Node]:
    """Those of a tape that depend on the inputs, and the inputs themselves."""
    asked = {t.index for t in inputs}
    nodes: dict[int, Node] = {}
    for c in tape:
        if c.index in asked or any(t.index in asked for t in c.inputs):
            asked.add(c.index)
            of_c = [nodes.get(t.index) or Node(t, [], False, on_tensors) for t in c.inputs]
            nodes[c.index] = Node(c, of_c, True, on_tensors)
    return [*nodes.values()]


def _named(partial: Any, rule: Any) -> Any:
    """The partial, whose result has the name of the rule and the partial, as "Tanh.da"."""

    @functools.wraps(getattr(partial, "func", partial))
    def named(dc: AsArray, *args: Any, **params: Any) -> AsArray:
        dt = partial(dc, *args, **params)
        if not isinstance(dt, AsArray):
            return AsArray(as_tensor(dt))
        if dt.tensor.rule is not None and dt.tensor.name is None:
            dt.tensor.name = f"{rule.__name__}.{name_of_partial(partial)}"
        return dt

    return named
