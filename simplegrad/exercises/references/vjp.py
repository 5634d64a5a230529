"""A vector times a Jacobian and a Jacobian times a vector, those of c = tanh(W x)."""

import functools
from collections.abc import Callable

import numpy as np

from simplegrad.exercises.task import Task, function_of, table

TITLE = "A vector times a Jacobian, and the Jacobian itself"

X = np.array([0.5, -1.0])
W_SQUARE = np.array([[1.0, 0.25], [-0.5, 0.75]])
W_TALL = np.array([[0.5, 1.0], [-1.0, 0.25], [0.75, 0.5]])
W_WIDE = np.array([[0.25, -0.5, 1.0], [0.75, 0.5, -0.25]])
X_OF_WIDE = np.array([1.0, 0.5, -0.75])


def of_vjp(dc: list[float], W: np.ndarray, x: np.ndarray) -> list[dict[str, np.ndarray]]:
    """One call of vjp."""
    return [{"dc": np.array(dc), "c": np.tanh(W @ x), "W": W, "x": x}]


def of_jvp(x_dot: list[float], W: np.ndarray, x: np.ndarray) -> list[dict[str, np.ndarray]]:
    """One call of jvp."""
    return [{"x_dot": np.array(x_dot), "c": np.tanh(W @ x), "W": W}]


of_dc = functools.partial(function_of, "dc")


def rows(vjp_of: Callable[[np.ndarray], np.ndarray], e: np.ndarray) -> np.ndarray:
    """The vector-Jacobian product of each row of e."""
    return np.stack([vjp_of(e_i) for e_i in e])


TASKS = {
    "vjp": Task(
        arguments="dc, c, W, x",
        equations={"da": "dc * (1 - c**2)", "dx": "da @ W", "dW": "np.outer(da, x)"},
        cases={
            "two numbers of two": of_vjp([2.0, -1.0], W_SQUARE, X),
            "three numbers of two": of_vjp([1.0, 10.0, -4.0], W_TALL, X),
            "two numbers of three": of_vjp([3.0, 0.5], W_WIDE, X_OF_WIDE),
        },
        mistakes={
            "da": table("""
                the factor dc is missing: dc multiplies the Jacobian from the left -> 1 - c**2
                the factor 1 - c^2 is missing: it is the slope of tanh -> dc
                it is 1 - c^2, and not 1 + c^2 -> dc * (1 + c**2)
                c is not squared -> dc * (1 - c)
                tanh is taken of c, which is tanh(a) already -> dc * (1 - np.tanh(c) ** 2)
                c is the result: its slope 1 - c^2 belongs there -> dc * c
            """),
            "dx": table("""
                dc is used where da belongs: on the way to x comes tanh first -> dc @ W
                the factor 1 - c^2 is applied twice: da has it already -> da * (1 - c**2) @ W
                W stands on the left: W times da adds along the rows -> W @ da
                W is transposed: da @ W is W.T @ da, and not da @ W.T -> da @ W.T
                * multiplies element by element: @ is the matrix product -> da * W
                the sum over the elements of da is missing -> da[:, None] * W
                da is missing: these are the sums of the columns of W -> W.sum(axis=0)
                c is used where da belongs -> c @ W
            """),
            "dW": table("""
                the factors are in the wrong order: row i of dW is da_i times x -> np.outer(x, da)
                dc is used where da belongs: on the way to W comes tanh first -> np.outer(dc, x)
                dx is used where x belongs: W was multiplied by x -> np.outer(da, dx)
                c is used where x belongs: W was multiplied by x -> np.outer(da, c)
                * multiplies element by element: every da_i meets every x_j -> da * x
                @ sums the products: every da_i meets every x_j -> da @ x
                W is a factor here, and the partial by W is x alone -> np.outer(da, x) * W
                x is missing: W was multiplied by it -> np.outer(da, np.ones(x.size))
            """),
        },
    ),
    "jvp": Task(
        arguments="x_dot, c, W",
        equations={"a_dot": "W @ x_dot", "c_dot": "(1 - c**2) * a_dot"},
        cases={
            "two numbers of two": of_jvp([3.0, -2.0], W_SQUARE, X),
            "three numbers of two": of_jvp([4.0, 1.0], W_TALL, X),
            "two numbers of three": of_jvp([2.0, -1.0, 4.0], W_WIDE, X_OF_WIDE),
        },
        mistakes={
            "a_dot": table("""
                this is the product from the other side: x_dot stands on the right -> x_dot @ W
                W is transposed: that is for gradients, on the way back -> W.T @ x_dot
                * multiplies element by element: @ is the matrix product -> W * x_dot
                x_dot is missing: these are the sums of the rows of W -> W.sum(axis=1)
            """),
            "c_dot": table("""
                the factor 1 - c^2 is missing: it is the slope of tanh -> a_dot
                the factor a_dot is missing: the Jacobian multiplies it -> 1 - c**2
                tanh is taken of the change: its slope multiplies it -> np.tanh(a_dot)
                it is 1 - c^2, and not 1 + c^2 -> (1 + c**2) * a_dot
                c is not squared -> (1 - c) * a_dot
                the square is that of a_dot, where it is that of c -> (1 - a_dot**2) * a_dot
                c is the result: its slope 1 - c^2 belongs there -> c * a_dot
                x_dot is used where a_dot belongs: after x comes a -> (1 - c**2) * x_dot
                @ sums the products: each a_i leads to its own c_i alone -> (1 - c**2) @ a_dot
                c is added: c_dot is how c changes -> c + (1 - c**2) * a_dot
            """),
        },
    ),
    "jacobian": Task(
        arguments="vjp_of, m",
        equations={"J": "rows(vjp_of, np.eye(m))"},
        cases={
            "two numbers of two": [
                {"vjp_of": of_dc("dc @ np.array([[1.0, 2.0], [5.0, -3.0]])"), "m": 2}
            ],
            "three numbers of two": [
                {"vjp_of": of_dc("dc @ np.array([[1.0, 4.0], [2.0, -1.0], [0.5, 3.0]])"), "m": 3}
            ],
            "one number of three": [
                {"vjp_of": of_dc("dc[0] * np.array([2.0, -1.0, 4.0])"), "m": 1}
            ],
        },
        mistakes={
            "J": table("""
                it is transposed: a vjp is a row of J, and no column -> np.transpose(right)
                the rows are added up: dc is 1 at one element at a time -> vjp_of(np.ones(m))
                every row is the sum of all: dc is 1 at element i and 0 elsewhere
                    -> rows(vjp_of, np.ones((m, m)))
                the rows add up: put dc back to 0 before the next row
                    -> rows(vjp_of, np.tri(m))
                vjp_of takes one vector dc, and not all of the rows of np.eye(m) at once
                    -> vjp_of(np.eye(m))
                the rows stand one after the other in a vector: np.stack makes a matrix of them
                    -> np.concatenate([vjp_of(e_i) for e_i in np.eye(m)])
                the rows are in the wrong order -> rows(vjp_of, np.eye(m)[::-1])
                only the first row is there: there is one for each of the m results
                    -> vjp_of(np.eye(m)[0])
                only the last row is there: there is one for each of the m results
                    -> vjp_of(np.eye(m)[-1])
                all rows are the last one: assign each to J[i], for J[:] is all of J
                    -> rows(vjp_of, np.eye(m)[[-1] * m])
            """)
        },
        names={"rows": rows},
    ),
}
