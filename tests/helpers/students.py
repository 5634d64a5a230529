"""Students: they compute what the reference of an exercise computes, but for what a test alters."""

import tracemalloc
from itertools import count

import numpy as np

from simplegrad.exercises.judge import value_of
from simplegrad.exercises.references import EXERCISES, load
from simplegrad.exercises.task import Trial

TASKS = {
    (exercise, function): task
    for exercise in EXERCISES
    for function, task in load(exercise).TASKS.items()
}


def calls_of(exercise, function):
    """What a function is given, in each first call of a case."""
    return [dict(calls[0]) for calls in TASKS[exercise, function].cases.values()]


EXPRESSIONS = [
    (exercise, function, result, sentence)
    for (exercise, function), task in TASKS.items()
    for result, mistakes in task.mistakes.items()
    for sentence, expression in mistakes.items()
    if "yours" not in expression  # these have no value of their own
]
"""The mistakes that a student can be made of."""


def right_results(exercise, function, given, wrong=None, altered=lambda name, value: value):
    """What the reference computes; `wrong` has right sides that take the place of right ones.

    `altered` makes of each result what the student has in its place.
    """
    task, results = TASKS[exercise, function], {}
    for name, expression in {**task.equations, **(wrong or {})}.items():
        trial = Trial("", given, {**results, name: None})
        value = value_of(task, trial, name, expression)
        if isinstance(value, Exception):
            raise value
        results[name] = altered(name, value)
    return results


def student_with(exercise, function, altered=None, **wrong):
    """A function that computes what the reference computes, but for what is wrong.

    `altered` is given the number of the call, too, from 0.
    """
    task, calls = TASKS[exercise, function], count()

    def student(*arguments):
        given, call = dict(zip(task.arguments.split(", "), arguments, strict=True)), next(calls)
        alter = [lambda *result: altered(call, *result)] if altered else []
        results = right_results(exercise, function, given, wrong, *alter)
        for name, argument in task.over.items():
            np.copyto(given[argument], results[name])
            results[name] = given[argument]
            if tracemalloc.is_tracing():
                tracemalloc.reset_peak()  # what the reference makes is not the student's
        values = tuple(results.values())
        return values if len(values) > 1 else values[0]

    return student


def source_with(exercise, function, result=None, mistake=None):
    """The source of such a student, for where a function cannot be handed over.

    A function is defined within another one, where names of the reference do not meet its own.
    """
    lines = ["import numpy as np", "from simplegrad.exercises.references import load"]
    for name, task in ((name, task) for (e, name), task in TASKS.items() if e == exercise):
        names = f"load({exercise!r}).TASKS[{name!r}].names"
        body = [f"{n} = {names}[{n!r}]" for n in task.names]
        body += [f"def student({task.arguments}):", "    yours = None"]
        for one, right in task.equations.items():
            is_wrong = (name, one) == (function, result)
            body += [f"    right = {right}"] * is_wrong
            body.append(f"    {one} = {mistake if is_wrong else right}")
        body += [f"    {argument}[...] = {one}" for one, argument in task.over.items()]
        returned = [task.over.get(one, one) for one in task.equations]
        body += [f"    return {', '.join(returned)}", "return student"]
        lines += ["", "", f"def {name}_here():", *(f"    {line}" for line in body)]
        lines += ["", "", f"{name} = {name}_here()"]
    return "\n".join(lines) + "\n"
