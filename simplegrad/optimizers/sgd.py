"""SGD: stochastic gradient descent, with momentum if it is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simplegrad.given import FLAG, NON_NEGATIVE
from simplegrad.nn.module import Module
from simplegrad.optimizers.optimizer import Arrays, Optimizer
from simplegrad.tensor import Tensor


class SGD(Optimizer):
    r"""Stochastic gradient descent.

    $$g = \nabla_\theta L + \lambda \, \theta$$
    $$b_t = \mu \, b + (1 - \tau) \, g, \quad b_1 = g$$
    $$\theta \mathrel{-}= lr \, b_t$$

    Robbins and Monro (1951); momentum: Polyak (1964), in the form of Sutskever et al.
    (2013), equations 1 and 2, with the learning rate outside of $b_t$. With `nesterov`, the step is
    $lr \, (g + \mu \, b_t)$ in place of $lr \, b_t$.

    | symbol | argument |
    |---|---|
    | $lr$ | `lr`, the learning rate |
    | $\mu$ | `momentum` |
    | $\tau$ | `dampening` |
    | $\lambda$ | `weight_decay` |
    | $b$ | "velocities" in `state()` |

    Args:
        maximize: Whether to climb: $g = -\nabla_\theta L + \lambda \, \theta$.
        model: The module to optimize.
        param_groups: In place of `model`, the groups; see `Optimizer`.

    Raises:
        ValueError: As in `Optimizer`; or `nesterov` without `momentum`, or with `dampening`.

    Examples:
        >>> w = sg.Tensor([1.0], requires_grad=True)
        >>> opt = optim.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
        >>> (w**2).sum().backward()
        >>> opt.step()
        >>> w.numpy()
        array([0.8], dtype=float32)
    """

    hyperparameters = {
        "lr": NON_NEGATIVE,
        "momentum": NON_NEGATIVE,
        "dampening": NON_NEGATIVE,
        "weight_decay": NON_NEGATIVE,
        "nesterov": FLAG,
        "maximize": FLAG,
    }
    slots = ("velocities",)

    def __init__(
        self,
        model: Module | None = None,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        maximize: bool = False,
        param_groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        options = {"momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        options |= {"nesterov": nesterov, "maximize": maximize}
        super().__init__(model=model, lr=lr, **options, param_groups=param_groups)

    def check_group(self, group: Mapping[str, Any]) -> None:
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError(
                f"nesterov looks ahead along the momentum, undampened, but got momentum="
                f"{group['momentum']} and dampening={group['dampening']} in group "
                f"{group['label']!r}. Write nesterov=True, momentum=0.9, dampening=0."
            )

    def update(self, theta: Tensor, group: dict[str, Any], kept: Arrays) -> Arrays:
        lr, mu, tau, weight_decay = (
            group[key] for key in ("lr", "momentum", "dampening", "weight_decay")
        )
        t, (b,) = self.step_count, kept
        g = -theta.grad if group["maximize"] else theta.grad
        g = g + weight_decay * theta.data
        b_t = mu * b + (1 - tau) * g if t > 1 else g
        step = g + mu * b_t if group["nesterov"] else b_t
        theta.data -= lr * step
        return (b_t,)
