"""gradcheck: are the gradients of a function what small changes of its inputs say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from simplegrad.autograd import no_grad
from simplegrad.tensor import Tensor


def gradcheck(
    fn: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    h: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-7,
) -> bool:
    r"""Compares the gradients of `fn` with central differences, element by element.

    $$\frac{\partial L}{\partial x_i} \approx \frac{L(x + h e_i) - L(x - h e_i)}{2 h}$$

    Nocedal and Wright (2006), "Numerical Optimization", equation 8.7. For a result of several
    elements, $L$ is their sum, weighted so that no two elements count alike.

    Args:
        fn: Takes the inputs and returns one tensor; the same for the same inputs.
        inputs: One tensor or several, of float64; those that require gradients are checked.
        h: The step, relative to elements larger than 1.
        rtol: The relative difference that is allowed.
        atol: The absolute difference that is allowed.

    Returns:
        True.

    Raises:
        AssertionError: A gradient differs; shows both numbers and where.
        TypeError: An input is not a Tensor of float64.
        ValueError: No input requires gradients.

    Examples:
        >>> x = sg.Tensor(np.array([1.0, 2.0]), requires_grad=True)
        >>> sg.gradcheck(lambda x: (x**3).sum(), x)
        True
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    _check_inputs(inputs)
    leaves = [Tensor(t, t.requires_grad, name=t.name) for t in inputs]
    result = fn(*leaves)
    weights = 1 + np.arange(result.size).reshape(result.shape) / max(result.size, 1)
    result.backward(weights)
    for number, t in enumerate(leaves):
        if t.requires_grad:
            t.grad = np.zeros(t.shape) if t.grad is None else t.grad
            for i in np.ndindex(t.shape):
                numeric = _central_difference(fn, leaves, t, i, h, weights)
                if not np.isclose(t.grad[i], numeric, rtol, atol, equal_nan=True):
                    raise AssertionError(
                        f"input {number}{f' ({t.name})' if t.name else ''}, element {i}: "
                        f"backward() gives {t.grad[i]:.10g}, but central differences give "
                        f"{numeric:.10g}. Either a partial is wrong, or the function has a kink or "
                        "is random there."
                    )
    return True


def _central_difference(
    fn: Callable[..., Tensor],
    leaves: Sequence[Tensor],
    t: Tensor,
    i: tuple[int, ...],
    h: float,
    weights: np.ndarray,
) -> float:
    x_i = t.data[i]
    h = h * max(1.0, abs(x_i))
    with no_grad():
        t.data[i] = x_i + h
        L_plus = np.sum(weights * fn(*leaves).data)
        t.data[i] = x_i - h
        L_minus = np.sum(weights * fn(*leaves).data)
        t.data[i] = x_i
    return (L_plus - L_minus) / (2 * h)


def _check_inputs(inputs: Sequence[Tensor]) -> None:
    for number, t in enumerate(inputs):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"gradcheck takes Tensors, but input {number} is a {type(t).__name__}. Write "
                "sg.gradcheck(fn, [sg.Tensor(array, requires_grad=True)])."
            )
        if t.requires_grad and t.dtype != np.float64:
            raise TypeError(
                f"gradcheck needs the digits of float64, but input {number} is {t.dtype}. Write "
                "sg.Tensor(data, requires_grad=True, dtype=np.float64)."
            )
    if not any(t.requires_grad for t in inputs):
        raise ValueError(
            "gradcheck was given no input that requires gradients, so there is nothing to check. "
            "Write sg.Tensor(data, requires_grad=True, dtype=np.float64)."
        )
