"""Task: a function that a student writes, and all that is known about it, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Task(NamedTuple):
    """One function of an exercise: what it computes, on which examples, and how it goes wrong.

    Right sides, the right ones and those of mistakes, are Python expressions. They may name `np`,
    the arguments, the results that stand before, and what is in `names`; `yours` is what the
    student's function gave, `results` is all that it gave, by name, and in a mistake `right` is
    the right result.

    Attributes:
        arguments: The arguments in their order, as in "dc, c, a, b".
        equations: The results in their order: the name of each and its right side.
        cases: What the function is called with: a title, and the arguments of each call. A further
            call of a case takes over what is not given anew.
        mistakes: For each result, a sentence for each mistake and the right side that it leads to.
        kept: Which argument of a further call is which result of the call before.
        in_place: The arguments that belong to the function, so that it may change them.
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
    names: Mapping[str, Any] = {}
