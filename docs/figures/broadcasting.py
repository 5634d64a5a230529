"""Broadcasting: two shapes, the copies that a sum makes of them, and the sums that come back."""

from html import escape

import numpy as np
from figures import Figure

import simplegrad as sg

SHAPES = [(), (4,), (3,), (1, 4), (3, 1), (3, 4)]
CELL = 44, 32  # pixels


def figure() -> Figure:
    """The figure with its choices."""
    made = Figure("broadcasting")
    a = made.choice("shape of <i>a</i>", SHAPES, start=(3, 1))
    b = made.choice("shape of <i>b</i>", SHAPES, start=(4,))
    direction = made.choice("direction", ["forward", "backward"], start="forward")
    made.picture = made.element(
        "div", shown, a, b, direction, attributes='class="figure-grids" aria-live="polite"'
    )
    made.caption = (
        "The sum <i>c</i> = <i>a</i> + <i>b</i>. Forward, each array is repeated to the shape of "
        "<i>c</i>: solid cells are what was given, dotted cells are copies. Backward, each copy has "
        "the gradient of the cell of <i>c</i> that it was added to, and the gradients of all copies "
        "of a number add up."
    )
    return made


def shown(a_shape: tuple[int, ...], b_shape: tuple[int, ...], direction: str) -> str:
    """What simplegrad computes with two shapes, in one direction; or its error."""
    a = sg.Tensor(10.0 * numbered(a_shape), requires_grad=True, name="a")
    b = sg.Tensor(numbered(b_shape), requires_grad=True, name="b")
    try:
        c = a + b
    except ValueError as error:
        return (
            f"<p>These shapes do not fit: <code>a + b</code> raises</p><p>{escape(str(error))}</p>"
        )
    if direction == "forward":
        grids = [
            grid(
                f"<i>{t.name}</i>, {shape(t.shape)}, repeated",
                np.broadcast_to(t.data, c.shape),
                solid(t.shape, c.shape),
            )
            for t in (a, b)
        ]
        return "".join([*grids, grid(f"<i>c</i> = <i>a</i> + <i>b</i>, {shape(c.shape)}", c.data)])
    dc = numbered(c.shape)
    c.backward(grad=dc)
    parts = [grid(f"<i>dc</i>, {shape(c.shape)}", dc)]
    for t in (a, b):
        marks = solid(t.shape, c.shape)
        each = grid(f"<i>d{t.name}</i> of each copy, {shape(c.shape)}", dc, marks)
        added = "nothing to sum" if marks.all() else "the sum over the copies"
        total = grid(f"<code>{t.name}.grad</code>, {shape(t.shape)}: {added}", t.grad)
        parts.append(f"<div>{each}{total}</div>")
    return "".join(parts)


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    """1, 2, 3, … in this shape."""
    return np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape)


def solid(given: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Which cells of a shape hold what was given, and no copy of it: the first of each."""
    numbers = np.broadcast_to(numbered(given), shape)
    first = np.zeros(shape, dtype=bool)
    first.flat[np.unique(numbers, return_index=True)[1]] = True
    return first


def shape(sizes: tuple[int, ...]) -> str:
    """A shape in words."""
    return f"shape {sizes}"


def grid(title: str, values: np.ndarray, marks: np.ndarray | None = None) -> str:
    """Numbers in cells below a title; cells without a mark are dotted."""
    marks = np.ones(values.shape, dtype=bool) if marks is None else marks
    rows = np.atleast_2d(values)
    width, height = rows.shape[1] * CELL[0], rows.shape[0] * CELL[1]
    cells = ""
    for (i, j), value in np.ndenumerate(rows):
        x, y = j * CELL[0], i * CELL[1]
        kind = "given" if np.atleast_2d(marks)[i, j] else "copy"
        cells += (
            f'<g class="{kind}"><rect x="{x + 2}" y="{y + 2}" width="{CELL[0] - 4}" '
            f'height="{CELL[1] - 4}"/><text x="{x + CELL[0] / 2:g}" y="{y + CELL[1] / 2:g}" '
            f'dy="0.35em">{value:g}</text></g>'
        )
    label = ", ".join(f"{value:g}" for value in values.flat)
    return (
        f'<div class="figure-grid"><div>{title}</div><svg role="img" aria-label="{label}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">{cells}</svg></div>'
    )
