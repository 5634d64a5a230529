"""SGD with momentum: one step of simplegrad.optimizers.SGD."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "SGD with momentum, one step"

VALUES = {"lr": 0.1, "mu": 0.75, "tau": 0.4, "weight_decay": 0.2, "maximize": False}
THETA = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
B = np.array([[3.0, 0.25, -1.0], [9.0, 0.5, 2.0]])
GRAD = np.array([[2.0, -0.5, 3.0], [0.75, -1.5, 4.0]])

TASKS = {
    "sgd_step": Task(
        arguments="theta, grad, b, t, lr, mu, tau, weight_decay, maximize",
        equations={
            "g": "-grad + weight_decay * theta if maximize else grad + weight_decay * theta",
            "b_t": "mu * b + (1 - tau) * g if t > 1 else g",
            "theta": "theta - lr * b_t",
        },
        cases={
            "three steps from the start": [
                {"theta": THETA[0], "grad": GRAD[0], "b": np.zeros(3), "t": 1, **VALUES},
                {"grad": GRAD[1], "t": 2},
                {"grad": -GRAD[0], "t": 3},
            ],
            "a step on the way": [{"theta": THETA, "grad": GRAD, "b": B, "t": 7, **VALUES}],
            "maximize": [
                {"theta": THETA, "grad": GRAD, "b": B, "t": 7, **VALUES, "maximize": True}
            ],
        },
        mistakes={
            "g": table("""
                the sign under maximize is forgotten -> grad + weight_decay * theta
                maximize turns round the sign of the decay, too: weights are to shrink
                    -> -(grad + weight_decay * theta) if maximize else grad + weight_decay * theta
                the sign of the gradient is turned round
                    -> grad + weight_decay * theta if maximize else -grad + weight_decay * theta
                the decay is forgotten -> -grad if maximize else grad
                the decay has the wrong sign: it is added here, and theta -= ... subtracts it
                    -> -grad - weight_decay * theta if maximize else grad - weight_decay * theta
                the decay has a factor 2: weight_decay * theta is all of it
                    -> -grad + 2 * weight_decay * theta if maximize
                    else grad + 2 * weight_decay * theta
                theta is missing in the decay
                    -> -grad + weight_decay if maximize else grad + weight_decay
                lr is in the decay, and will be once more in the last equation
                    -> -grad + lr * weight_decay * theta if maximize
                    else grad + lr * weight_decay * theta
            """),
            "b_t": table("""
                momentum is 1 - mu, where it is mu -> (1 - mu) * b + (1 - tau) * g if t > 1 else g
                g has the factor 1 - mu, as a moment of Adam would: it is 1 - tau
                    -> mu * b + (1 - mu) * g if t > 1 else g
                g has the factor 1 - mu, also in the first step, as a moment of Adam would
                    -> mu * b + (1 - mu) * g
                the first step, t = 1, is b_1 = g, without dampening -> mu * b + (1 - tau) * g
                b_1 = g is used in the second step, too -> mu * b + (1 - tau) * g if t > 2 else g
                the velocity is overwritten: what it has collected is lost
                    -> (1 - tau) * g if t > 1 else g
                the velocity is overwritten by g: what it has collected is lost -> g
                the dampening 1 - tau is forgotten -> mu * b + g
                the dampening is tau, where it is 1 - tau -> mu * b + tau * g if t > 1 else g
                mu is missing: old gradients are never forgotten
                    -> b + (1 - tau) * g if t > 1 else g
                mu stands before g, where it stands before b
                    -> b + mu * (1 - tau) * g if t > 1 else g
                the gradient is subtracted: theta -= ... does that
                    -> mu * b - (1 - tau) * g if t > 1 else -g
                lr belongs in the last equation
                    -> mu * b + lr * (1 - tau) * g if t > 1 else lr * g
                the whole of b_t is multiplied by lr: it is to stay as it is, for the next step
                    -> lr * right
                lr and the minus belong in the last equation
                    -> mu * b - lr * (1 - tau) * g if t > 1 else -lr * g
                grad is used where g belongs: the decay and maximize are lost
                    -> mu * b + (1 - tau) * grad if t > 1 else grad
            """),
            "theta": table("""
                the sign is turned round: it climbs -> theta + lr * b_t
                the sign under maximize is turned round a second time: g has it already
                    -> theta + lr * b_t if maximize else theta - lr * b_t
                g is used where b_t belongs: momentum changes nothing -> theta - lr * g
                grad is used where b_t belongs -> theta - lr * grad
                b is used where b_t belongs: the step is one behind -> theta - lr * b
                lr is missing -> theta - b_t
                b_t is added, without lr -> theta + b_t
                the step looks ahead, as Nesterov's does -> theta - lr * (g + mu * b_t)
                the decay is subtracted once more: g has it already
                    -> theta - lr * (b_t + weight_decay * theta)
                mu is multiplied once more: b_t has it already -> theta - lr * mu * b_t
                only the step is there: it is to be subtracted from theta -> lr * b_t
                theta is overwritten by the step -> -lr * b_t
                theta is returned as it came -> theta
            """),
        },
        kept={"theta": "theta", "b": "b_t"},
        in_place=("theta", "b"),
    )
}
