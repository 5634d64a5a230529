"""What goes from one process to the other: values, errors, and what a function leaves behind."""

import builtins
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from simplegrad.exercises import student
from simplegrad.exercises.checker import Remote
from simplegrad.exercises.judge import judge, judge_task
from simplegrad.exercises.references import load
from simplegrad.exercises.references.gradcheck import cubes
from simplegrad.exercises.task import Task
from tests.exercises.test_diagnosis import WRONG

SOLUTIONS = Path(__file__).resolve().parents[2] / "tutorials" / "exercises" / "solutions"
STYLES = runpy.run_path(str(SOLUTIONS / "other_styles.py"))["STYLES"] if SOLUTIONS.is_dir() else {}


def through(*values):
    """Values as they come out on the other side."""
    buffers = []
    sent = json.loads(json.dumps([student.encoded(x, buffers) for x in values]))
    received = [student.unpacked(student.packed(buffer)) for buffer in buffers]
    return [student.decoded(x, received) for x in sent]


class HereProcess:
    """The other process, in this one: all that it is told and answers goes through JSON."""

    def __init__(self, functions):
        self.functions = functions

    def ask(self, message):
        codes = [getattr(function, "__code__", None) for function in self.functions.values()]
        files = {code.co_filename for code in codes if code}
        try:
            answer = student.answered(json.loads(json.dumps(message)), self.functions, files)
        except BaseException as error:
            answer = {"error": student.error_as_data(error, files)}
        return json.loads(json.dumps(answer))


PLAIN = Task("a", {"c": "a"}, {"one": [{"a": np.ones(2)}]}, {})


def remote(functions, task=PLAIN):
    return {name: Remote(HereProcess(functions), name, task) for name in functions}


# Values


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, -(10**30), 0.1, float("inf"), "θ \x1b", ..., 2 - 3j),
        *([1, [2.5, "a"]], (), (1, (2,)), {"a": 1, (1, 2): [3]}),
    ],
)
def test_a_value_comes_through_as_it_is(value):
    (received,) = through(value)
    assert received == value
    assert type(received) is type(value)


@pytest.mark.parametrize(
    "array",
    [
        *(np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3)), np.array(2.5), np.zeros(0)),
        *(np.arange(9)[::-2], np.arange(24).reshape(2, 3, 4)[:, 1:, ::3].T, np.float32([np.nan])),
        *(np.array([True, False]), np.array([1j]), np.broadcast_to([1.0, 2.0], (3, 2))),
        *(np.lib.stride_tricks.as_strided(np.arange(8.0), (3, 2), (16, 8))),
        np.array([1.0, 2.0], dtype=">f8"),
    ],
    ids=lambda array: f"{array.dtype} {array.shape} {array.strides}",
)
def test_an_array_comes_through_with_its_dtype_and_shape(array):
    (received,) = through(array)
    assert received.dtype == array.dtype
    np.testing.assert_array_equal(received, array)
    received.flags.writeable = True


def test_a_number_of_numpy_keeps_its_type():
    for value in np.float32(0.1), np.int64(-3), np.bool_(True), np.complex64(1j):
        (received,) = through(value)
        assert type(received) is type(value)
        assert received == value


def test_arrays_that_share_memory_share_it_on_the_other_side():
    a = np.arange(6.0)
    b, c, d = through(a, a.reshape(2, 3)[1], a.copy())
    c[...] = -1
    np.testing.assert_array_equal(b, [0, 1, 2, -1, -1, -1])
    assert not np.shares_memory(b, d)


class Mine:
    """Of the student's own."""

    def __repr__(self):
        return "<mine>"


class Mute:
    """Has no repr."""

    def __repr__(self):
        raise OSError


def test_anything_else_comes_through_by_its_name_and_repr():
    mine, mute, text = through(Mine(), Mute(), np.array(["a", "b"]))
    assert (type(mine).__name__, repr(mine)) == ("Mine", "<mine>")
    assert repr(mute) == "a Mute whose repr raises OSError"
    assert (type(text).__name__, repr(text)) == ("ndarray", "array(['a', 'b'], dtype='<U1')")


def test_only_what_is_trusted_may_hold_functions():
    sent = student.encoded(cubes, [])
    assert student.decoded(sent, [], is_trusted=True)(np.array([1.0, 2.0])) == 9
    with pytest.raises(KeyError):
        student.decoded(sent, [])


@pytest.mark.parametrize(
    "data",
    [
        *({}, {"no such": 1}, {"array": [0, "f8", [2], [8], 0]}, {"array": [3, "f8", [1], [8], 0]}),
        *({"array": [0, "O", [1], [8], 0]}, {"array": [0, "f8", [1], [8], 8]}),
        *({"array": [0, "f8", [10**9], [0], 0]}, {"dict": [[{"list": []}, 1]]}, {"list": 3}),
    ],
)
def test_what_is_no_value_is_an_error(data):
    with pytest.raises((ValueError, TypeError, KeyError, IndexError, StopIteration)):
        student.decoded(data, [np.zeros(8, np.uint8)])


def test_a_large_array_is_told_by_its_repr_and_a_small_part_of_one_is_sent():
    large = np.zeros(student.MESSAGE // 8)
    told, part = through(large, large[:2])
    assert repr(told).startswith("array([0., 0., 0., ...")
    np.testing.assert_array_equal(part, [0, 0])


# Errors


GROUP = getattr(builtins, "ExceptionGroup", None)  # from Python 3.11 on


def error_through(error):
    return student.error_of(json.loads(json.dumps(student.error_as_data(error, ()))))


@pytest.mark.parametrize(
    "error",
    [
        *(ValueError("θ"), KeyError("m"), NotImplementedError(), ZeroDivisionError("by zero")),
        *(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"), np.linalg.LinAlgError("singular")),
        *(SystemExit(3), KeyboardInterrupt()),
        *([GROUP("two", [ValueError(1)])] if GROUP else []),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_through_with_its_name_and_words(error):
    received = error_through(error)
    assert type(received).__name__ == type(error).__name__
    assert str(received) == str(error)
    assert isinstance(received, Exception)
    assert isinstance(received, NotImplementedError) == isinstance(error, NotImplementedError)


def test_an_error_that_cannot_be_said_is_said():
    class Unspeakable(Exception):
        def __str__(self):
            raise self

    assert str(error_through(Unspeakable())) == "its message raises Unspeakable"


# Functions


@pytest.mark.parametrize("number", range(0, len(WRONG), 5))
def test_a_function_in_another_process_is_judged_as_one_that_is_here(number):
    exercise, function, wrong, *_ = WRONG[number]
    task = load(exercise).TASKS[function]
    far = remote({function: wrong}, task)[function]
    here = judge_task(function, task, wrong)
    assert judge_task(function, task, far) == here


@pytest.mark.parametrize("style", STYLES)
def test_solutions_in_another_style_are_right_from_another_process_too(style):
    exercise, *functions = STYLES[style]
    tasks = load(exercise).TASKS
    functions = dict(zip(tasks, functions, strict=True))
    far = {name: remote(functions, tasks[name])[name] for name in tasks}
    report = judge(exercise, far)
    assert report.all_right, report


def test_what_is_changed_in_place_is_changed_here():
    def change(x, numbers, named):
        x[1:] *= 2
        numbers.append(x)
        named["y"] = named.pop("x")
        return x[::-1]

    x, numbers, named = np.arange(3.0), [1], {"x": np.ones(2)}
    y = named["x"]
    returned = remote({"change": change})["change"](x, numbers, named)
    np.testing.assert_array_equal(x, [0, 2, 4])
    assert np.shares_memory(returned, x)
    assert np.shares_memory(numbers[1], x)
    assert list(named) == ["y"]
    assert np.shares_memory(named["y"], y)


def test_an_answer_that_is_none_is_an_error():
    class Process:
        def __init__(self, answer):
            self.answer = answer

        def ask(self, message):
            return self.answer

    right = {"returned": 1, "arguments": [None], "buffers": [""], "memory": 0}
    for wrong in {"buffers": []}, {"buffers": ["AAAA"]}, {"arguments": []}, {"memory": "much"}:
        report = judge_task("f", PLAIN, Remote(Process({**right, **wrong}), "f", PLAIN))
        assert report.statuses == {"c": "error"}
        assert "what it returns cannot be read" in report.remarks[0]


def test_the_function_of_the_library_is_not_the_students():
    import simplegrad as sg

    def f(a):
        return sg.Tensor(a).data

    report = judge_task("f", PLAIN, remote({"f": f})["f"])
    assert "simplegrad: write it yourself" in " ".join(report.remarks[0].split())
    task = PLAIN._replace(library=True)
    assert judge_task("f", task, remote({"f": f}, task)["f"]).all_right
