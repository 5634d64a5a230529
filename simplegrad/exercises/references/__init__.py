"""The exercises: a module each, with its TITLE and its TASKS, the functions to write by name."""

import importlib
from types import ModuleType

EXERCISES = (
    "logits",
    *("mul", "tanh", "gradcheck"),
    "topological_order",
    *("matmul", "unbroadcast"),
    "stops",
    *("sgd_momentum", "rmsprop"),
    *("adam", "adamw", "amsgrad"),
    "cross_entropy",
    "groups",
    "batch_norm",
    "conv2d",
    "gru",
    "attention",
    *("vjp", "hvp"),
    "in_place",
    "all_reduce",
    "first_nan",
)
"""Their names, in the order of the chapters: a row each."""


def load(name: str) -> ModuleType:
    """The module of an exercise.

    Raises:
        ValueError: There is no such exercise.
    """
    if name not in EXERCISES:
        raise ValueError(
            f"there is no exercise {name!r}. The exercises are {', '.join(EXERCISES)}."
        )
    return importlib.import_module(f"{__name__}.{name}")
