"""What the judge calls right, and when it calls a result or an error by the name of a mistake."""

import tracemalloc
from itertools import count

import numpy as np
import pytest
from hypothesis import strategies as st

from simplegrad.exercises.judge import judge, judge_task
from simplegrad.exercises.references import load
from simplegrad.exercises.references.topological_order import DIAMOND, topological_order
from simplegrad.exercises.task import Task
from simplegrad.exercises.words import names_in
from tests.helpers.students import EXPRESSIONS, TASKS, student_with

BAD = (np.nan, np.inf, -np.inf)


def not_done(*arguments):
    raise NotImplementedError


def report_on(exercise, function, student):
    return judge(exercise, {**dict.fromkeys(load(exercise).TASKS, not_done), function: student})


def remark_on(report, name):
    """What is said about a result, on one line."""
    (remark,) = (r for r in report.remarks if r.startswith(f"{name} is wrong"))
    return " ".join(remark.split())


# NaN and infinity


def with_a_bad_number(value, place, bad):
    """A result with one number that is bad, whatever it is."""
    if isinstance(value, dict):
        return {**value, list(value)[place % len(value)]: bad}
    if isinstance(value, list):
        return [*value, bad]
    if value is None or isinstance(value, str):  # the name of a node
        return bad
    value = np.array(value, dtype=float)
    value.reshape(-1)[place % value.size] = bad
    return value


def is_bad(value):
    values = [*value.values()] if isinstance(value, dict) else value
    return not isinstance(values, list | str | None) and not np.isfinite(values).all()


RESULTS = [(*key, name) for key, task in TASKS.items() for name in task.equations]


def test_what_is_not_finite_is_never_right_nor_what_is_computed_from_it(for_all):
    @for_all(st.sampled_from(RESULTS), st.integers(0, 7), st.integers(0, 5), st.sampled_from(BAD))
    def check(result, call, place, bad):
        *key, spoiled = result
        when = call % sum(map(len, TASKS[tuple(key)].cases.values()))
        not_finite = {spoiled}

        def altered(call, name, value):
            if name == spoiled and call == when:
                value = with_a_bad_number(value, place, bad)
            not_finite.update([name] if is_bad(value) else [])
            return value

        report = report_on(*key, student_with(*key, altered))
        assert report.statuses[spoiled] == "wrong"
        assert {report.statuses[name] for name in not_finite - {spoiled}} <= {"-"}


def test_a_loss_of_nan_is_not_right_where_c_has_overflowed():
    def cross_entropy(a, t):
        c = np.log(np.exp(a).sum(axis=1))
        return c, np.mean(c - a[np.arange(len(t)), t])

    report = report_on("cross_entropy", "cross_entropy", cross_entropy)
    assert report.statuses == {"c": "wrong", "L": "-", "da": "not done yet"}


def test_what_the_reference_makes_of_the_arguments_alone_is_right_even_if_it_is_infinite():
    log = Task("a", {"c": "np.log(a)"}, {"zero and less": [{"a": np.array([0.0, 1.0, -1.0])}]}, {})
    assert judge_task("log", log, np.log).statuses == {"c": "right"}
    for wrong in [np.nan, 0.0, np.nan], [-np.inf, 0.0, np.inf], [-np.inf, 0.0, 0.0]:
        assert judge_task("log", log, lambda a, c=wrong: np.array(c)).statuses == {"c": "wrong"}


def test_nan_alone_is_no_evidence_for_a_mistake():
    task = Task(
        "a",
        {"c": "a / 2"},
        {"small": [{"a": 3.0}], "large": [{"a": np.float64(1e200)}]},
        {"c": {"it is a difference of squares": "a**2 - a**2"}},
    )
    made = judge_task("half", task, lambda a: a**2 - a**2)
    assert "a difference of squares" in made.remarks[0]
    other = judge_task("half", task, lambda a: a / 2 if a < 10 else np.nan)
    assert "none of the mistakes" in other.remarks[0]  # for small numbers it is none


# Errors

UNRELATED = [
    *(ValueError("too many values to unpack"), TypeError("'int' object is not callable")),
    *(IndexError("list index out of range"), KeyError("m"), ZeroDivisionError("division by zero")),
    *(NameError("name 'm_t' is not defined"), AttributeError("no attribute 'mT'")),
    RecursionError("maximum recursion depth exceeded"),
]


def of_errors(report):
    return [remark for remark in report.remarks if "stops with an error" in remark]


def test_an_error_that_a_mistake_does_not_raise_is_not_diagnosed_as_this_mistake(for_all):
    calls = st.sets(st.integers(0, 7))

    @for_all(st.sampled_from(EXPRESSIONS), st.booleans(), st.sampled_from(UNRELATED), calls)
    def check(row, is_made, error, when):
        exercise, function, result, sentence = row
        mistake = {result: TASKS[exercise, function].mistakes[result][sentence]}
        student = student_with(exercise, function, **(mistake if is_made else {}))
        numbers = count()

        def stops(*arguments):
            if next(numbers) in when:
                raise error
            try:
                return student(*arguments)
            except Exception as known:  # of the type that the mistake raises, for another reason
                raise type(known)("something else") from None

        for remark in of_errors(report_on(exercise, function, stops)):
            assert "It looks like" not in remark or type(error) is RecursionError


RAISING = {
    "matmul": ("da", "np.dot joins every matrix", lambda dc, c, a, b: np.dot(dc, b.T)),
    "unbroadcast": ("unbroadcast", "reshape alone sums nothing", np.reshape),
}


@pytest.mark.parametrize("exercise", RAISING)
def test_the_error_that_a_mistake_raises_is_diagnosed_and_another_of_its_type_is_not(exercise):
    function, mistake, student = RAISING[exercise]
    (remark,) = of_errors(report_on(exercise, function, student))
    assert mistake in " ".join(remark.split())

    def for_another_reason(*arguments):
        try:
            return student(*arguments)
        except ValueError:
            raise ValueError("math domain error") from None

    (remark,) = of_errors(report_on(exercise, function, for_another_reason))
    assert "It looks like" not in remark


def test_an_error_is_not_diagnosed_as_the_mistake_of_a_result_before():
    def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
        if maximize:
            raise ValueError("not yet")
        swapped = {"m_t": "(1 - beta_1) * m + beta_1 * g"}
        student = student_with("adam", "adam_step", **swapped)
        return student(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize)

    report = report_on("adam", "adam_step", adam_step)
    assert "beta_1 and 1 - beta_1 are swapped" in remark_on(report, "m_t")
    (remark,) = of_errors(report)
    assert "It looks like" not in remark


# Arrays with two names

PAIRS = [
    (*key, result, other)
    for key, task in TASKS.items()
    if "theta" in task.equations  # whose results are arrays of one shape
    for i, result in enumerate(task.equations)
    for other in list(task.equations)[i + 1 :]
]
VIEWS = [lambda x: x, lambda x: x[:], lambda x: x.reshape(x.shape), lambda x: x[::-1][::-1]]


@pytest.mark.parametrize(("exercise", "function", "result", "other"), PAIRS)
@pytest.mark.parametrize("view", VIEWS)
def test_a_result_that_is_changed_under_another_name_is_named_as_such(
    exercise, function, result, other, view
):
    student = student_with(exercise, function)
    equations = TASKS[exercise, function].equations

    def changes_it(*arguments):
        results = {name: x.copy() for name, x in zip(equations, student(*arguments), strict=True)}
        results[result][...] = results[other]
        results[other] = view(results[result])
        return tuple(results.values())

    report = report_on(exercise, function, changes_it)
    assert report.statuses == {
        name: "wrong" if name == result else "-" if result in names_in(equation) else "right"
        for name, equation in equations.items()
    }
    assert len(report.remarks) == 1
    said = remark_on(report, result)
    assert f"it is the same array as {other}, which is changed in place after" in said
    assert said.endswith(f"begin with {other} = {result}.copy().")


@pytest.mark.parametrize("t_is_raised", [True, False])
def test_a_hat_that_is_made_in_place_is_no_forgotten_correction(t_is_raised):
    def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
        m_t = beta_1 * m + (1 - beta_1) * g
        v_t = beta_2 * v + (1 - beta_2) * g**2
        m_hat = m_t
        m_hat /= 1 - beta_1 ** (t if t_is_raised else 1)
        v_hat = v_t / (1 - beta_2**t)
        step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
        return m_t, v_t, m_hat, v_hat, theta + step

    report = report_on("adam", "adam_step", adam_step)
    assert [*report.statuses.values()] == ["wrong", "right", "-", "right", "right"]
    assert "begin with m_hat = m_t.copy()" in remark_on(report, "m_t")


def test_a_hat_that_is_the_moment_itself_is_a_forgotten_correction():
    wrong = {"m_t": "(1 - beta_1) * m + beta_1 * g", "m_hat": "m_t"}
    report = report_on("adam", "adam_step", student_with("adam", "adam_step", **wrong))
    assert "beta_1 and 1 - beta_1 are swapped" in remark_on(report, "m_t")
    assert "bias correction is forgotten" in remark_on(report, "m_hat")


CHANGED = [
    (*key, argument)
    for key, task in TASKS.items()
    for argument, x in next(iter(task.cases.values()))[0].items()
    if isinstance(x, np.ndarray) and x.dtype == float and argument not in task.over.values()
]


@pytest.mark.parametrize(("exercise", "function", "argument"), CHANGED)
def test_an_argument_that_is_changed_before_it_is_used_is_named(exercise, function, argument):
    task, student = TASKS[exercise, function], student_with(exercise, function)
    place = task.arguments.split(", ").index(argument)

    def changes_it(*arguments):
        x = arguments[place]
        x *= 1.5
        return student(*arguments)

    report = report_on(exercise, function, changes_it)
    wrong = [name for name in task.equations if report.statuses[name] == "wrong"]
    for name in wrong:
        advice = "write into" if task.over else f"begin with {argument} = {argument}.copy()"
        assert f"{argument} was changed in place before: {advice}" in remark_on(report, name)
    used = {name for equation in task.equations.values() for name in names_in(equation)}
    unmoved = function in (
        "gradcheck",
        "accuracy",
    )  # right wherever it is: a factor moves no maximum
    assert wrong or argument not in used or unmoved
    assert len(report.remarks) - len(wrong) == (argument not in task.in_place)


def test_a_result_that_is_the_array_of_an_argument_is_named_with_it():
    def adam_step(theta, g, m, v, t, lr, beta_1, beta_2, eps, maximize=False):
        v_t = beta_2 * v + (1 - beta_2) * g**2
        m_t = g
        m_t *= 1 - beta_1
        m_t += beta_1 * m
        m_hat, v_hat = m_t / (1 - beta_1**t), v_t / (1 - beta_2**t)
        step = (lr if maximize else -lr) * m_hat / (np.sqrt(v_hat) + eps)
        return m_t, v_t, m_hat, v_hat, theta + step

    report = report_on("adam", "adam_step", adam_step)
    assert set(report.statuses.values()) == {"right"}
    (remark,) = report.remarks
    assert remark.startswith("adam_step changes its argument g in place.")
    assert "m_t is the same array. Begin with m_t = g.copy()" in " ".join(remark.split())


# In place


def by_rebinding(theta, g, b, a, lr, mu):
    b = mu * b + g
    return b, theta - lr * (g + mu * b)


def theta_is_new(theta, g, b, a, lr, mu):
    b *= mu
    b += g
    return b, theta - lr * (g + mu * b)


def by_slices(theta, g, b, a, lr, mu):
    b[:] = mu * b + g
    theta[:] = theta - lr * (g + mu * b)
    return b, theta


def with_a_copy(theta, g, b, a, lr, mu):
    b *= mu
    b += g
    step = b.copy()
    step *= mu
    step += g
    step *= lr
    theta -= step
    return b, theta


def in_the_gradient(theta, g, b, a, lr, mu):
    b *= mu
    b += g
    np.multiply(mu, b, out=a)
    g += a
    g *= lr
    theta -= g
    return b, theta


@pytest.mark.parametrize(
    ("student", "said"),
    [
        (by_rebinding, "does not write b_t into b and theta_t into theta. Whoever called it"),
        (theta_is_new, "does not write theta_t into theta. Whoever called it looks there."),
        (by_slices, "makes 2 arrays at once of its own. Each operation without out= makes one"),
        (with_a_copy, "makes an array of its own."),
        (in_the_gradient, "changes its argument g in place. Whoever called it still needs what"),
    ],
)
def test_right_numbers_in_the_wrong_place_are_said(student, said):
    report = report_on("in_place", "nesterov_step", student)
    assert set(report.statuses.values()) == {"right"}
    (remark,) = report.remarks
    assert f"nesterov_step {said}" in " ".join(remark.split())
    assert ".copy()" not in remark  # which would be one more array


def test_memory_is_looked_at_while_somebody_else_traces_it():
    tracemalloc.start()
    try:
        report = report_on("in_place", "nesterov_step", with_a_copy)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert "makes an array of its own" in report.remarks[0]


# Several right results


def with_this_order_of_the_diamond(nodes):
    """The report on a student whose orders of the other graphs are right."""
    return report_on(
        "topological_order",
        "topological_order",
        lambda root, inputs: nodes if inputs == DIAMOND else topological_order(root, inputs),
    )


def test_an_order_is_right_if_each_node_comes_after_its_inputs_or_the_node_is_named(for_all):
    @for_all(st.permutations(topological_order("loss", DIAMOND)))
    def check(nodes):
        places = {node: i for i, node in enumerate(nodes)}
        too_early = [(n, i) for n in nodes for i in DIAMOND[n] if places[i] > places[n]]
        report = with_this_order_of_the_diamond(nodes)
        assert report.statuses["order"] == ("wrong" if too_early else "right")
        if too_early and len(too_early) < sum(map(len, DIAMOND.values())):  # nor turned round
            node, i = too_early[0]
            said = remark_on(report, "order")
            assert f"{node} comes too early, before {i}, which is one of its inputs" in said
            assert "'loss'], for example yours order = " in said


@pytest.mark.parametrize(
    "nodes", [["b", "x", "c", "d", "loss"], ["x", "b", "c", "d", "loss"]], ids=str
)
def test_every_right_order_is_right(nodes):
    assert with_this_order_of_the_diamond(nodes).statuses["order"] == "right"


@pytest.mark.parametrize("node", ["c", "d"])
def test_a_node_that_is_missing_is_named(node):
    nodes = [n for n in topological_order("loss", DIAMOND) if n != node]
    said = remark_on(with_this_order_of_the_diamond(nodes), "order")
    assert f"{node} is missing, and the root depends on it" in said
