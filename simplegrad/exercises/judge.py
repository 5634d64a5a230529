"""The judge: runs what a student wrote, and compares it with the reference, equation by equation.

An equation is judged by itself: its right result is computed from the arguments and from the
student's own earlier results. So a wrong m_t does not make a right m_hat wrong.
"""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simplegrad.exercises import words
from simplegrad.exercises.references import load
from simplegrad.exercises.task import ERROR, NOT_DONE, RIGHT, UNKNOWN, WRONG, Report, Task, Trial

COMMON_MISTAKES = {
    "the sign is turned round": "-right",
    "it is transposed": "np.transpose(right)",
    "the numbers are right, but in another shape": "np.reshape(right, np.shape(yours))",
    "it is summed up, where each element is wanted": "np.sum(right)",
    "the mean is taken, where each element is wanted": "np.mean(right)",
    "the digits are those of float32: compute in float64, as the arguments are": (
        "yours if np.allclose(yours, right, 1e-5, 1e-6) else right"
    ),
}
"""Mistakes that every equation is compared with, after its own."""


def unknown(name: str, remark: str) -> Report:
    """The report on an exercise of which nothing could be judged, and why."""
    results = [result for task in load(name).TASKS.values() for result in task.equations]
    return Report(dict.fromkeys(results, UNKNOWN), [remark])


def judge(
    name: str,
    functions: Mapping[str, Callable[..., Any]],
    before: Callable[[Report, str], None] = lambda report, function: None,
) -> Report:
    """The report on an exercise.

    Args:
        functions: What the student wrote for each task, by its name.
        before: Is called before each function, with the report until then.
    """
    report = Report()
    for function, task in load(name).TASKS.items():
        before(report, function)
        if function in functions:
            report += judge_task(function, task, functions[function])
        else:
            remark = f"There is no {function}({task.arguments}): keep the name of the function."
            report += Report(dict.fromkeys(task.equations, UNKNOWN), [remark])
    return report


def judge_task(function: str, task: Task, student: Callable[..., Any]) -> Report:
    """The report on one function."""
    trials = [trial for case in task.cases for trial in trials_of(task, case, student)]
    statuses, remarks, stop = {}, [], None
    for name in task.equations:
        status, trial = first_bad(task, trials, name)
        statuses[name] = status
        if trial and status == WRONG:
            right = value_of(task, trial, name, task.equations[name])
            remarks.append(words.wrong(task, name, trial, right, diagnosis(task, trials, name)))
        elif trial and status == ERROR:
            stop = trial
    if stop:
        mistakes = (diagnosis(task, trials, name) for name in task.equations)
        remarks.append(
            words.stopped(function, task, stop, student, next(filter(None, mistakes), ""))
        )
    changed = sorted({argument for trial in trials for argument in trial.changed})
    if changed:
        remarks.append(words.changed(function, changed))
    return Report(statuses, remarks)


def trials_of(task: Task, case: str, student: Callable[..., Any]) -> list[Trial]:
    """The calls of one case; the case ends where nothing comes back to go on with."""
    trials: list[Trial] = []
    given: dict[str, Any] = {}
    for call in task.cases[case]:
        if trials:
            kept = {argument: trials[-1].of(result) for argument, result in task.kept.items()}
            if not all(is_numeric(value) for value in kept.values()):
                break
            given |= {argument: np.array(value) for argument, value in kept.items()}
        given |= call
        trials.append(tried(task, case, dict(given), student))
    return trials


def tried(task: Task, case: str, given: dict[str, Any], student: Callable[..., Any]) -> Trial:
    """One call, with copies of the arguments."""
    arguments = {name: copy.deepcopy(given[name]) for name in task.arguments.split(", ")}
    try:
        with np.errstate(all="ignore"):  # what overflows is a wrong result, and is shown as such
            returned = student(*arguments.values())
        results = by_name(task, returned)
    except (Exception, SystemExit) as error:
        return Trial(case, given, {}, error)
    changed = [
        name
        for name, value in arguments.items()
        if name not in task.in_place and not same(value, given[name])
    ]
    return Trial(case, given, results, changed=changed)


def by_name(task: Task, returned: Any) -> dict[str, Any]:
    """What a function returned, copied, as one value for each name."""
    names = list(task.equations)
    if len(names) == 1:
        returned = (returned,)
    if not isinstance(returned, tuple | list) or len(returned) != len(names):
        raise words.WrongReturnError(names, returned)
    values = [value.copy() if isinstance(value, np.ndarray) else value for value in returned]
    return dict(zip(names, values, strict=True))


def first_bad(task: Task, trials: list[Trial], name: str) -> tuple[str, Trial | None]:
    """How one equation has done, and the first trial that shows it, unless it is right."""
    judged = [trial for trial in trials if trial.error or is_judged(task, trial, name)]
    for trial in judged:
        if isinstance(trial.error, NotImplementedError) or trial.results.get(name) is ...:
            return NOT_DONE, trial
        if trial.error:
            return ERROR, trial
        if not same(trial.results[name], value_of(task, trial, name, task.equations[name])):
            return WRONG, trial
    return RIGHT if judged else UNKNOWN, None


def is_judged(task: Task, trial: Trial, name: str) -> bool:
    """Whether there is a right result: wrong results before may leave none, or infinity."""
    right = value_of(task, trial, name, task.equations[name])
    finite = bool(np.isfinite(right).all()) if is_numeric(right) else True
    return trial.results[name] is ... or (finite and not isinstance(right, Exception))


def diagnosis(task: Task, trials: list[Trial], name: str) -> str:
    """The sentence of the mistake that gives what the student's function gives, or "".

    Where no mistake gives it in all cases, as with two mistakes at once, the first case with a
    wrong result decides. An error says too little, since any mistake may have raised it.
    """
    judged = [trial for trial in trials if trial.error or is_judged(task, trial, name)]
    _, wrong = first_bad(task, [trial for trial in judged if not trial.error], name)
    first_case = [trial for trial in judged if wrong and trial.case == wrong.case]
    common = {} if any(trial.error for trial in trials) else COMMON_MISTAKES
    for some in judged, first_case:
        for sentence, expression in {**task.mistakes.get(name, {}), **common}.items():
            if any(not trial.error for trial in some) and all(
                same(trial.of(name), value_of(task, trial, name, expression)) for trial in some
            ):
                return sentence
    return ""


@functools.cache  # one right side is computed for many trials and students
def compiled(expression: str) -> types.CodeType:
    """The code of a right side."""
    return compile(expression, "<equation>", "eval")


def value_of(task: Task, trial: Trial, name: str, expression: str) -> Any:
    """The value of a right side in a trial, or the error that it raises."""
    earlier = list(task.equations)[: list(task.equations).index(name)]
    names = {"np": np, **task.names, **trial.given}
    names |= {"yours": trial.of(name), "results": trial.results}
    names |= {result: trial.results[result] for result in earlier if result in trial.results}
    try:
        with np.errstate(all="ignore"):
            if expression != task.equations[name]:
                names["right"] = value_of(task, trial, name, task.equations[name])
            return eval(compiled(expression), names)
    except Exception as error:
        return error


def same(x: Any, y: Any) -> bool:
    """Whether two results are equal, numbers to rounding, and errors as far as their type."""
    if isinstance(x, BaseException):
        return type(x) is type(y)
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and same([x[key] for key in y], list(y.values()))
    if is_numeric(x) and is_numeric(y):
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        return x.shape == y.shape and np.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
    try:
        return x is y or (type(x) is type(y) and bool(x == y))
    except Exception:  # the student's own class may do anything
        return False


def is_numeric(x: Any) -> bool:
    """Whether this is a number or an array of numbers."""
    try:
        return np.asarray(x).dtype.kind in "biuf"
    except Exception:  # a list of lists of several lengths, or whatever a student returns
        return False
