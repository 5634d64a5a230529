"""Tensors from a shape, and the one generator of random numbers."""

import numpy as np
import pytest

import simplegrad as sg
import simplegrad.nn as nn


@pytest.mark.parametrize(
    ("t", "expected"),
    [
        (lambda: sg.zeros((1, 2)), [[0, 0]]),
        (lambda: sg.ones(2), [1, 1]),
        (lambda: sg.full((), 3), 3),
        (lambda: sg.eye(2, 3), [[1, 0, 0], [0, 1, 0]]),
        (lambda: sg.arange(1.0, 2.0, 0.5), [1, 1.5]),
        (lambda: sg.zeros_like(sg.ones(2)), [0, 0]),
        (lambda: sg.ones_like([0.0, 0.0]), [1, 1]),
        (lambda: sg.full_like(sg.ones(1), 7), [7]),
    ],
)
def test_values_in_float32(t, expected):
    assert t().data.tolist() == expected
    assert t().dtype == np.float32
    assert not t().requires_grad


def test_arange_of_ints_is_of_ints_as_in_numpy_and_torch():
    assert sg.arange(2, 8, 3).data.tolist() == [2, 5]
    assert sg.arange(3).dtype == np.int64
    assert sg.arange(3, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("create", [sg.zeros, sg.ones, sg.normal, sg.uniform])
def test_gradients_dtypes_and_names_can_be_asked_for(create):
    t = create((2, 3), requires_grad=True, dtype=np.float64, name="t")
    assert (t.shape, t.requires_grad, t.dtype, t.name) == ((2, 3), True, np.float64, "t")


@pytest.mark.parametrize("name", ["zeros", "ones", "normal", "uniform"])
def test_like_takes_shape_and_dtype(name):
    like = getattr(sg, f"{name}_like")(np.ones((2, 3)), requires_grad=True)
    assert (like.shape, like.dtype, like.requires_grad) == ((2, 3), np.float64, True)


def test_normal_and_uniform_numbers_are_distributed_as_they_say():
    normal, uniform = sg.normal(20_000, 3.0, 2.0).data, sg.uniform(20_000, -1, 3).data
    assert normal.mean() == pytest.approx(3.0, abs=0.05)
    assert normal.std() == pytest.approx(2.0, abs=0.05)
    assert uniform.mean() == pytest.approx(1.0, abs=0.05)
    assert -1 <= uniform.min() < -0.99
    assert 2.99 < uniform.max() <= 3


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sg.normal(3, std=-1), r"the std of normal is at least 0, but got -1\. Write std="),
        (lambda: sg.normal(2, std=np.array([1, np.nan])), r"got array\(\[ 1\., nan\]\)\. Write"),
        (
            lambda: sg.uniform(3, 1.0, 0.0),
            r"there are none of 1\.0 \.\.\. 0\.0\. Write sg\.uniform\(",
        ),
        (lambda: nn.init.xavier_uniform_(sg.ones((2, 2)), -1), r"there are none of 1\.2.*Write"),
        (lambda: nn.init.xavier_normal_(sg.ones((2, 2)), np.nan), r"of normal .*got nan\. Write"),
    ],
)
def test_a_distribution_that_there_is_not_is_refused(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_the_seed_decides_all_numbers():
    sg.manual_seed(3)
    first = sg.normal(4), sg.uniform(4), sg.generator().random()
    sg.manual_seed(3)
    again = sg.normal(4), sg.uniform(4), sg.generator().random()
    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert first[2] == again[2]
    sg.manual_seed(4)
    assert (sg.normal(4) != first[0]).any()


def test_without_a_seed_the_numbers_are_fresh(monkeypatch):
    monkeypatch.setattr(sg.creation, "_generator", None)
    first = sg.normal(4)
    monkeypatch.setattr(sg.creation, "_generator", None)
    assert (sg.normal(4) != first).any()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", None, True])
def test_a_seed_is_an_int_of_at_least_0(seed):
    with pytest.raises(ValueError, match=r"integer of at least 0, but got .*manual_seed\(0\)"):
        sg.manual_seed(seed)


@pytest.mark.parametrize("shape", [-1, (2, -3), 2.0, (2.5,), "3", None, (0, 2**62)])
def test_a_shape_is_made_of_ints(shape):
    with pytest.raises(ValueError, match=r"a shape is an int or a tuple of ints.*\(2, 3\)"):
        sg.zeros(shape)
    with pytest.raises(ValueError, match="a shape is"):
        sg.normal(shape)


def test_numbers_that_are_not_real_are_refused():
    with pytest.raises(TypeError, match="value is a real number, but got 1j"):
        sg.full(2, 1j)
    with pytest.raises(TypeError, match="std is a real number"):
        sg.normal(2, std=np.complex64(1))
    with pytest.raises(TypeError, match="high is a real number"):
        sg.uniform(2, high=np.array([1j]))
    with pytest.raises(TypeError, match="mean is a real number"):
        sg.normal(2, mean=[1j, None])
    with pytest.raises(TypeError, match="value is a real number"):
        sg.full(2, "1.0")


@pytest.mark.parametrize("dtype", [np.complex128, "U3", object, ",", {-1: [0]}, "no such"])
@pytest.mark.parametrize("create", [sg.Tensor, sg.zeros, sg.uniform, sg.arange, sg.eye])
def test_a_dtype_is_one_of_real_numbers(create, dtype):
    with pytest.raises(TypeError, match=r"floats, integers or booleans, but got dtype=.*float64"):
        create(2, dtype=dtype)


# Random integers


def test_randint_gives_the_integers_from_low_up_to_high_all_alike():
    i = sg.randint(-2, 3, (20_000,))
    assert (type(i), i.dtype) == (np.ndarray, np.int64)
    values, counts = np.unique(i, return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    np.testing.assert_allclose(counts / 20_000, 0.2, atol=0.02)
    assert sg.randint(3, shape=(2, 3)).shape == (2, 3)
    assert sg.randint(0, 3, 4).shape == (4,)
    assert sg.randint(0, 0 + 1).item() == 0
    assert sg.randint(0, 5, (0, 2)).shape == (0, 2)
    assert sg.randint(np.int8(3), np.uint8(4), (2,)).tolist() == [3, 3]


def test_random_integers_are_indices_of_arrays_and_tensors_alike():
    x, rows = np.arange(20.0), sg.randint(0, 20, (7,))
    assert (sg.Tensor(x)[rows] == x[rows]).all()
    assert sg.nn.Embedding(20, 3)(rows).shape == (7, 3)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 3), (0, (2,)), (True, 3), ("1", 2), (0, [3]), (None, None)]
)
def test_the_ends_of_randint_are_ints(low, high):
    with pytest.raises(TypeError, match=r"randint takes two ints.*Write sg\.randint\(0, 10, "):
        sg.randint(low, high, (2,))


@pytest.mark.parametrize(
    ("low", "high"), [(3, 3), (3, 2), (0, None), (-5, None), (0, 2**63 + 1), (-(2**63) - 1, 0)]
)
def test_there_is_an_integer_between_the_ends_of_randint(low, high):
    with pytest.raises(ValueError, match=r"randint gives integers of low \.\.\. high - 1"):
        sg.randint(low, high)
    assert sg.randint(2**63 - 1, 2**63).item() == 2**63 - 1


def test_a_permutation_has_each_integer_once_and_each_order_is_as_likely():
    assert sorted(sg.permutation(50).tolist()) == [*range(50)]
    assert sg.permutation(0).shape == (0,)
    orders = [tuple(sg.permutation(3).tolist()) for _ in range(6000)]
    assert {orders.count(order) // 100 for order in set(orders)} <= {*range(8, 13)}
    assert len(set(orders)) == 6


@pytest.mark.parametrize("n", [-1, 2.0, "3", None, True, [1, 2], np.arange(3)])
def test_a_permutation_is_of_a_number_of_rows(n):
    with pytest.raises((TypeError, ValueError), match=r"Write sg\.permutation\(len\(x\)\)"):
        sg.permutation(n)


def test_multinomial_draws_each_class_with_its_probability():
    weights = np.array([[1.0, 0.0, 3.0], [5.0, 5.0, 0.0]])  # divided by their sums
    k = sg.multinomial(weights, 20_000, replacement=True)
    assert (k.shape, k.dtype) == ((2, 20_000), np.int64)
    shares = np.stack([(k == j).mean(axis=1) for j in range(3)], axis=1)
    np.testing.assert_allclose(shares, weights / weights.sum(axis=1, keepdims=True), atol=0.02)
    assert (shares[weights == 0] == 0).all()


def test_multinomial_without_replacement_draws_one_after_the_other():
    p = np.array([0.1, 0.3, 0.6])
    pairs = sg.multinomial(np.tile(p, (40_000, 1)), 2)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    for i in range(3):
        for j in {0, 1, 2} - {i}:
            share = (pairs == [i, j]).all(axis=1).mean()
            assert share == pytest.approx(p[i] * p[j] / (1 - p[i]), abs=0.01)
    assert sorted(sg.multinomial([0.2, 0.0, 0.3, 0.5], 3).tolist()) == [0, 2, 3]


@pytest.mark.parametrize("p", [[0, 0, 1.0, 1e-320], [0, 1e-300, 0, 1e300]])
def test_multinomial_never_draws_a_class_of_probability_0(p):
    p = np.tile(p, (200, 1))  # among 200 ties, one would go wrong
    assert (np.take_along_axis(p, sg.multinomial(p, 2), axis=1) > 0).all()


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.bool_])
def test_multinomial_takes_all_real_numbers_and_every_layout(dtype, replacement):
    one_hot = np.eye(4, dtype=dtype)
    for p in (one_hot, np.asfortranarray(one_hot), one_hot[::-1][::-1], sg.Tensor(one_hot)):
        assert sg.multinomial(p, 1, replacement).tolist() == [[0], [1], [2], [3]]
    assert sg.multinomial(np.zeros((0, 3)), 2, replacement).shape == (0, 2)
    extremes = np.array([[0.0, 1e-320], [1e308, 0.0]])
    assert sg.multinomial(extremes, 1, replacement).tolist() == [[1], [0]]


def test_multinomial_leaves_its_probabilities_as_they_are():
    p = np.array([1.0, 2.0])
    sg.multinomial(p, 1)
    assert p.tolist() == [1.0, 2.0]
    t = sg.Tensor(p, requires_grad=True)
    assert type(sg.multinomial(t, 1)) is np.ndarray


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ([0.5, -0.5], r"p\[1\] is -0\.5"),
        ([[0.5, 0.5], [np.nan, 1.0]], r"p\[1, 0\] is nan"),
        ([np.inf, 0.0], r"p\[0\] is inf"),
        ([[1.0, 0.0], [0.0, 0.0]], r"in each row one is above 0, but p\[1, 0\] is 0"),
        (0.5, r"got shape \(\)"),
        (np.ones((2, 2, 2)), r"got shape \(2, 2, 2\)"),
        ([], r"at least one class"),
        (np.ones((3, 0)), r"at least one class"),
    ],
)
def test_what_are_no_probabilities_says_which(p, said):
    for replacement in (False, True):
        with pytest.raises(ValueError, match=said + r".*Write sg\.multinomial\("):
            sg.multinomial(p, 1, replacement)


def test_no_more_classes_are_drawn_than_there_are():
    with pytest.raises(ValueError, match=r"3 classes cannot be drawn .* 2 have .*replacement=True"):
        sg.multinomial([[1.0, 2.0, 3.0], [1.0, 0.0, 1.0]], 3)
    assert sg.multinomial([1.0, 0.0], 3, replacement=True).tolist() == [0, 0, 0]
    for wrong in (0, -1, 1.0, True, None):
        with pytest.raises((TypeError, ValueError), match="num_samples of multinomial is an int"):
            sg.multinomial([1.0, 1.0], wrong)
    with pytest.raises(TypeError, match="replacement of multinomial is True or False"):
        sg.multinomial([1.0, 1.0], 1, 5)


def test_the_seed_decides_integers_orders_and_classes():
    def drawn():
        sg.manual_seed(5)
        p = np.ones((3, 9))
        draws = (sg.randint(99, shape=(9,)), sg.permutation(9), sg.multinomial(p, 4))
        return [i.tolist() for i in (*draws, sg.multinomial(p, 4, replacement=True))]

    assert drawn() == drawn()
