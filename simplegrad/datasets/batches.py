"""Batches: a data set a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from simplegrad import creation, given
from simplegrad.tensor import Tensor


class Batches:
    """What `batches` returns: a loop over it is an epoch, and its `len` the number of batches."""

    def __init__(self, arrays: tuple[Any, ...], starts: range, shuffle: bool) -> None:
        self.arrays, self.starts, self.shuffle = arrays, starts, shuffle

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Any]:
        n = len(self.arrays[0])
        order = creation.permutation(n) if self.shuffle else np.arange(n)
        for i in self.starts:
            rows = order[i : i + self.starts.step]
            batch = tuple(a[rows] for a in self.arrays)
            yield batch if len(batch) > 1 else batch[0]


def batches(
    *arrays: Any, batch_size: int | None = None, shuffle: bool = True, drop_last: bool = False
) -> Batches:
    """Each row of the arrays once in an epoch, `batch_size` of them at a time.

    Rows stay together: row i of one array comes with row i of the others.

    Args:
        arrays: Arrays, Tensors or lists of equally many rows.
        batch_size: The rows of a batch; the last one has what is left. It may stand after the
            arrays, as in `batches(x, y, 32)`.
        shuffle: Whether the order of the rows is random, by `sg.generator()`, and another in each
            epoch. It is drawn when the epoch begins.
        drop_last: Whether a last batch of fewer rows is left out.

    Returns:
        What each `for` loop goes through once: tuples of the rows of several arrays, or the rows
        of one alone. They are copies. Its `len` is the number of batches.

    Raises:
        ValueError: The arrays are not of equally many rows, or `batch_size` is below 1.
        TypeError: There is no array, or an argument is of the wrong type.

    Examples:
        >>> x, y = np.ones((5, 3)), np.arange(5)
        >>> train = sg.datasets.batches(x, y, batch_size=2)
        >>> for epoch in range(2):
        ...     for x_batch, y_batch in train:
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
    end = n - n % batch_size if drop_last else n
    return Batches(arrays, range(0, end, batch_size), shuffle)
