"""SGD with Nesterov's momentum in place: nothing new is made, as in simplegrad.fast.SGD."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "A step in place"

K = np.arange(8192.0)  # of so many numbers that memory for them is told from Python's own
THETA, G, B = np.cos(K), np.sin(3 * K + 1), 2 * np.sin(K) + 1
SCRATCH = np.full(8192, 100.0)  # what a step before has left there
VALUES = {"a": SCRATCH, "lr": 0.1, "mu": 0.75}

TASKS = {
    "nesterov_step": Task(
        arguments="theta, g, b, a, lr, mu",
        equations={"b_t": "mu * b + g", "theta_t": "theta - lr * (g + mu * b_t)"},
        cases={
            "three steps from the start": [
                {"theta": THETA, "g": G, "b": np.zeros(8192), **VALUES},
                {"g": -G[::-1], "a": SCRATCH},
                {"g": G + 1, "a": SCRATCH},
            ],
            "a step on the way": [
                {"theta": THETA + 2, "g": G, "b": B, **VALUES, "lr": 0.3, "mu": 0.5}
            ],
        },
        mistakes={
            "b_t": table("""
                b is as it came: write b_t into it, with out=b -> b
                the two are swapped: return b, theta -> theta - lr * (g + mu * right)
                mu is forgotten: old gradients never fade -> b + g
                g is forgotten, or written over before it was added -> mu * b
                b is overwritten by g: what it has collected is lost -> g
                g has the factor 1 - mu, as a moment of Adam would -> mu * b + (1 - mu) * g
                the gradient is subtracted: theta -= ... does that -> mu * b - g
                mu stands before g, where it stands before b -> b + mu * g
                both have the factor mu: multiply b first, and add g after -> mu * (b + g)
                b holds mu * b_t in the end, and the next step needs b_t: write the product into a
                    -> mu * right
                b holds g + mu * b_t in the end, and the next step needs b_t: add it up in a
                    -> g + mu * right
                b holds the step in the end, and the next step needs b_t: compute the step in a, and
                    not in a second name of b, as a = b makes -> lr * (g + mu * right)
                b holds lr * b_t in the end, and the next step needs b_t: write the product into a
                    -> lr * right
                a is read before anything is written into it: it holds what the last step has left
                    -> mu * b + a
            """),
            "theta_t": table("""
                the two are swapped: return b, theta -> mu * b + g
                theta is as it came: write the new one into it, with out=theta -> theta
                this is the step without looking ahead: g + mu * b_t is its direction, not b_t,
                    which is g + mu * b -> theta - lr * b_t
                g is used where g + mu * b_t belongs: momentum changes nothing -> theta - lr * g
                g is forgotten: g + mu * b_t is the direction -> theta - lr * mu * b_t
                mu is forgotten: g + mu * b_t is the direction -> theta - lr * (g + b_t)
                mu * b is written over by mu * b_t, and g is not added -> theta - lr * mu * (mu * b)
                the sign is turned round: it climbs -> theta + lr * (g + mu * b_t)
                lr is missing -> theta - (g + mu * b_t)
                lr is multiplied with g alone: add up first -> theta - (lr * g + mu * b_t)
                lr is multiplied with mu * b_t alone: multiply when g is added
                    -> theta - (g + lr * mu * b_t)
                only the step is there: it is to be subtracted from theta -> lr * (g + mu * b_t)
                theta is overwritten by the step -> -lr * (g + mu * b_t)
                a is read before anything is written into it: it holds what the last step has left
                    -> theta - lr * a
                a is read before anything is written into it: it holds what the last step has left,
                    and g is added to that -> theta - lr * (g + a)
            """),
        },
        kept={"theta": "theta_t", "b": "b_t"},
        in_place=("theta", "b", "a"),
        over={"b_t": "b", "theta_t": "theta"},
    )
}
