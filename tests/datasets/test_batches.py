"""Batches: each row once in an epoch, rows that belong together, and what is refused."""

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg

batches = sg.datasets.batches


def test_each_row_comes_once_and_beside_its_own(for_all):
    @for_all(st.integers(0, 30), st.integers(1, 12), st.booleans())
    def check(n, batch_size, shuffle):
        x, y = np.arange(2 * n).reshape(n, 2), np.arange(n)
        epoch = list(batches(x, y, batch_size=batch_size, shuffle=shuffle))
        assert all(len(x_b) == len(y_b) == batch_size for x_b, y_b in epoch[:-1])
        assert all(0 < len(y_b) <= batch_size for _, y_b in epoch)
        rows = [i for _, y_b in epoch for i in y_b.tolist()]
        assert (sorted(rows) if shuffle else rows) == [*range(n)]
        assert all((x_b[:, 0] == 2 * y_b).all() for x_b, y_b in epoch)
        whole = [*batches(x, batch_size=batch_size, shuffle=shuffle, drop_last=True)]
        assert [len(x_b) for x_b in whole] == [batch_size] * (n // batch_size)


def test_the_order_is_another_in_each_epoch_and_the_seed_decides_it():
    y = np.arange(50)

    def epochs():
        sg.manual_seed(0)
        return [[i for rows in batches(y, batch_size=7) for i in rows.tolist()] for _ in range(2)]

    first, second = epochs()
    assert first != second
    assert epochs() == [first, second]


def test_each_loop_over_what_is_returned_is_an_epoch():
    sg.manual_seed(0)
    train = batches(np.arange(50), batch_size=7)
    first, second = ([i for rows in train for i in rows.tolist()] for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == [*range(50)]
    assert (len(train), len(batches(np.arange(50), batch_size=7, drop_last=True))) == (8, 7)


def test_the_order_is_drawn_when_an_epoch_begins_and_not_on_the_way():
    y = np.arange(20)
    sg.manual_seed(3)
    expected = [rows.tolist() for rows in batches(y, batch_size=5)]
    sg.manual_seed(3)
    found = []
    for rows in batches(y, batch_size=5):
        sg.normal(3)  # as a layer of Dropout draws
        found.append(rows.tolist())
    assert found == expected


def test_arrays_tensors_and_lists_of_any_number_are_taken():
    x, names = sg.arange(3), ["a", "b", "c"]
    ((x_b, names_b, y_b),) = batches(x, names, np.eye(3), batch_size=9, shuffle=False)
    assert isinstance(x_b, sg.Tensor)
    assert (x_b.data.tolist(), names_b.tolist(), y_b.shape) == ([0, 1, 2], names, (3, 3))
    assert [rows.tolist() for rows in batches([1, 2, 3], 2, shuffle=False)] == [[1, 2], [3]]
    w = sg.ones((4, 2), requires_grad=True)
    for rows in batches(w, 3):
        rows.sum().backward()
    assert (w.grad == 1).all()


def test_the_batch_size_may_stand_after_the_arrays():
    x, y = np.arange(5), np.arange(5)
    assert [len(y_b) for _, y_b in batches(x, y, 2)] == [2, 2, 1]
    assert [len(y_b) for _, y_b in batches(x, y, np.int64(3), drop_last=True)] == [3]


def test_a_batch_is_a_copy_and_is_made_when_it_is_asked_for():
    x = np.zeros((4, 2))
    epoch = iter(batches(x, batch_size=2, shuffle=False))
    next(epoch)[:] = 1
    assert (x == 0).all()
    x[2:] = 5
    assert (next(epoch) == 5).all()


def test_other_numbers_of_rows_are_refused_before_the_first_batch():
    with pytest.raises(ValueError, match=r"rows .* shapes \[\(5, 2\), \(4,\)\]\. Write"):
        batches(np.ones((5, 2)), np.ones(4), batch_size=2)


@pytest.mark.parametrize(
    "arguments",
    [(), (3,), (np.float64(1.0), 2), (np.ones(2), 4.0, 2), (np.ones(2), sg.Tensor(1.0), 1)],
)
def test_what_has_no_rows_is_refused(arguments):
    with pytest.raises(TypeError, match=r"Write sg\.datasets\.batches\(x, y, batch_size=32\)\."):
        batches(*arguments)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "2", True, None])
def test_a_batch_has_at_least_one_row(batch_size):
    with pytest.raises((TypeError, ValueError), match="the batch_size is an int of at least 1"):
        batches(np.ones(3), batch_size=batch_size)


@pytest.mark.parametrize("flag", ["shuffle", "drop_last"])
def test_flags_are_true_or_false(flag):
    with pytest.raises(TypeError, match=f"the {flag} of batches is True or False"):
        batches(np.ones(3), batch_size=1, **{flag: 1})


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"the rows of .* differ in length"):
        batches([[1], [1, 2]], batch_size=2)
