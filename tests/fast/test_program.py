"""Program: NumPy calls on Traced arrays, made again with other numbers into the same arrays."""

import numpy as np
import pytest

from simplegrad.fast.program import NotReplayable, Traced, plain, recorded, traced


def replayed(function):
    """The results of a function for new numbers: from its program, and from the function itself."""
    first, second = np.random.default_rng(0).normal(size=(2, 4, 3))
    buffer = first.copy()
    with recorded() as program:
        result = function(traced(buffer))
    np.testing.assert_array_equal(plain(result), function(first))
    np.copyto(buffer, second)
    program.run()
    return plain(result), function(second)


def filled_in_place(a):
    out = np.zeros_like(a)
    out[1:] = a[1:]
    out *= 2
    np.copyto(out, a, where=a > 0)
    np.add.at(out, np.array([0, 0]), a[:2])
    return out


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
        filled_in_place,
    ],
)
def test_a_program_gives_what_the_function_gives_for_other_numbers(function):
    from_program, expected = replayed(function)
    np.testing.assert_array_equal(from_program, expected)
    assert from_program.dtype == expected.dtype


def test_a_view_is_no_call_and_a_result_is_written_into_one_array():
    a = np.ones((2, 3))
    with recorded() as program:
        rows = traced(a).T[1:]
        assert program.calls == []
        total = np.add(rows, rows)
    where = plain(total).ctypes.data
    a[:] = 2
    program.run()
    assert len(program.calls) == 1
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
        lambda a: a.fill(0),
        lambda a: np.unique(a),
        lambda a: np.nonzero(a),
        lambda a: np.where(a > 0),
        lambda a: a[a > 0],
        lambda a: np.add(a, 1, out=np.empty((2, 3))),
        lambda a: np.add.at(np.zeros((2, 3)), 0, a[0]),
        lambda a: np.copyto(np.empty((2, 3)), a),
    ],
)
def test_what_a_program_could_not_repeat_is_refused(take_out):
    with recorded(), pytest.raises(NotReplayable, match=r"@fast\.replay\(eager=True\)"):
        take_out(traced(np.ones((2, 3))))


def test_a_shape_that_changes_with_the_values_is_refused_when_it_does():
    a = np.array([1.0, 2.0, 3.0])
    with recorded() as program:
        np.union1d(traced(a), 3.0)
    program.run()
    a[0] = 2
    with pytest.raises(NotReplayable, match=r"shape \(3,\) when .* has \(2,\) now"):
        program.run()


def test_outside_of_a_recording_a_traced_array_is_an_array():
    a = traced(np.array([1.0, 2.0]))
    assert a.sum().item() == 3
    assert a.tolist() == [1, 2]
    assert isinstance(a * 2, Traced)
    assert np.asarray(a * 2).tolist() == [2, 4]


def test_to_show_an_array_adds_nothing_to_the_recording():
    a = np.array([1.0, 2.0])
    with recorded() as program:
        assert repr(traced(a)) == repr(a)
        assert not program.calls
