"""Rules that move elements and change none: their gradients move back."""

import functools
import itertools
import operator
import sys

import numpy as np

__all__ = [
    "BroadcastTo",
    "Concatenate",
    "Index",
    "Pad",
    "Reshape",
    "Scatter",
    "Squeeze",
    "Stack",
    "Transpose",
    "Unsqueeze",
    "Windows",
]


class EachInput:
    """The partials of a rule with any number of inputs: one function, told which input by `i`."""

    def __init__(self, partial):
        self.partial = partial

    def __len__(self):
        return sys.maxsize

    def __iter__(self):
        return (functools.partial(self.partial, i=i) for i in itertools.count())


class Reshape:
    r"""The same elements, in the same order, in another shape.

    $$c = \operatorname{reshape}(a, \mathit{shape})$$
    $$da = \operatorname{reshape}(dc, \mathit{shape}_a)$$
    """

    def forward(a, shape):
        return a.reshape(*shape)

    def da(dc, c, a, shape):
        return np.reshape(dc, a.shape)

    partials = (da,)


class Transpose:
    r"""Axes in another order: axis $i$ of the result is axis $\mathit{axes}_i$ of $a$.

    $$c = \operatorname{transpose}(a, \mathit{axes})$$
    $$da = \operatorname{transpose}(dc, \mathit{axes}^{-1})$$
    """

    def forward(a, axes):
        return np.transpose(a, axes)

    def da(dc, c, a, axes):
        axes = np.arange(a.ndim)[::-1] if axes is None else np.arange(a.ndim)[list(axes)]
        return np.transpose(dc, np.argsort(axes))

    partials = (da,)


class Squeeze:
    r"""Axes of size 1 taken out.

    $$c = \operatorname{squeeze}(a, \mathit{axis})$$
    $$da = \operatorname{reshape}(dc, \mathit{shape}_a)$$
    """

    def forward(a, axis):
        return np.squeeze(a, axis)

    def da(dc, c, a, axis):
        return np.reshape(dc, a.shape)

    partials = (da,)


class Unsqueeze:
    r"""An axis of size 1 put in.

    $$c = \operatorname{unsqueeze}(a, \mathit{axis})$$
    $$da = \operatorname{reshape}(dc, \mathit{shape}_a)$$
    """

    def forward(a, axis):
        return np.expand_dims(a, axis)

    def da(dc, c, a, axis):
        return np.reshape(dc, a.shape)

    partials = (da,)


class BroadcastTo:
    r"""The same elements, repeated along new axes and along those of size 1.

    $$c = \operatorname{broadcast}(a, \mathit{shape})$$
    $$da = dc$$

    The engine sums $da$ back to the shape of $a$, as for operands that broadcast by themselves.
    """

    def forward(a, shape):
        return np.broadcast_to(a, shape)

    def da(dc, c, a, shape):
        return dc

    partials = (da,)


_BASIC = int, np.integer, slice, type(None), type(...)


def is_basic(index):
    """Whether an index is made of ints, slices, None and ... alone: it takes no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(isinstance(i, _BASIC) and not isinstance(i, bool) for i in parts)


class Index:
    r"""The elements at an index, as NumPy understands it; what was taken twice adds up.

    $$c_k = a_{i_k}$$
    $$da_j = \sum_{k \,:\, i_k = j} dc_k$$
    """

    def forward(a, index):
        return a[index]

    def da(dc, c, a, index):
        da = np.zeros_like(a)
        if is_basic(index):
            da[index] += dc
        else:  # what is taken twice adds up; da[index] += dc would add it once
            np.add.at(da, index, dc)
        return da

    partials = (da,)


class Scatter:
    r"""The partial of `Index`, as a rule: elements added to zeros, each at its place in the index.

    $$c_j = \sum_{k \,:\, i_k = j} a_k$$
    $$da_k = dc_{i_k}$$
    """

    def forward(a, index, shape):
        return Index.da(a, None, np.zeros_like(a, shape=shape), index)

    def da(dc, c, a, index, shape):
        return dc[index]

    partials = (da,)


class Concatenate:
    r"""Arrays joined along an axis; each gets its own stretch of the gradient back.

    $$c = [a_0, a_1, \ldots]$$
    $$da_i = \operatorname{split}(dc)_i$$
    """

    def forward(*a, axis):
        return np.concatenate(a, axis)

    def da(dc, c, *a, axis, i):
        ends = np.cumsum([a_j.shape[axis] for a_j in a])
        return np.split(dc, ends[:-1], axis)[i]

    partials = EachInput(da)


class Stack:
    r"""Arrays of one shape laid side by side along a new axis.

    $$c_i = a_i$$
    $$da_i = dc_i$$
    """

    def forward(*a, axis):
        return np.stack(a, axis)

    def da(dc, c, *a, axis, i):
        return np.take(dc, i, axis)

    partials = EachInput(da)


class Pad:
    r"""Constants around an array: `widths` are how many stand before and after, for each axis.

    $$c_i = a_{i - l}$$
    $$da_i = dc_{i + l}$$

    $l$ are the widths before, on the left; $c$ is the constant where $a$ has no element.
    """

    def forward(a, widths, constant):
        return np.pad(a, widths, constant_values=constant)

    def da(dc, c, a, widths, constant):
        sides = zip(widths, a.shape, strict=True)
        return dc[tuple(slice(left, left + n) for (left, _), n in sides)]

    partials = (da,)


def _places(a, size, stride, dilation):
    """For each place k in a window, the elements of the last two axes that stand there."""
    shape = a.shape[-2:]
    spans = [d * (k - 1) + 1 for k, d in zip(size, dilation, strict=True)]
    stops = [n - span + 1 for n, span in zip(shape, spans, strict=True)]
    for k in np.ndindex(*size):
        starts = [d * k_i for d, k_i in zip(dilation, k, strict=True)]
        yield (..., *map(slice, starts, map(operator.add, starts, stops), stride))


class Windows:
    r"""What a window sees that slides over the last two axes: its places $k$ become an axis.

    $$c_j = a_{s p + d k}, \quad j = (k, p)$$
    $$da_i = \sum_{j \,:\, s p + d k = i} dc_j$$

    $p$ says where the window is, $s$ is the stride and $d$ the dilation; all of these are pairs.
    """

    def forward(a, size, stride, dilation):
        return np.stack([a[place] for place in _places(a, size, stride, dilation)], axis=-3)

    def da(dc, c, a, size, stride, dilation):
        da = np.zeros_like(a)
        for k, place in enumerate(_places(a, size, stride, dilation)):
            da[place] += dc[..., k, :, :]
        return da

    partials = (da,)
