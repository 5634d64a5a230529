"""The handwritten digits of the UCI repository; DIGITS.md says where they come from."""

import io
from typing import NamedTuple

import numpy as np


class Digits(NamedTuple):
    """Handwritten digits, split for training and testing.

    Attributes:
        x_train: 1,541 images of 64 pixels from 0 (paper) to 1 (ink): float32 of shape (1541, 64).
        y_train: What they are, 0 to 9: int64 of shape (1541,).
        x_test: 256 further images.
        y_test: What those are.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_digits() -> Digits:
    """The 1,797 digits; every seventh is for testing, always the same ones.

    Examples:
        >>> digits = sg.datasets.load_digits()
        >>> digits.x_train.shape, digits.x_test.shape
        ((1541, 64), (256, 64))
        >>> print(digits.y_test[:5])
        [6 3 0 7 6]

        As images for a convolution, of one channel and 8 x 8 pixels:

        >>> digits.x_train.reshape(-1, 1, 8, 8).shape
        (1541, 1, 8, 8)
    """
    from importlib import resources  # here, since it would lengthen `import simplegrad`

    content = resources.files(__package__).joinpath("digits.npz").read_bytes()  # also from a zip
    with np.load(io.BytesIO(content)) as file:
        x = (file["images"].reshape(-1, 64) / np.float32(16)).astype(np.float32)
        y = file["labels"].astype(np.int64)
    is_test = np.arange(len(y)) % 7 == 6
    return Digits(x[~is_test], y[~is_test], x[is_test], y[is_test])
