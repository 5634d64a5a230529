"""Einstein's notation: any sum of products of tensors, by the letters of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from simplegrad import given, habits, rules
from simplegrad.functional.shapes import broadcast_to
from simplegrad.given import Sizes
from simplegrad.rules.arithmetic import LETTERS
from simplegrad.tensor import Tensor, TensorLike, as_tensor, record

__all__ = ["einsum"]


def einsum(subscripts: str, *tensors: TensorLike, **wrong: NoReturn) -> Tensor:
    r"""The product of all tensors, summed over the axes whose letters are not in the output.

    So $c_{ik} = \sum_j a_{ij} b_{jk}$ is `einsum("ij,jk->ik", a, b)`. As a product of matrices,
    `a @ b` is faster.

    Args:
        subscripts: For each tensor a letter for each axis, and after "->" those of the output. A
            letter twice in one term is a diagonal, "..." stands for axes that broadcast. Without
            "->" the output has "..." and the letters that come once, in alphabetical order.
        tensors: As many as there are terms. A size of 1 is repeated, as in NumPy.

    Raises:
        ValueError: The subscripts do not fit the tensors.

    Examples:
        >>> a, b = sg.ones((2, 3)), sg.ones((3, 4))
        >>> sg.einsum("ij,jk->ik", a, b).shape
        (2, 4)
        >>> sg.einsum("ii", sg.eye(3)).item()
        3.0
    """
    if wrong:
        raise habits.refused("sg.einsum", wrong, subscripts, *tensors)
    if not isinstance(subscripts, str):
        shapes = [getattr(t, "shape", ()) for t in tensors]
        raise given.no_subscripts(subscripts, shapes, "the letters come first")
    a = [as_tensor(t) for t in tensors]
    terms, out = _letters(subscripts, [t.shape for t in a])
    sizes: dict[str, int] = {}
    for term, t in zip(terms, a, strict=True):
        for letter, n in zip(term, t.shape, strict=True):
            size = sizes.get(letter, 1)
            if n != size and 1 not in (n, size):
                name = letter if letter in subscripts else "..."
                why = f"an axis of one letter, here {name!r}, has one size, not {size} and {n}"
                raise given.no_subscripts(subscripts, [t.shape for t in a], why)
            sizes[letter] = n if size == 1 else size
    shapes = [tuple(sizes[letter] for letter in term) for term in terms]
    a = [t if t.shape == s else broadcast_to(t, s) for t, s in zip(a, shapes, strict=True)]
    named = f"{','.join(terms)}->{out}"
    c = rules.Einsum.forward(*[t.data for t in a], subscripts=named)
    return record(c, rules.Einsum, *a, subscripts=named)


def _letters(subscripts: str, shapes: Sequence[Sizes]) -> tuple[list[str], str]:
    """The letters of each tensor's axes and of the output's, letters in place of "...", too."""

    def wrong(why: str) -> ValueError:
        return given.no_subscripts(subscripts, shapes, why)

    inputs, arrow, out = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise wrong(f"the number of terms is {len(terms)}, and that of tensors {len(shapes)}")
    unnamed = []  # how many axes stand behind "..."
    for term, shape in zip(terms, shapes, strict=True):
        letters = term.replace("...", "", 1)
        if not set(letters) <= {*LETTERS}:
            raise wrong(f"a term is made of letters and one '...', but got {term!r}")
        if len(letters) > len(shape) or (len(letters) < len(shape) and "..." not in term):
            raise wrong(f"{term!r} names {len(letters)} axes of a tensor with {len(shape)}")
        unnamed.append(len(shape) - len(letters))
    named = inputs.replace("...", "").replace(",", "")
    free = [letter for letter in LETTERS if letter not in subscripts]
    dots = "".join(free[: max(unnamed)])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, unnamed, strict=True)]
    if not arrow:
        out = "..." + "".join(sorted(x for x in {*named} if named.count(x) == 1))
    out = out.replace("...", dots, 1)
    for letter in out:
        if letter not in named + dots or out.count(letter) > 1:
            raise wrong(f"{letter!r} stands in no term, or twice in the output")
    return terms, out
