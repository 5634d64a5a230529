"""RMSProp: one step of simplegrad.optimizers.RMSProp."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "RMSProp, one step"

VALUES = {"lr": 0.1, "beta_2": 0.75, "eps": 0.5, "maximize": False}
THETA = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
V = np.array([[4.0, 0.25, 1.0], [9.0, 0.5, 2.0]])
G = np.array([[2.0, -0.5, 3.0], [0.75, -1.5, 4.0]])

SECOND_MOMENT = table("""
    beta_2 and 1 - beta_2 are swapped -> (1 - beta_2) * v + beta_2 * g**2
    g is not squared -> beta_2 * v + (1 - beta_2) * g
    g is doubled, where it is squared -> beta_2 * v + (1 - beta_2) * 2 * g
    the squares are summed up: each element has its own
        -> beta_2 * v + (1 - beta_2) * np.sum(g**2)
    the mean of the squares is taken: each element has its own
        -> beta_2 * v + (1 - beta_2) * np.mean(g**2)
    the factor 1 - beta_2 is missing before g**2 -> beta_2 * v + g**2
    the factor beta_2 is missing before v -> v + (1 - beta_2) * g**2
    both factors are missing: squares are added up and never forgotten -> v + g**2
    1 - beta_2 is squared, too -> beta_2 * v + ((1 - beta_2) * g) ** 2
    v is squared, too -> beta_2 * v**2 + (1 - beta_2) * g**2
    v is overwritten: what it has collected is lost -> (1 - beta_2) * g**2
    v is overwritten by g**2: what it has collected is lost -> g**2
    the root is taken too early: it belongs in the last equation
        -> np.sqrt(beta_2 * v + (1 - beta_2) * g**2)
    v is returned as it came -> v
""")
"""What goes wrong with v_t, here and in Adam."""


def either_way(steps: str) -> dict[str, str]:
    """The right sides of theta for a table of steps: down, and up where maximize is set."""
    return {
        sentence: f"theta + {step} if maximize else theta - {step}"
        for sentence, step in table(steps).items()
    }


STEP = "lr * g / (np.sqrt(v_t) + eps)"

TASKS = {
    "rmsprop_step": Task(
        arguments="theta, g, v, lr, beta_2, eps, maximize",
        equations={"v_t": "beta_2 * v + (1 - beta_2) * g**2", **either_way(f"theta -> {STEP}")},
        cases={
            "two steps from the start": [
                {"theta": THETA[0], "g": G[0], "v": np.zeros(3), **VALUES},
                {"g": G[1]},
            ],
            "a step on the way": [{"theta": THETA, "g": G, "v": V, **VALUES}],
            "maximize": [{"theta": THETA, "g": G, "v": V, **VALUES, "maximize": True}],
        },
        mistakes={
            "v_t": SECOND_MOMENT,
            "theta": {
                **table(f"""
                    the sign is turned round under maximize, and only there: maximize is ignored
                        -> theta - {STEP}
                    the sign is turned round: without maximize it is to go down
                        -> theta - {STEP} if maximize else theta + {STEP}
                """),
                **either_way("""
                    eps stands inside of the root -> lr * g / np.sqrt(v_t + eps)
                    the root is forgotten -> lr * g / (v_t + eps)
                    eps is forgotten -> lr * g / np.sqrt(v_t)
                    the parentheses around the root and eps are missing
                        -> (lr * g / np.sqrt(v_t) + eps)
                    lr is missing -> g / (np.sqrt(v_t) + eps)
                    g is missing, or divided by itself -> lr / (np.sqrt(v_t) + eps)
                    it is multiplied by the root, and not divided -> lr * g * (np.sqrt(v_t) + eps)
                    v is used where v_t belongs -> lr * g / (np.sqrt(v) + eps)
                    g is squared here, too -> lr * g**2 / (np.sqrt(v_t) + eps)
                    the step is not divided by anything: this is SGD -> lr * g
                """),
                "only the step is there: it is to be subtracted from theta": STEP,
                "theta is overwritten by the step": f"{STEP} if maximize else -{STEP}",
                "theta is returned as it came": "theta",
            },
        },
        kept={"theta": "theta", "v": "v_t"},
        in_place=("theta", "v"),
    )
}
