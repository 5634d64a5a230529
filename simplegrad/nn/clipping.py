"""Clipping: a gradient that is too long, shortened."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from simplegrad import given, habits
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor


def clip_grad_norm(
    parameters: Module | Mapping[str, Tensor], max_norm: float, **wrong: NoReturn
) -> float:
    r"""Shortens the gradients of all parameters, as one vector, to a norm of at most `max_norm`.

    $$g \mathrel{*}= max\_norm / \|g\| \quad \text{if } \|g\| > max\_norm$$

    Pascanu, Mikolov and Bengio (2013), Algorithm 1. $g$ has the elements of all gradients, and
    $\|g\|$ is the root of the sum of their squares, computed in float64, where none of them
    overflows or becomes 0. The direction stays. To be called between `backward()` and the
    optimizer's `step()`.

    Args:
        parameters: A Module, or tensors by name as its `parameters()` returns them. Frozen ones are
            left out.
        max_norm: The largest norm that is left as it is, above 0; `math.inf` to measure only.

    Returns:
        The norm before.

    Raises:
        TypeError: `parameters` or `max_norm` is of the wrong type.
        ValueError: `max_norm` is not above 0, there are no parameters, or one has no gradient or is
            a result.
        FloatingPointError: The norm is not finite. As with the others, nothing has been changed.

    Examples:
        >>> w = sg.Tensor([3.0, 4.0], requires_grad=True)
        >>> (w**2 / 2).sum().backward()
        >>> nn.clip_grad_norm({"w": w}, max_norm=1.0)
        5.0
        >>> w.grad
        array([0.6, 0.8], dtype=float32)
    """
    if wrong:
        raise habits.refused("nn.clip_grad_norm", wrong, parameters, max_norm)
    write = "Write, for example, nn.clip_grad_norm(model, max_norm=1.0)."
    max_norm = given.checked_number(given.POSITIVE, max_norm, "max_norm must be", write)
    gradients = _gradients(parameters)
    # for what is being recorded, clipping is one call: it looks at numbers
    own = getattr(next(iter(gradients.values())), "in_one_call", None)
    return own(_clip, gradients, max_norm) if own else _clip(gradients, max_norm)


def _clip(gradients: dict[str, np.ndarray], max_norm: float) -> float:
    """Shortens arrays in place, and returns their norm before."""
    norms = [_norm(g.astype(np.float64)) for g in gradients.values()]
    norm = math.hypot(*norms)
    if not math.isfinite(norm):
        raise _not_finite(norm, dict(zip(gradients, norms, strict=True)))
    if norm > max_norm:
        factor = np.float64(max_norm) / norm
        for g in gradients.values():  # in place, and in float64 for every dtype of g
            if factor >= sys.float_info.min:
                g *= factor
            else:  # it has lost digits or is 0, which the result need not be
                g[...] = g / np.float64(norm) * max_norm
    return norm


def _norm(g: np.ndarray) -> float:
    """The norm of one array, scaled by a power of 2 so that no square overflows or becomes 0."""
    _, exponent = np.frexp(np.abs(g).max(initial=0))
    with np.errstate(over="ignore"):
        return float(np.ldexp(np.linalg.norm(np.ldexp(g, -exponent)), exponent))


def _gradients(parameters: Module | Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The arrays of the gradients by name; that of a shared tensor comes once."""
    tensors = parameters.parameters() if isinstance(parameters, Module) else parameters
    if not (isinstance(tensors, Mapping) and all(isinstance(t, Tensor) for t in tensors.values())):
        raise TypeError(
            "clip_grad_norm takes a Module or a dict of tensors by name, but got "
            f"{parameters!r:.80}. Write nn.clip_grad_norm(model, max_norm=1.0)."
        )
    for name, t in tensors.items():
        if t.rule is not None:
            raise ValueError(
                f"clip_grad_norm shortens the gradients of parameters, but {name!r} is a result: "
                f"{t!r}. Write nn.clip_grad_norm(model, max_norm=1.0), or a dict of leaves."
            )
    tensors = {name: t for name, t in tensors.items() if t.requires_grad}  # frozen ones stay
    missing = [str(name) for name, t in tensors.items() if t.grad is None]
    if missing or not tensors:
        raise ValueError(
            "clip_grad_norm needs the gradient of every parameter, but "
            f"{'these have none: ' + ', '.join(missing) if missing else 'there is no parameter'}. "
            "Call loss.backward() first, with a loss that depends on them."
        )
    once = {id(t): (name, t.grad) for name, t in tensors.items()}
    return dict(once.values())


def _not_finite(norm: float, norms: dict[str, float]) -> FloatingPointError:
    guilty = [f"{name!r}" for name, value in norms.items() if not math.isfinite(value)]
    guilty = guilty or [f"{name!r}" for name in norms]  # only their sum is too large
    return FloatingPointError(
        f"the norm of the gradients is {norm}, because of {', '.join(guilty)}, and clipping "
        "cannot help. Nothing was changed. To see where it began, compute the loss and call "
        "backward() within: with sg.detect_anomaly():"
    )
