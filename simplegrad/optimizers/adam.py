"""Adam: momentum and RMSProp joined, and both corrected for their start from zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simplegrad.given import FLAG, FRACTION, NON_NEGATIVE
from simplegrad.nn.module import Module
from simplegrad.optimizers.groups import check_eps
from simplegrad.optimizers.optimizer import Arrays, Optimizer
from simplegrad.tensor import Tensor


class Adam(Optimizer):
    r"""Adam, "adaptive moment estimation". Kingma and Ba (2015), Algorithm 1.

    $$m_t = \beta_1 \, m + (1 - \beta_1) \, g$$
    $$v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$$
    $$\hat m = m_t / (1 - \beta_1^t)$$
    $$\hat v = v_t / (1 - \beta_2^t)$$
    $$\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$$

    | symbol | argument |
    |---|---|
    | $\theta$ | a tensor of `model` or of a group's "params" |
    | $g$ | its `.grad` |
    | $t$ | `step_count`, 1 in the first step |
    | $lr$ | `lr`, the learning rate ($\alpha$ in the paper) |
    | $\beta_1, \beta_2$ | `beta_1`, `beta_2`, the decays of the moments |
    | $\epsilon$ | `eps` |
    | $m, v$ | "moments1" and "moments2" in `state()`, zeros at first |

    This is the variant of Algorithm 1, and of PyTorch: $\epsilon$ stands outside of the root and
    beside the corrected $\hat v$. TensorFlow's is the one of the remark at the end of the paper's
    section 2: it adds its $\hat\epsilon$ to $\sqrt{v_t}$, not corrected, which in these symbols is
    $\epsilon = \hat\epsilon / \sqrt{1 - \beta_2^t}$ and larger in early steps.

    Args:
        model: The module to optimize, as one group labelled "default".
        lr: The learning rate, at least 0.
        beta_1: The decay of the first moment, at least 0 and below 1.
        beta_2: The decay of the second moment, at least 0 and below 1.
        eps: What keeps the division from dividing by zero, at least 0; above 0 also in the dtype of
            each parameter, or 0: 1e-2 for float16.
        maximize: Whether to climb: the last `-=` becomes `+=`, and the moments stay as they are.
        param_groups: In place of `model`, a list of {"params": Module or dict of tensors, "label"?,
            and any of `lr`, `beta_1`, `beta_2`, `eps`, `maximize`}.

    The errors are those of `Optimizer`.

    Examples:
        >>> model = nn.Linear(128, 10)
        >>> opt = optim.Adam(model=model, lr=1e-3)
        >>> loss = model(sg.ones((4, 128))).sum()
        >>> loss.backward()
        >>> opt.step()
        >>> opt.zero_grad()
        >>> opt
        Adam, step_count=1
          default: 1,290 parameters, lr=0.001, beta_1=0.9, beta_2=0.999, eps=1e-08, maximize=False
    """

    hyperparameters = {
        "lr": NON_NEGATIVE,
        "beta_1": FRACTION,
        "beta_2": FRACTION,
        "eps": NON_NEGATIVE,
        "maximize": FLAG,
    }
    slots = ("moments1", "moments2")

    def __init__(
        self,
        model: Module | None = None,
        lr: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        eps: float = 1e-8,
        maximize: bool = False,
        param_groups: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        options = {"beta_1": beta_1, "beta_2": beta_2, "eps": eps, "maximize": maximize}
        super().__init__(model=model, lr=lr, **options, param_groups=param_groups)

    def check_group(self, group: Mapping[str, Any]) -> None:
        check_eps(group)

    def update(self, theta: Tensor, group: dict[str, Any], kept: Arrays) -> Arrays:
        """The five equations, for one parameter; returns the moments $m_t$ and $v_t$."""
        beta_1, beta_2, eps = group["beta_1"], group["beta_2"], group["eps"]
        lr = -group["lr"] if group["maximize"] else group["lr"]  # x -= -y is x += y, to the bit
        t, g, (m, v) = self.step_count, theta.grad, kept
        m_t = beta_1 * m + (1 - beta_1) * g
        v_t = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m_t / (1 - beta_1**t)
        v_hat = v_t / (1 - beta_2**t)
        theta.data -= lr * m_hat / (np.sqrt(v_hat) + eps)
        return m_t, v_t
