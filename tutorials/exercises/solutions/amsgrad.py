"""A solution of the exercise amsgrad."""

import numpy as np


def amsgrad_step(theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize=False):
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    v_max_t = np.maximum(v_max, v_t)
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_max_t / (1 - beta_2**t)
    step = lr * m_hat / (np.sqrt(v_hat) + eps)
    theta = theta + step if maximize else theta - step
    return m_t, v_t, v_max_t, m_hat, v_hat, theta
