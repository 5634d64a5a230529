"""A solution of the exercise adam."""

import numpy as np


def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
    lr = -lr if maximize else lr
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
    return m_t, v_t, m_hat, v_hat, theta
