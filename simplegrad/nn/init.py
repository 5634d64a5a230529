r"""Initialisations: functions that fill a tensor in place, and return it.

How large the first weights may be depends on how many numbers a unit adds up, $fan_{in}$, and in
how many sums a number stands, $fan_{out}$:

| weight | $fan_{in}$ | $fan_{out}$ |
|---|---|---|
| (in, out), of `nn.Linear` | in | out |
| (out, in, k, l, …), of a convolution | in · k · l · … | out · k · l · … |

PyTorch's `nn.Linear` has a weight of shape (out, in), and its functions read it so: both libraries
find the same two numbers for the same layer.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from simplegrad import creation, given, habits
from simplegrad.tensor import Tensor

__all__ = [
    "calculate_gain",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

habits.answer_for(__name__)


def zeros_(t: Tensor) -> Tensor:
    """Fills `t` with zeros.

    Raises:
        TypeError: `t` is no leaf of floats, as of all functions here.

    Examples:
        >>> nn.init.zeros_(nn.Linear(2, 1).bias).numpy()
        array([0.], dtype=float32)
    """
    return _filled(t, np.zeros(_shape(t, "zeros_")))


def ones_(t: Tensor) -> Tensor:
    """Fills `t` with ones.

    Examples:
        >>> nn.init.ones_(nn.Linear(2, 1).bias).numpy()
        array([1.], dtype=float32)
    """
    return _filled(t, np.ones(_shape(t, "ones_")))


def uniform_(t: Tensor, low: float = 0.0, high: float = 1.0, **wrong: NoReturn) -> Tensor:
    """Fills `t` with random numbers of the uniform distribution U[low, high), as `sg.uniform`.

    Examples:
        >>> nn.init.uniform_(sg.zeros((2, 3)), -1, 1).shape
        (2, 3)
    """
    if wrong:
        raise habits.refused("nn.init.uniform_", wrong, t)
    return _filled(t, creation.uniform(_shape(t, "uniform_"), low, high, dtype=np.float64).data)


def normal_(t: Tensor, mean: float = 0.0, std: float = 1.0, **wrong: NoReturn) -> Tensor:
    """Fills `t` with random numbers of the normal distribution N(mean, std²), as `sg.normal`.

    Examples:
        >>> nn.init.normal_(nn.Embedding(10, 4).weight, std=0.02).shape
        (10, 4)
    """
    if wrong:
        raise habits.refused("nn.init.normal_", wrong, t)
    return _filled(t, creation.normal(_shape(t, "normal_"), mean, std, dtype=np.float64).data)


def xavier_uniform_(t: Tensor, gain: float = 1.0) -> Tensor:
    r"""Glorot's uniform numbers, which keep sizes forward and backward about the same.

    $$W \sim U[-a, a], \quad a = gain \, \sqrt{\frac{6}{fan_{in} + fan_{out}}}$$

    Glorot and Bengio (2010), equation 16.

    Raises:
        ValueError: `t` has fewer than two axes, as of `xavier_normal_` and He's functions.

    Examples:
        >>> bool((abs(nn.init.xavier_uniform_(sg.zeros((4, 2)))) <= 1).all())
        True
    """
    given.real_numbers("{}=1.0", gain=gain)
    fan_in, fan_out = _fans(t, "xavier_uniform_")
    a = gain * math.sqrt(6 / (fan_in + fan_out))
    return uniform_(t, -a, a)


def xavier_normal_(t: Tensor, gain: float = 1.0) -> Tensor:
    r"""Glorot's normal numbers.

    $$W \sim N(0, \sigma^2), \quad \sigma = gain \, \sqrt{\frac{2}{fan_{in} + fan_{out}}}$$

    Glorot and Bengio (2010), equation 12.

    Examples:
        >>> nn.init.xavier_normal_(nn.Linear(2, 3).weight).shape
        (2, 3)
    """
    given.real_numbers("{}=1.0", gain=gain)
    fan_in, fan_out = _fans(t, "xavier_normal_")
    sigma = gain * math.sqrt(2 / (fan_in + fan_out))
    return normal_(t, std=sigma)


def kaiming_uniform_(
    t: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    r"""He's uniform numbers, which keep the size of what goes through rectifiers.

    $$W \sim U[-b, b], \quad b = gain \, \sqrt{\frac{3}{fan}}$$

    He, Zhang, Ren and Sun (2015), equation 10 (14 for $fan_{out}$), with the bound of the same
    variance.

    Args:
        t: The weight.
        a: The slope of `leaky_relu` below 0, where 0 is that of `relu`.
        mode: "fan_in" keeps the size forward, "fan_out" that of gradients backward.
        nonlinearity: What follows the layer: see `calculate_gain`.

    Examples:
        >>> bool((abs(nn.init.kaiming_uniform_(sg.zeros((6, 2)))) <= 1).all())
        True
    """
    given.real_numbers("{}=0.0", a=a)
    fan = _fan(t, mode, "kaiming_uniform_")
    b = calculate_gain(nonlinearity, a) * math.sqrt(3 / fan)
    return uniform_(t, -b, b)


def kaiming_normal_(
    t: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> Tensor:
    r"""He's normal numbers; the arguments are those of `kaiming_uniform_`.

    $$W \sim N(0, \sigma^2), \quad \sigma = \frac{gain}{\sqrt{fan}}$$

    He, Zhang, Ren and Sun (2015), equation 10 (14 for $fan_{out}$).

    Examples:
        >>> nn.init.kaiming_normal_(nn.Linear(2, 3).weight, nonlinearity="tanh").shape
        (2, 3)
    """
    given.real_numbers("{}=0.0", a=a)
    fan = _fan(t, mode, "kaiming_normal_")
    sigma = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(t, std=sigma)


def orthogonal_(t: Tensor, gain: float = 1.0) -> Tensor:
    r"""A matrix whose rows, or columns, are orthonormal, times `gain`.

    $$Q R = A, \quad A_{ij} \sim N(0, 1), \quad W = gain \, Q$$

    Saxe, McClelland and Ganguli (2014), with the signs of $R$'s diagonal made positive, so that
    every $Q$ is as likely. A tensor of more axes is a matrix of all axes but the first, side by
    side.

    Examples:
        >>> W = nn.init.orthogonal_(sg.zeros((2, 2), dtype=np.float64)).data
        >>> bool(np.allclose(W @ W.T, np.eye(2)))
        True
    """
    given.real_numbers("{}=1.0", gain=gain)
    _fans(t, "orthogonal_")
    shape = (t.shape[0], t.size // max(t.shape[0], 1))
    A = creation.normal((max(shape), min(shape)), dtype=np.float64).data
    Q, R = np.linalg.qr(A)
    Q = Q * np.sign(np.diag(R))
    W = gain * (Q if shape[0] >= shape[1] else Q.T)
    return _filled(t, W.reshape(t.shape))


def calculate_gain(nonlinearity: str, param: float = 0.01) -> float:
    r"""By how much larger weights may be where a nonlinearity follows, PyTorch's table.

    | nonlinearity | gain |
    |---|---|
    | `linear`, `sigmoid` | 1 |
    | `tanh` | 5/3 |
    | `relu` | $\sqrt 2$ |
    | `leaky_relu` of slope $a$, `param` | $\sqrt{2 / (1 + a^2)}$ |

    Raises:
        ValueError: The nonlinearity is none of these.

    Examples:
        >>> round(nn.init.calculate_gain("relu"), 3)
        1.414
    """
    given.real_numbers("{}=0.01", param=param)
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2)}
    gains["leaky_relu"] = math.sqrt(2 / (1 + param**2))
    if not (isinstance(nonlinearity, str) and nonlinearity in gains):
        raise ValueError(
            f"there is a gain for {', '.join(gains)}, but not for {nonlinearity!r:.80}. Write "
            'nonlinearity="relu".'
        )
    return gains[nonlinearity]


def _shape(t: Any, function: str) -> tuple[int, ...]:
    """The shape of what is to be filled: of a leaf of floats."""
    if not isinstance(t, Tensor) or t.rule is not None or t.dtype.kind != "f":
        got = t if isinstance(t, Tensor) else f"a {type(t).__name__}"
        raise TypeError(
            f"{function} fills a leaf of floats, such as a parameter, but got {got}. Write "
            f"nn.init.{function}(layer.weight)."
        )
    return t.shape


def _filled(t: Tensor, values: np.ndarray) -> Tensor:
    t.data[...] = values
    t.data = t.data  # which tells that it has changed
    return t


def _fans(t: Any, function: str) -> tuple[int, int]:
    """The two fans of a weight."""
    shape = _shape(t, function)
    if len(shape) < 2:
        raise ValueError(
            f"{function} fills weights, of shape (in, out) or (out, in, k, l), but got shape "
            f"{shape}, as of a bias. Write nn.init.zeros_(layer.bias)."
        )
    fan_in, fan_out = shape if len(shape) == 2 else (shape[1], shape[0])
    kernel = math.prod(shape[2:])
    return max(fan_in * kernel, 1), max(fan_out * kernel, 1)  # 1 where there is nothing to fill


def _fan(t: Any, mode: Any, function: str) -> int:
    fans = dict(zip(("fan_in", "fan_out"), _fans(t, function), strict=True))
    if not (isinstance(mode, str) and mode in fans):
        raise ValueError(
            f"the mode of {function} is fan_in or fan_out, but got {mode!r:.80}. Write "
            'mode="fan_in".'
        )
    return fans[mode]
