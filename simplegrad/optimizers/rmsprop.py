"""RMSProp: each element's step divided by the size that its gradients had lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplegrad.given import FLAG, FRACTION, NON_NEGATIVE
from simplegrad.nn.module import Module
from simplegrad.optimizers.groups import check_eps
from simplegrad.optimizers.optimizer import Arrays, Optimizer
from simplegrad.tensor import Tensor


class RMSProp(Optimizer):
    r"""RMSProp.

    $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
    $$\theta \mathrel{-}= lr \, g / (\sqrt{v_t} + \epsilon)$$

    Tieleman and Hinton (2012), "Neural Networks for Machine Learning", lecture 6.5; $\epsilon$ as
    in PyTorch, outside of the root. $v_t$ is Adam's second moment.

    | symbol | argument |
    |---|---|
    | $lr$ | `lr`, the learning rate |
    | $\beta_2$ | `beta_2`, the decay of the second moment (PyTorch's `alpha`) |
    | $\epsilon$ | `eps` |
    | $v$ | "moments2" in `state()` |

    Args:
        maximize: Whether to climb: `-=` becomes `+=`.
        model: The module to optimize.
        param_groups: In place of `model`, the groups; see `Optimizer`.

    Examples:
        >>> w = sg.Tensor([1.0], requires_grad=True)
        >>> opt = optim.RMSProp(lr=0.1, beta_2=0.75, param_groups=[{"params": {"w": w}}])
        >>> (w**2).sum().backward()
        >>> opt.step()
        >>> w.numpy()
        array([0.8], dtype=float32)
    """

    hyperparameters = {
        "lr": NON_NEGATIVE,
        "beta_2": FRACTION,
        "eps": NON_NEGATIVE,
        "maximize": FLAG,
    }
    slots = ("moments2",)

    def __init__(
        self,
        model: Module | None = None,
        lr: float = 1e-2,
        beta_2: float = 0.99,
        eps: float = 1e-8,
        maximize: bool = False,
        param_groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        options = {"beta_2": beta_2, "eps": eps, "maximize": maximize}
        super().__init__(model=model, lr=lr, **options, param_groups=param_groups)

    def check_group(self, group: Mapping[str, Any]) -> None:
        check_eps(group)

    def update(self, theta: Tensor, group: dict[str, Any], kept: Arrays) -> Arrays:
        beta_2, eps = group["beta_2"], group["eps"]
        lr = -group["lr"] if group["maximize"] else group["lr"]  # x -= -y is x += y, to the bit
        g, (v,) = theta.grad, kept
        v_t = beta_2 * v + (1 - beta_2) * g**2
        theta.data -= lr * g / (np.sqrt(v_t) + eps)
        return (v_t,)
