"""Gradients by any tensor and of any order; and Jacobians, which every partial multiplies by.

The functions of a function `f` take as `inputs` one Tensor, or a list or a tuple of those that `f`
takes, and return what belongs to them in the same form. Where an input requires gradients, their
results have a graph back to it: so they nest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, cast

import numpy as np

from simplegrad import autograd, functional, given, habits, mistakes
from simplegrad.partials import AsArray, nodes_of
from simplegrad.tensor import Tensor, TensorLike

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "vjp"]

Function: TypeAlias = Callable[..., Tensor]
Inputs: TypeAlias = Any  # a Tensor, or a list, a tuple or a dict of several


def grad(
    loss: Tensor,
    inputs: Inputs,
    grad: TensorLike | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    **wrong: NoReturn,
) -> Inputs:
    r"""The gradients of a result by tensors that it was computed from; no `.grad` changes.

    $$dx = \frac{\partial L}{\partial x}$$

    With `create_graph`, the partials of the rules run on Tensors. What they compute is recorded as
    anything else is, and so the gradients have gradients, of any order.

    Args:
        loss: The tensor to differentiate. $L$ is its one element, or $\sum_i grad_i \, loss_i$.
        inputs: A Tensor, or a list, a tuple or a dict of several; leaves or results.
        grad: $\partial L / \partial loss$, of the shape of `loss`; 1 if not given.
        create_graph: Whether the gradients have a graph of their own.
        allow_unused: Whether the gradient by a tensor that `loss` does not depend on is 0; it is an
            error otherwise.

    Returns:
        Tensors of the shapes of the inputs, in the form of `inputs`.

    Raises:
        RuntimeError: `loss` does not depend on an input; `.data` of a tensor was assigned after the
            tensor had been used; or `create_graph` is asked for under `no_grad()`.
        TypeError: An input is no Tensor, or a partial cannot run on Tensors.
        ValueError: `loss` has several elements and no `grad` was given, or one of another shape.

    Examples:
        >>> x = sg.Tensor(3.0, requires_grad=True)
        >>> dx = sg.grad(x**3, x, create_graph=True)
        >>> dx.item(), sg.grad(dx, x).item()
        (27.0, 18.0)
    """
    if wrong:
        raise habits.refused("sg.grad", wrong, loss, inputs)
    x = _listed(inputs)
    _check(isinstance(loss, Tensor), loss, "sg.grad differentiates a Tensor")
    if create_graph and not autograd.is_grad_enabled():
        raise mistakes.not_recorded("sg.grad(..., create_graph=True)")
    grads: dict[int, Any] = {}
    if loss.requires_grad or not allow_unused:
        array = grad.data if isinstance(grad, Tensor) else grad
        d_loss: Any = autograd.first_gradient(loss, array, "sg.grad")
        if create_graph:
            has_graph = isinstance(grad, Tensor) and grad.requires_grad
            d_loss = AsArray(cast(Tensor, grad) if has_graph else Tensor(d_loss))
        tape = autograd.tape_of(loss)
        mistakes.check_data_unchanged(tape)
        nodes: Any = nodes_of(tape, x, create_graph)
        if nodes and nodes[-1].index == loss.index:  # else it depends on none of them
            grads = autograd.chain_rule(nodes, d_loss, retain_grads=any(t.rule for t in x))
    for t in x:
        if t.index not in grads and not allow_unused:
            raise mistakes.unused(loss, t)
    dx = [grads.get(t.index, np.zeros_like(t.data)) for t in x]
    return _like(inputs, [d.tensor if isinstance(d, AsArray) else Tensor(d) for d in dx])


def vjp(f: Function, inputs: Inputs) -> tuple[Tensor, Callable[[TensorLike], Inputs]]:
    r"""The result of `f`, and a function that multiplies a vector by its Jacobian.

    $$dx = dc \, J$$

    A partial does this for its rule, and the chain rule for a whole graph.

    Returns:
        $c$, and the function of $dc$, of the shape of $c$, that gives $dx$.

    Examples:
        >>> c, vjp_of = sg.vjp(lambda x: x**2, sg.Tensor([1.0, 2.0]))
        >>> vjp_of([1.0, 10.0]).numpy()
        array([ 2., 40.], dtype=float32)
    """
    x, c, graph = _called("vjp", f, inputs)
    return c, lambda dc: _like(inputs, grad(c, x, dc, graph, allow_unused=True))


def jvp(f: Function, inputs: Inputs, tangents: Any) -> tuple[Tensor, Tensor]:
    r"""The result of `f`, and its Jacobian times a vector: how the result changes along it.

    $$\dot{c} = J \, \dot{x}$$

    $\dot{x}$ is `tangents`: numbers in the form and the shapes of the inputs.

    $u J$ is linear in $u$, so the gradient of $u J \dot{x}$ by $u$ is $J \dot{x}$: Townsend (2017),
    "A new trick for calculating Jacobian vector products".

    Examples:
        >>> c, dc = sg.jvp(sg.sin, sg.Tensor(0.0), 2.0)
        >>> dc.item()
        2.0
    """
    x, c, graph = _called("jvp", f, inputs)
    u = Tensor(np.ones(c.shape, c.dtype), requires_grad=True)
    uJ = grad(c, x, u, create_graph=True, allow_unused=True)
    uJx = _dot("jvp", uJ, tangents, inputs)
    c_dot = grad(uJx, u, create_graph=graph, allow_unused=True)
    return c, c_dot


def jacobian(f: Function, inputs: Inputs) -> Inputs:
    r"""All partial derivatives of `f`, row by row: a vjp for each element of its result.

    $$J_{ij} = \frac{\partial c_i}{\partial x_j}$$

    Returns:
        Tensors of shape (*c.shape, *x.shape).

    Examples:
        >>> sg.jacobian(lambda x: x**2, sg.Tensor([1.0, 2.0])).numpy()
        array([[2., 0.],
               [0., 4.]], dtype=float32)
    """
    x, c, graph = _called("jacobian", f, inputs)
    return _like(inputs, _jacobian(c, x, graph))


def hessian(f: Function, inputs: Inputs) -> Inputs:
    r"""All second derivatives of `f`, whose result has one element: the Jacobian of its Jacobian.

    $$H_{ij} = \frac{\partial^2 L}{\partial x_i \, \partial x_j}$$

    Returns:
        Tensors of shape (*x.shape, *x.shape); for several inputs a row of them for each.

    Examples:
        >>> sg.hessian(lambda x: (x**3).sum(), sg.Tensor([1.0, 2.0])).numpy()
        array([[ 6.,  0.],
               [ 0., 12.]], dtype=float32)
    """
    x, L, graph = _called("hessian", f, inputs)
    dx = grad(L, x, create_graph=True, allow_unused=True)
    return _like(inputs, [_like(inputs, _jacobian(d, x, graph)) for d in dx])


def hvp(f: Function, inputs: Inputs, tangents: Any) -> tuple[Tensor, Inputs]:
    r"""The result of `f`, and its Hessian times a vector, at the cost of a few gradients.

    $$H v = \frac{\partial}{\partial x} \left( \frac{\partial L}{\partial x} \cdot v \right)$$

    $v$ is `tangents`: numbers in the form and the shapes of the inputs. Pearlmutter (1994), "Fast
    exact multiplication by the Hessian".

    Examples:
        >>> L, Hv = sg.hvp(lambda x: (x**3).sum(), sg.Tensor([1.0, 2.0]), [1.0, 1.0])
        >>> Hv.numpy()
        array([ 6., 12.], dtype=float32)
    """
    x, L, graph = _called("hvp", f, inputs)
    dx = grad(L, x, create_graph=True, allow_unused=True)
    dx_v = _dot("hvp", dx, tangents, inputs)
    Hv = grad(dx_v, x, create_graph=graph, allow_unused=True)
    return L, _like(inputs, Hv)


def _listed(inputs: Inputs) -> list[Tensor]:
    """One tensor or several, as a list."""
    x = [inputs] if isinstance(inputs, Tensor) else inputs
    x = [*(x.values() if isinstance(x, dict) else x)] if np.iterable(x) else [x]
    for t in x or [inputs]:
        _check(isinstance(t, Tensor), t, "what one differentiates by is a Tensor, or several")
    return x


def _like(inputs: Inputs, found: list[Any]) -> Any:
    """What was found for each of the inputs, in their form."""
    if isinstance(inputs, Tensor):
        return found[0]
    if isinstance(inputs, dict):
        return dict(zip(inputs, found, strict=True))
    return found if isinstance(inputs, list) else tuple(found)


def _called(what: str, f: Function, inputs: Inputs) -> tuple[list[Tensor], Tensor, bool]:
    """A new tensor for each input, so that nothing else is it; f of them; if they have a graph."""
    tensors = _listed(inputs)
    if not autograd.is_grad_enabled():
        raise mistakes.not_recorded(f"sg.{what}")
    _check(callable(f), f, f"sg.{what} takes a function and its inputs")
    x = [t.reshape(t.shape) if t.requires_grad else Tensor(t, True, name=t.name) for t in tensors]
    c = f(*x)
    _check(isinstance(c, Tensor), c, f"sg.{what} takes a function that returns a Tensor")
    used = {t.index for t in autograd.tape_of(c)}
    for t, x_i in zip(tensors, x, strict=True):
        is_right = t.index not in used or x_i.index in used
        _check(is_right, t, f"sg.{what} takes a function that uses its argument, not that tensor")
    return x, c, any(t.requires_grad for t in tensors)


def _jacobian(c: Tensor, x: list[Tensor], graph: bool) -> list[Tensor]:
    """The derivatives of all elements of `c` by those of each of the inputs."""
    e = np.eye(c.size, dtype=c.dtype).reshape(c.size, *c.shape)
    rows = [grad(c, x, e_i, create_graph=graph, allow_unused=True) for e_i in e]
    columns = zip(*rows, strict=True) if rows else [[t] for t in x]
    dx = [functional.stack(column)[: c.size] for column in columns]
    return [dx_j.reshape((*c.shape, *t.shape)) for dx_j, t in zip(dx, x, strict=True)]


def _dot(what: str, a: list[Tensor], tangents: Any, inputs: Inputs) -> Tensor:
    """The sum of the products of all elements of the tensors and of the tangents."""
    b = [tangents] if isinstance(inputs, Tensor) else tangents
    b = [*map(b.get, inputs)] if isinstance(b, dict) else [*b]
    shapes, wanted = [given.array_of(v).shape for v in b], [t.shape for t in a]
    if shapes != wanted:
        raise ValueError(
            f"the tangents of sg.{what} have the form and the shapes of its inputs, here {wanted}, "
            f"but got {shapes}. Write sg.{what}(f, [x], [np.ones(x.shape)])."
        )
    return functional.stack([(t * v).sum() for t, v in zip(a, b, strict=True)]).sum()


def _check(is_right: bool, got: Any, what: str) -> None:
    if not is_right:
        raise TypeError(
            f"{what}, but got {got!r:.80}. Write sg.grad(loss, [w, b]), or "
            "sg.jacobian(lambda x: x**2, sg.Tensor([1.0, 2.0]))."
        )
