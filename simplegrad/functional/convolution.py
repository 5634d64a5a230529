"""Convolution and pooling, composed of windows that slide over images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import numpy as np

from simplegrad import given, habits, rules
from simplegrad.given import COUNT, SIZE, Kind
from simplegrad.tensor import Tensor, TensorLike, as_tensor, floats, record

__all__ = ["avg_pool2d", "conv2d", "max_pool2d", "pad", "windows"]

Pair: TypeAlias = int | tuple[int, int]


def pad(
    a: TensorLike,
    pad_width: int | Sequence[Any],
    constant_values: float = 0.0,
    **wrong: NoReturn,
) -> Tensor:
    """`a` with constants around it.

    Args:
        pad_width: How many, as in `np.pad`: one int for all sides; a pair (before, after) for all
            axes; or such a pair for each axis.
        constant_values: The constant.

    Raises:
        ValueError: `pad_width` is of another form, or negative.

    Examples:
        >>> sg.pad(sg.ones((1, 2)), ((0, 0), (1, 2))).numpy()
        array([[0., 1., 1., 0., 0.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.pad", wrong, a, pad_width)
    a = as_tensor(a)
    widths = _widths(pad_width, a.ndim)
    what, write = "the constant of pad is", "Write sg.pad(t, 1, 0.0)."
    given.checked_number(given.NUMBER, constant_values, what, write)
    params = {"widths": widths, "constant": constant_values}
    return record(rules.Pad.forward(a.data, **params), rules.Pad, a, **params)


def windows(
    a: TensorLike, size: Pair, stride: Pair = 1, dilation: Pair = 1, **wrong: NoReturn
) -> Tensor:
    r"""What a window sees that slides over the last two axes: a copy of each of its places.

    $$c_{k\,p} = a_{s p + d k}$$

    Args:
        a: Of shape (..., H, W).
        size: The height and the width of the window; one int for both, as for the others.
        stride: How far the window moves, $s$.
        dilation: How far its places are apart, $d$.

    Returns:
        A Tensor of shape (..., size[0] * size[1], H', W'), where H' and W' say how many windows
        there are: H' = (H - dilation[0] * (size[0] - 1) - 1) // stride[0] + 1.

    Raises:
        ValueError: The window is larger than `a`, or a size is not an int of at least 1.

    Examples:
        >>> sg.windows(sg.Tensor([[1, 2, 3], [4, 5, 6]]), 2)[:, 0, 0].numpy()
        array([1., 2., 4., 5.], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.windows", wrong, a, size)
    a = as_tensor(a)
    options = {"size": size, "stride": stride, "dilation": dilation}
    params = {name: pair(value, name) for name, value in options.items()}
    spans = [d * (k - 1) + 1 for k, d in zip(params["size"], params["dilation"], strict=True)]
    if a.ndim < 2 or any(span > n for span, n in zip(spans, a.shape[-2:], strict=True)):
        raise ValueError(
            f"a window of {spans[0]} x {spans[1]} does not fit into shape {a.shape}, whose last "
            "two axes it slides over. Write a smaller one, or a padding around the image."
        )
    return record(rules.Windows.forward(a.data, **params), rules.Windows, a, **params)


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
    **wrong: NoReturn,
) -> Tensor:
    r"""The weights of each filter times what a window sees, for all windows: a matrix product.

    $$y_{o\,p} = \sum_{c,\,k} W_{o\,c\,k} \, x_{c,\, s p + d k} + b_o$$

    Goodfellow, Bengio and Courville (2016), "Deep Learning", equation 9.6: the cross-correlation,
    which is called convolution here as in PyTorch. The filters are not mirrored.

    Args:
        x: Images, of shape (N, C, H, W) or (C, H, W).
        weight: $W$, the filters, of shape (O, C / groups, height, width).
        bias: $b$, of shape (O,), or None.
        stride: How far the window moves, $s$: one int, or two for height and width.
        padding: How many zeros stand around the images; "same" for as many as keep H and W, more of
            them at the end, and "valid" for none.
        dilation: How far the places of a window are apart, $d$.
        groups: Into how many groups channels are divided. A filter sees those of one group.

    Returns:
        A Tensor of shape (N, O, H', W'), or (O, H', W') for one image.

    Raises:
        ValueError: Shapes, channels or groups do not fit, or a size is out of range.

    Examples:
        >>> x = sg.Tensor(np.arange(9.0).reshape(1, 1, 3, 3))
        >>> sg.conv2d(x, sg.ones((1, 1, 2, 2))).numpy()
        array([[[[ 8., 12.],
                 [20., 24.]]]])
    """
    if wrong:
        raise habits.refused("sg.conv2d", wrong, x, weight)
    x, W = floats(x), floats(weight)
    G = given.checked_number(SIZE, groups, "groups is", "Write groups=1.", ValueError)
    _check_channels(x, W, G)
    x = _around(x, zeros_around(padding, W.shape[-2:], stride, dilation))
    X = windows(x, W.shape[-2:], stride, dilation)
    *N, C, K, height, width = X.shape
    filters = len(W)
    X = X.reshape(*N, G, C // G * K, height * width)  # a column for each window
    W = W.reshape(G, filters // G, C // G * K)  # a row for each filter
    y = (W @ X).reshape(*N, filters, height, width)
    return y if bias is None else y + _bias(bias, filters)


def max_pool2d(
    x: TensorLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    **wrong: NoReturn,
) -> Tensor:
    r"""The largest element of each window; those that tie for it share the gradient evenly.

    $$y_p = \max_k x_{s p + d k}$$

    Args:
        x: Of shape (..., H, W).
        kernel_size: The height and the width of a window; one int for both, as for the others.
        stride: How far the window moves; as far as its size, if it is not given.
        padding: How much of -inf stands around, at most half a window.
        dilation: How far the places of a window are apart.

    Raises:
        ValueError: A size is out of range, or a window larger than `x`.

    Examples:
        >>> sg.max_pool2d(sg.Tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), 2).numpy()
        array([[6., 8.]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.max_pool2d", wrong, x, kernel_size)
    X = _pooled("max_pool2d", floats(x), kernel_size, stride, padding, dilation, -np.inf)
    return X.max(axis=-3)


def avg_pool2d(
    x: TensorLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    **wrong: NoReturn,
) -> Tensor:
    r"""The mean of each window, the zeros of the padding included.

    $$y_p = \frac{1}{K} \sum_k x_{s p + k}$$

    Args:
        x: Of shape (..., H, W).
        kernel_size: The height and the width of a window, of $K$ places; one int for both.
        stride: How far the window moves; as far as its size, if it is not given.
        padding: How many zeros stand around, at most half a window.

    Raises:
        ValueError: A size is out of range, or a window larger than `x`.

    Examples:
        >>> sg.avg_pool2d(sg.Tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), 2).numpy()
        array([[3.5, 5.5]], dtype=float32)
    """
    if wrong:
        raise habits.refused("sg.avg_pool2d", wrong, x, kernel_size)
    X = _pooled("avg_pool2d", floats(x), kernel_size, stride, padding, 1, 0.0)
    return X.mean(axis=-3)


def pair(value: Any, name: str, kind: Kind = SIZE) -> tuple[int, int]:
    """An argument for height and width: one int for both, or two of them."""
    values = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(values) != 2 or not all(given.fits(kind, n) and n < 2**31 for n in values):
        raise ValueError(
            f"{name} is {kind.allowed}, or two of them for height and width, but got "
            f"{value!r:.80}. Write {name}=1, or {name}=(1, 2)."
        )
    return int(values[0]), int(values[1])


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    """How much is put before and after, for each axis."""
    rows = pad_width if isinstance(pad_width, tuple | list) else (pad_width, pad_width)
    rows = rows if any(isinstance(row, tuple | list) for row in rows) else [rows] * ndim
    are_pairs = all(isinstance(row, tuple | list) and len(row) == 2 for row in rows)
    if len(rows) != ndim or not are_pairs or not all(given.fits(COUNT, n) for r in rows for n in r):
        raise ValueError(
            f"pad takes as pad_width an int of at least 0, a pair (before, after), or one for each "
            f"of the {ndim} axes, but got {pad_width!r:.80}. Write "
            f"sg.pad(t, {((0, 0),) * (ndim - 1) + ((1, 1),)}) to pad the last axis."
        )
    return tuple((int(before), int(after)) for before, after in rows)


def zeros_around(padding: Any, size: Any, stride: Any, dilation: Any) -> list[tuple[int, int]]:
    """How many zeros a convolution puts before and after, for height and width."""
    padding = 0 if isinstance(padding, str) and padding == "valid" else padding
    if not isinstance(padding, str):
        return [(n, n) for n in pair(padding, "padding", COUNT)]
    if padding != "same" or pair(stride, "stride") != (1, 1):
        raise ValueError(
            f'padding is a number, two of them, "valid", or "same" to keep height and width with a '
            f"stride of 1, but got {padding!r:.80} and a stride of {stride}. Write padding=1, or "
            "stride=1."
        )
    more = [d * (k - 1) for d, k in zip(pair(dilation, "dilation"), size, strict=True)]
    return [(n // 2, n - n // 2) for n in more]


def _around(x: Tensor, widths: Sequence[tuple[int, int]], constant: float = 0.0) -> Tensor:
    """Images with a constant around them."""
    if x.ndim < 2 or not any(map(any, widths)):
        return x
    return pad(x, (*[(0, 0)] * (x.ndim - 2), *widths), constant)


def _pooled(
    what: str, x: Tensor, size: Any, stride: Any, padding: Any, dilation: Any, constant: float
) -> Tensor:
    """What is pooled: the windows of images with a constant around them."""
    size, widths = pair(size, "kernel_size"), pair(padding, "padding", COUNT)
    if any(2 * n > k for n, k in zip(widths, size, strict=True)):
        raise ValueError(
            f"{what} takes at most half a window as padding, so that each window sees something, "
            f"but got {padding} for windows of {size[0]} x {size[1]}. Write "
            f"padding={tuple(k // 2 for k in size)}."
        )
    x = _around(x, [(n, n) for n in widths], constant)
    return windows(x, size, size if stride is None else stride, dilation)


def _check_channels(x: Tensor, W: Tensor, groups: int) -> None:
    if W.ndim != 4 or x.ndim not in (3, 4):
        raise ValueError(
            f"conv2d takes images of shape (N, C, H, W) or (C, H, W) and weights of shape (O, C, "
            f"height, width), but got shapes {x.shape} and {W.shape}. Write x.reshape(-1, 1, 28, "
            "28) for images of one channel, laid out as rows."
        )
    for n, what in (len(W), "filters"), (x.shape[-3], "channels"):
        if n % groups:
            raise ValueError(
                f"conv2d divides {n} {what} into {groups} groups, which cannot be of one size. "
                f"Write {-(-n // groups) * groups} {what}, or groups=1."
            )
    C = W.shape[1] * groups
    if x.shape[-3] != C:
        write = f"weights of shape {(len(W), x.shape[-3] // groups, *W.shape[2:])}"
        if x.shape[-1] == C:
            order = (0, 3, 1, 2) if x.ndim == 4 else (2, 0, 1)
            write = f"x.transpose{order}, with the channels before height and width"
        raise ValueError(
            f"conv2d was given weights for {C} channels, of shape {W.shape}, and images with "
            f"{x.shape[-3]}, of shape {x.shape}. Write {write}."
        )


def _bias(bias: TensorLike, filters: int) -> Tensor:
    b = floats(bias)
    if b.shape != (filters,):
        raise ValueError(
            f"conv2d takes one bias for each of its {filters} filters, but got shape {b.shape}. "
            f"Write sg.zeros({filters})."
        )
    return b.reshape(filters, 1, 1)
