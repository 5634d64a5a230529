"""What is judged, as data: a function to write, the calls of a student's, what is said of it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

RIGHT, WRONG, NOT_DONE, ERROR, UNKNOWN = "right", "wrong", "not done yet", "error", "-"


class Task(NamedTuple):
    """One function of an exercise: what it computes, on which examples, and how it goes wrong.

    Right sides, the right ones and those of mistakes, are Python expressions. They may name `np`,
    the arguments, the results that stand before, and what is in `names`; `yours` is what the
    student's function gave, and in a mistake `right` is the right result. An equation with `yours`
    is a property: it has several right results, and is the student's own if that is one of them.

    Attributes:
        arguments: The arguments in their order, as in "dc, c, a, b".
        equations: The results in their order: the name of each and its right side.
        cases: What the function is called with: a title, and the arguments of each call. A further
            call of a case takes over what is not given anew.
        mistakes: For each result, a sentence for each mistake and the right side that it leads to.
            A sentence may hold expressions in braces, whose values are put in.
        kept: Which argument of a further call is which result of the call before.
        in_place: The arguments that belong to the function, so that it may change them.
        over: Which result is to be written over which of them, without memory for anything else.
        library: Whether the function may use simplegrad, but for what has its name there.
        names: What else right sides refer to.

    Examples:
        >>> square = Task(
        ...     arguments="dc, c, a",
        ...     equations={"da": "dc * 2 * a"},
        ...     cases={"a number": [{"dc": 1.0, "c": 9.0, "a": 3.0}]},
        ...     mistakes={"da": {"the 2 is missing": "dc * a"}},
        ... )
    """

    arguments: str
    equations: Mapping[str, str]
    cases: Mapping[str, Sequence[Mapping[str, Any]]]
    mistakes: Mapping[str, Mapping[str, str]]
    kept: Mapping[str, str] = {}
    in_place: Sequence[str] = ()
    over: Mapping[str, str] = {}
    library: bool = False
    names: Mapping[str, Any] = {}


def table(text: str) -> dict[str, str]:
    """Mistakes written as a text: in each row a sentence, `->` and the right side it stands for.

    An indented line continues the row above.
    """
    rows = re.sub(r"\n +", " ", textwrap.dedent(text).strip()).split("\n")
    return dict(row.split(" -> ") for row in rows)


def function_of(argument: str, expression: str, shown: str = "") -> Callable[[Any], Any]:
    """A function for a case, which may go to another process, and is shown by its expression.

    Examples:
        >>> cubes = function_of("x", "(x**3).sum()")
        >>> float(cubes(np.array([1.0, 2.0])))
        9.0
    """
    source = f"lambda {argument}: {expression}"
    function = eval(source, {"np": np})
    function.source, function.__doc__ = source, shown or expression
    return function


class Trial(NamedTuple):
    """One call of a student's function: what it got, and what came of it.

    Attributes:
        results: Copies of what was returned, by name.
        returned: The same, not copied: two of its arrays may be one.
        changed: The arguments that are not what they were, as the function has left them.
        memory: The most bytes that the function had at once for what it has made.
    """

    case: str
    given: Mapping[str, Any]
    results: Mapping[str, Any]
    error: BaseException | None = None
    returned: Mapping[str, Any] = {}
    changed: Mapping[str, Any] = {}
    memory: int = 0

    def of(self, name: str) -> Any:
        """The student's result, or the error in its place, or None."""
        return self.error or self.results.get(name)


@dataclass(frozen=True)
class Report:
    """What is said about an exercise, or about a part of it.

    Attributes:
        statuses: For each result: "right" in every case, "wrong", "not done yet", "error" where the
            function stops with one, or "-" where what it is computed from must be mended first.
        remarks: What is to be said about it, a paragraph each.
    """

    statuses: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many equations are right."""
        return [*self.statuses.values()].count(RIGHT)

    @property
    def all_right(self) -> bool:
        """Whether the exercise is done."""
        return set(self.statuses.values()) == {RIGHT} and not self.remarks

    @property
    def untouched(self) -> bool:
        """Whether nobody has tried it."""
        return set(self.statuses.values()) == {NOT_DONE} and not self.remarks

    def __add__(self, other: Report) -> Report:
        return Report({**self.statuses, **other.statuses}, [*self.remarks, *other.remarks])
