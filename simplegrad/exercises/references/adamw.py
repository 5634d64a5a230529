"""AdamW: one step of simplegrad.optimizers.AdamW."""

from simplegrad.exercises.references.adam import ADAM
from simplegrad.exercises.task import Task, table

TITLE = "AdamW, one step"


def after_the_decay(expression: str) -> str:
    """The right side of Adam's theta, with the decayed theta in its place."""
    return expression.replace("theta", "theta_decayed")


TASKS = {
    "adamw_step": Task(
        arguments="theta, g, m, v, t, lr, beta_1, beta_2, eps, weight_decay, maximize",
        equations={
            "theta_decayed": "theta - lr * weight_decay * theta",
            **ADAM.equations,
            "theta": after_the_decay(ADAM.equations["theta"]),
        },
        cases={
            title: [{**calls[0], "weight_decay": 0.3}, *calls[1:]]
            for title, calls in ADAM.cases.items()
        },
        mistakes={
            "theta_decayed": table("""
                lr is missing in the decay -> theta - weight_decay * theta
                theta is missing in the decay -> theta - lr * weight_decay
                weight_decay is missing in the decay -> theta - lr * theta
                the decay has the wrong sign: weights grow -> theta + lr * weight_decay * theta
                the decay has another sign under maximize: weights shrink there, too
                    -> theta + lr * weight_decay * theta if maximize
                    else theta - lr * weight_decay * theta
                the decay is there, but is not subtracted from theta -> lr * weight_decay * theta
                g is used where theta belongs -> theta - lr * weight_decay * g
                there is no decay -> theta
            """),
            **ADAM.mistakes,
            "m_t": {
                **table("""
                    the decay passes through the gradient, which is L2: g stays as it is
                        -> beta_1 * m + (1 - beta_1) * (g + weight_decay * theta)
                    the decayed weights pass through the gradient, which is L2: g stays as it is
                        -> beta_1 * m + (1 - beta_1) * (g + weight_decay * theta_decayed)
                """),
                **ADAM.mistakes["m_t"],
            },
            "v_t": {
                **table("""
                    the decay passes through the gradient, which is L2: g stays as it is
                        -> beta_2 * v + (1 - beta_2) * (g + weight_decay * theta) ** 2
                    the decayed weights pass through the gradient, which is L2: g stays as it is
                        -> beta_2 * v + (1 - beta_2) * (g + weight_decay * theta_decayed) ** 2
                """),
                **ADAM.mistakes["v_t"],
            },
            "theta": {
                "the step starts at theta, before the decay: the decay is lost": (
                    ADAM.equations["theta"]
                ),
                "the decay is subtracted a second time": (
                    f"({after_the_decay(ADAM.equations['theta'])}) - lr * weight_decay * theta"
                ),
                **{
                    sentence: after_the_decay(expression)
                    for sentence, expression in ADAM.mistakes["theta"].items()
                    if expression != "theta"
                },
                "the last step is missing: theta has the decay only": "theta_decayed",
                "theta is returned as it came": "theta",
            },
        },
        kept=ADAM.kept,
        in_place=ADAM.in_place,
    )
}
