"""Curves in a rectangle, for the figures that move: as SVG, in whole pixels."""

from collections.abc import Iterable, Sequence

import numpy as np

FAR = 3  # times the rectangle's size: what is farther away is not drawn
SHAPES = [  # of the markers on curves 1, 2, …
    '<circle r="5"/>',
    '<path d="M-5-5h10v10h-10z"/>',
    '<path d="M-6 5h12L0-6z"/>',
    '<path d="M0-7l6 7-6 7-6-7z"/>',
]
MARKERS = (  # for the elements of class "dots"; once in a page
    '<svg class="figure-markers" aria-hidden="true">'
    + "".join(
        f'<marker id="dot-{number}" style="fill: var(--curve-{number})" viewBox="-8 -8 16 16" '
        f'markerWidth="16" markerHeight="16" markerUnits="userSpaceOnUse">{shape}</marker>'
        for number, shape in enumerate(SHAPES, 1)
    )
    + "</svg>"
)


class Axes:
    """A rectangle in which numbers have places; what is outside of it is not seen.

    Args:
        x: The first and the last number from left to right.
        y: The same from the bottom to the top.
        size: Its width and height in pixels of the picture.
    """

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], size: tuple[int, int]
    ) -> None:
        self.x, self.y, self.size = x, y, size

    def places(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The pixels, from the left and from the top, of shape (points, 2)."""
        right = (x - self.x[0]) / (self.x[1] - self.x[0])
        down = (self.y[1] - y) / (self.y[1] - self.y[0])
        return np.stack([right, down], axis=-1) * self.size

    def path(self, x: np.ndarray, y: np.ndarray) -> str:
        """The attribute `d` of a line through the points; it ends where it is far outside."""
        places = self.places(x, y)
        far = np.any(abs(places / self.size - 0.5) > FAR, axis=1)
        if far.any():
            places = places[: far.argmax() + 1]
        (left, top), *steps = np.diff(np.rint(places).astype(int), axis=0, prepend=0).tolist()
        line = " ".join(f"{right} {down}" for right, down in steps)
        return f"M{left} {top}l{line}".replace(" -", "-")

    def svg(
        self,
        curves: str,
        label: str,
        x_ticks: Iterable[tuple[float, str]],
        y_ticks: Iterable[tuple[float, str]],
        names: Sequence[str],
        margin: tuple[int, int] = (70, 80),
    ) -> str:
        """The picture: the curves, the ticks with their texts, and the names of both axes."""
        width, height = self.size
        left, bottom = margin
        ticks = ""
        for number, text in x_ticks:
            ((right, _),) = self.places(np.array([number]), np.array([self.y[0]]))
            ticks += (
                f'<g class="tick-x" transform="translate({right:g} {height})">'
                f'<path d="M0 0v-{height}"/><text y="0.3em" dy="0.8em">{text}</text></g>'
            )
        for number, text in y_ticks:
            ((_, down),) = self.places(np.array([self.x[0]]), np.array([number]))
            ticks += (
                f'<g class="tick-y" transform="translate(0 {down:g})">'
                f'<path d="M0 0h{width}"/><text x="-0.4em" dy="0.35em">{text}</text></g>'
            )
        x_name, y_name = names
        return (
            f'<svg role="img" aria-label="{label}" '
            f'viewBox="{-left} -16 {width + left + 24} {height + bottom + 16}">'
            f'{ticks}<svg width="{width}" height="{height}">{curves}</svg>'
            f'<rect class="frame" width="{width}" height="{height}"/>'
            f'<text x="{width / 2:g}" y="{height + bottom}" dy="-0.3em">{x_name}</text>'
            f'<text transform="translate({-left} {height / 2:g}) rotate(-90)" '
            f'dy="0.9em">{y_name}</text></svg>'
        )


def sample(look: str) -> str:
    """A piece of a curve, to stand before its name; `look` is its attribute `class`."""
    return (
        '<svg class="figure-sample" viewBox="-8 -10 72 20" aria-hidden="true">'
        f'<path {look} d="M0 0l28 0 28 0"/></svg>'
    )
