"""Layers for images: convolution and pooling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from simplegrad import creation, functional, given
from simplegrad.functional.convolution import Pair, pair, zeros_around
from simplegrad.given import COUNT
from simplegrad.nn.module import Module, ModuleOfOptions
from simplegrad.tensor import Tensor, TensorLike, as_tensor

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["AvgPool2d", "Conv2d", "MaxPool2d"]


class Conv2d(Module):
    r"""`sg.conv2d` with filters that are learned.

    $$y_{o\,p} = \sum_{c,\,k} W_{o\,c\,k} \, x_{c,\, s p + d k} + b_o$$

    `weight` has shape (out_channels, in_channels / groups, height, width), as in PyTorch. It and
    `bias` start uniform in $[-1/\sqrt{n}, 1/\sqrt{n})$ for filters of $n$ weights.

    Args:
        in_channels: The channels of the input.
        out_channels: The channels of the result: how many filters there are.
        kernel_size: The height and the width of a filter; one int for both, as for the others.
        stride: How far the window moves.
        padding: How many zeros stand around the images; "same" for as many as keep their size.
        dilation: How far the places of a window are apart.
        groups: Into how many groups channels are divided.
        bias: Whether to add $b$.
        dtype: That of the parameters, of floats.

    Raises:
        ValueError: A size is out of range, or channels cannot be divided into groups; in the call:
            the shape of the input does not fit.
        TypeError: `dtype` is not one of floats; in the call: the input is not of floats.

    Examples:
        >>> layer = nn.Conv2d(1, 6, 5, padding=2)
        >>> layer(sg.ones((4, 1, 28, 28))).shape
        (4, 6, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        given.checked_number(given.SIZE, groups, "groups is", "Write groups=1.", ValueError)
        for name, n in (("in_channels", in_channels), ("out_channels", out_channels)):
            if given.size(n, "Conv2d", name) % groups:
                raise ValueError(
                    f"Conv2d divides the {name} into groups of one size, but got {n} and "
                    f"{groups} groups. Write {name}={-(-n // groups) * groups}."
                )
        size, dtype = pair(kernel_size, "kernel_size"), given.layer_dtype("Conv2d", dtype)
        has_bias = given.flag("Conv2d", "bias", bias)
        self.stride, self.dilation = pair(stride, "stride"), pair(dilation, "dilation")
        zeros_around(padding, size, stride, dilation)  # an error, if it cannot be
        self.padding = padding if isinstance(padding, str) else pair(padding, "padding", COUNT)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *size)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = creation.uniform(shape, -bound, bound, True, dtype, name="weight")
        self.bias = None
        if has_bias:
            self.bias = creation.uniform(out_channels, -bound, bound, True, dtype, name="bias")

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        given.check_floats("Conv2d", x)
        if x.ndim in (3, 4) and x.shape[-3] != self.weight.shape[1] * self.groups:
            raise given.other_channels(x, self.weight, self.groups)
        options = self.stride, self.padding, self.dilation, self.groups
        return functional.conv2d(x, self.weight, self.bias, *options)

    def extra_repr(self) -> str:
        filters, channels, *size = self.weight.shape
        text = f"{channels * self.groups}, {filters}, {tuple(size)}"
        usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        others = [name for name, value in usual.items() if getattr(self, name) != value]
        text += "".join(f", {name}={getattr(self, name)!r}" for name in others)
        return text + (", bias=False" if self.bias is None else "")


class MaxPool2d(ModuleOfOptions):
    """`sg.max_pool2d` as a module.

    Examples:
        >>> nn.MaxPool2d(2)(sg.ones((4, 6, 28, 28))).shape
        (4, 6, 14, 14)
    """

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1
    ) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else pair(stride, "stride")
        self.padding, self.dilation = pair(padding, "padding", COUNT), pair(dilation, "dilation")

    def forward(self, x: TensorLike) -> Tensor:
        options = self.stride, self.padding, self.dilation
        return functional.max_pool2d(x, self.kernel_size, *options)


class AvgPool2d(ModuleOfOptions):
    """`sg.avg_pool2d` as a module.

    Examples:
        >>> nn.AvgPool2d(2)(sg.ones((4, 6, 28, 28))).shape
        (4, 6, 14, 14)
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.kernel_size = pair(kernel_size, "kernel_size")
        self.stride = self.kernel_size if stride is None else pair(stride, "stride")
        self.padding = pair(padding, "padding", COUNT)

    def forward(self, x: TensorLike) -> Tensor:
        return functional.avg_pool2d(x, self.kernel_size, self.stride, self.padding)
