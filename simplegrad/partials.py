"""Partials run on Tensors, so that the gradients they compute have gradients, too.

A partial is written for arrays. Here it is given an `AsArray` for each: by its two protocols, NumPy
leads what is asked of it to that class, and that on to the function of simplegrad that does it. So
a second derivative needs no new equation.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

from simplegrad import functional, rules
from simplegrad.given import Sizes
from simplegrad.mistakes import name_of_partial
from simplegrad.rules.shapes import is_basic
from simplegrad.tensor import Tensor, TensorLike, as_tensor, record

SAME = (
    *("abs", "broadcast_to", "clip", "concatenate", "cos", "cumsum", "einsum", "exp", "log"),
    *("log1p", "logaddexp", "max", "maximum", "mean", "min", "minimum", "outer", "pad", "prod"),
    *("reshape", "sin", "split", "sqrt", "squeeze", "stack", "std", "sum", "tanh", "trace"),
    *("transpose", "tril", "triu", "var", "where"),
)
LED_TO: dict[Any, Any] = {
    **{getattr(np, name): getattr(functional, name, getattr(Tensor, name, None)) for name in SAME},
    np.add: operator.add,
    np.expand_dims: Tensor.unsqueeze,
    np.flip: lambda a, axis: a[(*[slice(None)] * (axis % a.ndim), slice(None, None, -1))],
    np.matmul: operator.matmul,
    np.multiply: operator.mul,
    np.negative: operator.neg,
    np.power: operator.pow,
    np.square: lambda a: a**2,
    np.subtract: operator.sub,
    np.take: lambda a, i, axis: a[(*[slice(None)] * (axis % a.ndim), i)],
    np.true_divide: operator.truediv,
}
"""NumPy's functions, and those of simplegrad and Python that do the same with Tensors."""

CONSTANT = {
    *(np.equal, np.not_equal, np.greater, np.greater_equal, np.less, np.less_equal),
    *(np.argmax, np.argmin, np.argsort, np.isfinite, np.isnan, np.ndim, np.shape, np.sign, np.size),
}
"""Those whose result is an array still: where it has a slope, that is 0."""


class AsArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A Tensor in the place of an array.

    Args:
        tensor: The Tensor.
        zeros: The same, if it was made by `np.zeros_like`: a partial may add to its parts.
        place: Of which AsArray it is a part, and at which index, if one may add to it.
    """

    def __init__(self, tensor: Tensor, zeros: Tensor | None = None, place: Any = None) -> None:
        self.tensor, self.zeros, self.place = tensor, zeros, place

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.tensor, name)
        if name in ("dtype", "ndim", "shape", "size"):
            return value
        if not callable(value):
            return _lifted(value, f".{name}")
        return lambda *args, **kw: _lifted(value(*_lowered(args), **_lowered(kw)), f".{name}")

    mT = property(lambda self: self.transpose(*range(self.ndim - 2), self.ndim - 1, self.ndim - 2))

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise _no_gradient("np.array()")

    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if ufunc is np.add and method == "at" and getattr(args[0], "zeros", None) is not None:
            return args[0]._add(*args[1:])
        if method != "__call__" or kwargs:
            raise _no_gradient(f"np.{ufunc.__name__} in another form than of arrays alone")
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
        return _lifted(LED_TO[function](*args, **kwargs), f"np.{function.__name__}")

    # da[index] += dc, as in the partial of Index: Python gets the item, adds to it, and sets it

    def __getitem__(self, index: Any) -> AsArray:
        may_add = self.zeros is not None and is_basic(index)
        return AsArray(self.tensor[index], place=(self, index) if may_add else None)

    def __iadd__(self, dc: Any) -> AsArray:
        if self.place is None:
            raise _no_gradient("+=")
        da, index = self.place
        da._add(index, dc)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        if getattr(value, "place", None) is None or value.place[0] is not self:
            raise _no_gradient("an assignment to a part")

    def _add(self, index: Any, dc: Any) -> None:
        new = scatter(_lowered(dc), index, self.shape)
        self.tensor = new if self.tensor is self.zeros else self.tensor + new


def scatter(a: TensorLike, index: Any, shape: Sizes) -> Tensor:
    """Zeros with the elements of `a` added at an index: the gradient of `zeros[index]`."""
    a, params = as_tensor(a), {"index": index, "shape": shape}
    return record(rules.Scatter.forward(a.data, **params), rules.Scatter, a, **params)


def _lifted(value: Any, what: str) -> Any:
    """What simplegrad gives, as a partial expects it of NumPy."""
    if isinstance(value, list):
        return [_lifted(x, what) for x in value]
    if not isinstance(value, Tensor):
        raise _no_gradient(what)
    return AsArray(value)


def _lowered(value: Any) -> Any:
    """What a partial gives NumPy, as simplegrad expects it."""
    if isinstance(value, list | tuple):
        return type(value)(map(_lowered, value))
    if isinstance(value, dict):
        return {key: _lowered(x) for key, x in value.items()}
    return value.tensor if isinstance(value, AsArray) else value


def _no_gradient(what: str) -> TypeError:
    return TypeError(f"it uses {what}, which simplegrad cannot differentiate again")


class Node:
    """A tensor of a tape, for the chain rule: whether its gradient is asked for it says itself.

    On Tensors, its data is the Tensor, and its rule has partials that name what they return.
    """

    def __init__(self, t: Tensor, inputs: list[Node], asked: bool, on_tensors: bool) -> None:
        self.tensor, self.inputs, self.requires_grad = t, inputs, asked
        self.index, self.shape, self.params, self.name = t.index, t.shape, t.params, t.name
        self.data, self.rule = AsArray(t) if on_tensors else t.data, t.rule
        if on_tensors and inputs:
            partials = [_named(p, t.rule) for _, p in zip(inputs, t.rule.partials, strict=False)]
            self.rule = SimpleNamespace(partials=partials, __name__=t.rule.__name__)


def nodes_of(tape: list[Tensor], inputs: Collection[Tensor], on_tensors: bool) -> list[Node]:
    """Those of a tape that depend on the inputs, and the inputs themselves."""
    asked = {t.index for t in inputs}
    nodes: dict[int, Node] = {}
    for c in tape:
        if c.index in asked or any(t.index in nodes for t in c.inputs):
            of_c = [nodes.get(t.index) or Node(t, [], False, on_tensors) for t in c.inputs]
            nodes[c.index] = Node(c, of_c, True, on_tensors)
    return [*nodes.values()]


def _named(partial: Any, rule: Any) -> Any:
    """The partial, with the name of the rule and its own for what it returns, as "Tanh.da"."""

    @functools.wraps(getattr(partial, "func", partial))
    def named(*arrays: Any, **params: Any) -> AsArray:
        try:
            dt = _lifted(as_tensor(_lowered(partial(*arrays, **params))), "")
            if not rule.__module__.startswith("simplegrad."):
                _check_result(dt, partial, arrays, params)
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise TypeError(
                f"the partial {name_of_partial(partial)} of the rule {rule.__name__} does not run "
                f"on Tensors: {str(error).rstrip('.')}. Write it with operators and such functions "
                "as np.exp, np.where and np.sum, or take out create_graph=True."
            ) from error
        is_new = all(dt.tensor is not a.tensor for a in arrays)
        if is_new and dt.tensor.rule is not None and dt.tensor.name is None:
            dt.tensor.name = f"{rule.__name__}.{name_of_partial(partial)}"
        return dt

    return named


def _check_result(dt: AsArray, partial: Any, arrays: Any, params: dict[str, Any]) -> None:
    """Raises a TypeError if a partial, as one that writes into a view, gives arrays another."""
    data = [a.tensor.data for a in (dt, *arrays)]
    found, *copies = (np.array(getattr(x, "_array", x)) for x in data)  # if recorded, of that
    with np.errstate(all="ignore"):
        expected = np.asarray(partial(*copies, **params))
        allowed = 0.01 * np.max(np.abs(np.nan_to_num(expected)), initial=0)
    if found.shape != expected.shape or not np.allclose(found, expected, 0.01, allowed, True):
        raise TypeError("it gives other numbers than with arrays, as by a view that it writes into")
