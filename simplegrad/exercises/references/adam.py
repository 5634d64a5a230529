"""Adam: one step of simplegrad.optimizers.Adam."""

import numpy as np

from simplegrad.exercises.references.rmsprop import SECOND_MOMENT, THETA, G, V, either_way
from simplegrad.exercises.task import Task, table

TITLE = "Adam, one step"

VALUES = {"lr": 0.1, "beta_1": 0.9, "beta_2": 0.75, "eps": 0.5, "maximize": False}
ON_THE_WAY = {
    "theta": THETA,
    "g": G,
    "m": np.array([[0.5, 1.0, -3.0], [2.0, -0.25, 1.5]]),
    "v": V,
    "t": 5,
    **VALUES,
}
CASES = {
    "three steps from the start": [
        {"theta": THETA[0], "g": G[0], "m": np.zeros(3), "v": np.zeros(3), "t": 1, **VALUES},
        {"g": G[1], "t": 2},
        {"g": -G[0], "t": 3},
    ],
    "a step on the way": [ON_THE_WAY],
    "maximize": [{**ON_THE_WAY, "maximize": True}],
}


def bias_correction(m: str, beta: str, moment: str, other: str) -> dict[str, str]:
    """What goes wrong with m_hat, or with v_hat."""
    return {
        "bias correction is forgotten": f"{m}_t",
        "bias correction is applied twice": f"{m}_t / (1 - {beta}**t) ** 2",
        "t starts at 0, where it is 1 in the first step": f"{m}_t / (1 - {beta}**(t - 1))",
        "t is one too large: it is 1 in the first step": f"{m}_t / (1 - {beta}**(t + 1))",
        f"{beta} is not raised to the power t": f"{m}_t / (1 - {beta})",
        f"{beta} is multiplied by t, where {beta}**t belongs": f"{m}_t / (1 - {beta} * t)",
        f"{other} is used where {beta} belongs": f"{m}_t / (1 - {other}**t)",
        "it is multiplied, where it is divided": f"{m}_t * (1 - {beta}**t)",
        f"the divisor is {beta}**t, where it is 1 - {beta}**t": f"{m}_t / {beta}**t",
        f"the parentheses around 1 - {beta}**t are missing": f"{m}_t / 1 - {beta}**t",
        f"1 - {beta} is raised to the power t, where {beta} is": f"{m}_t / (1 - {beta})**t",
        f"{moment} is used where {m}_t belongs": f"{moment} / (1 - {beta}**t)",
        f"{m} is used where {m}_t belongs": f"{m} / (1 - {beta}**t)",
        "g is used where the moment belongs": f"g / (1 - {beta}**t)",
    }


STEP = "lr * m_hat / (np.sqrt(v_hat) + eps)"

ADAM = Task(
    arguments="theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize",
    equations={
        "m_t": "beta_1 * m + (1 - beta_1) * g",
        "v_t": "beta_2 * v + (1 - beta_2) * g**2",
        "m_hat": "m_t / (1 - beta_1**t)",
        "v_hat": "v_t / (1 - beta_2**t)",
        **either_way(f"theta -> {STEP}"),
    },
    cases=CASES,
    mistakes={
        "m_t": table("""
            beta_1 and 1 - beta_1 are swapped -> (1 - beta_1) * m + beta_1 * g
            beta_2 is used where beta_1 belongs -> beta_2 * m + (1 - beta_2) * g
            the factor 1 - beta_1 is missing before g -> beta_1 * m + g
            the factor beta_1 is missing before m -> m + (1 - beta_1) * g
            both factors are missing: gradients are added up and never forgotten -> m + g
            g is squared: that belongs to v_t -> beta_1 * m + (1 - beta_1) * g**2
            g is subtracted: the last equation does that -> beta_1 * m - (1 - beta_1) * g
            the sign of g is turned round under maximize: turn that of the last equation
                -> beta_1 * m + (1 - beta_1) * (-g if maximize else g)
            m is overwritten: what it has collected is lost -> (1 - beta_1) * g
            m is overwritten by g: what it has collected is lost -> g
            beta_1 is raised to the power t: that belongs to bias correction
                -> beta_1**t * m + (1 - beta_1**t) * g
            bias correction is applied here already: m_t is to stay as it is, for the next step
                -> (beta_1 * m + (1 - beta_1) * g) / (1 - beta_1**t)
            v is used where m belongs -> beta_1 * v + (1 - beta_1) * g
            m is returned as it came -> m
        """),
        "v_t": {
            **SECOND_MOMENT,
            **table("""
                beta_1 is used where beta_2 belongs -> beta_1 * v + (1 - beta_1) * g**2
                m_t is squared, where g is -> beta_2 * v + (1 - beta_2) * m_t**2
                m is used where v belongs -> beta_2 * m + (1 - beta_2) * g**2
                bias correction is applied here already: v_t is to stay as it is, for the next step
                    -> (beta_2 * v + (1 - beta_2) * g**2) / (1 - beta_2**t)
            """),
        },
        "m_hat": {
            **bias_correction("m", "beta_1", "v_t", "beta_2"),
            **table("""
                lr is multiplied in, in place or not: it belongs in the last equation -> lr * right
                it is turned into the step, in place: give the step an array of its own
                    -> lr * right / (np.sqrt(v_t / (1 - beta_2**t)) + eps)
            """),
        },
        "v_hat": {
            **bias_correction("v", "beta_2", "m_t", "beta_1"),
            **table("""
                the root is taken too early, or in place after: it belongs in the last equation
                    -> np.sqrt(right)
                the root is taken in place after, and eps added: give the divisor an array of its
                    own -> np.sqrt(right) + eps
            """),
        },
        "theta": {
            **table(f"""
                the sign under maximize is forgotten -> theta - {STEP}
                the sign is turned round: without maximize it is to go down
                    -> theta - {STEP} if maximize else theta + {STEP}
            """),
            **either_way("""
                eps stands inside of the root -> lr * m_hat / np.sqrt(v_hat + eps)
                the root is forgotten -> lr * m_hat / (v_hat + eps)
                eps is forgotten -> lr * m_hat / np.sqrt(v_hat)
                the parentheses around the root and eps are missing
                    -> (lr * m_hat / np.sqrt(v_hat) + eps)
                bias correction is forgotten: m_t and v_t are used, not m_hat and v_hat
                    -> lr * m_t / (np.sqrt(v_t) + eps)
                bias correction is forgotten: m_t is used where m_hat belongs
                    -> lr * m_t / (np.sqrt(v_hat) + eps)
                bias correction is forgotten: v_t is used where v_hat belongs
                    -> lr * m_hat / (np.sqrt(v_t) + eps)
                bias correction is applied twice: m_hat and v_hat have it already
                    -> lr * m_hat / (1 - beta_1**t) / (np.sqrt(v_hat / (1 - beta_2**t)) + eps)
                bias correction is applied twice: lr has the factor
                    sqrt(1 - beta_2**t) / (1 - beta_1**t), too
                    -> lr * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
                    * m_hat / (np.sqrt(v_hat) + eps)
                eps is added to the root of v_t, not corrected, as TensorFlow does
                    -> lr * m_hat / (np.sqrt(v_hat) + eps / np.sqrt(1 - beta_2**t))
                g is used where m_hat belongs -> lr * g / (np.sqrt(v_hat) + eps)
                lr is missing -> m_hat / (np.sqrt(v_hat) + eps)
                it is multiplied by the root, where it is divided
                    -> lr * m_hat * (np.sqrt(v_hat) + eps)
                m_hat and v_hat are swapped -> lr * v_hat / (np.sqrt(m_hat) + eps)
                the step is not divided by anything: v_hat is not used -> lr * m_hat
                lr and the division are missing -> m_hat
            """),
            "only the step is there: it is to be subtracted from theta": STEP,
            "theta is overwritten by the step": f"{STEP} if maximize else -{STEP}",
            "theta is returned as it came": "theta",
        },
    },
    kept={"theta": "theta", "m": "m_t", "v": "v_t"},
    in_place=("theta", "m", "v"),
)

TASKS = {"adam_step": ADAM}
