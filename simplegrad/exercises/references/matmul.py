"""MatMul: the rule of simplegrad.rules.MatMul, for matrices and stacks of them."""

import numpy as np

from simplegrad.exercises.task import Task, table

TITLE = "The partials of a matrix product"


def case(a: np.ndarray, b: np.ndarray) -> list[dict[str, np.ndarray]]:
    """One call, with some dc."""
    c = a @ b
    return [{"dc": 1 + np.arange(float(c.size)).reshape(c.shape) ** 2, "c": c, "a": a, "b": b}]


CASES = {
    "two square matrices": case(
        np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[4.0, -1.0], [0.0, 2.0]])
    ),
    "two matrices": case(np.arange(6.0).reshape(2, 3), 1 - np.arange(12.0).reshape(3, 4)),
    "two stacks of matrices": case(
        np.arange(12.0).reshape(2, 2, 3), 2 - np.arange(24.0).reshape(2, 3, 4)
    ),
}
IN_STACKS = (
    ".T turns round all axes of a stack: only the last two are to be swapped, .mT or "
    "np.swapaxes(x, -1, -2)"
)
LAST_AXES = "a matrix has no axes 1 and 2 to swap: the last two of all are -1 and -2"
LAST_TWO = "a matrix has no three axes to transpose: np.swapaxes(x, -1, -2) swaps the last two"

TASKS = {
    "da": Task(
        arguments="dc, c, a, b",
        equations={"da": "dc @ np.swapaxes(b, -1, -2)"},
        cases=CASES,
        mistakes={
            "da": table(f"""
                b is not transposed -> dc @ b
                {IN_STACKS} -> dc @ b.T
                the factors are in the wrong order: dc stands on the left
                    -> np.swapaxes(b, -1, -2) @ dc
                the factors are in the wrong order, and b is not transposed -> b @ dc
                dc is transposed in place of b -> np.swapaxes(dc, -1, -2) @ b
                da and db are swapped -> np.swapaxes(a, -1, -2) @ dc
                a is used where b belongs -> dc @ np.swapaxes(a, -1, -2)
                * multiplies element by element: @ is the matrix product -> dc * b
                * multiplies element by element, transposed or not: @ is the matrix product
                    -> dc * np.swapaxes(b, -1, -2)
                {IN_STACKS}; and np.dot joins every matrix of one stack with every one of the
                    other: use @ -> np.dot(dc, b.T)
                {LAST_AXES} -> dc @ np.swapaxes(b, 1, 2)
                {LAST_TWO} -> dc @ np.transpose(b, (0, 2, 1))
                the factor dc is missing: the chain rule multiplies by it -> np.swapaxes(b, -1, -2)
                np.dot joins every matrix of one stack with every one of the other: use @
                    -> np.dot(dc, np.swapaxes(b, -1, -2))
            """)
        },
    ),
    "db": Task(
        arguments="dc, c, a, b",
        equations={"db": "np.swapaxes(a, -1, -2) @ dc"},
        cases=CASES,
        mistakes={
            "db": table(f"""
                a is not transposed -> a @ dc
                {IN_STACKS} -> a.T @ dc
                the factors are in the wrong order: dc stands on the right
                    -> dc @ np.swapaxes(a, -1, -2)
                the factors are in the wrong order, and a is not transposed -> dc @ a
                dc is transposed in place of a -> a @ np.swapaxes(dc, -1, -2)
                da and db are swapped -> dc @ np.swapaxes(b, -1, -2)
                b is used where a belongs -> np.swapaxes(b, -1, -2) @ dc
                * multiplies element by element: @ is the matrix product -> a * dc
                * multiplies element by element, transposed or not: @ is the matrix product
                    -> np.swapaxes(a, -1, -2) * dc
                {IN_STACKS}; and np.dot joins every matrix of one stack with every one of the
                    other: use @ -> np.dot(a.T, dc)
                {LAST_AXES} -> np.swapaxes(a, 1, 2) @ dc
                {LAST_TWO} -> np.transpose(a, (0, 2, 1)) @ dc
                the factor dc is missing: the chain rule multiplies by it -> np.swapaxes(a, -1, -2)
                np.dot joins every matrix of one stack with every one of the other: use @
                    -> np.dot(np.swapaxes(a, -1, -2), dc)
            """)
        },
    ),
}
