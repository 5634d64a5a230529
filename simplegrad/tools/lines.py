"""What a line computed, as a record and as text: its code, the numbers put in, and its result."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from simplegrad.tensor import Tensor

CODE, NUMBERS = 74, 60  # columns of a table: for the code, and of these for the numbers
DECIMAL = r"(?<![\w.])(?:\d+\.\d*|\d+(?=e))(?:e[-+]?\d+)?"

Index = tuple[int, ...]
# Gives the chosen element of an array, or None; a Pick that is None picks nothing
Pick = Callable[[np.ndarray], Any] | None


class Line(NamedTuple):
    """One line that ran.

    Attributes:
        file: Its file.
        line: Its number there; of a statement of several lines, that of the first.
        function: What it is a line of, such as "Adam.update".
        parameter: The name of the tensor that it is about: the one that is updated, or whose
            gradient is computed. None in a forward pass.
        equation: What the docstring gives for it, in LaTeX; "" if it gives nothing.
        code: The statement, as it stands in the file.
        numbers: Its right side with the numbers put in, none of them rounded. An array that is
            not used element by element shows its first values and its shape. "" if the statement
            assigns several names.
        result: The number that it gave, of NumPy or of Python; or a text, where there is no such
            element, or several results, or an error.
    """

    file: str
    line: int
    function: str
    parameter: str | None
    equation: str
    code: str
    numbers: str
    result: Any

    def __str__(self) -> str:
        """The code, the numbers below it, and the result at the right."""
        rows = textwrap.wrap(self.code, CODE, subsequent_indent=" " * 8)
        left = re.match(r"(return|.*? [^\w\s]*=) ", self.code)
        indent = " " * (len(left[1]) - 1 if left else 4)
        numbers, result = rounded(self.numbers), rounded(text_of(self.result))
        if numbers != result and not self.code.endswith(numbers):
            rows += _wrapped(f"= {numbers}", indent, NUMBERS)
        if not isinstance(self.result, str):
            if len(rows[-1]) >= NUMBERS:
                rows.append("")
            rows[-1] = f"{rows[-1]:{NUMBERS}}= {result}"
        elif result.startswith("["):
            rows += _wrapped(f"= {result}", indent, CODE)
        else:
            rows += _wrapped(result, " " * 4, CODE)
        return "\n".join(rows)


def element_of(array: np.ndarray, index: Index | None, of: tuple[int, ...] | None) -> Any:
    """The element of an array that belongs to one element of a tensor of shape `of`, or None.

    Axes are aligned from the last, as in broadcasting: along an axis that one of the two does not
    have, or has with size 1, the first element stands for all.
    """
    place = []
    for axis in range(-array.ndim, 0):
        size = array.shape[axis]
        i = index[axis] if index is not None and len(index) >= -axis else 0
        n = of[axis] if of is not None and len(of) >= -axis else 1
        if size != 1 and (n not in (1, size) or not -size <= i < size):
            return None
        place.append(i if size != 1 else 0)
    return array[tuple(place)]


# Numbers as text


def text_of(value: Any) -> str:
    """A number as Python writes it, and 4 for 4.0: both compute the same."""
    return str(value).removesuffix(".0")


def rounded(text: str) -> str:
    """The text with its decimals rounded to six digits."""
    return re.sub(DECIMAL, lambda number: f"{float(number[0]):.6g}", text)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    """The text in rows, all but the first a little further in; a shape stays in one piece."""
    text = re.sub(r"\.\.\. \([\d, ]+\)", lambda shape: shape[0].replace(" ", "\0"), text)
    further = f"{indent}  "
    rows = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False
    )
    return [row.replace("\0", " ") for row in rows]


def result_of(value: Any, pick: Pick = None) -> Any:
    """The number that a line gave, or an array as text; None of what is not computed with."""
    if isinstance(value, np.ndarray | Tensor):
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
        number = pick(array) if pick else None
        return _array_text(array) if number is None else number
    return value if isinstance(value, int | float | np.number | np.bool) else None


def value_text(value: Any, pick: Pick) -> str | None:
    """What stands in place of a name; None if the name says it better, as of a function."""
    result = result_of(value, pick)
    if result is not None:
        return text_of(result)
    if value is None or isinstance(value, str | slice):
        return repr(value)
    kinds = int | np.integer | np.ndarray | Tensor  # of a shape, an index, joined arrays
    if isinstance(value, tuple | list) and all(isinstance(x, kinds) for x in value):
        text = ", ".join(text_of(result_of(x)) for x in value)
        return f"[{text}]" if isinstance(value, list) else f"({text}{',' * (len(value) == 1)})"
    return None


def _array_text(array: np.ndarray) -> str:
    """A small array in full; of a large one the first values and the shape."""
    if array.ndim == 0:
        return text_of(array[()])
    if array.size > 6:
        return f"[{', '.join(text_of(x) for x in array.flat[:3])}, ... {array.shape}]"
    text = np.array2string(array, separator=", ", formatter={"all": text_of})
    return " ".join(text.split())
