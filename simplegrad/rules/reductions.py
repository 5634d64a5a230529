"""Rules that reduce axes: sums, means, extremes, norms; and the running sum.

`axis` is None (all), an int or a tuple of ints, as in NumPy.
"""

import numpy as np

__all__ = ["CumSum", "LogSumExp", "Max", "Mean", "Min", "Norm", "Sum", "Var"]


def keep(x, axis, keepdims):
    """`x` with its reduced axes put back as size 1, so that it broadcasts against the input."""
    return x if keepdims or axis is None else np.expand_dims(x, axis)


class Sum:
    r"""Sum.

    $$c = \sum_i a_i$$
    $$da_i = dc$$
    """

    def forward(a, axis, keepdims):
        return np.sum(a, axis=axis, keepdims=keepdims)

    def da(dc, c, a, axis, keepdims):
        dc = keep(dc, axis, keepdims)
        return np.broadcast_to(dc, a.shape)

    partials = (da,)


class CumSum:
    r"""Running sum along an axis.

    $$c_i = \sum_{k \le i} a_k$$
    $$da_i = \sum_{k \ge i} dc_k$$
    """

    def forward(a, axis):
        return np.cumsum(a, axis)

    def da(dc, c, a, axis):
        return np.flip(np.cumsum(np.flip(dc, axis), axis), axis)

    partials = (da,)


class Mean:
    r"""Mean of $n$ elements.

    $$c = \frac{1}{n} \sum_i a_i$$
    $$da_i = dc / n$$
    """

    def forward(a, axis, keepdims):
        return np.mean(a, axis=axis, keepdims=keepdims)

    def da(dc, c, a, axis, keepdims):
        dc = keep(dc, axis, keepdims)
        n = a.size // max(c.size, 1)  # c may have no elements
        return np.broadcast_to(dc / n, a.shape)

    partials = (da,)


class Max:
    r"""Largest element; the elements that tie for it share the gradient evenly.

    $$c = \max_i a_i$$
    $$da_i = dc \, s_i / \textstyle\sum_j s_j, \quad s_i = [a_i = c]$$

    All second derivatives are 0.
    """

    def forward(a, axis, keepdims):
        return np.max(a, axis=axis, keepdims=keepdims)

    def da(dc, c, a, axis, keepdims):
        dc, c = keep(dc, axis, keepdims), keep(c, axis, keepdims)
        s = a == c
        return dc * s / s.sum(axis=axis, keepdims=True, dtype=a.dtype)

    partials = (da,)


class Min:
    r"""Smallest element; the elements that tie for it share the gradient evenly.

    $$c = \min_i a_i$$
    $$da_i = dc \, s_i / \textstyle\sum_j s_j, \quad s_i = [a_i = c]$$

    All second derivatives are 0.
    """

    def forward(a, axis, keepdims):
        return np.min(a, axis=axis, keepdims=keepdims)

    partials = Max.partials  # the same equation: s marks where a equals the result


class Var:
    r"""Variance of $n$ elements around their mean $\mu$, with $n - ddof$ as divisor.

    $$c = \frac{1}{n - ddof} \sum_i (a_i - \mu)^2, \quad \mu = \frac{1}{n} \sum_i a_i$$
    $$da_i = dc \, \frac{2 \, (a_i - \mu)}{n - ddof}$$
    """

    def forward(a, axis, ddof, keepdims):
        return np.var(a, axis=axis, ddof=ddof, keepdims=keepdims)

    def da(dc, c, a, axis, ddof, keepdims):
        dc = keep(dc, axis, keepdims)
        n = a.size // max(c.size, 1)  # c may have no elements
        mu = np.mean(a, axis=axis, keepdims=True)
        return dc * 2 * (a - mu) / (n - ddof)

    partials = (da,)


class Norm:
    r"""Euclidean norm; where it is 0, so are its gradients, of any order.

    $$c = \lVert a \rVert = \sqrt{\textstyle\sum_i a_i^2}$$
    $$da_i = dc \, a_i / c$$
    """

    def forward(a, axis, keepdims):
        return np.sqrt(np.sum(a * a, axis=axis, keepdims=keepdims))

    def da(dc, c, a, axis, keepdims):
        dc, c = keep(dc, axis, keepdims), keep(c, axis, keepdims)
        return dc * np.where(c == 0, 0, a) / np.where(c == 0, 1, c)

    partials = (da,)


class LogSumExp:
    r"""Logarithm of a sum of exponentials; its gradient is the softmax.

    $$c = \log \sum_i e^{a_i} = m + \log \sum_i e^{a_i - m}, \quad m = \max_i a_i$$
    $$da_i = dc \, e^{a_i - c}$$

    The second form cannot overflow. Goodfellow, Bengio and Courville (2016), "Deep Learning",
    equations 6.30 and 6.33. Where $m$ is infinite, so is $c$, and $da$ is NaN at each $a_i = m$.
    """

    def forward(a, axis, keepdims):
        m = np.max(a, axis=axis, keepdims=True)
        largest = np.finfo(m.dtype).max
        finite_m = np.minimum(np.maximum(m, -largest), largest)  # so that there is no inf - inf
        s = np.sum(np.exp(a - finite_m), axis=axis, keepdims=True)
        c = m + np.log(np.maximum(s, 0.5))  # s is at least 1, and 0 where all are -inf
        return c if keepdims else np.squeeze(c, axis)

    def da(dc, c, a, axis, keepdims):
        dc, c = keep(dc, axis, keepdims), keep(c, axis, keepdims)
        return dc * np.exp(a - c)

    partials = (da,)
