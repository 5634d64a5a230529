"""Data small enough to come with the library."""

from simplegrad.datasets.batches import batches
from simplegrad.datasets.digits import Digits, load_digits
from simplegrad.datasets.names import load_names

__all__ = ["Digits", "batches", "load_digits", "load_names"]
