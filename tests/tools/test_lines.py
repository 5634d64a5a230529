"""A line as a record and as text. How whole tables look is in test_explain.py."""

import numpy as np
import pytest

import simplegrad as sg
from simplegrad.tools.lines import Line, element_of, result_of, rounded, text_of, value_text

A = np.arange(6.0).reshape(2, 3)


def first(array):
    return element_of(array, None, None)


@pytest.mark.parametrize(
    ("array", "index", "of", "element"),
    [
        (A, None, None, 0),
        (A, (1, 2), (2, 3), 5),
        (A, (-1, 0), (2, 3), 3),
        (A[0], (1, 2), (2, 3), 2),  # a row that is broadcast
        (A[:, :1], (1, 2), (2, 3), 3),  # and a column
        (np.array(7.0), (1, 2), (2, 3), 7),
        (A, (2,), (3,), 2),
        (A, (2, 0), (3, 1), None),
        (A, (0, 3), None, None),
        (np.zeros((4, 3)), (1, 2), (2, 3), None),
    ],
)
def test_an_element_is_found_along_broadcast_axes(array, index, of, element):
    assert element_of(array, index, of) == element


@pytest.mark.parametrize(
    ("value", "pick", "text"),
    [
        (4.0, first, "4"),
        (True, first, "True"),
        (np.float32(0.1), first, "0.1"),
        (A, first, "0"),
        (sg.Tensor([1.5, 2.0]), first, "1.5"),
        (A[:, :2], None, "[[0, 1], [3, 4]]"),
        (np.array(2.0), None, "2"),
        (np.zeros((3, 4)), None, "[0, 0, 0, ... (3, 4)]"),
        (None, first, "None"),
        ("sum", first, "'sum'"),
        (slice(1, 2), first, "slice(1, 2, None)"),
        ((2,), first, "(2,)"),
        ([A[0], 1], first, "[[0, 1, 2], 1]"),
        ([None], first, None),
        (len, first, None),
    ],
)
def test_a_value_is_written_as_a_reader_would(value, pick, text):
    assert value_text(value, pick) == text


def test_a_result_is_a_number_or_the_text_of_an_array():
    assert result_of(A, first) == 0
    assert result_of(A[0]) == "[0, 1, 2]"
    assert result_of(3) == 3
    assert result_of("text") is None


def test_numbers_are_rounded_in_texts_only():
    assert rounded("0.1234567 * 2 + 1e-08 * x1.5") == "0.123457 * 2 + 1e-08 * x1.5"
    assert text_of(4.0) == "4"


def line(**parts):
    parts = {"code": "c = a * b", "numbers": "2 * 3", "result": 6.0, **parts}
    return Line("f.py", 1, "Mul.forward", None, "", **parts)


def test_a_line_shows_its_code_its_numbers_and_its_result():
    code, numbers = str(line()).split("\n")
    assert code == "c = a * b"
    assert numbers.split() == ["=", "2", "*", "3", "=", "6"]
    assert numbers.index("= 2") == code.index("= a")
    assert str(line(numbers="", result="a = 1, b = 2")) == "c = a * b\n    a = 1, b = 2"


def test_a_long_line_is_wrapped_and_a_shape_stays_in_one_piece():
    long = " + ".join(["[1, 2, 3, ... (20, 30)]"] * 5)
    rows = str(line(numbers=long, result="[1, 2]")).split("\n")
    assert max(map(len, rows)) <= 74
    assert sum(row.count("... (20, 30)") for row in rows) == 5
