"""A solution of the exercise tanh, with nothing but exp."""

import numpy as np


def forward(a):
    z = np.exp(-2 * np.abs(a))  # at most 1
    return np.sign(a) * (1 - z) / (1 + z)


def da(dc, c, a):
    return dc * (1 - c**2)
