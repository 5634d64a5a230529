"""Modes: what holds within a `with` block, in the thread or the task that has entered it.

The ground floor, like `given`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar, TypeAlias

Blocks: TypeAlias = "tuple[list[Mode], ...]"


class Mode:
    """A `with` block, or a function that it decorates, within which something holds.

    It belongs to its context, as contextvars do: no other thread or task is in it. Blocks may end
    in any order, and in another context, as that of a generator which is closed elsewhere.

    Attributes:
        blocks: Those that this context has entered: each a list of its mode, empty at its end.

    Raises:
        TypeError: It is given an argument, as in `@sg.no_grad` without parentheses.
    """

    blocks: ClassVar[ContextVar[Blocks]]  # subclasses define it

    def __init__(self, *wrong: Any) -> None:
        if wrong:
            name = type(self).__name__
            raise TypeError(
                f"{name} takes no argument, but got {wrong[0]!r:.80}. Write @sg.{name}() above a "
                f"function, with parentheses, or with sg.{name}(): around a block."
            )
        self._entered: list[list[Mode]] = []

    def __enter__(self) -> None:
        block = [self]
        self._entered.append(block)
        self.blocks.set((*filter(None, self.blocks.get()), block))

    def __exit__(self, *exception: object) -> None:
        here = [block for block in self.blocks.get() if self in block]
        (here or self._entered)[-1].clear()
        self._entered = [*filter(None, self._entered)]
        self.blocks.set((*filter(None, self.blocks.get()),))

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, each call of which is a block of its own."""
        import inspect  # only when it is needed: it takes time to import

        kinds = inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction
        if any(is_kind(function) for is_kind in kinds):
            name = type(self).__name__
            raise TypeError(
                f"{function.__name__} is a generator or a coroutine, and a call of it runs nothing "
                f"yet: @sg.{name}() would be over before it begins. Write with sg.{name}(): in it."
            )

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with type(self)():
                return function(*args, **kwargs)

        return within
