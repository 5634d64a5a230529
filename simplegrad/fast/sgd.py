"""SGD in place: the equations of `optimizers.SGD`, in at most nine passes over each block."""

from __future__ import annotations

from typing import Any

import numpy as np

from simplegrad import optimizers
from simplegrad.fast.in_place import InPlace


class SGD(InPlace, optimizers.SGD):
    """`optimizers.SGD`, faster and equal to the last bit; see `fast.Adam`.

    Examples:
        >>> from simplegrad import fast
        >>> fast.SGD(nn.Linear(2, 1), lr=0.1).lr
        0.1
    """

    def passes(self, group: dict[str, Any], theta: Any, g: Any, b_t: Any, a: Any, b: Any) -> None:
        """The equations on one block; `a` holds the gradient with the decay, then the step."""
        lr, mu, tau, weight_decay = (
            group[key] for key in ("lr", "momentum", "dampening", "weight_decay")
        )
        # g = -grad if maximize else grad; g = g + weight_decay * theta
        np.multiply(weight_decay, theta, out=b)
        if group["maximize"]:
            np.negative(g, out=a)
            np.add(a, b, out=a)
        else:
            np.add(g, b, out=a)
        # b_t = mu * b + (1 - tau) * g if t > 1 else g
        if self.step_count > 1:
            np.multiply(mu, b_t, out=b_t)
            np.multiply(1 - tau, a, out=b)
            np.add(b_t, b, out=b_t)
        else:
            np.copyto(b_t, a)
        # step = g + mu * b_t if nesterov else b_t
        if group["nesterov"]:
            np.multiply(mu, b_t, out=b)
            np.add(a, b, out=a)
            np.multiply(lr, a, out=a)
        else:
            np.multiply(lr, b_t, out=a)
        # theta -= lr * step
        np.subtract(theta, a, out=theta)
