"""AMSGrad: Adam with a second moment that never falls. The library leaves it to this exercise."""

import re
from collections.abc import Mapping

import numpy as np

from simplegrad.exercises.references.adam import ADAM
from simplegrad.exercises.task import Task, table

TITLE = "AMSGrad, one step"

V_MAX = np.array([[5.0, 0.0625, 4.0], [8.0, 2.0, 3.0]])


def with_the_largest(rows: Mapping[str, str]) -> dict[str, str]:
    """Rows of Adam's, with the largest second moment in the place of the one of this step."""
    renamed = re.compile(r"\bv_t\b")
    return {
        renamed.sub("v_max_t", sentence): renamed.sub("v_max_t", expression)
        for sentence, expression in rows.items()
    }


MOMENTS = "m_t", "v_t"

TASKS = {
    "amsgrad_step": Task(
        arguments="theta, g, m, v, v_max, t, lr, beta_1, beta_2, eps, maximize",
        equations={
            **{name: ADAM.equations[name] for name in MOMENTS},
            "v_max_t": "np.maximum(v_max, v_t)",
            **with_the_largest(
                {name: x for name, x in ADAM.equations.items() if name not in MOMENTS}
            ),
        },
        cases={
            title: [
                {**calls[0], "v_max": V_MAX if calls[0]["theta"].ndim == 2 else np.zeros(3)},
                *calls[1:],
            ]
            for title, calls in ADAM.cases.items()
        },
        mistakes={
            "m_t": ADAM.mistakes["m_t"],
            "v_t": {
                **ADAM.mistakes["v_t"],
                "v_max is used where v belongs": "beta_2 * v_max + (1 - beta_2) * g**2",
                "the largest is taken here already: v_t is to stay as it is, for the next step": (
                    "np.maximum(v_max, beta_2 * v + (1 - beta_2) * g**2)"
                ),
            },
            "v_max_t": table("""
                the largest is forgotten: this is Adam -> v_t
                the smaller one is taken: the divisor may not fall -> np.minimum(v_max, v_t)
                v is used where v_t belongs -> np.maximum(v_max, v)
                v is used where v_max belongs: it is the largest of the last two only
                    -> np.maximum(v, v_t)
                g**2 is used where v_t belongs -> np.maximum(v_max, g**2)
                bias correction is applied here already: it comes after
                    -> np.maximum(v_max, v_t / (1 - beta_2**t))
                v_max fades, as v does -> np.maximum(beta_2 * v_max, v_t)
                both are added -> v_max + v_t
                the largest of all elements is taken: each element has its own
                    -> np.maximum(v_max, np.max(v_t))
                v_max is returned as it came -> v_max
            """),
            "m_hat": with_the_largest(ADAM.mistakes["m_hat"]),
            "v_hat": {
                **table("""
                    v_t is used where v_max_t belongs: this is Adam -> v_t / (1 - beta_2**t)
                    v_max is used where v_max_t belongs -> v_max / (1 - beta_2**t)
                """),
                **with_the_largest(ADAM.mistakes["v_hat"]),
            },
            "theta": with_the_largest(ADAM.mistakes["theta"]),
        },
        kept={**ADAM.kept, "v_max": "v_max_t"},
        in_place=(*ADAM.in_place, "v_max"),
    )
}
