"""gradcheck: the central differences of simplegrad.gradcheck, of a plain function of an array."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from simplegrad.exercises.task import Task, function_of, table

TITLE = "Checking a gradient by central differences"

Function = Callable[[np.ndarray], Any]


def differences(
    L: Function, x: np.ndarray, h: float, above: float = 1, below: float = -1
) -> np.ndarray:
    """(L(x + above h e_i) - L(x + below h e_i)) / ((above - below) h), element by element."""
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        e_i = np.zeros(x.shape)
        e_i[i] = 1
        gradient[i] = L(x + above * h * e_i) - L(x + below * h * e_i)
    return gradient / ((above - below) * h)


def of_rows(L: Function, x: np.ndarray, h: float) -> np.ndarray:
    """Central differences where x[i] is moved, which is a row if x is a matrix."""
    gradient = np.zeros(x.shape)
    for i in range(len(x)):
        e_i = np.zeros(x.shape)
        e_i[i] = 1
        gradient[i] = (L(x + h * e_i) - L(x - h * e_i)) / (2 * h)
    return gradient


def without_going_back(L: Function, x: np.ndarray, h: float, left_over: float) -> np.ndarray:
    """Central differences where each element stays off by `left_over`, for the next one to see."""
    x, gradient = x.copy(), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x_i = x[i]
        x[i] = x_i + h
        plus = L(x)
        x[i] = x_i - h
        gradient[i] = (plus - L(x)) / (2 * h)
        x[i] = x_i + left_over
    return gradient


of_x = functools.partial(function_of, "x")

cubes, d_cubes = of_x("(x**3).sum()"), of_x("3 * x**2")
d_cubes_less = of_x("3 * x**2 - (x == x.flat[0])", "3 * x**2, less 1 in the first element")
d_cubes_more = of_x("3 * x**2 + (x == x.flat[0])", "3 * x**2, plus 1 in the first element")
d_cubes_less_at_the_end = of_x(
    "3 * x**2 - (x == x.flat[-1])", "3 * x**2, less 1 in the last element"
)
d_cubes_turned = of_x("3 * x[::-1]**2")
neighbours = of_x("(x**2).sum() * x.sum()")
d_neighbours = of_x("2 * x * x.sum() + (x**2).sum()")
small, d_small_twice = of_x("1e-5 * (x**2).sum()"), of_x("4e-5 * x")
X = np.array([1.0, 2.0, -0.5])
X_2D = np.array([[0.5, -1.0], [2.0, 1.5]])

TASKS = {
    "central_differences": Task(
        arguments="L, x, h",
        equations={"dL": "differences(L, x, h)"},
        cases={
            "each element by itself": [{"L": cubes, "x": X, "h": 0.25}],
            "elements that meet": [{"L": neighbours, "x": X, "h": 0.125}],
            "a matrix": [{"L": neighbours, "x": X_2D, "h": 0.5}],
        },
        mistakes={
            "dL": table("""
                these are forward differences: L(x - h e_i) belongs there, not L(x)
                    -> differences(L, x, h, below=0)
                these are backward differences: L(x + h e_i) belongs there, not L(x)
                    -> differences(L, x, h, above=0)
                it is divided by h, and not by 2 h -> 2 * right
                it is forward, and divided by 2 h: L(x - h e_i) belongs there, not L(x)
                    -> differences(L, x, h, below=0) / 2
                the division by 2 h is missing -> 2 * h * right
                2 h stands without parentheses: / 2 * h divides by 2 and multiplies by h
                    -> h**2 * right
                all elements are moved at once: e_i moves one
                    -> np.full(x.shape, (L(x + h) - L(x - h)) / (2 * h))
                all elements are moved at once, and one number comes out
                    -> (L(x + h) - L(x - h)) / (2 * h)
                an element is not put back and stays at x_i - h for the next one
                    -> without_going_back(L, x, h, -h)
                an element is not put back and stays at x_i + h for the next one
                    -> without_going_back(L, x, h, h)
                all differences are 0, as they are if above = x and below = x, which is one array:
                    write above = x.copy() -> np.zeros(x.shape)
                x[i] is a row of a matrix: np.ndindex(x.shape) gives the index of each element
                    -> of_rows(L, x, h)
                x[i] is a row of a matrix, and x.size counts elements: np.ndindex(x.shape) gives
                    the index of each -> [x[i] for i in range(x.size)] and right
                the signs are turned round: L(x + h e_i) comes first -> -right
                the two values of L are added
                    -> np.array([L(x + h * e) + L(x - h * e)
                    for e in np.eye(x.size).reshape(-1, *x.shape)]).reshape(x.shape) / (2 * h)
            """)
        },
        names={f.__name__: f for f in (differences, of_rows, without_going_back)},
    ),
    "gradcheck": Task(
        arguments="L, dL, x",
        equations={"agrees": "np.allclose(dL(x), numeric(L, x), 1e-5, 1e-7)"},
        cases={
            "a right gradient": [{"L": cubes, "dL": d_cubes, "x": X}],
            "a right gradient of a matrix": [{"L": neighbours, "dL": d_neighbours, "x": X_2D}],
            "a right gradient of large numbers": [{"L": cubes, "dL": d_cubes, "x": 100 * X}],
            "an element that is too small": [{"L": cubes, "dL": d_cubes_less, "x": X}],
            "an element that is too large": [{"L": cubes, "dL": d_cubes_more, "x": X}],
            "a wrong last element": [{"L": cubes, "dL": d_cubes_less_at_the_end, "x": X}],
            "a wrong gradient with the right sum": [{"L": cubes, "dL": d_cubes_turned, "x": X}],
            "a wrong gradient of small numbers": [{"L": small, "dL": d_small_twice, "x": X}],
        },
        mistakes={
            "agrees": table("""
                a gradient that is too small passes: the difference needs its absolute value
                    -> bool(np.all(dL(x) - numeric(L, x) <= 1e-5 + 1e-5 * abs(dL(x))))
                a gradient that is too large passes: the difference needs its absolute value
                    -> bool(np.all(numeric(L, x) - dL(x) <= 1e-5 + 1e-5 * abs(dL(x))))
                only the first element is compared
                    -> np.isclose(dL(x).flat[0], numeric(L, x).flat[0], 1e-5, 1e-7)
                only the last element is compared
                    -> np.isclose(dL(x).flat[-1], numeric(L, x).flat[-1], 1e-5, 1e-7)
                only the sums are compared
                    -> np.isclose(dL(x).sum(), numeric(L, x).sum(), 1e-5, 1e-7)
                one element that agrees is enough (any): all of them have to
                    -> np.isclose(dL(x), numeric(L, x), 1e-5, 1e-7).any()
                an absolute tolerance lets small gradients pass, whatever they are: make it
                    relative -> np.all(abs(dL(x) - numeric(L, x)) < 1e-4 + 1e-5 * abs(dL(x)))
                an absolute tolerance refuses large gradients and lets small ones pass: make it
                    relative -> np.all(abs(dL(x) - numeric(L, x)) < 1e-4)
                an absolute tolerance refuses large gradients: make it relative
                    -> np.all(abs(dL(x) - numeric(L, x)) < 1e-6)
                there is a verdict for each element, where one is wanted: np.all joins them
                    -> np.isclose(dL(x), numeric(L, x), 1e-5, 1e-7)
                True and False are swapped -> not right
                it is always True -> True
                it is always False: allow a small difference, for there is always one -> False
            """)
        },
        names={"numeric": lambda L, x: differences(L, x, 1e-6)},
    ),
}
