"""Exercises: functions to write, and a check that says which equation is wrong.

The exercises are in `tutorials/exercises/`. `check` is called in them; `python -m
simplegrad.exercises` does the same for a file, and lists how far you are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simplegrad.exercises.judge import judge
from simplegrad.exercises.references import load
from simplegrad.exercises.words import text

__all__ = ["check"]


def check(name: str, *functions: Callable[..., Any]) -> None:
    """Prints which equations of an exercise are right, and what is wrong about the others.

    Your functions run here, in this process, so that a debugger can step through them. Stop one
    that does not end as you stop a cell. `python -m simplegrad.exercises check` has a time limit.

    Args:
        name: The exercise.
        functions: What you wrote, in the order of the exercise.

    Raises:
        TypeError: These are not its functions.
        ValueError: There is no such exercise.

    Examples:
        >>> from simplegrad import exercises
        >>> def da(dc, c, a, b):
        ...     return dc * b
        >>> def db(dc, c, a, b):
        ...     return dc * c
        >>> exercises.check("mul", da, db)
        mul: The partials of a product
        <BLANKLINE>
            da  right
            db  wrong
        <BLANKLINE>
        db is wrong, element 0, in case 1 of 2, "two vectors":
            given  dc = 10, a = 2
            right  db = 10 * 2 = 20
            yours  db = 60
            It looks like this mistake: c is used where a belongs.
        <BLANKLINE>
        Right: 1 of 2 equations.
    """
    tasks = load(name).TASKS
    if len(functions) != len(tasks) or not all(callable(function) for function in functions):
        call = f"exercises.check({name!r}, {', '.join(tasks)})"
        raise TypeError(
            f"the exercise {name!r} has {len(tasks)} functions, {', '.join(tasks)}, and check "
            f"takes them without calling them. Write {call}."
        )
    report = judge(name, dict(zip(tasks, functions, strict=True)))
    print(text(f"{name}: {load(name).TITLE}", report))
