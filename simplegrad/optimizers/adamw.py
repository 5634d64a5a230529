"""AdamW: Adam with weight decay beside the gradient, not in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simplegrad.given import NON_NEGATIVE
from simplegrad.nn.module import Module
from simplegrad.optimizers.adam import Adam
from simplegrad.optimizers.optimizer import Arrays, Optimizer
from simplegrad.tensor import Tensor


class AdamW(Adam):
    r"""Adam with decoupled weight decay. Loshchilov and Hutter (2019).

    $$\theta \mathrel{-}= lr \, \lambda \, \theta$$

    and then the five equations of `Adam`. The decay does not pass through the moments, so every
    weight shrinks by the same factor, however large its gradients are.

    As in PyTorch, $lr$ scales the decay. In line 12 of the paper's Algorithm 2, the factor $\eta_t$
    of the schedule scales it, and the base rate $\alpha$ does not. With $lr = \eta_t \, \alpha$,
    the step is the same if $\lambda$ is the paper's decay divided by $\alpha$.

    | symbol | argument |
    |---|---|
    | $\lambda$ | `weight_decay` |

    Args:
        weight_decay: $\lambda$, at least 0; also when `maximize` is set, weights shrink.

    The other arguments, and the errors, are those of `Adam`.

    Examples:
        >>> opt = optim.AdamW(nn.Linear(2, 1), lr=1e-3, weight_decay=0.1)
        >>> opt.param_groups[0]["weight_decay"]
        0.1
    """

    hyperparameters = {**Adam.hyperparameters, "weight_decay": NON_NEGATIVE}

    def __init__(
        self,
        model: Module | None = None,
        lr: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        maximize: bool = False,
        param_groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        options = {"beta_1": beta_1, "beta_2": beta_2, "eps": eps, "maximize": maximize}
        options |= {"weight_decay": weight_decay}
        Optimizer.__init__(self, model=model, lr=lr, **options, param_groups=param_groups)

    def update(self, theta: Tensor, group: dict[str, Any], kept: Arrays) -> Arrays:
        """Decays, then does what Adam does."""
        lr, weight_decay = group["lr"], group["weight_decay"]
        theta.data -= lr * weight_decay * theta.data
        return super().update(theta, group, kept)
