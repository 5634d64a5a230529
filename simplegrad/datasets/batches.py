"""Batches: a data set a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simplegrad import creation, given
from simplegrad.tensor import Tensor


def batches(
    *arrays: Any, batch_size: int | None = None, shuffle: bool = True, drop_last: bool = False
) -> Iterator[Any]:
    """An iterator over one epoch: each row of the arrays once, `batch_size` of them at a time.

    Rows stay together: row i of one array comes with row i of the others.

    Args:
        arrays: Arrays, Tensors or lists of equally many rows.
        batch_size: The rows of a batch; the last one has what is left. It may stand after the
            arrays, as in `batches(x, y, 32)`.
        shuffle: Whether the order of the rows is random, by `sg.generator()`, and another in each
            epoch. It is drawn when `batches` is called.
        drop_last: Whether a last batch of fewer rows is left out.

    Returns:
        Of several arrays, an iterator over tuples of their rows; of one, over its rows alone. The
        batches are copies.

    Raises:
        ValueError: The arrays are not of equally many rows, or `batch_size` is below 1.
        TypeError: There is no array, or an argument is of the wrong type.

    Examples:
        >>> x, y = np.ones((5, 3)), np.arange(5)
        >>> for epoch in range(2):
        ...     for x_batch, y_batch in sg.datasets.batches(x, y, batch_size=2):
        ...         print(x_batch.shape, y_batch.shape)
        (2, 3) (2,)
        (2, 3) (2,)
        (1, 3) (1,)
        (2, 3) (2,)
        (2, 3) (2,)
        (1, 3) (1,)
    """
    write = "Write sg.datasets.batches(x, y, batch_size=32)."
    if batch_size is None and arrays:
        *arrays, batch_size = arrays  # type: ignore[assignment]
    batch_size = given.checked_number(given.SIZE, batch_size, "the batch_size is", write)
    shuffle = given.flag("batches", "shuffle", shuffle)
    drop_last = given.flag("batches", "drop_last", drop_last)
    arrays = tuple(a if isinstance(a, Tensor | np.ndarray) else given.array(a) for a in arrays)
    shapes = [a.shape for a in arrays]
    if not arrays or not all(a.ndim for a in arrays):
        raise TypeError(f"batches takes arrays with rows, but got shapes {shapes}. {write}")
    n = len(arrays[0])
    if any(len(a) != n for a in arrays):
        raise ValueError(
            f"batches takes the same rows of all arrays, but got shapes {shapes}. Write "
            "sg.datasets.batches(x[:n], y[:n], batch_size=32), or transpose the one that has them "
            "as columns."
        )
    order = creation.permutation(n) if shuffle else np.arange(n)
    end = n - n % batch_size if drop_last else n
    chosen = (order[i : i + batch_size] for i in range(0, end, batch_size))
    if len(arrays) == 1:
        return (arrays[0][rows] for rows in chosen)
    return (tuple(a[rows] for a in arrays) for rows in chosen)
