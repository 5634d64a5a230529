"""The engine: the tape of a result, and the chain rule run along it backwards."""

from __future__ import annotations

from contextvars import ContextVar
from operator import attrgetter
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from simplegrad import given, habits, mistakes, trained
from simplegrad.given import Sizes
from simplegrad.modes import Mode

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from simplegrad.tensor import Tensor

# for `map` and `filter`, which are one step of a debugger
index_of = attrgetter("index")
requires_grad_of = attrgetter("_requires_grad")


def tape_of(root: Tensor) -> list[Tensor]:
    """The tensors that `root` was computed from and that require gradients, `root` last.

    A tensor is made after its inputs, so the order of creation is a topological order: collecting
    and sorting is all it takes, at any depth and without recursion.

    Examples:
        >>> import simplegrad as sg
        >>> a = sg.Tensor(3.0, requires_grad=True, name="a")
        >>> c = a * a + 1
        >>> [t.name or t.rule.__name__ for t in tape_of(c)]
        ['a', 'Mul', 'Add']
    """
    found, tape = {root}, [root]
    for c in tape:  # it grows meanwhile
        new = set(filter(requires_grad_of, c.inputs)) - found
        found |= new
        tape += new
    return sorted(tape, key=index_of)


def backward(
    root: Tensor, grad: ArrayLike | None = None, retain_grads: bool = False, **wrong: NoReturn
) -> None:
    r"""Adds the gradient of `root` to `t.grad` of every leaf `t` that it was computed from.

    For each rule $c = f(a, b, \ldots)$, the last first, with $dc = \partial L / \partial c$:

    $$da \mathrel{+}= dc \, \frac{\partial c}{\partial a}$$

    Griewank and Walther (2008), "Evaluating Derivatives", section 3.2: incremental reverse mode.

    Args:
        root: The tensor to differentiate. $L$ is its one element, or $\sum_i grad_i \, root_i$.
        grad: $\partial L / \partial root$, an array of the shape of `root`; 1 if not given.
        retain_grads: Whether the tensors between leaves and `root` get a `.grad`, too.

    Raises:
        RuntimeError: `root` requires no gradient, or `.data` of a tensor was assigned after the
            tensor had been used.
        ValueError: `root` has several elements and no `grad` was given, or `grad` is of another
            shape; or a rule has too few partials, or one of a wrong shape.

    Nothing is added to any `.grad` unless everything could be computed.

    Examples:
        >>> import simplegrad as sg
        >>> a = sg.Tensor(3.0, requires_grad=True)
        >>> (a**2).backward()
        >>> a.grad
        array(6., dtype=float32)
    """
    d_root = first_gradient(root, grad, "backward", **wrong)
    tape = tape_of(root)
    mistakes.check_data_unchanged(tape)
    grads = chain_rule(tape, d_root, retain_grads)
    for t in tape:
        if t.index in grads:
            t.accumulate_grad(grads[t.index])
    trained.gradients_went_to(tape)


def chain_rule(
    tape: list[Tensor], d_root: np.ndarray, retain_grads: bool = False
) -> dict[int, np.ndarray]:
    """The gradients of a tape's leaves by their index; with `retain_grads`, of all its tensors.

    Examples:
        >>> import simplegrad as sg
        >>> a = sg.Tensor(3.0, requires_grad=True)
        >>> tape = tape_of(a * a)
        >>> print(chain_rule(tape, np.float32(1))[a.index])
        6.0
    """
    # dL/d(tensor) by the index of the tensor, as far as it is summed up
    grads = {tape[-1].index: d_root}
    for c in reversed(tape):
        if c.rule is None:
            continue  # a leaf: its gradient stays in grads
        if len(c.rule.partials) < len(c.inputs):
            raise mistakes.too_few_partials(c)
        dc = grads[c.index] if retain_grads else grads.pop(c.index)
        arrays = [t.data for t in c.inputs]
        for t, partial in zip(c.inputs, c.rule.partials, strict=False):
            if t.requires_grad:
                dt = unbroadcast(partial(dc, c.data, *arrays, **c.params), t.shape, c)
                grads[t.index] = grads[t.index] + dt if t.index in grads else dt
    return grads


def unbroadcast(grad: np.ndarray, shape: Sizes, c: Tensor | None = None) -> np.ndarray:
    """Sums `grad` back to `shape`, from which NumPy had broadcast: a copy's gradients add up.

    If it is given the result `c` of the rule, it checks that the rule can have broadcast so.

    Examples:
        >>> unbroadcast(np.ones((5, 2, 3)), (2, 1)).tolist()
        [[15.0], [15.0]]
    """
    if grad.shape == shape:
        return grad
    if c is not None and not given.sums_back(grad.shape, shape, c.shape):
        raise mistakes.wrong_partial(grad)
    new = grad.ndim - len(shape)
    stretched = [new + i for i, size in enumerate(shape) if size == 1]
    return grad.sum(axis=(*range(new), *stretched)).reshape(shape)


def first_gradient(
    root: Tensor, grad: ArrayLike | None, asked: str, **wrong: NoReturn
) -> np.ndarray:
    """dL/d(root), checked, for the function that asks for it."""
    call = "t.backward(" if asked == "backward" else f"{asked}(t, inputs, "
    if wrong or isinstance(grad, bool):
        raise habits.no_gradient(grad, wrong)
    if not root.requires_grad:
        raise RuntimeError(
            f"{asked}() was called on {root!r}, which requires no gradient: it was made from "
            "tensors without requires_grad, under no_grad(), or by sg.grad() without create_graph. "
            "Make what you differentiate by with sg.Tensor(..., requires_grad=True), and compute "
            "the result from it again."
        )
    if grad is None:
        if root.size != 1:
            raise ValueError(
                f"{asked}() needs a scalar, but {root!r} has {root.size} elements. Reduce it "
                "first, as in t.sum().backward() or t.mean().backward(), or say how much each "
                f"element counts: {call}grad=np.ones({root.shape}))."
            )
        return np.array(1, dtype=root.dtype, ndmin=root.ndim)
    grad = np.array(grad, dtype=root.dtype)
    if grad.shape != root.shape:
        raise ValueError(
            f"{asked}(grad=...) needs a gradient of the tensor's shape {root.shape}, but got "
            f"shape {grad.shape}. Write {call}grad=np.ones({root.shape}))."
        )
    return grad


class no_grad(Mode):
    """Within it, results remember no rule and require no gradient. Also a decorator: `@no_grad()`.

    Examples:
        >>> import simplegrad as sg
        >>> w = sg.Tensor(2.0, requires_grad=True)
        >>> with sg.no_grad():
        ...     print((w * 3).requires_grad)
        False
    """

    blocks = ContextVar("no_grad", default=())


no_grads = no_grad.blocks.get


def is_grad_enabled() -> bool:
    """Whether new tensors remember the rule that made them: not so under `no_grad()`."""
    return not any(no_grads())
