"""A solution of the exercise adamw."""

import numpy as np


def adamw_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize=False):
    theta_decayed = theta - lr * weight_decay * theta
    m_t = beta_1 * m + (1 - beta_1) * g
    v_t = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m_t / (1 - beta_1**t)
    v_hat = v_t / (1 - beta_2**t)
    step = lr * m_hat / (np.sqrt(v_hat) + eps)
    theta = theta_decayed + step if maximize else theta_decayed - step
    return theta_decayed, m_t, v_t, m_hat, v_hat, theta
