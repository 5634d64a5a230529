"""Recorded: each way to the numbers of an array is recorded exactly, or refused."""

import array
import copy
import ctypes
import decimal
import fractions
import functools
import io
import itertools
import json
import math
import operator
import pickle
import random
import statistics
import struct
import warnings

import numpy as np
import pytest

from simplegrad.fast.program import Names, compiled
from simplegrad.fast.recording import NotReplayable, Recorded, Recording, current, plain
from tests.helpers.oracles import LAYOUTS, in_layout, same_bits


class Refused(Exception):
    """A function that cannot be recorded; the cause says why."""


class Everything:
    """The codes of all functions: whatever asks for numbers is the user's."""

    def __contains__(self, code):
        return True


def recorded_results(function, cases):
    """What the recording of a function for the first case gives for each: result, and arguments."""
    buffers = [np.array(a, order="K", copy=True) for a in cases[0]]
    recording = Recording(Everything())
    token = current.set(recording)
    try:
        result = function(*[recording.given(a) for a in buffers])
    except Exception as error:
        raise Refused from error
    finally:
        current.reset(token)
    if recording.refusal is not None:
        raise Refused from recording.refusal
    program = compiled(recording.checks + recording.lines, Names())
    yield as_it_is_now(result), as_it_is_now(buffers)
    for case in cases[1:]:
        for buffer, numbers in zip(buffers, case, strict=True):
            np.copyto(buffer, numbers)
        try:
            program()
        except Exception as error:
            yield error, None
        else:
            yield as_it_is_now(result), as_it_is_now(buffers)


def as_it_is_now(x):
    x = plain(x)
    if isinstance(x, np.ndarray | np.generic):
        return np.array(x, copy=True)
    return tuple(map(as_it_is_now, x)) if isinstance(x, tuple | list) else x


def equal(a, b):
    if isinstance(b, tuple):
        return isinstance(a, tuple) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(b, np.ndarray):
        if b.dtype.kind not in "fiub":
            return isinstance(a, np.ndarray) and a.shape == b.shape and a.tobytes() == b.tobytes()
        return isinstance(a, np.ndarray) and same_bits(a, b)
    return type(a) is type(b) and (a == b or repr(a) == repr(b))


def right_or_refused(function, cases, what=""):
    """The same results, in the same arguments, as the function run as it is; returns which."""
    expected = []
    for case in cases:
        arrays = [np.array(a, order="K", copy=True) for a in case]
        try:
            result = as_it_is_now(function(*arrays))
        except Exception as error:
            expected.append((error, None))
        else:
            expected.append((result, as_it_is_now(arrays)))
    if isinstance(expected[0][0], Exception):
        return "an error"  # in the first call, which no recording can be made of
    try:
        for (result, after), (right, right_after) in zip(
            recorded_results(function, cases), expected, strict=True
        ):
            if isinstance(right, Exception):
                assert isinstance(result, Exception), f"{what}: {result!r}, not {right!r}"
            else:
                assert equal(result, right), f"{what} gives\n{result!r}, not\n{right!r}"
                assert equal(after, right_after), f"{what} leaves\n{after!r}, not\n{right_after!r}"
    except Refused as refused:
        return str(refused.__cause__)
    return "right"


def arrays_of(*shape, dtype=np.float64, count=3):
    """A few arrays of normal numbers; the second has ties, and zeros."""
    numbers = np.random.default_rng(0).normal(size=(count, *shape)) * 2
    numbers[1] = np.round(numbers[1] / 3)
    return [(a.astype(dtype),) for a in numbers]


# What is recorded


def filled_in_place(a):
    out = np.zeros_like(a)
    out[1:] = a[1:]
    out *= 2
    np.copyto(out, a, where=a > 0)
    np.add.at(out, np.array([0, 0]), a[:2])
    return out


def changed_after_it_was_computed(a):
    b = np.exp(a)
    b += 1
    return b, np.exp(a)


def written_and_read_in_turns(a):
    before = a.sum(axis=0)
    a *= 2
    a[0] = 1
    return before, a.sum(axis=0)


@pytest.mark.parametrize(
    "function",
    [
        lambda a: np.exp(a) * 2 - a / 3,
        lambda a: a @ a.T,
        lambda a: a.sum(axis=0) + a.mean() + a.max(axis=1).min(),
        lambda a: np.var(a, axis=0, ddof=1),
        lambda a: a.reshape(3, 4).T[::-1, 1:],
        lambda a: a.T.reshape(-1),
        lambda a: a[np.array([0, 0, 3])],
        lambda a: np.where(a > 0, a, -1.0),
        lambda a: np.divmod(a, 0.7)[1],
        lambda a: np.concatenate([a, a * 2], axis=1),
        lambda a: np.stack([a, a * 2]),
        lambda a: np.take(a, 1, axis=1),
        lambda a: np.split(a, 2)[1] + np.expand_dims(a[0], 0),
        lambda a: np.broadcast_to(a[0], (2, 3)) * a[1],
        lambda a: np.cumsum(a, axis=0) + a.cumsum(axis=0),
        lambda a: a.astype(np.float32).copy(),
        lambda a: a[a.argmax(axis=0), np.arange(3)],
        lambda a: np.sort(a, axis=0),
        lambda a: 0 + a[0, 0] + [1, 2, 3] * a[0],
        filled_in_place,
        changed_after_it_was_computed,
        written_and_read_in_turns,
    ],
)
def test_a_recording_gives_what_the_function_gives_for_other_numbers(function):
    assert right_or_refused(function, arrays_of(4, 3)) == "right"


def test_a_view_is_no_call_and_a_result_is_written_into_one_array():
    a = np.ones((2, 3))
    recording = Recording(set())
    token = current.set(recording)
    rows = recording.given(a).T[1:]
    assert recording.lines == []
    total = np.add(rows, rows)
    current.reset(token)
    assert len(recording.lines) == 1
    where = plain(total).ctypes.data
    a[:] = 2
    compiled(recording.lines, Names())()
    assert plain(total).tolist() == [[4, 4], [4, 4]]
    assert plain(total).ctypes.data == where


@pytest.mark.parametrize(
    "take_out",
    [
        lambda a: bool(a[0, 0]),
        lambda a: float(a.sum()),
        lambda a: int(a[0, 0]),
        lambda a: a.sum().item(),
        lambda a: a.tolist(),
        lambda a: 1.0 in a,
        lambda a: np.unique(a),
        lambda a: np.nonzero(a),
        lambda a: np.where(a > 0),
        lambda a: a[a > 0],
        lambda a: np.union1d(a, 3.0),
        lambda a: np.add(a, 1, out=np.empty((2, 3))),
        lambda a: np.add.at(np.zeros((2, 3)), 0, a[0]),
        lambda a: np.copyto(np.empty((2, 3)), a),
        lambda a: np.array(a),
        lambda a: a.view(np.int64),
        lambda a: copy.copy(a),
        lambda a: list(a.flat),
        lambda a: np.full(3, a.max()),
        lambda a: f"{a[0, 0]}",
        lambda a: f"{a[0, 0]:.2f}",
        lambda a: np.arange(3)[a[0, :1].astype(int)],
    ],
)
def test_what_a_recording_could_not_repeat_is_refused(take_out):
    recording = Recording({take_out.__code__})
    token = current.set(recording)
    try:
        with pytest.raises(NotReplayable, match=r"@fast\.replay\(eager=True\)"):
            take_out(recording.given(np.ones((2, 3))))
    finally:
        current.reset(token)


def test_a_refusal_stays_when_the_function_goes_on_after_it():
    def function(a):
        try:
            return a * float(a[0, 0])
        except TypeError:
            return a

    assert "float" in right_or_refused(function, arrays_of(2, 3))


def test_after_the_recording_a_recorded_array_is_an_array():
    a = Recorded(Recording(set()), np.array([1.0, 2.0]))
    assert a.sum().item() == 3
    assert a.tolist() == [1, 2]
    assert isinstance(a, np.ndarray)
    assert np.asarray(a * 2).tolist() == [2, 4]
    assert [*a] == [1, 2]


def test_to_show_an_array_adds_nothing_to_the_recording():
    a = np.array([1.0, 2.0])
    recording = Recording(set())
    token = current.set(recording)
    try:
        assert repr(recording.given(a)) == repr(a)
        assert not recording.lines
    finally:
        current.reset(token)


# Every way that NumPy has

NOT_FUNCTIONS_OF_NUMBERS = {
    *("test", "info", "source", "show_config", "show_runtime", "save", "savez", "savetxt"),
    *("savez_compressed", "seterr", "seterrcall", "setbufsize", "set_printoptions", "lookfor"),
    *(
        "empty",
        "empty_like",
        "ndarray",
        "memmap",
        "printoptions",
        "load",
        "fromregex",
        "byte_bounds",
    ),
    *("fromfile", "loadtxt", "genfromtxt", "tofile", "dump", "ctypes", "data"),
}
# x has axes of the same size, k is an axis, i are axes, m is a mask
FORMS = {
    "f(x)": lambda f, x, k, i, m: f(x),
    "f(x, x)": lambda f, x, k, i, m: f(x, x),
    "f(x, x, x)": lambda f, x, k, i, m: f(x, x, x),
    "f([x, x])": lambda f, x, k, i, m: f([x, x]),
    "f([x, x], k)": lambda f, x, k, i, m: f([x, x], k),
    "f(x, k)": lambda f, x, k, i, m: f(x, k),
    "f(x, k, 0)": lambda f, x, k, i, m: f(x, k, 0),
    "f(x, 0, k)": lambda f, x, k, i, m: f(x, 0, k),
    "f(x, k, k)": lambda f, x, k, i, m: f(x, k, k),
    "f(x, i)": lambda f, x, k, i, m: f(x, i),
    "f(x, i, 0)": lambda f, x, k, i, m: f(x, i, 0),
    "f(x, m)": lambda f, x, k, i, m: f(x, m),
    "f(m, x)": lambda f, x, k, i, m: f(m, x),
    "f(m, x, x)": lambda f, x, k, i, m: f(m, x, x),
    "f(k)": lambda f, x, k, i, m: f(k),
    "f(i)": lambda f, x, k, i, m: f(i),
    "f(k, x)": lambda f, x, k, i, m: f(k, x),
    "f(i, i)": lambda f, x, k, i, m: f(i, i),
    "f(x, 1)": lambda f, x, k, i, m: f(x, 1),
    "f(x, (k, k))": lambda f, x, k, i, m: f(x, (k, k)),
    "f(x, [k, 0])": lambda f, x, k, i, m: f(x, [k, 0]),
    "f(x, axis=k)": lambda f, x, k, i, m: f(x, axis=k),
    "f(x, axis=0)": lambda f, x, k, i, m: f(x, axis=0),
    "f(x, axis=0, where=m)": lambda f, x, k, i, m: f(x, axis=0, where=m),
    "f(x, 0, 1)": lambda f, x, k, i, m: f(x, 0, 1),
    "f(C, x)": lambda f, x, k, i, m: f(np.arange(9.0).reshape(3, 3), x),
    "f(C, i)": lambda f, x, k, i, m: f(np.arange(9.0).reshape(3, 3), i),
    "f(C, k)": lambda f, x, k, i, m: f(np.arange(9.0).reshape(3, 3), k),
}
OUT_FORMS = {
    "f(x, out)": lambda f, x, out: (f(x, out), out),
    "f(x, x, out)": lambda f, x, out: (f(x, x, out), out),
    "f(x, 0, out)": lambda f, x, out: (f(x, 0, out), out),
    "f(x, 0, None, out)": lambda f, x, out: (f(x, 0, None, out), out),
    "f(x, 0, 1, out)": lambda f, x, out: (f(x, 0, 1, out), out),
    "f((x, x), 0, out)": lambda f, x, out: (f((x, x), 0, out), out),
    "f(x, out=out)": lambda f, x, out: (f(x, out=out), out),
    "f(x, axis=0, out=out)": lambda f, x, out: (f(x, axis=0, out=out), out),
}
CASES = [
    (*x, np.array(k), np.array(i), np.array(m))
    for x, k, i, m in zip(
        arrays_of(3, 3),
        [0, 1, 0],
        [[0, 1], [1, 0], [1, 1]],
        [[True, False, True], [True, True, False], [False, True, False]],
        strict=True,
    )
]
INTEGERS = [
    (np.array(x).reshape(3, 3) % 3, *others)
    for x, (_, *others) in zip(
        [[1, 1, 1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 2, 1, 1, 0, 0, 1], [0, 1, 2, 0, 1, 2, 1, 2, 2]],
        CASES,
        strict=True,
    )
]


def functions_in(*places):
    return [
        pytest.param(
            getattr(place, name),
            id=f"{place.__name__}.{name}",
        )
        for place in places
        for name in sorted(dir(place))
        if not name.startswith("_")
        and name not in NOT_FUNCTIONS_OF_NUMBERS
        and callable(getattr(place, name))
    ]


def tried(forms, cases, what=""):
    """Each form that works at first."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for text, form in forms.items():
            right_or_refused(form, cases, f"{what}: {text}")


def forms_of(forms, *first):
    return {text: functools.partial(form, *first) for text, form in forms.items()}


PLACES = (np, np.linalg, np.fft)


@pytest.mark.parametrize("function", functions_in(*PLACES))
def test_functions_of_numpy_are_recorded_exactly_or_refused(function):
    tried(forms_of(FORMS, function), CASES)


@pytest.mark.slow
@pytest.mark.parametrize("function", functions_in(*PLACES))
def test_functions_of_numpy_of_integers_are_recorded_exactly_or_refused(function):
    tried(forms_of(FORMS, function), INTEGERS)


@pytest.mark.parametrize("function", functions_in(*PLACES))
def test_what_functions_of_numpy_write_into_is_recorded_or_refused(function):
    tried(forms_of(OUT_FORMS, function), [(x,) for x, *_ in CASES])


UFUNCS = [f for name in dir(np) if isinstance(f := getattr(np, name), np.ufunc)]
UFUNC_FORMS = {
    "f.reduce(x)": lambda f, x, k, i, m: f.reduce(x),
    "f.reduce(x, k)": lambda f, x, k, i, m: f.reduce(x, k),
    "f.reduce(x, axis=(0, 1))": lambda f, x, k, i, m: f.reduce(x, axis=(0, 1)),
    "f.accumulate(x, k)": lambda f, x, k, i, m: f.accumulate(x, k),
    "f.outer(x, i)": lambda f, x, k, i, m: f.outer(x, i),
    "f.reduceat(x, i)": lambda f, x, k, i, m: f.reduceat(x, i),
    "f.at(x, i, 2)": lambda f, x, k, i, m: f.at(x, i, 2.0),
    "f.at(x, i)": lambda f, x, k, i, m: f.at(x, i),
    "f(x, x, dtype)": lambda f, x, k, i, m: f(x, x, dtype=np.float32),
    "f(x, order)": lambda f, x, k, i, m: f(x, order="F"),
    "f(x, x, x)": lambda f, x, k, i, m: f(x, x, x),
    "f(x, 2, out=x)": lambda f, x, k, i, m: f(x, 2, out=x),
    "f(x, x.T, out=x)": lambda f, x, k, i, m: f(x, x.T, out=x),
    "f(x, 2, out=x, where)": lambda f, x, k, i, m: f(x, 2, out=x, where=m),
    "f(x, new)": lambda f, x, k, i, m: f(x, np.zeros((3, 3))),
    "f(x, x, new)": lambda f, x, k, i, m: f(x, x, np.zeros((3, 3))),
}


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs_and_their_methods_are_recorded_exactly_or_refused(ufunc):
    tried(forms_of(UFUNC_FORMS, ufunc), CASES)


METHODS = [
    name
    for name in dir(np.ndarray)
    if name not in NOT_FUNCTIONS_OF_NUMBERS and name not in dir(object) and name != "__iter__"
]
METHOD_FORMS = {
    "()": lambda n, x, k, i, m: getattr(x, n)(),
    "(0)": lambda n, x, k, i, m: getattr(x, n)(0),
    "(k)": lambda n, x, k, i, m: getattr(x, n)(k),
    "(i)": lambda n, x, k, i, m: getattr(x, n)(i),
    "(m)": lambda n, x, k, i, m: getattr(x, n)(m),
    "(x)": lambda n, x, k, i, m: getattr(x, n)(x),
    "(0, 1)": lambda n, x, k, i, m: getattr(x, n)(0, 1),
    "(0, k)": lambda n, x, k, i, m: getattr(x, n)(0, k),
    "(k, 0)": lambda n, x, k, i, m: getattr(x, n)(k, 0),
    "(k, k)": lambda n, x, k, i, m: getattr(x, n)(k, k),
    "(i, 0)": lambda n, x, k, i, m: getattr(x, n)(i, 0),
    "(x, x)": lambda n, x, k, i, m: getattr(x, n)(x, x),
    "(np.float32)": lambda n, x, k, i, m: getattr(x, n)(np.float32),
    "(float, copy=False) += 1": lambda n, x, k, i, m: operator.iadd(
        getattr(x, n)(np.float64, copy=False), 1
    ),
    "(int, casting='safe')": lambda n, x, k, i, m: getattr(x, n)(int, casting="safe"),
    "('C')": lambda n, x, k, i, m: getattr(x, n)("C"),
    "('F')": lambda n, x, k, i, m: getattr(x, n)("F"),
    "(order='F')": lambda n, x, k, i, m: getattr(x, n)(order="F"),
    "(axis=k)": lambda n, x, k, i, m: getattr(x, n)(axis=k),
    "as it is": lambda n, x, k, i, m: listed(getattr(x, n)),
    "of x.T": lambda n, x, k, i, m: getattr(x.T, n)(),
    "of k": lambda n, x, k, i, m: getattr(k, n)(),
    "of k.T": lambda n, x, k, i, m: listed(getattr(k, n)),
    "of i": lambda n, x, k, i, m: getattr(i, n)(),
    "is assigned": lambda n, x, k, i, m: setattr(x, n, 1),
    "is assigned a shape": lambda n, x, k, i, m: setattr(x, n, (9,)),
    "is assigned an array": lambda n, x, k, i, m: setattr(x, n, x),
}


def listed(value):
    if callable(value) or isinstance(value, np.ndarray):
        return None
    return [*value] if hasattr(value, "__next__") or type(value) is dict else repr(value)


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_attributes_of_an_array_are_recorded_exactly_or_refused(name):
    tried(forms_of(METHOD_FORMS, name), CASES, name)


def texts_into(write):
    stream = io.StringIO()
    write(stream)
    return stream.getvalue()


PROTOCOLS = {
    "bool": lambda x, k, i, m: bool(k),
    "not": lambda x, k, i, m: not k,
    "if": lambda x, k, i, m: x if k else -x,
    "and": lambda x, k, i, m: k and 5,
    "int": lambda x, k, i, m: int(k),
    "float": lambda x, k, i, m: float(x[0, 0]),
    "complex": lambda x, k, i, m: complex(x[0, 0]),
    "index": lambda x, k, i, m: operator.index(k),
    "range": lambda x, k, i, m: [*range(k)],
    "a list indexed": lambda x, k, i, m: [5, 6, 7][k],
    "a list sliced": lambda x, k, i, m: [5, 6, 7][k:],
    "a list times": lambda x, k, i, m: [5, 6] * k,
    "a text times": lambda x, k, i, m: "ab" * k,
    "a slice": lambda x, k, i, m: x[k:],
    "a slice to": lambda x, k, i, m: x[: k + 1],
    "a slice backwards": lambda x, k, i, m: x[:: k + 1],
    "a slice and an array": lambda x, k, i, m: x[k:, i],
    "a slice of an outer array": lambda x, k, i, m: np.arange(5.0)[k:],
    "an outer array indexed": lambda x, k, i, m: np.arange(5.0)[k],
    "an outer array indexed by several": lambda x, k, i, m: np.arange(5.0)[i],
    "a slice assigned": lambda x, k, i, m: operator.setitem(x, slice(k, None), 0),
    "a list as an index": lambda x, k, i, m: x[[k, 0]],
    "a list with a mask as an index": lambda x, k, i, m: x[[m[0], m[1], m[2]]],
    "a tuple with a list as an index": lambda x, k, i, m: x[:, [k, k]],
    "a list as an index assigned": lambda x, k, i, m: operator.setitem(x, [k, 0], 0),
    "a mask": lambda x, k, i, m: x[m],
    "a mask in a tuple": lambda x, k, i, m: x[0, m],
    "a mask with an axis": lambda x, k, i, m: x[:, m],
    "a mask assigned": lambda x, k, i, m: operator.setitem(x, m, 0),
    "one number of a mask": lambda x, k, i, m: x[m[0]],
    "iter": lambda x, k, i, m: [float(v) for v in x[0]],
    "unpacked": lambda x, k, i, m: "{} {} {}".format(*x[0]),
    "in": lambda x, k, i, m: 0 in x,
    "in a list": lambda x, k, i, m: k in [1, 2],
    "equal to": lambda x, k, i, m: [k] == [1],
    "a list's index": lambda x, k, i, m: [0, 1].index(k),
    "a list's count": lambda x, k, i, m: [1, 1].count(k),
    "hash": lambda x, k, i, m: hash(k),
    "a dict's key": lambda x, k, i, m: {0: "a", 1: "b"}[k],
    "a set": lambda x, k, i, m: {k, 1},
    "match": lambda x, k, i, m: matched(k),
    "match a sequence": lambda x, k, i, m: matched_sequence(i),
    "format": lambda x, k, i, m: format(k),
    "format with a spec": lambda x, k, i, m: format(x[0, 0], ".3f"),
    "f-string": lambda x, k, i, m: f"{x}",
    "f-string of repr": lambda x, k, i, m: f"{x!r}",
    "f-string in a list": lambda x, k, i, m: f"{[k]}",
    "%s": lambda x, k, i, m: "%s" % k,  # noqa: UP031
    "%r": lambda x, k, i, m: "%r" % (k,),  # noqa: UP031
    "%d": lambda x, k, i, m: "%d" % k,  # noqa: UP031
    "str": lambda x, k, i, m: str(x),
    "repr": lambda x, k, i, m: repr(x),
    "repr of a list": lambda x, k, i, m: repr([x]),
    "print": lambda x, k, i, m: texts_into(lambda f: print(x, file=f)),
    "savetxt": lambda x, k, i, m: texts_into(lambda f: np.savetxt(f, x)),
    "sum": lambda x, k, i, m: sum(x),
    "sum of the rows": lambda x, k, i, m: sum(v for v in x),
    "max": lambda x, k, i, m: max(x[0]),
    "min": lambda x, k, i, m: min(x[0, 0], 0.0),
    "sorted": lambda x, k, i, m: sorted(x[0]),
    "any": lambda x, k, i, m: any(m),
    "all": lambda x, k, i, m: all(m),
    "filter": lambda x, k, i, m: [*filter(None, i)],
    "compress": lambda x, k, i, m: [*itertools.compress("abc", m)],
    "islice": lambda x, k, i, m: [*itertools.islice("abc", k)],
    "zip": lambda x, k, i, m: [a * b for a, b in zip(x, [1, 2, 3], strict=True)],
    "map": lambda x, k, i, m: [*map(float, x[0])],
    "enumerate": lambda x, k, i, m: [n * row for n, row in enumerate(x)],
    "reversed": lambda x, k, i, m: [*reversed(x)],
    "abs": lambda x, k, i, m: abs(x),
    "round": lambda x, k, i, m: round(x[0, 0]),
    "divmod": lambda x, k, i, m: divmod(x, 2),
    "pow": lambda x, k, i, m: pow(x, 2),
    "pow with a modulus": lambda x, k, i, m: pow(k, 2, 3),
    "trunc": lambda x, k, i, m: math.trunc(x[0, 0]),
    **{
        f"math.{name}": functools.partial(lambda f, x, k, i, m: f(k), getattr(math, name))
        for name in dir(math)
        if callable(getattr(math, name)) and not name.startswith("_")
    },
    "math.fsum": lambda x, k, i, m: math.fsum(x[0]),
    "math.hypot": lambda x, k, i, m: math.hypot(*x[0]),
    "math.isclose": lambda x, k, i, m: math.isclose(x[0, 0], 1),
    "math.prod": lambda x, k, i, m: math.prod(x),
    "math.dist": lambda x, k, i, m: math.dist(x[0], x[1]),
    **{
        f"statistics.{name}": functools.partial(
            lambda f, x, k, i, m: f(x[0]), getattr(statistics, name)
        )
        for name in statistics.__all__
        if callable(getattr(statistics, name))
    },
    "struct.pack": lambda x, k, i, m: struct.pack("d", x[0, 0]),
    "struct.pack an int": lambda x, k, i, m: struct.pack("q", k),
    "array.array": lambda x, k, i, m: array.array("d", x[0]).tolist(),
    "array.array of bytes": lambda x, k, i, m: array.array("d", bytes(x[0])).tolist(),
    "bytes": lambda x, k, i, m: bytes(i),
    "bytes of so many": lambda x, k, i, m: bytes(k),
    "bytearray": lambda x, k, i, m: bytearray(x),
    "memoryview": lambda x, k, i, m: memoryview(x).tolist(),
    "copy": lambda x, k, i, m: copy.copy(x),
    "deepcopy": lambda x, k, i, m: copy.deepcopy(x),
    "deepcopy in a list": lambda x, k, i, m: copy.deepcopy([x]),
    "pickle": lambda x, k, i, m: pickle.loads(pickle.dumps(x)),
    "pickle, protocol 0": lambda x, k, i, m: pickle.loads(pickle.dumps(x, 0)),
    "pickle, protocol 5": lambda x, k, i, m: pickle.loads(pickle.dumps(x, 5)),
    "json": lambda x, k, i, m: json.dumps(x[0, 0]),
    "Decimal": lambda x, k, i, m: decimal.Decimal(k),
    "Fraction": lambda x, k, i, m: fractions.Fraction(k),
    "Random": lambda x, k, i, m: random.Random(k).random(),
    "ctypes": lambda x, k, i, m: ctypes.c_double(x[0, 0]).value,
    "ctypes of the array": lambda x, k, i, m: x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))[0],
    "the interface": lambda x, k, i, m: np.asarray(Holder(x.__array_interface__)),
    "dlpack": lambda x, k, i, m: np.from_dlpack(x),
    "attrgetter": lambda x, k, i, m: operator.attrgetter("real")(x),
    "methodcaller": lambda x, k, i, m: operator.methodcaller("item", 0)(x),
    "itemgetter": lambda x, k, i, m: operator.itemgetter(0)(x),
    "ndarray.item": lambda x, k, i, m: np.ndarray.item(x, 0),
    "np.array of a list": lambda x, k, i, m: np.array([x[0, 0], 1]),
    "np.array of objects": lambda x, k, i, m: np.array([x, None], dtype=object)[0],
    "np.float64": lambda x, k, i, m: np.float64(x[0, 0]),
    "np.int64": lambda x, k, i, m: np.int64(k),
    "np.fromiter": lambda x, k, i, m: np.fromiter(x[0], float),
    "np.frompyfunc": lambda x, k, i, m: np.frompyfunc(lambda a: a + 1, 1, 1)(x).astype(float),
    "np.vectorize": lambda x, k, i, m: np.vectorize(lambda a: a + 1)(x),
    "np.nditer": lambda x, k, i, m: [float(v) for v in np.nditer(x)],
    "np.ndenumerate": lambda x, k, i, m: [v for _, v in np.ndenumerate(x)],
    "np.broadcast": lambda x, k, i, m: [*np.broadcast(x, 1)],
    "np.apply_along_axis": lambda x, k, i, m: np.apply_along_axis(lambda a: a.sum(), 0, x),
    "np.piecewise": lambda x, k, i, m: np.piecewise(x, [x > 0], [1, -1]),
    "np.nan_to_num in place": lambda x, k, i, m: np.nan_to_num(np.log(x), copy=False),
    "np.nan_to_num of x in place": lambda x, k, i, m: np.nan_to_num(x, copy=False, nan=1.0),
    "np.median in place": lambda x, k, i, m: np.median(x, overwrite_input=True),
    "np.pad with a function": lambda x, k, i, m: np.pad(x, 1, padded),
    "np.pad that tells": lambda x, k, i, m: told(lambda f: np.pad(x[0], 1, f)),
    "np.repeat so often": lambda x, k, i, m: np.repeat(x[:, 0], i + 1 if False else m.astype(int)),
    "np.choose": lambda x, k, i, m: np.choose(i, [1, 2]),
    "np.select": lambda x, k, i, m: np.select([x > 0], [x]),
    "np.einsum with a view": lambda x, k, i, m: operator.iadd(np.einsum("ii->i", x), 1),
    "np.einsum with a path": lambda x, k, i, m: np.einsum("ij,jk,kl->il", x, x, x, optimize=True),
    "a number changed, the same number": lambda x, k, i, m: number_and_its_change(x.sum()),
    "an element changed, the same element": lambda x, k, i, m: number_and_its_change(x[0, 0]),
    "an element changed, and its array": lambda x, k, i, m: number_and_its_change(x[0, 0]) + x,
    "astype without a copy": lambda x, k, i, m: operator.iadd(x.astype(float, copy=False), 1),
    "np.array without a copy": lambda x, k, i, m: operator.iadd(np.asarray(x), 1),
    "a copy of a part": lambda x, k, i, m: (operator.iadd(x[0].copy(), 1), x),
    "reshape that copies": lambda x, k, i, m: (operator.iadd(x.T.reshape(-1), 1), x),
    "ravel that does not": lambda x, k, i, m: (operator.iadd(x.ravel(), 1), x),
    "flatten": lambda x, k, i, m: (operator.iadd(x.flatten(), 1), x),
    "an array of so many": lambda x, k, i, m: np.zeros(k),
    "np.arange": lambda x, k, i, m: np.arange(k),
    "np.linspace": lambda x, k, i, m: np.linspace(0, x[0, 0], 3),
    "np.full": lambda x, k, i, m: np.full(3, k),
    "np.eye": lambda x, k, i, m: np.eye(3, k=k),
    "written into a new array": lambda x, k, i, m: into_new(lambda a: operator.setitem(a, 0, k)),
    "added to a new array": lambda x, k, i, m: into_new(lambda a: operator.iadd(a, k)),
    "copied to a new array": lambda x, k, i, m: into_new(lambda a: np.copyto(a, k)),
    "put into a new array": lambda x, k, i, m: into_new(lambda a: np.put(a, [0], k)),
    "placed in a new array": lambda x, k, i, m: into_new(lambda a: np.place(a, a == 0, i)),
    "filled into a new array": lambda x, k, i, m: into_new(lambda a: a.fill(k)),
    "flat of a new array": lambda x, k, i, m: into_new(lambda a: operator.setitem(a.flat, 0, k)),
    "where of a condition that is none": lambda x, k, i, m: np.where(x, 1.0, x),
    "where of integers": lambda x, k, i, m: np.where(i, 1.0, 2.0),
    "a number and an array": lambda x, k, i, m: np.float32(2) * x + np.arange(3, dtype=np.float32),
    "float32 and a Python number": lambda x, k, i, m: x.astype(np.float32) * 0.1 + 1,
    "float32 and a NumPy number": lambda x, k, i, m: x.astype(np.float32) * x.sum(),
    "integers divided": lambda x, k, i, m: (
        i / 2,
        i // 2,
        i % 2,
        -i,
        i**2,
        i << 1,
        ~m,
        m & m,
        m ^ m,
    ),
    "overflow": lambda x, k, i, m: i.astype(np.int8) * np.int8(100) * np.int8(2),
}


def matched(k):
    match k:
        case 1:
            return "one"
    return "another"


def matched_sequence(i):
    match i:
        case [a, _]:
            return a
    return i * 2


class Holder:
    def __init__(self, interface):
        self.__array_interface__ = interface


def padded(vector, widths, axis, kwargs):
    vector[: widths[0]] = 7


def told(use):
    numbers = []
    use(lambda vector, widths, axis, kwargs: numbers.append(float(vector[1])))
    return numbers


def number_and_its_change(number):
    before = number
    number += 1
    return np.stack([before, number])


def into_new(write):
    a = np.zeros(2)
    write(a)
    return a


def protocols():
    return [*PROTOCOLS]


@pytest.mark.parametrize("name", protocols())
def test_other_ways_to_numbers_are_recorded_exactly_or_refused(name):
    tried({name: PROTOCOLS[name]}, CASES)


# Dtypes and layouts


COMPUTATIONS = {
    "arithmetic": lambda a: (a * 2 + a, a - a[:1], a * a, -a),
    "sums": lambda a: (a.sum(), a.sum(axis=0), a.sum(axis=-1, keepdims=True)),
    "means": lambda a: (a.mean(), a.mean(axis=0), a.var(), a.var(axis=-1), a.std(axis=0)),
    "extrema": lambda a: (a.max(axis=0), a.min(axis=-1), a.argmax(axis=0)),
    "products": lambda a: (a @ a.T, a.T @ a, np.dot(a, a.T), np.einsum("ij,kj->ik", a, a)),
    "copies": lambda a: (a.copy().sum(), a.T.copy().sum(), a.T.copy() @ a, a[::2].copy().sum()),
    "casts": lambda a: (a.astype(np.float32).sum(), a.T.astype(a.dtype).sum(axis=0)),
    "casts in an order": lambda a: a.T.astype(np.float64, order="C").sum(),
    "rows": lambda a: (a[np.array([0, 1, 0])].sum(), a[[1, 0]].sum(axis=1), a[0], a[-1, ::-1]),
    "rows by an array": lambda a: a[a.argmax(axis=0) % len(a)].sum(),
    "reshaped": lambda a: (a.reshape(-1).sum(), a.T.reshape(-1).cumsum(), a.ravel(order="K")),
    "flattened": lambda a: (np.ravel(a.T) @ np.ravel(a.T), a.reshape(a.shape, order="F").sum()),
    "joined": lambda a: (np.concatenate([a, a]).sum(), np.stack([a.T, a.T]).sum()),
    "chosen": lambda a: (np.where(a > 0, a, 0).sum(), np.where(a.T > 0, a.T, 1) @ a),
    "in place": lambda a: operator.iadd(a[::-1], a),
    "in place, transposed": lambda a: operator.imul(a.T[1:], a.T[:-1]),
    "with another array": lambda a: (a @ WIDE[:, ::2], a.T @ WIDE.T[: len(a), :], a + WIDE[0, ::2]),
    "new ones": lambda a: (np.zeros_like(a).sum(), np.ones_like(a.T) @ a),
    "norms": lambda a: (np.linalg.norm(a), (a * a).sum() ** 0.5),
    "sorted": lambda a: (np.sort(a, axis=0), np.cumsum(a), np.round(a, 1), np.tril(a)),
}
WIDE = np.random.default_rng(5).normal(size=(37, 74))


def many(dtype, shape=(37, 37), layout="contiguous"):
    with np.errstate(all="ignore"):
        return [(in_layout(a, layout),) for (a,) in arrays_of(*shape, dtype=dtype)]


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_bits_in_every_layout(name):
    for dtype in np.float32, np.float64:
        for layout in LAYOUTS:
            check_bits_in_layout(name, dtype, layout)


def check_bits_in_layout(name, dtype, layout):
    tried({f"{name} {layout}": COMPUTATIONS[name]}, many(dtype, layout=layout))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (1, 5), (2, 2)])
@pytest.mark.parametrize(
    "dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64, np.uint8, bool]
)
def test_every_dtype_and_empty_arrays(dtype, shape):
    for name, function in COMPUTATIONS.items():
        tried({f"{name} of {shape}": function}, many(dtype, shape))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_arrays_without_axes(dtype):
    forms = {
        "arithmetic": lambda a: (a + 1, a * a, a.sum(), a.mean(), a.max(), a.copy(), a[()], a[...]),
        "axes": lambda a: (a.reshape(1), a[None], np.stack([a, a]), np.broadcast_to(a, 3), a.T),
        "in place": lambda a: operator.iadd(a, a),
        "element": lambda a: (a[()] + 1, number_and_its_change(a)),
        "filled": lambda a: (a.fill(1), a * 1),
        "assigned": lambda a: (operator.setitem(a, (), 1), a * 1),
    }
    tried(forms, many(dtype, ()))
