"""A solution of the exercise gru."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def gru_step(x_t, h, W_ir, b_ir, W_iz, b_iz, W_in, b_in, W_hr, b_hr, W_hz, b_hz, W_hn, b_hn):
    r_t = sigmoid(x_t @ W_ir + b_ir + h @ W_hr + b_hr)
    z_t = sigmoid(x_t @ W_iz + b_iz + h @ W_hz + b_hz)
    n_t = np.tanh(x_t @ W_in + b_in + r_t * (h @ W_hn + b_hn))
    h_t = (1 - z_t) * n_t + z_t * h
    return r_t, z_t, n_t, h_t
