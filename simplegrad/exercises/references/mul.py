"""Mul: the rule of simplegrad.rules.Mul."""

import numpy as np

from simplegrad.exercises.task import Task

TITLE = "The partials of a product"

A, B = np.array([2.0, -1.0]), np.array([3.0, 5.0])
A_2D, B_2D = np.array([[1.5, -2.0, 0.5], [3.0, 4.0, -1.0]]), np.arange(6.0).reshape(2, 3) - 2.5
CASES = {
    "two vectors": [{"dc": np.array([10.0, 7.0]), "c": A * B, "a": A, "b": B}],
    "two matrices": [
        {"dc": np.arange(1.0, 7.0).reshape(2, 3), "c": A_2D * B_2D, "a": A_2D, "b": B_2D}
    ],
}


def mistakes(a: str, b: str) -> dict[str, str]:
    """Those of the partial by `a`, which is dc * b."""
    return {
        f"the factor is {a}; da and db are swapped": f"dc * {a}",
        "the factor dc is missing: the chain rule multiplies by it": b,
        f"dc is added; the chain rule multiplies by it: dc * {b}": f"dc + {b}",
        f"dc is divided by {b}": f"dc / {b}",
        f"c is used where {b} belongs": "dc * c",
        "dc is the whole result: the partial of c is missing": "dc",
        "this is c, and not its partial": f"{a} * {b}",
        f"the factor is {a}, and dc is missing": a,
        "@ is the product of matrices: * multiplies element by element": f"dc @ {b}",
    }


TASKS = {
    "da": Task("dc, c, a, b", {"da": "dc * b"}, CASES, {"da": mistakes("a", "b")}),
    "db": Task("dc, c, a, b", {"db": "dc * a"}, CASES, {"db": mistakes("b", "a")}),
}
