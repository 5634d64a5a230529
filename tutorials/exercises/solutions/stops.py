"""A solution of the exercise stops."""

import numpy as np


def stops(a, b):
    c = a * b
    s = c + a
    p = s**2
    dloss = 1.0
    dp = dloss * np.ones(p.shape)
    ds = dp * 2 * s
    dc = ds
    da = ds + dc * b
    db = (dc * a).sum(axis=tuple(range(a.ndim - b.ndim)))
    return dloss, dp, ds, dc, da, db
