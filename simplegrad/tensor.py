"""Tensor: an array, its gradient and the recipe that made it; the operators and methods.

An operator does two things: it makes its operands Tensors, and it records the result of one rule's
forward equation. Two step-ins of a debugger lead from `c = a * b` to the line that multiplies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, Union

import numpy as np

from simplegrad import autograd, given, habits, mistakes, rules, trained
from simplegrad.autograd import no_grads, requires_grad_of
from simplegrad.given import float_dtype, kept
from simplegrad.habits import refused, unusual
from simplegrad.mistakes import UNCHANGED, memory_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

TensorLike: TypeAlias = Union["Tensor", "ArrayLike"]
Axis: TypeAlias = int | tuple[int, ...] | None

_creation_order = itertools.count()


class Tensor(habits.TensorElsewhere):
    """An array of numbers that remembers how it was computed.

    Args:
        data: Numbers, (nested) lists of numbers, an array or a Tensor; always copied. Python
            numbers and lists become float32, NumPy arrays and scalars keep their dtype.
        requires_grad: Whether `backward()` gives this tensor a gradient; for floats only.
        dtype: A NumPy dtype to convert to: of floats, integers or booleans.
        name: Shown by the repr and in error messages.

    Raises:
        TypeError: `data` is not made of real numbers, or is not of floats and requires gradients.
        ValueError: `data` is a ragged list.

    Examples:
        >>> w = sg.Tensor([1.0, 2.0], requires_grad=True, name="w")
        >>> loss = (w * w).sum()
        >>> loss
        Tensor(5, shape=(), float32, rule=Sum)
        >>> loss.backward()
        >>> w
        Tensor([1, 2], shape=(2,), float32, grad=[2, 4], name='w')

    A result keeps its recipe as plain data: `rule`, the class in `simplegrad.rules` that made it
    (None for a leaf), `inputs`, the tensors that the rule was given, and `params`, what else it was
    given, as the axis of a sum.
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "_requires_grad",
        "index",
        "inputs",
        "memory",
        "name",
        "params",
        "rule",
        "touched",
    )

    __array_priority__ = 1000  # ndarray * Tensor leaves the product to Tensor.__rmul__

    _data: np.ndarray
    _grad: np.ndarray | None
    _requires_grad: bool
    index: int  # the order of creation
    inputs: tuple[Tensor, ...]
    memory: mistakes.Memory  # shared with its views: when .data was last assigned
    name: str | None
    params: dict[str, Any]
    rule: Any
    touched: int  # when .grad was last given or added to, of all such times; 0 if it was cleared

    def __init__(
        self,
        data: TensorLike,
        requires_grad: bool = False,
        dtype: DTypeLike | None = None,
        name: str | None = None,
        **wrong: NoReturn,
    ) -> None:
        if wrong:
            raise refused("sg.Tensor", wrong, data)
        a = data if isinstance(data, np.ndarray) else _array_from(data)
        if dtype is None:
            dtype = a.dtype if isinstance(data, np.ndarray | np.generic | Tensor) else np.float32
        else:
            dtype = given.dtype(dtype)
            given.check_range(a, dtype)
        if a.dtype.kind not in given.REAL:
            raise given.no_real_numbers(data, a)
        self._data = a.astype(dtype, subok=False)
        self._grad, self.touched, self._requires_grad, self.name = None, 0, False, name
        self.rule, self.inputs, self.params = None, (), {}
        self.index, self.memory = next(_creation_order), UNCHANGED
        if requires_grad is not False:
            self.requires_grad = requires_grad

    # Reading these is no step for a debugger: the getters are attrgetters, in C.

    def _set_data(self, data: TensorLike) -> None:
        if data is not self._data:  # it is after w.data -= ..., which has changed it in place
            self._data = self._array_like_mine("data", data)
        if self.memory is UNCHANGED:
            self.memory = mistakes.Memory()
        self.memory.changed = next(_creation_order)

    def _set_grad(self, grad: TensorLike | None) -> None:
        if grad is not None and grad is not self._grad:
            grad = self._array_like_mine("grad", grad)
        self._grad, self.touched = grad, 0 if grad is None else trained.now()

    def _set_requires_grad(self, requires_grad: bool) -> None:
        if not isinstance(requires_grad, given.BOOLS):
            raise given.no_flag("requires_grad", requires_grad)
        if requires_grad and self.dtype.kind != "f":
            raise given.no_floats(self)
        if requires_grad and self.rule is None:
            mistakes.warn_within_forward()
        if not requires_grad and self.rule is not None:
            raise mistakes.result_made_constant(self)
        self._requires_grad = bool(requires_grad)

    def _array_like_mine(self, what: str, value: TensorLike) -> np.ndarray:
        """A copy of `value` in this tensor's dtype, which must have this tensor's shape."""
        array = given.array_of(value)
        if array.shape != self.shape:
            raise given.other_shape(what, self, array)
        if not np.can_cast(array.dtype, self.dtype, "same_kind"):
            raise given.other_dtype(what, self, array)
        given.check_range(array, self.dtype)
        return array.astype(self.dtype, subok=False)

    data = property(
        attrgetter("_data"),
        _set_data,
        doc="The array. Assigning copies, and keeps the shape and the dtype. If it is assigned "
        "between forward and backward, `backward()` raises a RuntimeError.",
    )
    grad = property(
        attrgetter("_grad"),
        _set_grad,
        doc="The gradient: an array of this shape and dtype, or None before any `backward()`. "
        "Assigning copies.",
    )
    requires_grad = property(
        attrgetter("_requires_grad"),
        _set_requires_grad,
        doc="Whether a gradient is wanted: set for a leaf, inherited by a result.",
    )
    shape = property(attrgetter("_data.shape"), doc="The size of each axis, a tuple.")
    ndim = property(attrgetter("_data.ndim"), doc="The number of axes.")
    size = property(attrgetter("_data.size"), doc="The number of elements.")
    dtype = property(attrgetter("_data.dtype"), doc="The NumPy dtype of the elements.")

    # Gradients

    backward = autograd.backward

    def accumulate_grad(self, grad: ArrayLike) -> None:
        """Adds `grad` to `.grad`, in place once that exists.

        Examples:
            >>> w = sg.ones(2, requires_grad=True)
            >>> w.accumulate_grad([1.0, 2.0])
            >>> w.accumulate_grad([1.0, 2.0])
            >>> w.grad
            array([2., 4.], dtype=float32)
        """
        if self._grad is None:
            self.grad = grad
        else:
            self.touched = trained.now()
            self._grad += grad

    def zero_grad(self) -> None:
        """Fills `.grad` with zeros, in place where an array exists.

        Examples:
            >>> w = sg.ones(2, requires_grad=True)
            >>> w.zero_grad()
            >>> w.grad
            array([0., 0.], dtype=float32)
        """
        if self.grad is None:
            self._grad = np.zeros_like(self.data)
        else:
            self.grad.fill(0)
        self.touched = 0

    def detach(self) -> Tensor:
        """A copy of the data as a new leaf that requires no gradient.

        Examples:
            >>> w = sg.ones(2, requires_grad=True)
            >>> (w * 2).detach().requires_grad
            False
        """
        return Tensor(self, name=self.name)

    # The way out of simplegrad, and Python's protocols

    def numpy(self) -> np.ndarray:
        """A copy of the data as a NumPy array, the caller's to change.

        Examples:
            >>> sg.Tensor([1, 2]).numpy()
            array([1., 2.], dtype=float32)
        """
        return self.data.copy()

    def item(self) -> float | int | bool:
        """The one element as a Python number.

        Raises:
            ValueError: There is not exactly one element.

        Examples:
            >>> sg.Tensor([[2.5]]).item()
            2.5
        """
        if self.size != 1:
            raise mistakes.no_number(self, "item() gives")
        return self.data.item()

    def __repr__(self) -> str:
        if not hasattr(self, "memory"):  # a debugger is in the middle of making it
            return "Tensor(not made yet)"
        facts = [given.first_values(self.data), f"shape={self.shape}", str(self.dtype)]
        if self.rule is not None:
            facts.append(f"rule={self.rule.__name__}")
        if self.grad is not None:
            facts.append(f"grad={given.first_values(self.grad)}")
        elif self.requires_grad and self.rule is None:
            facts.append("grad=None")
        if self.name is not None:
            facts.append(f"name={self.name!r}")
        return f"Tensor({', '.join(facts)})"

    def __reduce__(self) -> tuple[Any, ...]:
        """How `copy` makes another leaf of the same data; its gradient starts as None."""
        if self.rule is not None:
            raise mistakes.result_copied(self)
        return Tensor, (self.data, self.requires_grad, None, self.name)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        """What NumPy makes of a Tensor that it is given: an array, if no gradient is lost by it."""
        if self.requires_grad:
            raise mistakes.given_to_numpy(self)
        dtypes = () if dtype is None else (dtype,)  # None would be float64 to NumPy 2.2
        return self.data.__array__(*dtypes, copy=copy)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise mistakes.no_length(self)
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """np.sum(t) is t.sum(); in all else that is no ufunc, NumPy does as it does with arrays."""
        if function in NUMPYS_REDUCTIONS:
            return NUMPYS_REDUCTIONS[function](*args, **kwargs)
        if function in given.NO_GRADIENT:
            return function(*map(_array_of, args), **{k: _array_of(v) for k, v in kwargs.items()})
        return self.data.__array_function__(function, (), args, kwargs)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise mistakes.element_assigned(self)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise mistakes.truth_of_many(self)
        return bool(self.item())

    def __float__(self) -> float:
        mistakes.check_one_number(self)
        return float(self.item())

    def __int__(self) -> int:
        mistakes.check_one_number(self)
        return int(self.item())

    def __format__(self, spec: str) -> str:
        mistakes.check_format(self, spec)
        return format(self.item() if spec else repr(self), spec)

    # Comparisons give arrays of booleans: there is nothing to differentiate.

    def __lt__(a, b: TensorLike) -> np.ndarray:
        return np.less(a.data, _array_of(b))

    def __le__(a, b: TensorLike) -> np.ndarray:
        return np.less_equal(a.data, _array_of(b))

    def __gt__(a, b: TensorLike) -> np.ndarray:
        return np.greater(a.data, _array_of(b))

    def __ge__(a, b: TensorLike) -> np.ndarray:
        return np.greater_equal(a.data, _array_of(b))

    def __eq__(a, b: object) -> np.ndarray:  # type: ignore[override]
        return np.equal(a.data, _array_of(b))

    def __ne__(a, b: object) -> np.ndarray:  # type: ignore[override]
        return np.not_equal(a.data, _array_of(b))

    __hash__ = object.__hash__

    # Operators

    def __add__(a, b: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Add.forward(a.data, b.data), rules.Add, a, b)

    def __radd__(b, a: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Add.forward(a.data, b.data), rules.Add, a, b)

    def __sub__(a, b: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Sub.forward(a.data, b.data), rules.Sub, a, b)

    def __rsub__(b, a: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Sub.forward(a.data, b.data), rules.Sub, a, b)

    def __mul__(a, b: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Mul.forward(a.data, b.data), rules.Mul, a, b)

    def __rmul__(b, a: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Mul.forward(a.data, b.data), rules.Mul, a, b)

    def __truediv__(a, b: TensorLike) -> Tensor:
        a, b = operands(a, float(b) if type(b) is int else b)
        return record(rules.Div.forward(a.data, b.data), rules.Div, a, b)

    def __rtruediv__(b, a: TensorLike) -> Tensor:
        a, b = operands(float(a) if type(a) is int else a, b)
        return record(rules.Div.forward(a.data, b.data), rules.Div, a, b)

    def __pow__(a, b: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Pow.forward(a.data, b.data), rules.Pow, a, b)

    def __rpow__(b, a: TensorLike) -> Tensor:
        a, b = operands(a, b)
        return record(rules.Pow.forward(a.data, b.data), rules.Pow, a, b)

    def __matmul__(a, b: TensorLike) -> Tensor:
        a, b = matmul_operands(a, b)
        return record(rules.MatMul.forward(a.data, b.data), rules.MatMul, a, b)

    def __rmatmul__(b, a: TensorLike) -> Tensor:
        a, b = matmul_operands(a, b)
        return record(rules.MatMul.forward(a.data, b.data), rules.MatMul, a, b)

    def __neg__(a) -> Tensor:
        return record(rules.Neg.forward(a.data), rules.Neg, a)

    def __pos__(a) -> Tensor:
        return a

    __floordiv__ = __rfloordiv__ = habits.refuses("//", "t.numpy() // 2")
    __mod__ = __rmod__ = habits.refuses("%", "t.numpy() % 2")
    __divmod__ = __rdivmod__ = habits.refuses("divmod()", "divmod(t.numpy(), 2)")
    __round__ = habits.refuses("round()", "t.numpy().round(2)")

    def __getitem__(a, index: Any) -> Tensor:
        index = given.index(index.data) if isinstance(index, Tensor) else index
        return record(rules.Index.forward(a.data, index), rules.Index, a, index=kept(index))

    # Functions of one rule: `sg.exp(t)` is this `t.exp()`, and takes what `sg.Tensor` takes.

    def exp(a: TensorLike) -> Tensor:
        """The exponential function, elementwise.

        Examples:
            >>> sg.exp(sg.Tensor([0.0, 1.0])).numpy().round(3)
            array([1.   , 2.718], dtype=float32)
        """
        a = floats(a)
        return record(rules.Exp.forward(a.data), rules.Exp, a)

    def log(a: TensorLike) -> Tensor:
        """The natural logarithm, elementwise.

        Examples:
            >>> sg.log(sg.Tensor([1.0, 2.0])).numpy().round(3)
            array([0.   , 0.693], dtype=float32)
        """
        a = floats(a)
        return record(rules.Log.forward(a.data), rules.Log, a)

    def sqrt(a: TensorLike) -> Tensor:
        """The square root, elementwise.

        Examples:
            >>> sg.sqrt(sg.Tensor([4.0, 9.0])).numpy()
            array([2., 3.], dtype=float32)
        """
        a = floats(a)
        return record(rules.Sqrt.forward(a.data), rules.Sqrt, a)

    def abs(a: TensorLike) -> Tensor:
        """The absolute value, elementwise; its gradient at 0 is 0.

        Examples:
            >>> sg.abs(sg.Tensor([-2.0, 3.0])).numpy()
            array([2., 3.], dtype=float32)
        """
        a = as_tensor(a)
        return record(rules.Abs.forward(a.data), rules.Abs, a)

    __abs__ = abs

    def tanh(a: TensorLike) -> Tensor:
        """The hyperbolic tangent, elementwise.

        Examples:
            >>> sg.tanh(sg.Tensor([0.0, 1.0])).numpy().round(3)
            array([0.   , 0.762], dtype=float32)
        """
        a = floats(a)
        return record(rules.Tanh.forward(a.data), rules.Tanh, a)

    def sigmoid(a: TensorLike) -> Tensor:
        """The logistic function 1 / (1 + exp(-a)), elementwise, without overflow.

        Examples:
            >>> sg.sigmoid(sg.Tensor([-1e4, 0.0, 1e4])).numpy()
            array([0. , 0.5, 1. ], dtype=float32)
        """
        a = floats(a)
        return record(rules.Sigmoid.forward(a.data), rules.Sigmoid, a)

    def relu(a: TensorLike) -> Tensor:
        """The larger of `a` and 0, elementwise; its gradient at 0 is 0.

        Examples:
            >>> sg.relu(sg.Tensor([-2.0, 3.0])).numpy()
            array([0., 3.], dtype=float32)
        """
        a = as_tensor(a)
        return record(rules.ReLU.forward(a.data), rules.ReLU, a)

    def maximum(a: TensorLike, b: TensorLike) -> Tensor:
        """The larger of `a` and `b`, elementwise; where they tie, each gets half of the gradient.

        Examples:
            >>> sg.maximum(sg.Tensor([1.0, 5.0]), 2.0).numpy()
            array([2., 5.], dtype=float32)
        """
        a, b = operands(a, b)
        return record(rules.Maximum.forward(a.data, b.data), rules.Maximum, a, b)

    def minimum(a: TensorLike, b: TensorLike) -> Tensor:
        """The smaller of `a` and `b`, elementwise; where they tie, each gets half of the gradient.

        Examples:
            >>> sg.minimum(sg.Tensor([1.0, 5.0]), 2.0).numpy()
            array([1., 2.], dtype=float32)
        """
        a, b = operands(a, b)
        return record(rules.Minimum.forward(a.data, b.data), rules.Minimum, a, b)

    def clip(a: TensorLike, min: Any = None, max: Any = None, **wrong: NoReturn) -> Tensor:
        """Limits the elements to [min, max]; None is no limit.

        Examples:
            >>> sg.clip(sg.Tensor([-2.0, 0.5, 3.0]), 0, 1).numpy()
            array([0. , 0.5, 1. ], dtype=float32)
        """
        a, params = as_tensor(a), unusual() if wrong else {"min": min, "max": max}
        return record(rules.Clip.forward(a.data, **params), rules.Clip, a, **params)

    def logsumexp(
        a: TensorLike, axis: Axis = None, *more: bool, keepdims: bool = False, **wrong: NoReturn
    ) -> Tensor:
        """log(sum(exp(a))) along `axis`, without overflow.

        Examples:
            >>> sg.logsumexp(sg.Tensor([1000.0, 1000.0])).numpy().round(3)
            np.float32(1000.693)
        """
        a, params = floats(a), unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
        return record(rules.LogSumExp.forward(a.data, **params), rules.LogSumExp, a, **params)

    # Reductions: `axis` is None (all), an int or a tuple of ints.

    def sum(a, axis: Axis = None, *more: bool, keepdims: bool = False, **wrong: NoReturn) -> Tensor:
        """The sum along `axis`.

        Examples:
            >>> sg.Tensor([[1, 2], [3, 4]]).sum(axis=0).numpy()
            array([4., 6.], dtype=float32)
        """
        params = unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
        return record(rules.Sum.forward(a.data, **params), rules.Sum, a, **params)

    def mean(a, axis: Axis = None, *more: bool, keepdims: bool = False, **wrong: Any) -> Tensor:
        """The mean along `axis`.

        Examples:
            >>> sg.Tensor([[1, 2], [3, 4]]).mean(axis=0).numpy()
            array([2., 3.], dtype=float32)
        """
        a, params = floats(a), unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
        return record(rules.Mean.forward(a.data, **params), rules.Mean, a, **params)

    def max(a, *more: Axis, axis: Axis = None, keepdims: bool = False, **wrong: Any) -> Tensor:
        """The largest element along `axis`; those that tie share the gradient evenly.

        Examples:
            >>> sg.Tensor([[1, 2], [3, 4]]).max(axis=0).numpy()
            array([3., 4.], dtype=float32)
        """
        params = unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
        return record(rules.Max.forward(a.data, **params), rules.Max, a, **params)

    def min(a, *more: Axis, axis: Axis = None, keepdims: bool = False, **wrong: Any) -> Tensor:
        """The smallest element along `axis`; those that tie share the gradient evenly.

        Examples:
            >>> sg.Tensor([[1, 2], [3, 4]]).min(axis=0).numpy()
            array([1., 2.], dtype=float32)
        """
        params = unusual() if more or wrong else {"axis": axis, "keepdims": keepdims}
        return record(rules.Min.forward(a.data, **params), rules.Min, a, **params)

    def var(
        a, axis: Axis = None, *more: int, ddof: int = 0, keepdims: bool = False, **wrong: NoReturn
    ) -> Tensor:
        """The variance along `axis`, its divisor n - ddof as in NumPy (PyTorch's default is n - 1).

        Examples:
            >>> sg.Tensor([[1, 2], [3, 4]]).var(axis=0).numpy()
            array([1., 1.], dtype=float32)
        """
        params = unusual() if more or wrong else {"axis": axis, "ddof": ddof, "keepdims": keepdims}
        return record(rules.Var.forward((a := floats(a)).data, **params), rules.Var, a, **params)

    # Shapes

    def reshape(a, *shape: Any) -> Tensor:
        """The same elements in another shape, given as ints or as one tuple; -1 is worked out.

        Examples:
            >>> sg.arange(6).reshape(2, -1).shape
            (2, 3)
        """
        try:
            return record(rules.Reshape.forward(a.data, shape), rules.Reshape, a, shape=shape)
        except ValueError as error:
            raise given.no_reshape(a, shape) from error

    def transpose(a, *axes: Any) -> Tensor:
        """The axes in another order, given as ints or as one tuple; reversed if not given.

        As in NumPy, all axes are named: PyTorch's `transpose(1, 2)` of three axes is
        `transpose(0, 2, 1)` here.

        Examples:
            >>> sg.ones((2, 3, 4)).transpose(0, 2, 1).shape
            (2, 4, 3)
        """
        order = axes[0] if len(axes) == 1 and not np.isscalar(axes[0]) else axes or None
        try:
            c = rules.Transpose.forward(a.data, order)
            return record(c, rules.Transpose, a, axes=kept(order))
        except ValueError as error:
            raise given.no_transpose(a, order) from error

    @property
    def T(a) -> Tensor:
        """The axes in reverse order: of a matrix, its transpose."""
        return record(rules.Transpose.forward(a.data, None), rules.Transpose, a, axes=None)

    def squeeze(a, axis: Axis = None, **wrong: NoReturn) -> Tensor:
        """Takes out axes of size 1: all of them, or those named.

        Examples:
            >>> sg.ones((2, 1, 3)).squeeze(1).shape
            (2, 3)
        """
        try:
            params = unusual() if wrong else {"axis": axis}
            return record(rules.Squeeze.forward(a.data, **params), rules.Squeeze, a, **params)
        except ValueError as error:
            raise given.no_squeeze(a, axis) from error

    def unsqueeze(a, axis: int | None = None, **wrong: NoReturn) -> Tensor:
        """Puts in an axis of size 1.

        Examples:
            >>> sg.ones((2, 3)).unsqueeze(1).shape
            (2, 1, 3)
        """
        params = unusual() if wrong or axis is None else {"axis": axis}
        return record(rules.Unsqueeze.forward(a.data, **params), rules.Unsqueeze, a, **params)

    # Functions composed of these: simplegrad.functional defines them and makes them methods.

    elu: Callable[..., Tensor]
    gelu: Callable[..., Tensor]
    leaky_relu: Callable[..., Tensor]
    log_softmax: Callable[..., Tensor]
    silu: Callable[..., Tensor]
    softmax: Callable[..., Tensor]
    binary_cross_entropy_with_logits: Callable[..., Tensor]
    cross_entropy: Callable[..., Tensor]
    huber_loss: Callable[..., Tensor]
    kl_div: Callable[..., Tensor]
    l1_loss: Callable[..., Tensor]
    mse_loss: Callable[..., Tensor]
    nll_loss: Callable[..., Tensor]


NUMPYS_REDUCTIONS: dict[Any, Callable[..., Tensor]] = {
    np.sum: Tensor.sum,
    np.mean: Tensor.mean,
    np.max: Tensor.max,
    np.amax: Tensor.max,
    np.min: Tensor.min,
    np.amin: Tensor.min,
    np.var: Tensor.var,
}
"""NumPy's functions that call a method of what they are given, with arguments for arrays alone."""


def record(data: Any, rule: Any, *inputs: Tensor, **params: Any) -> Tensor:
    """The result `data` of a rule as a Tensor that remembers the rule and what it was given."""
    c = Tensor.__new__(Tensor)
    c._requires_grad = needs_grad = True in map(requires_grad_of, inputs) and not any(no_grads())
    c._data = data if isinstance(data, np.ndarray) else np.asanyarray(data)
    c._grad, c.name, c.index = None, None, next(_creation_order)
    c.rule, c.inputs, c.params = (rule, inputs, params) if needs_grad else (None, (), {})
    is_new = c._data.base is None and c._data is not inputs[0]._data
    c.touched, c.memory = 0, UNCHANGED if is_new else memory_of(c._data, inputs)
    return c


def as_tensor(a: TensorLike) -> Tensor:
    """`a` itself if it is a Tensor, else a new one that holds it."""
    return a if isinstance(a, Tensor) else Tensor(a)


def floats(a: TensorLike) -> Tensor:
    """`a` as a Tensor of floats, for the functions of calculus: integers become float32."""
    return a if isinstance(a, Tensor) and a.dtype.kind == "f" else Tensor(a, dtype=float_dtype(a))


def operands(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors whose shapes broadcast; the usual case is one line for a debugger."""
    return (a, b) if type(a) is type(b) is Tensor and a.shape[-b.ndim :] == b.shape else fit(a, b)


def matmul_operands(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors whose matrix product exists; the usual case is one line for a debugger."""
    return (a, b) if type(a) is type(b) and a.shape[-1:] == b.shape[:-1] != () else conform(a, b)


def fit(a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as Tensors, or a ValueError that explains why their shapes do not broadcast."""
    a = a if isinstance(a, Tensor) else constant(a, beside=b)
    b = b if isinstance(b, Tensor) else constant(b, beside=a)
    if not (a.shape == b.shape or 1 in (a.size, b.size) or given.broadcast(a.shape, b.shape)):
        raise given.no_broadcast(a.shape, b.shape)
    return a, b


def conform(a: TensorLike, b: TensorLike) -> tuple[Tensor, Tensor]:
    """Both as Tensors, or a ValueError that explains why there is no product of their shapes."""
    a = a if isinstance(a, Tensor) else constant(a, beside=b)
    b = b if isinstance(b, Tensor) else constant(b, beside=a)
    if a.ndim == 0 or b.ndim == 0:
        raise given.no_matrices(a.shape, b.shape)
    if a.shape[-1] != b.shape[-2:][0]:
        raise given.no_product(a.shape, b.shape)
    if not given.broadcast(a.shape[:-2], b.shape[:-2]):
        raise given.no_batches(a.shape, b.shape)
    return a, b


def constant(x: TensorLike, beside: TensorLike) -> Tensor:
    """`x` as a Tensor; Python numbers and lists take the dtype of the Tensor `beside` them."""
    if isinstance(x, np.ndarray | np.generic) or not isinstance(beside, Tensor):
        return Tensor(x)
    dtype = np.result_type(beside.dtype, x if isinstance(x, int | float) else np.float32)
    if dtype.kind == "f" and isinstance(x, int | float) and abs(x) < 2**63:  # in fewer steps
        return Tensor(np.array(x).astype(dtype))
    return Tensor(x, dtype=dtype)


def _array_of(b: Any) -> Any:
    return b.data if isinstance(b, Tensor) else b


def _array_from(data: Any) -> np.ndarray:
    """A Tensor, a number or a list as an array."""
    if isinstance(data, list | tuple) and any(issubclass(c, Tensor) for c in set(map(type, data))):
        raise given.list_of_tensors(data)
    return data.data if isinstance(data, Tensor) else given.array(data)
