"""A solution of the exercise rmsprop."""

import numpy as np


def rmsprop_step(theta, g, v, lr, beta_2, eps, maximize=False):
    lr = -lr if maximize else lr
    v_t = beta_2 * v + (1 - beta_2) * g**2
    theta = theta - lr * g / (np.sqrt(v_t) + eps)
    return v_t, theta
