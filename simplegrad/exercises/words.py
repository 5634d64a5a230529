"""What the judge says, in words and numbers."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from traceback import FrameSummary, extract_tb
from typing import Any

import numpy as np

from simplegrad.exercises.task import Report, Task, Trial

WIDTH = 92
SMALL = 12  # elements of an array that is shown
SHORT = 160  # characters of anything else


class WrongReturnError(Exception):
    """What came back is not one value for each name."""

    def __init__(self, names: Sequence[str], returned: Any) -> None:
        what = f"{len(returned)} values" if isinstance(returned, tuple | list) else shown(returned)
        super().__init__(
            f"{len(names)} values are to be returned, {', '.join(names)}, in this order, but what "
            f"came is {what}{about(returned, returned)}"
        )


def text(title: str, report: Report) -> str:
    """The whole report: a table of the equations, the remarks, and how far it is."""
    width = max(map(len, report.statuses))
    equations = [f"    {name:{width}}  {status}" for name, status in report.statuses.items()]
    if report.all_right:
        end = "All right."
    elif report.untouched:
        end = "Not done yet: put your code in place of the dots, and check again."
    elif report.count == len(report.statuses):
        end = "All equations are right, but see above."
    else:
        end = f"Right: {report.count} of {len(report.statuses)} equations."
    return "\n\n".join([title, "\n".join(equations), *report.remarks, end])


def wrong(task: Task, name: str, trial: Trial, right: Any, mistake: str) -> str:
    """The remark on a wrong result: what was given, what is right, what came, and the mistake."""
    yours, left, where = trial.results[name], f"{name} =", ""
    values = {**trial.results, **trial.given}
    values = {n: values[n] for n in names_in(task.equations[name]) if n in values}
    i = first_difference(yours, right)
    if i is not None:
        of_element = {n: element(x, i, np.shape(right)) for n, x in values.items()}
        numbers = put_in(task, task.equations[name], of_element, right[i])
        if numbers:
            values = of_element
        if numbers or np.size(right) > SMALL:
            where = f", element {i[0] if len(i) == 1 else i}," if i else ""
            right, yours = right[i], np.asarray(yours)[i]
        if numbers not in ("", shown(right)):
            left = f"{name} = {numbers} ="
    digits = next((d for d in (6, 10) if shown(right, d) != shown(yours, d)), 17)
    strange = about(yours, right)
    example = ", for example" if "yours" in names_in(task.equations[name]) else ""
    rows = [
        *given(values),
        row("right", left, shown(right, digits) + example),
        row("yours", f"{name} =", shown(yours, digits) + strange),
    ]
    if mistake or not strange:
        rows.append(looks_like(mistake))
    return "\n".join([f"{name} is wrong{where}{case(task, trial)}", *rows])


def stopped(
    function: str, task: Task, trial: Trial, student: Callable[..., Any], mistake: str
) -> str:
    """The remark on a function that raised an error."""
    error = trial.error
    if isinstance(error, WrongReturnError):
        return textwrap.fill(f"{function} is wrong: {error}.", WIDTH)
    code = getattr(student, "__code__", None)
    lines = [
        f"{function} stops with an error{case(task, trial)}",
        *place_of(error, [code.co_filename] if code else []),
        row("error", "", said(error)),
    ]
    if isinstance(error, TypeError) and "ellipsis" in str(error):
        lines.append("    It computes with a ... that is still to be replaced.")
    else:
        arguments = task.arguments.split(", ")
        lines += given({n: trial.given[n] for n in arguments})
        lines.append(row("call", "", f"{function}({task.arguments})"))
    return "\n".join([*lines, *([looks_like(mistake)] if mistake else [])])


def changed(function: str, task: Task, copies: Mapping[str, str]) -> str:
    """The remark on arguments that a function has changed in place, and what is to be a copy."""
    argument, copy = min(copies.items())
    alias = "" if copy == argument else f", and {copy} is the same array"
    first = f"{function} changes its argument {' and '.join(sorted(copies))} in place.\n"
    advice = f"Begin with {copy} = {argument}.copy(), or make a new array."
    if task.over:
        advice = f"Write into {' or '.join(task.in_place)}, which are yours."
    return first + indented(f"Whoever called it still needs what was there{alias}. {advice}")


def elsewhere(function: str, places: Mapping[str, str]) -> str:
    """The remark on results that are not written over the arguments they belong to."""
    pairs = " and ".join(f"{result} into {argument}" for result, argument in places.items())
    return f"{function} does not write {pairs}.\n" + indented(
        "Whoever called it looks there. Write the operations with out=, as in "
        f"np.multiply(x, y, out={next(iter(places.values()))}), and return the same arrays."
    )


def makes(function: str, number: int, argument: str) -> str:
    """The remark on arrays that a function makes, where it is to make none."""
    arrays = "an array" if number == 1 else f"{number} arrays at once"
    return f"{function} makes {arrays} of its own.\n" + indented(
        "Each operation without out= makes one for its result. Give it a place that is there, as "
        f"in np.multiply(x, y, out={argument})."
    )


def looks_like(mistake: str) -> str:
    """The last line of a remark."""
    sentence = f"It looks like this mistake: {mistake}."
    if not mistake:
        sentence = "This is none of the mistakes that the check knows."
    return indented(sentence)


def indented(sentence: str) -> str:
    """A sentence under the first line of a remark."""
    indent = " " * 4
    return textwrap.fill(sentence, WIDTH, initial_indent=indent, subsequent_indent=indent)


def case(task: Task, trial: Trial) -> str:
    """Which example it was."""
    number = list(task.cases).index(trial.case) + 1
    return f' in case {number} of {len(task.cases)}, "{trial.case}":'


def place_of(error: BaseException | None, files: Sequence[str]) -> list[str]:
    """The row that says where in the student's files an error was raised, if it was there."""
    here = extract_tb(error.__traceback__) if error else []
    frames = [frame for frame in here if frame.filename in files]
    return [line_of(frame) for frame in getattr(error, "frames", frames)][-1:]


def line_of(frame: FrameSummary) -> str:
    """The line of a frame and, unless it is a cell of a notebook, its file."""
    cell = "ipykernel" in frame.filename or frame.filename.startswith("<")
    file = "" if cell else f" of {Path(frame.filename).name}"
    return row("line", "", f"{frame.lineno}{file}: {frame.line}")


def said(error: BaseException | None) -> str:
    """The type and the message of an error, on one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}"[:300]


# Equations with numbers put in


@cache  # one right side is read for many trials and students
def names_in(expression: str) -> list[str]:
    """The names in an expression, each once."""
    nodes = [node for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(node.id for node in sorted(nodes, key=lambda node: node.col_offset)))


def put_in(task: Task, expression: str, numbers: Mapping[str, Any], right: Any) -> str:
    """The expression with its numbers put in; "" if it does not compute `right` from numbers."""
    if any(isinstance(x, np.ndarray) or callable(x) for x in numbers.values()):
        return ""
    node = ast.parse(expression, mode="eval").body
    try:
        while isinstance(node, ast.IfExp):  # one of the two was computed
            node = node.body if eval(ast.unparse(node.test), dict(numbers)) else node.orelse
        expression = ast.get_source_segment(expression, node) or ""
        with np.errstate(all="ignore"):
            value = eval(expression, {"np": np, **task.names, **numbers})
            is_right = bool(np.isclose(value, right))
    except Exception:  # it needs whole arrays
        return ""

    def number(name: re.Match[str]) -> str:
        text = shown(numbers[name[0]]) if name[0] in numbers else name[0]
        return f"({text})" if text.startswith("-") else text

    if not is_right:
        return ""
    return re.sub(r"\((\(-[^()]*\))\)", r"\1", re.sub(r"[A-Za-z_]\w*", number, expression))


def first_difference(yours: Any, right: Any) -> tuple[int, ...] | None:
    """The index of the first element that differs; None if these are no arrays of one shape."""
    try:
        x, y = np.asarray(yours, dtype=float), np.asarray(right, dtype=float)
        differs = ~np.isclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
        same_shape = x.shape == y.shape and isinstance(right, np.ndarray)
        return tuple(int(k) for k in np.argwhere(differs)[0]) if same_shape else None
    except Exception:
        return None


def element(x: Any, i: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """Element i of an array of this shape, and anything else as it is."""
    return x[i] if isinstance(x, np.ndarray) and x.shape == shape else x


# Values


def shown(x: Any, digits: int = 6) -> str:
    """A value as a student reads it: short, and safe whatever it is."""
    try:
        if callable(x):
            return x.__doc__ or x.__name__
        if isinstance(x, float | np.floating):
            return f"{float(x):.{digits}g}"
        if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
            if x.size > SMALL:
                return f"an array of shape {x.shape}"
            with np.printoptions(precision=digits, linewidth=70):
                return str(x)
        line = str(x) if isinstance(x, np.generic) else repr(x)
        return line if len(line) <= SHORT else f"{line[:SHORT]} ..."
    except Exception as error:
        return f"a {type(x).__name__} whose repr raises {type(error).__name__}"


def about(yours: Any, right: Any) -> str:
    """What is to be said about the student's value that its numbers do not show."""
    if yours is None:
        return ": is the return missing?"
    try:
        if np.asarray(yours).dtype.kind in "biuf" and np.shape(yours) != np.shape(right):
            return f", of shape {np.shape(yours)}, where it is {np.shape(right)}"
    except Exception:
        pass
    number = isinstance(yours, int | float | np.ndarray | np.generic)
    return "" if number or type(yours) is type(right) else f", a {type(yours).__name__}"


# Rows


def given(values: Mapping[str, Any]) -> list[str]:
    """The rows that say what a function was given: small values side by side."""
    rows: list[tuple[str, str]] = []
    for name, x in values.items():
        left, value = f"{name} =", shown(x)
        if rows and "\n" not in rows[-1][1] + value and len(f"{rows[-1]}{left}{value}") < WIDTH - 8:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]}, {left} {value}")
        else:
            rows.append((left, value))
    return [row("" if number else "given", *pair) for number, pair in enumerate(rows)]


def row(title: str, left: str, value: str) -> str:
    """A row of a remark; a value of several lines stays in one piece."""
    start = f"    {title:6} {left}{' ' if left else ''}"
    if "\n" in value:
        return textwrap.indent(value, " " * len(start)).replace(" " * len(start), start, 1)
    indent = " " * min(len(start), 11)
    return textwrap.fill(value, WIDTH, initial_indent=start, subsequent_indent=indent)
