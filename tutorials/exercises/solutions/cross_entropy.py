"""A solution of the exercise cross_entropy."""

import numpy as np


def cross_entropy(a, t):
    m = a.max(axis=1, keepdims=True)
    c = m[:, 0] + np.log(np.exp(a - m).sum(axis=1))
    L = (c - a[np.arange(len(t)), t]).mean()
    return c, L


def d_logits(a, t):
    c, _ = cross_entropy(a, t)
    da = np.exp(a - c[:, None])
    da[np.arange(len(t)), t] -= 1
    return da / len(t)
