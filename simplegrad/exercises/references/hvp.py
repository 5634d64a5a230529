"""The Hessian times a vector: of two gradients, and as simplegrad.hvp does; and what it is for."""

from collections.abc import Callable
from typing import Any

import numpy as np

from simplegrad.derivatives import grad
from simplegrad.exercises.references.gradcheck import d_cubes, d_neighbours, of_x
from simplegrad.exercises.task import Task, table
from simplegrad.tensor import Tensor

TITLE = "The Hessian times a vector, two ways"


def differences(
    dL: Callable[[Any], Any], x: Any, step: Any, above: float = 1, below: float = -1
) -> Any:
    """dL(x + above step) - dL(x + below step), divided by above - below."""
    return (dL(x + above * step) - dL(x + below * step)) / (above - below)


def first(f: Callable[[Tensor], Tensor], x: np.ndarray) -> np.ndarray:
    """The gradient of f."""
    x_t = Tensor(x, requires_grad=True)
    return grad(f(x_t), x_t).data


def second(
    f: Callable[[Tensor], Tensor], x: np.ndarray, of: Callable[[Tensor], Tensor]
) -> np.ndarray:
    """The gradient of what `of` makes of the gradient of f."""
    x_t = Tensor(x, requires_grad=True)
    return grad(of(grad(f(x_t), x_t, create_graph=True)), x_t).data


X, V = np.array([1.0, 2.0, -0.5]), np.array([2.0, -1.0, 3.0])
X_2D, V_2D = np.array([[0.5, -1.0], [2.0, 1.5]]), np.array([[1.0, 3.0], [-2.0, 0.5]])

TASKS = {
    "hvp_by_differences": Task(
        arguments="dL, x, v, h",
        equations={"Hv_approx": "(dL(x + h * v) - dL(x - h * v)) / (2 * h)"},
        cases={
            "each element by itself": [{"dL": d_cubes, "x": X, "v": V, "h": 0.25}],
            "elements that meet": [{"dL": d_neighbours, "x": X, "v": V, "h": 0.125}],
            "a matrix": [{"dL": d_neighbours, "x": X_2D, "v": V_2D, "h": 0.5}],
        },
        mistakes={
            "Hv_approx": table("""
                these are forward differences: dL(x - h v) belongs there, not dL(x)
                    -> differences(dL, x, h * v, below=0) / h
                these are backward differences: dL(x + h v) belongs there, not dL(x)
                    -> differences(dL, x, h * v, above=0) / h
                it is divided by h, and not by 2 h -> 2 * right
                it is forward, and divided by 2 h: dL(x - h v) belongs there, not dL(x)
                    -> differences(dL, x, h * v, below=0) / (2 * h)
                the division by 2 h is missing -> 2 * h * right
                2 h stands without parentheses: / 2 * h divides by 2 and multiplies by h
                    -> h**2 * right
                v is missing: all elements are moved by h -> differences(dL, x, h) / h
                v is multiplied after: x is to be moved along it -> v * differences(dL, x, h) / h
                v is a factor once more, after x was moved along it -> v * right
                this is v times H v, one number -> np.sum(v * right)
                v is made of length 1, and H v is not: it grows as v does
                    -> differences(dL, x, h * v / np.linalg.norm(v)) / h
                this is the second difference, which belongs to L: dL is differentiated already
                    -> (dL(x + h * v) - 2 * dL(x) + dL(x - h * v)) / h**2
                the signs are turned round: dL(x + h v) comes first -> -right
                the two gradients are added -> (dL(x + h * v) + dL(x - h * v)) / (2 * h)
                this is all of H: one difference along v gives H v
                    -> np.array([differences(dL, x, h * e) / h
                    for e in np.eye(x.size).reshape(-1, *x.shape)])
            """)
        },
        names={"differences": differences},
    ),
    "hvp": Task(
        arguments="f, x, v",
        equations={"Hv": "second(f, x, lambda dx: (dx * v).sum())"},
        cases={
            "each element by itself": [{"f": of_x("(x**3).sum()"), "x": X, "v": V}],
            "elements that meet": [{"f": of_x("(x * x.prod()).sum()"), "x": X, "v": V}],
            "a matrix": [{"f": of_x("(x @ x.exp()).sum()"), "x": X_2D, "v": V_2D}],
        },
        mistakes={
            "Hv": table("""
                v is missing: the sum of dx is differentiated -> second(f, x, Tensor.sum)
                v is multiplied after: it belongs into the sum that is differentiated
                    -> v * second(f, x, Tensor.sum)
                dx is multiplied by itself, where v belongs
                    -> second(f, x, lambda dx: (dx**2).sum())
                the mean is taken, where the products are added up -> right / x.size
                this is the gradient: differentiate once more -> first(f, x)
                this is dx times v: its sum is to be differentiated -> first(f, x) * v
                this is dx times v, summed up: it is to be differentiated -> np.sum(first(f, x) * v)
                this is v, the gradient of the sum of x times v: it is dx that v multiplies -> v
                it is 0, as it is with allow_unused=True where dx has no graph: create_graph=True
                    gives it one -> np.zeros(x.shape)
                this is v times H v, one number -> np.sum(v * right)
                v is a factor twice -> second(f, x, lambda dx: (dx * v**2).sum())
                this is all of H: differentiate once, the sum of dx times v
                    -> np.array([second(f, x, lambda dx, e=e: (dx * e).sum())
                    for e in np.eye(x.size).reshape(-1, *x.shape)])
            """)
        },
        library=True,
        names={f.__name__: f for f in (first, second)} | {"Tensor": Tensor},
    ),
    "power_step": Task(
        arguments="v, Hv",
        equations={"lambda_max": "v @ Hv / (v @ v)", "v_t": "Hv / np.linalg.norm(Hv)"},
        cases={
            "in a valley": [{"v": np.array([1.0, 2.0]), "Hv": np.array([7.0, 5.0])}],
            "on a saddle": [{"v": np.array([1.0, -3.0]), "Hv": np.array([-5.0, 14.0])}],
            "three elements": [{"v": np.array([2.0, 0.5, 1.0]), "Hv": np.array([3.0, 1.0, -8.0])}],
        },
        mistakes={
            "lambda_max": table("""
                the division by v v is missing: v need not have length 1 -> v @ Hv
                it is divided by the length of v, and not by its square
                    -> v @ Hv / np.linalg.norm(v)
                this is a ratio of lengths: it loses the sign of a negative curvature
                    -> np.linalg.norm(Hv) / np.linalg.norm(v)
                it is divided element by element: both products are sums -> Hv / v
                it is turned upside down -> v @ v / (v @ Hv)
                H is there twice: one v of the product is v itself -> Hv @ Hv / (v @ v)
                this is the length of H v -> np.linalg.norm(Hv)
                this is the largest element of H v -> np.max(Hv)
                the divisor has H v in place of v -> v @ Hv / (Hv @ Hv)
                the parentheses around v @ v are missing: @ and / are taken from left to right
                    -> v @ Hv / v @ v
            """),
            "v_t": table("""
                the division by the length is missing: v grows or fades from step to step -> Hv
                it is divided by the square of the length -> Hv / (Hv @ Hv)
                it is divided by the length of v, and not of H v -> Hv / np.linalg.norm(v)
                v is used where H v belongs: nothing turns -> v / np.linalg.norm(v)
                it is divided by the curvature: its length is 1 only near the end -> Hv / lambda_max
                it is divided by the sum of the elements -> Hv / np.sum(Hv)
                it is divided by the largest element -> Hv / np.max(np.abs(Hv))
                H v is added to v: this is a step of gradient ascent -> v + Hv
            """),
        },
    ),
}
