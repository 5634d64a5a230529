"""A solution of the exercise sgd_momentum."""


def sgd_step(theta, grad, b, t, lr, mu, tau, weight_decay, maximize=False):
    g = (-grad if maximize else grad) + weight_decay * theta
    b_t = mu * b + (1 - tau) * g if t > 1 else g
    theta = theta - lr * b_t
    return g, b_t, theta
