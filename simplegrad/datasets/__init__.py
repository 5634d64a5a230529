"""Data small enough to come with the library."""

from simplegrad.datasets.digits import Digits, load_digits

__all__ = ["Digits", "load_digits"]
