r"""Adam in place: the five equations of `optimizers.Adam`, in fourteen passes over each block.

| equation | passes |
|---|---|
| $m_t = \beta_1 \, m + (1 - \beta_1) \, g$ | 1 to 3 |
| $v_t = \beta_2 \, v + (1 - \beta_2) \, g^2$ | 4 to 7 |
| $\hat m = m_t / (1 - \beta_1^t)$ | 8 |
| $\hat v = v_t / (1 - \beta_2^t)$ | 9 |
| $\theta \mathrel{-}= lr \, \hat m / (\sqrt{\hat v} + \epsilon)$ | 10 to 14 |

Each pass is one operation of NumPy that writes with `out=`: into the moments, which thereby become
$m_t$ and $v_t$, into $\theta$, or into one of two scratch blocks, `a` and `b`. The operations and
their order are those of the reference, and so is every bit of the result. Passes 8 and 9 are left
out from the step on in which $1 - \beta^t$ is rounded to 1: dividing by it changes no bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simplegrad import optimizers
from simplegrad.fast.in_place import InPlace


class Adam(InPlace, optimizers.Adam):
    """`optimizers.Adam`, faster and equal to the last bit: the same arguments, states and errors.

    Parameters and their gradients move into flat arrays of the optimizer; their `.data` and
    `.grad` are views of those from the first step on.

    Args:
        args: The arguments of `optimizers.Adam`.
        workers: How many threads share the blocks of a step; more than one pays for large models.
        kwargs: The arguments of `optimizers.Adam` by name.

    Raises:
        TypeError: `workers` is not an int, or as `optimizers.Adam`.
        ValueError: `workers` is less than 1, or as `optimizers.Adam`.

    Examples:
        >>> from simplegrad import fast
        >>> model = nn.Linear(128, 10)
        >>> opt = fast.Adam(model=model, lr=1e-3)
        >>> loss = model(sg.ones((4, 128))).sum()
        >>> loss.backward()
        >>> opt.step()
        >>> opt.zero_grad()
    """

    def passes(
        self, group: dict[str, Any], theta: Any, g: Any, m: Any, v: Any, a: Any, b: Any
    ) -> None:
        """The five equations on one block: see the module."""
        beta_1, beta_2, eps, t = group["beta_1"], group["beta_2"], group["eps"], self.step_count
        lr = -group["lr"] if group["maximize"] else group["lr"]
        # m_t = beta_1 * m + (1 - beta_1) * g
        np.multiply(beta_1, m, out=m)
        np.multiply(1 - beta_1, g, out=a)
        np.add(m, a, out=m)
        # v_t = beta_2 * v + (1 - beta_2) * g**2
        np.multiply(beta_2, v, out=v)
        np.square(g, out=a)
        np.multiply(1 - beta_2, a, out=a)
        np.add(v, a, out=v)
        # m_hat = m_t / (1 - beta_1**t)
        m_hat = _divided(m, 1 - beta_1**t, out=a)
        # v_hat = v_t / (1 - beta_2**t)
        v_hat = _divided(v, 1 - beta_2**t, out=b)
        # theta -= lr * m_hat / (sqrt(v_hat) + eps)
        np.multiply(lr, m_hat, out=a)
        np.sqrt(v_hat, out=b)
        np.add(b, eps, out=b)
        np.divide(a, b, out=a)
        np.subtract(theta, a, out=theta)


def _divided(moment: np.ndarray, correction: float, out: np.ndarray) -> np.ndarray:
    """`moment` / `correction`; `moment` itself once the correction is rounded to 1.

    While it is recorded, the correction is no float but stands for those of later steps.
    """
    if isinstance(correction, float) and moment.dtype.type(correction) == 1:
        return moment
    return np.divide(moment, correction, out=out)


class AdamW(Adam, optimizers.AdamW):
    """`optimizers.AdamW`, faster and equal to the last bit; see `fast.Adam`.

    Examples:
        >>> from simplegrad import fast
        >>> fast.AdamW(nn.Linear(2, 1), weight_decay=0.1).param_groups[0]["weight_decay"]
        0.1
    """

    def passes(
        self, group: dict[str, Any], theta: Any, g: Any, m: Any, v: Any, a: Any, b: Any
    ) -> None:
        """Two passes that decay, and those of `Adam`."""
        # theta -= lr * weight_decay * theta
        np.multiply(group["lr"] * group["weight_decay"], theta, out=a)
        np.subtract(theta, a, out=theta)
        super().passes(group, theta, g, m, v, a, b)
