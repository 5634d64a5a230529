"""Tanh: the rule of simplegrad.rules.Tanh."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "The hyperbolic tangent and its partial"

A = np.array([0.5, -1.0])
A_2D = np.array([[2.0, 0.0, -0.25], [1.0, -3.0, 0.75]])

TASKS = {
    "forward": Task(
        arguments="a",
        equations={"c": "np.tanh(a)"},
        cases={
            "small numbers": [{"a": A}],
            "a matrix": [{"a": A_2D}],
            "large numbers": [{"a": np.array([-1000.0, 20.0, 1000.0])}],
        },
        mistakes={
            "c": table("""
                exp overflows for large numbers, and inf / inf is nan: use exp(-2 |a|)
                    -> (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))
                exp(2 a) overflows for large numbers, and inf / inf is nan: use exp(-2 |a|)
                    -> (np.exp(2 * a) - 1) / (np.exp(2 * a) + 1)
                exp(-2 a) overflows for large negative numbers, and inf / inf is nan:
                    use exp(-2 |a|) -> (1 - np.exp(-2 * a)) / (1 + np.exp(-2 * a))
                parentheses are missing: / is taken before + and -
                    -> np.exp(a) - np.exp(-a) / np.exp(a) + np.exp(-a)
                it is turned upside down: the sum is the divisor -> 1 / np.tanh(a)
                the sign of a is lost -> np.tanh(np.abs(a))
                the 2 in the exponent is missing, which gives tanh(a / 2) -> np.tanh(a / 2)
                this is sinh: the division by cosh is missing -> np.sinh(a)
                this is tan, of a circle and not of a hyperbola -> np.tan(a)
                this is the sigmoid -> 1 / (1 + np.exp(-a))
            """)
        },
    ),
    "da": Task(
        arguments="dc, c, a",
        equations={"da": "dc * (1 - c**2)"},
        cases={
            "small numbers": [{"dc": np.array([10.0, 7.0]), "c": np.tanh(A), "a": A}],
            "a matrix": [{"dc": np.arange(1.0, 7.0).reshape(2, 3), "c": np.tanh(A_2D), "a": A_2D}],
        },
        mistakes={
            "da": {
                "it is 1 - c^2, and not 1 + c^2": "dc * (1 + c**2)",
                "it is 1 - c^2, and not c^2 - 1": "dc * (c**2 - 1)",
                "a is used where c belongs: the square is that of the result": "dc * (1 - a**2)",
                "tanh is taken of c, which is tanh(a) already": "dc * (1 - np.tanh(c) ** 2)",
                "c is not squared": "dc * (1 - c)",
                "cosh is not squared": "dc / np.cosh(a)",
                "dc is used where c belongs": "dc * (1 - dc**2)",
                "the square is around 1 - c": "dc * (1 - c) ** 2",
                "this is the partial of the sigmoid": "dc * c * (1 - c)",
                "the factor dc is missing: the chain rule multiplies by it": "1 - c**2",
                "dc is added; the chain rule multiplies by it": "dc + 1 - c**2",
                "dc is the whole result: the partial of c is missing": "dc",
                "the parentheses around 1 - c^2 are missing": "dc * 1 - c**2",
            }
        },
    ),
}
