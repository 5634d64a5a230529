"""unbroadcast: that of simplegrad.autograd."""

import numpy as np

from simplegrad.autograd import unbroadcast
from simplegrad.exercises.task import Task, table

TITLE = "The gradient of what was broadcast"


def case(*shapes: tuple[int, ...]) -> list[dict[str, object]]:
    """One call: a gradient of the first shape, and the second shape."""
    big, small = shapes
    return [{"dc": 1 + np.arange(float(np.prod(big))).reshape(big) ** 2, "shape": small}]


def copies(dc: np.ndarray, shape: tuple[int, ...], new: bool = True, ones: bool = True) -> tuple:
    """The axes of dc along which there are copies: new ones, and those that had the size 1."""
    first = dc.ndim - len(shape)
    stretched = [first + i for i, size in enumerate(shape) if size == 1]
    return (*(range(first) if new else ()), *(stretched if ones else ()))


def first_copy(dc: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Each element of the gradient at the first of its copies."""
    return dc[tuple(0 if i in copies(dc, shape) else slice(None) for i in range(dc.ndim))]


TASKS = {
    "unbroadcast": Task(
        arguments="dc, shape",
        equations={"da": "unbroadcast(dc, shape)"},
        cases={
            "a row that was laid under itself": case((2, 2), (2,)),
            "a longer row": case((2, 3), (3,)),
            "an axis of size 1": case((2, 3), (2, 1)),
            "nothing was broadcast": case((2, 3), (2, 3)),
            "a number": case((2, 2), ()),
            "new axes and an axis of size 1": case((2, 2, 3), (2, 1)),
            "a size of 1 that has stayed 1": case((3, 2, 1), (2, 1)),
            "two axes of size 1": case((2, 3, 2), (1, 3, 1)),
        },
        mistakes={
            "da": table("""
                the new axes are summed, but not those of size 1
                    -> dc.sum(axis=copies(dc, shape, ones=False))
                axes of size 1 are summed, but not the new ones
                    -> dc.sum(axis=copies(dc, shape, new=False), keepdims=True)
                an axis of size 1 is gone after the sum: use keepdims=True or reshape
                    -> dc.sum(axis=copies(dc, shape))
                new axes are on the left, so the sum is over the wrong axes: the last ones
                    -> dc.sum(axis=tuple(range(len(shape), dc.ndim))).reshape(shape)
                    if dc.ndim > len(shape) else right
                axes of size 1 are counted from the left, and new axes stand before them: sum those
                    first -> dc.sum(axis=copies(dc, (*shape, *dc.shape[len(shape):]), new=False),
                    keepdims=True).sum(axis=copies(dc, shape, ones=False))
                the sum is over axis 0, whatever the shape is -> dc.sum(axis=0)
                new axes are kept with size 1: reshape(shape) puts them away
                    -> dc.sum(axis=copies(dc, shape), keepdims=True)
                the mean is taken; the gradients of copies add up -> right * right.size / dc.size
                the gradient of one copy is taken; those of all copies add up
                    -> first_copy(dc, shape).reshape(shape)
                everything is summed: only the axes with copies are to be
                    -> np.full(shape, dc.sum()) if dc.shape != shape else dc
                everything is summed into one number -> dc.sum()
                reshape alone sums nothing, and copies have to be summed -> dc.reshape(shape)
                np.resize cuts off what does not fit; copies have to be summed
                    -> np.resize(dc, shape)
                dc is returned as it came: nothing is summed -> dc
                the largest of the copies is taken; the gradients of copies add up
                    -> dc.max(axis=copies(dc, shape)).reshape(shape)
            """)
        },
        names={"unbroadcast": unbroadcast, "copies": copies, "first_copy": first_copy},
    )
}
