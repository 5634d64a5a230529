"""The judge: runs what a student wrote, and compares it with the reference, equation by equation.

An equation is judged by itself: its right result is computed from the arguments and from the
student's own earlier results. So a wrong m_t does not make a right m_hat wrong.
"""

from __future__ import annotations

import copy
import functools
import re
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from simplegrad.exercises import words
from simplegrad.exercises.references import load
from simplegrad.exercises.student import measured, unmeasured
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
            right, mistake = right_of(task, trial, name), diagnosis(task, trials, name, trial)
            remarks.append(words.wrong(task, name, trial, right, mistake))
        elif trial and status == ERROR:
            stop = trial
    if stop:
        mistakes = (mistake_in(task, trials, name) for name in task.equations)
        remarks.append(
            words.stopped(function, task, stop, student, next(filter(None, mistakes), ""))
        )
    changed = {
        argument: next((name for name, y in trial.returned.items() if one_array(x, y)), argument)
        for trial in trials
        for argument, x in trial.changed.items()
        if argument not in task.in_place
    }
    if changed:
        remarks.append(words.changed(function, task, changed))
    if task.over and {*statuses.values()} == {RIGHT}:
        remarks += not_in_place(function, task, trials)
    return Report(statuses, remarks)


def trials_of(task: Task, case: str, student: Callable[..., Any]) -> list[Trial]:
    """The calls of one case; the case ends where no finite numbers come back to go on with."""
    trials: list[Trial] = []
    given: dict[str, Any] = {}
    for call in task.cases[case]:
        if trials:
            kept = {argument: trials[-1].of(result) for argument, result in task.kept.items()}
            if not all(is_numeric(value) and finite(value).all() for value in kept.values()):
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
            here = functools.partial(measured if task.over else unmeasured, student)
            returned, memory = getattr(student, "measured", here)(*arguments.values())
        returned = by_name(task, returned)
    except (Exception, SystemExit) as error:
        return Trial(case, given, {}, error)
    results = {n: x.copy() if isinstance(x, np.ndarray) else x for n, x in returned.items()}
    changed = {name: x for name, x in arguments.items() if not same(x, given[name])}
    return Trial(case, given, results, None, returned, changed, memory)


def by_name(task: Task, returned: Any) -> dict[str, Any]:
    """What a function returned, as one value for each name."""
    names = list(task.equations)
    if len(names) == 1:
        returned = (returned,)
    if not isinstance(returned, tuple | list) or len(returned) != len(names):
        raise words.WrongReturnError(names, returned)
    return dict(zip(names, returned, strict=True))


def not_in_place(function: str, task: Task, trials: list[Trial]) -> list[str]:
    """What to say if results are not where they are to be written, or more than they is made."""
    apart = [
        result
        for result, argument in task.over.items()
        if not all(one_array(t.changed.get(argument), t.returned[result]) for t in trials)
    ]
    if apart:
        return [words.elsewhere(function, {result: task.over[result] for result in apart})]
    size = min(trial.given[argument].nbytes for trial in trials for argument in task.over.values())
    number = min(trial.memory for trial in trials) // size  # not what one call has imported
    return [words.makes(function, number, next(iter(task.over.values())))] * (number > 0)


# Verdicts


def first_bad(task: Task, trials: list[Trial], name: str) -> tuple[str, Trial | None]:
    """How one equation has done, and the first trial that shows it, unless it is right."""
    judged = judged_of(task, trials, name)
    for trial in judged:
        if isinstance(trial.error, NotImplementedError) or trial.results.get(name) is ...:
            return NOT_DONE, trial
        if trial.error:
            return ERROR, trial
        if not is_right(task, trial, name):
            return WRONG, trial
    return RIGHT if len(judged) == len(trials) else UNKNOWN, None


def judged_of(task: Task, trials: list[Trial], name: str) -> list[Trial]:
    """The trials where the function stopped, or where there is a right result to compare with."""
    return [trial for trial in trials if trial.error or is_judged(task, trial, name)]


def is_judged(task: Task, trial: Trial, name: str) -> bool:
    """Whether there is a right result: wrong results before may leave none, or no finite one."""
    if trial.results[name] is ...:
        return True
    right, used = right_of(task, trial, name), words.names_in(task.equations[name])
    if isinstance(right, Exception) or any(
        overwritten_by(task, trial, result) for result in earlier(task, name) if result in used
    ):
        return False
    reference = trial._replace(results={})  # what is infinite there, too, is right
    return bool(finite(right).all()) or same(right, right_of(task, reference, name))


def is_right(task: Task, trial: Trial, name: str) -> bool:
    """Whether a result is what its equation gives."""
    if gives(task, trial, name, task.equations[name]):
        return True
    alone = trial._replace(results={name: trial.of(name)})  # what is in place is gone later on
    return bool(task.over) and gives(task, alone, name, task.equations[name])


def right_of(task: Task, trial: Trial, name: str) -> Any:
    """The right result, or the error that its equation raises."""
    return value_of(task, trial, name, task.equations[name])


# Mistakes


def diagnosis(task: Task, trials: list[Trial], name: str, wrong: Trial) -> str:
    """The sentence of the mistake that led to a wrong result, or "".

    Where no mistake gives what the function gives in all cases, as with two mistakes at once, the
    case with the wrong result decides.
    """
    first_case = [trial for trial in trials if trial.case == wrong.case and not trial.error]
    return (
        aliasing(task, wrong, name)
        or mistake_in(task, trials, name)
        or mistake_in(task, first_case, name)
    )


def mistake_in(task: Task, trials: list[Trial], name: str) -> str:
    """The sentence of the mistake that gives all that the function gives, errors too, or ""."""
    judged = judged_of(task, trials, name)
    mistakes = task.mistakes.get(name, {})
    if not any(trial.error for trial in trials):
        mistakes = {**mistakes, **COMMON_MISTAKES}
    # An error or nan alone says too little: any mistake may lead to it
    if any(not trial.error and finite(trial.results[name]).any() for trial in judged):
        for sentence, expression in mistakes.items():
            if all(gives(task, trial, name, expression) for trial in judged):
                bad = next(trial for trial in judged if not is_right(task, trial, name))
                return filled(task, bad, name, sentence)
    return ""


def filled(task: Task, trial: Trial, name: str, sentence: str) -> str:
    """A sentence with the values of the expressions that it has in braces."""
    return re.sub(r"\{(.*?)\}", lambda part: str(value_of(task, trial, name, part[1])), sentence)


def gives(task: Task, trial: Trial, name: str, expression: str) -> bool:
    """Whether a right side gives what the student's function gave."""
    return same(trial.of(name), value_of(task, trial, name, expression))


def aliasing(task: Task, trial: Trial, name: str) -> str:
    """What to say if a result is wrong because an array was changed in place, or ""."""
    if other := overwritten_by(task, trial, name):
        return (
            f"it is the same array as {other}, which is changed in place after: begin with "
            f"{other} = {name}.copy()"
        )
    for argument, x in trial.changed.items():
        changed = trial._replace(given={**trial.given, argument: x})
        if is_right(task, changed, name) and not one_array(x, trial.returned[name]):
            return f"{argument} was changed in place before: " + (
                f"write into {' or '.join(task.in_place)}, which are yours"
                if task.over
                else f"begin with {argument} = {argument}.copy()"
            )
    return ""


def overwritten_by(task: Task, trial: Trial, name: str) -> str:
    """The later result that is the same array, if this one is wrong because of it, or ""."""
    later = list(task.equations)[len(earlier(task, name)) + 1 :]
    others = [o for o in later if one_array(trial.returned.get(name), trial.returned.get(o))]
    if not others or is_right(task, trial, name):
        return ""
    unchanged = trial._replace(results={**trial.results, name: right_of(task, trial, name)})
    mistakes = task.mistakes.get(name, {}).values()
    is_known = any(gives(task, trial, name, mistake) for mistake in mistakes)
    for other in others:
        if is_right(task, unchanged, other) or not (is_known or is_right(task, trial, other)):
            return other
    return ""


# Values


@functools.cache  # one right side is computed for many trials and students
def compiled(expression: str) -> types.CodeType:
    """The code of a right side."""
    return compile(expression, "<equation>", "eval")


def value_of(task: Task, trial: Trial, name: str, expression: str) -> Any:
    """The value of a right side in a trial, or the error that it raises.

    A result before it that the student's function did not give is that of its equation.
    """
    names = {"np": np, **task.names, **trial.given, "yours": trial.of(name)}
    try:
        with np.errstate(all="ignore"):
            for result in earlier(task, name):
                right = compiled(task.equations[result])
                given = result in trial.results
                names[result] = trial.results[result] if given else eval(right, names)
            if expression != task.equations[name]:
                names["right"] = right_of(task, trial, name)
            return eval(compiled(expression), names)
    except Exception as error:
        return error


def earlier(task: Task, name: str) -> list[str]:
    """The results that stand before this one."""
    names = list(task.equations)
    return names[: names.index(name)]


def same(x: Any, y: Any) -> bool:
    """Whether two results are equal: numbers to rounding, errors in their type and their words.

    The words may be in another order, as the shapes are where b * a stands for a * b.
    """
    if isinstance(x, BaseException):
        return said_by(x) == said_by(y)
    if isinstance(x, dict) and isinstance(y, dict):
        return x.keys() == y.keys() and same([x[key] for key in y], list(y.values()))
    if is_numeric(x) and is_numeric(y):
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        return x.shape == y.shape and np.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
    try:
        return x is y or (type(x) is type(y) and bool(x == y))
    except Exception:  # the student's own class may do anything
        return False


def said_by(error: Any) -> tuple[str, list[str]]:
    """The name and the words of an error, which may have come from another process."""
    return type(error).__name__, sorted(str(error).split())


def is_numeric(x: Any) -> bool:
    """Whether this is a number or an array of numbers."""
    try:
        return np.asarray(x).dtype.kind in "biuf"
    except Exception:  # a list of lists of several lengths, or whatever a student returns
        return False


def finite(x: Any) -> np.ndarray:
    """Which of these numbers are finite; what is no number counts as such."""
    x = [*x.values()] if isinstance(x, dict) else x
    return np.isfinite(x) if is_numeric(x) else np.array(True)


def one_array(x: Any, y: Any) -> bool:
    """Whether two results are the same array, or have some of their elements in common."""
    return isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and np.shares_memory(x, y)
