"""A solution of the exercise gradcheck."""

import numpy as np


def central_differences(L, x, h):
    x = x.copy()
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x_i = x[i]
        x[i] = x_i + h
        L_plus = L(x)
        x[i] = x_i - h
        L_minus = L(x)
        x[i] = x_i
        gradient[i] = (L_plus - L_minus) / (2 * h)
    return gradient


def gradcheck(L, dL, x):
    return np.allclose(dL(x), central_differences(L, x, h=1e-6), rtol=1e-5, atol=1e-7)
