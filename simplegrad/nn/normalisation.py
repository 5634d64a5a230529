"""Normalisation: layers that bring their inputs to a common mean and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simplegrad import creation, given
from simplegrad.nn.module import Module
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["BatchNorm", "LayerNorm", "RMSNorm"]


class BatchNorm(Module):
    r"""Each channel brought to mean 0 and variance 1 over the batch, then scaled and moved.

    $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \, g + b$$

    Ioffe and Szegedy (2015), Algorithm 1, with the gain $g$ for their $\gamma$ and $b$ for $\beta$.
    In training, $\mu$ and $\sigma^2$ are the mean and the variance, with $n$ as divisor, of the $n$
    numbers of a channel in the batch, and the running mean $m$ and variance $v$ follow them:

    $$m \leftarrow (1 - \alpha) \, m + \alpha \, \mu$$
    $$v \leftarrow (1 - \alpha) \, v + \alpha \, \frac{n}{n - 1} \, \sigma^2$$

    After `eval()`, $m$ and $v$ take the places of $\mu$ and $\sigma^2$. They are tensors without
    gradients, `running_mean` and `running_var`: no parameters, but saved and loaded with them.

    The channels are axis 1, and all other axes are averaged over, whatever their number: (N, C),
    (N, C, L) or (N, C, H, W). PyTorch's BatchNorm1d and BatchNorm2d compute the same, and differ
    only in which of these they refuse.

    Args:
        num_features: C, the number of channels.
        eps: $\epsilon$.
        momentum: $\alpha$, the share of the new batch, from 0 to 1.
        dtype: That of the parameters and the running values, of floats.

    Raises:
        ValueError: A number is out of range; in the call: the input has other channels, or in
            training a single number in each, which has no variance.
        TypeError: `momentum` is no number, or `dtype` not one of floats; in the call: the input is
            not of floats.

    Examples:
        >>> norm = nn.BatchNorm(2)
        >>> norm(sg.Tensor([[1.0, 0.0], [3.0, 8.0]])).numpy().round(2)
        array([[-1., -1.],
               [ 1.,  1.]], dtype=float32)
        >>> norm.running_mean.numpy()
        array([0.2, 0.4], dtype=float32)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        C = given.size(num_features, "BatchNorm", "num_features")
        what, write = "the momentum of BatchNorm is", "Write nn.BatchNorm(16, momentum=0.1)."
        dtype = given.layer_dtype("BatchNorm", dtype)
        self.eps = _checked_eps(eps, "BatchNorm")
        self.momentum = given.checked_number(given.SHARE, momentum, what, write)
        self.weight = creation.ones(C, requires_grad=True, dtype=dtype, name="weight")
        self.bias = creation.zeros(C, requires_grad=True, dtype=dtype, name="bias")
        self.running_mean = creation.zeros(C, dtype=dtype, name="running_mean")
        self.running_var = creation.ones(C, dtype=dtype, name="running_var")

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        n = _numbers_in_a_channel(x, self.weight.size, self.training)
        axes, channels = (0, *range(2, x.ndim)), (-1,) + (1,) * (x.ndim - 2)
        g, b = self.weight.reshape(channels), self.bias.reshape(channels)
        if self.training:
            mu = x.mean(axis=axes, keepdims=True)
            sigma_2 = x.var(axis=axes, keepdims=True)
            self._follow(mu.data.reshape(-1), sigma_2.data.reshape(-1), n)
        else:
            mu = self.running_mean.reshape(channels)
            sigma_2 = self.running_var.reshape(channels)
        x_hat = (x - mu) / (sigma_2 + self.eps).sqrt()
        return x_hat * g + b

    def _follow(self, mu: np.ndarray, sigma_2: np.ndarray, n: int) -> None:
        """Brings the running values nearer to those of a batch, in place, as a replay can, too."""
        m, v, alpha = self.running_mean.data, self.running_var.data, self.momentum
        m[...] = (1 - alpha) * m + alpha * mu
        v[...] = (1 - alpha) * v + alpha * (n / (n - 1)) * sigma_2

    def extra_repr(self) -> str:
        return f"{self.weight.size}, eps={self.eps}, momentum={self.momentum}"


class LayerNorm(Module):
    r"""The last axis, or the last axes, brought to mean 0 and variance 1, then scaled and moved.

    $$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} \, g + b$$

    Ba, Kiros and Hinton (2016), equations 3 and 4, with $\epsilon$ against division by zero. $\mu$
    and $\sigma^2$ are the mean and the variance (of divisor n) of these axes. The gain $g$ is
    `weight` and starts as ones, $b$ is `bias` and starts as zeros.

    Args:
        normalized_shape: The size of the last axis, or a tuple of the sizes of the last axes.
        eps: $\epsilon$.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A size is not an int of at least 1, or `eps` is out of range; in the call: the
            input has other sizes.
        TypeError: `dtype` is not one of floats; in the call: the input is not of floats.

    Examples:
        >>> nn.LayerNorm(2, eps=0)(sg.Tensor([[1.0, 3.0]])).numpy()
        array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        dtype: DTypeLike = np.float32,
    ) -> None:
        shape = _checked_shape(normalized_shape, "LayerNorm")
        dtype = given.layer_dtype("LayerNorm", dtype)
        self.eps = _checked_eps(eps, "LayerNorm")
        self.weight = creation.ones(shape, requires_grad=True, dtype=dtype, name="weight")
        self.bias = creation.zeros(shape, requires_grad=True, dtype=dtype, name="bias")

    def forward(self, x: TensorLike) -> Tensor:
        x, g, b = as_tensor(x), self.weight, self.bias
        axes = _last_axes("LayerNorm", x, g)
        mu = x.mean(axis=axes, keepdims=True)
        sigma_2 = x.var(axis=axes, keepdims=True)
        x_hat = (x - mu) / (sigma_2 + self.eps).sqrt()
        return x_hat * g + b

    def extra_repr(self) -> str:
        return f"{_plain(self.weight.shape)}, eps={self.eps}"


class RMSNorm(Module):
    r"""The last axis, or the last axes, brought to a root mean square of 1, then scaled.

    $$y = \frac{x}{\sqrt{\frac{1}{n} \sum_i x_i^2 + \epsilon}} \, g$$

    Zhang and Sennrich (2019), equation 4, with $\epsilon$ against division by zero: LayerNorm
    without the mean. The gain $g$ is `weight` and starts as ones.

    Args:
        normalized_shape: The size of the last axis, or a tuple of the sizes of the last axes.
        eps: $\epsilon$; None, as in PyTorch, for the distance from 1 to the next float32, or to
            the next float64 if the input is of float64.
        dtype: That of the weight, of floats.

    Raises:
        ValueError: A size is not an int of at least 1, or `eps` is out of range; in the call: the
            input has other sizes.
        TypeError: `dtype` is not one of floats; in the call: the input is not of floats.

    Examples:
        >>> nn.RMSNorm(2)(sg.Tensor([[1.0, 7.0]])).numpy().round(3)
        array([[0.2, 1.4]], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        shape = _checked_shape(normalized_shape, "RMSNorm")
        dtype = given.layer_dtype("RMSNorm", dtype)
        self.eps = None if eps is None else _checked_eps(eps, "RMSNorm")
        self.weight = creation.ones(shape, requires_grad=True, dtype=dtype, name="weight")

    def forward(self, x: TensorLike) -> Tensor:
        x, g = as_tensor(x), self.weight
        axes = _last_axes("RMSNorm", x, g)
        smallest = np.finfo(np.result_type(x.dtype, np.float32)).eps
        eps = float(smallest) if self.eps is None else self.eps
        mean_square = (x**2).mean(axis=axes, keepdims=True)
        return x / (mean_square + eps).sqrt() * g

    def extra_repr(self) -> str:
        return f"{_plain(self.weight.shape)}, eps={self.eps}"


def _checked_eps(eps: Any, layer: str) -> float:
    what, write = f"the eps of {layer} is", f"Write nn.{layer}(16, eps=1e-5)."
    return given.checked_number(given.EPS, eps, what, write, wrong_type=ValueError)


def _checked_shape(shape: Any, layer: str) -> tuple[int, ...]:
    """One size, or a tuple of at least one, as a tuple."""
    sizes = shape if isinstance(shape, tuple | list) and shape else (shape,)
    return tuple(given.size(n, layer, "normalized_shape") for n in sizes)


def _plain(shape: tuple[int, ...]) -> int | tuple[int, ...]:
    """A shape as it is written: one size as an int."""
    return shape[0] if len(shape) == 1 else shape


def _last_axes(layer: str, x: Tensor, g: Tensor) -> tuple[int, ...]:
    """The axes of the gain, counted from the end, which the input must have, too."""
    given.check_floats(layer, x)
    if x.shape[-g.ndim :] != g.shape:
        own, other = _plain(g.shape), _plain(x.shape[-g.ndim :] or (1,))
        last = "last axis is" if g.ndim == 1 else "last axes are"
        raise ValueError(
            f"{layer}({own}) takes inputs whose {last} {own}, but got shape {x.shape}. Write "
            f"nn.{layer}({other}) for such inputs."
        )
    return tuple(range(-g.ndim, 0))


def _numbers_in_a_channel(x: Tensor, C: int, training: bool) -> int:
    """How many numbers of a batch each channel has; a ValueError if it is not one of C channels."""
    given.check_floats("BatchNorm", x)
    if x.ndim < 2 or x.shape[1] != C:
        write = f"nn.BatchNorm({x.shape[1]}) for such inputs" if x.ndim > 1 else "x.unsqueeze(0)"
        if x.ndim > 2 and x.shape[-1] == C:
            write = f"x.transpose{(0, x.ndim - 1, *range(1, x.ndim - 1))} to bring them there"
        raise ValueError(
            f"BatchNorm({C}) takes batches whose axis 1 has its {C} channels, as (N, {C}) or "
            f"(N, {C}, H, W), but got shape {x.shape}. Write {write}."
        )
    n = x.size // C
    if training and n < 2:
        raise ValueError(
            f"BatchNorm computes a variance in training, for which it needs at least 2 numbers in "
            f"each channel, but got shape {x.shape}. Give it larger batches, and leave out a last "
            "one of a single example. Write model.eval() to use the running values instead."
        )
    return n
