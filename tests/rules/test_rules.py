"""Every rule: its partials against central differences, for any shape, layout and broadcasting."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

import simplegrad as sg
from simplegrad import fast, rules
from simplegrad.autograd import unbroadcast
from simplegrad.rules.shapes import is_basic
from tests.helpers.drawn import seeds
from tests.helpers.oracles import LAYOUTS, central_differences, in_layout, same_bits
from tests.helpers.rules_table import RULES


def test_every_rule_has_a_row():
    for name in rules.__all__:
        assert name in RULES, (
            f"the tests do not know the rule {name}. Write a row of RULES for it in "
            f'tests/helpers/rules_table.py: "{name}": unary(sg.{name.lower()}, '
            f'torch="{name.lower()}"), if it has one input and treats every element by itself.'
        )
    assert set(RULES) == set(rules.__all__)


def examples(some, all):
    """So many drawn examples by default; all of them are slow."""
    return pytest.mark.parametrize("examples", [some, pytest.param(all, marks=pytest.mark.slow)])


def for_examples_of(name, examples):
    """Decorates a property of the cases of a rule: checks it at once."""

    def check(prop):
        limits = settings(max_examples=examples, deadline=None, derandomize=True)
        limits(given(RULES[name].cases, seeds)(prop))()

    return check


@examples(20, 60)
@pytest.mark.parametrize("name", RULES)
def test_partials_are_central_differences(name, examples):
    rule = getattr(rules, name)

    @for_examples_of(name, examples)
    def agree(case, seed):
        arrays, params = case
        c = np.asarray(rule.forward(*arrays, **params))
        dc = np.random.default_rng(seed).uniform(0.5, 1.5, c.shape)
        for number, (a, partial) in enumerate(zip(arrays, rule.partials, strict=False)):
            da = unbroadcast(partial(dc, c, *arrays, **params), a.shape)
            expected = central_differences(
                lambda *arrays: rule.forward(*arrays, **params), arrays, number, dc
            )
            np.testing.assert_allclose(da, expected, rtol=2e-6, atol=2e-6)


@examples(10, 25)
@pytest.mark.parametrize("name", RULES)
def test_float32_stays_float32(name, examples):
    rule = getattr(rules, name)

    @for_examples_of(name, examples)
    def stays(case, _):
        arrays, params = case
        arrays = [a.astype(np.float32) for a in arrays]
        c = np.asarray(rule.forward(*arrays, **params))
        assert c.dtype == np.float32
        for _, partial in zip(arrays, rule.partials, strict=False):
            assert partial(np.ones_like(c), c, *arrays, **params).dtype == np.float32


@pytest.mark.parametrize("name", RULES)
def test_a_replayed_rule_gives_the_same_bits(name):
    row = RULES[name]
    ours, params = row.ours, row.params
    replayed = fast.replay(lambda *tensors: ours(*tensors, **params).sum())
    for factor in 1.0, 0.75, -1.0:
        arrays = [a * (abs(factor) if row.positive else factor) for a in row.arrays]
        inputs, same = ([sg.Tensor(a, requires_grad=True) for a in arrays] for _ in range(2))
        row(*inputs).sum().backward()
        replayed(*same).backward()
        for a, b in zip(inputs, same, strict=True):
            assert same_bits(b.grad, a.grad)


def first_partial(rule, a, *rest, **params):
    c = rule.forward(a, *rest, **params)
    return rule.partials[0](np.ones_like(c), c, a, *rest, **params)


def test_ties_of_max_and_min_share_the_gradient_evenly():
    a = np.array([[3.0, 1.0, 3.0], [1.0, 1.0, 1.0]])
    all_axes = {"axis": None, "keepdims": False}
    rows = {"axis": 1, "keepdims": False}
    half, third = 1 / 2, 1 / 3
    assert first_partial(rules.Max, a, **all_axes).tolist() == [[half, 0, half], [0, 0, 0]]
    assert first_partial(rules.Min, a, **all_axes).tolist() == [[0, 0.25, 0], [0.25, 0.25, 0.25]]
    assert first_partial(rules.Max, a, **rows).tolist() == [[half, 0, half], [third] * 3]


def test_ties_of_maximum_and_minimum_give_each_half():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for rule, da in (rules.Maximum, [0, 0.5, 1]), (rules.Minimum, [1, 0.5, 0]):
        c = rule.forward(a, b)
        assert rule.da(np.ones(3), c, a, b).tolist() == da
        assert rule.db(np.ones(3), c, a, b).tolist() == [1 - x for x in da]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [(rules.ReLU, 0), (rules.Abs, 0), (rules.Sigmoid, 0.25), (rules.GELU, 0.5)],
)
def test_gradients_at_zero(rule, expected):
    assert first_partial(rule, np.array([0.0, -0.0])).tolist() == [expected] * 2


def test_clip_passes_the_gradient_at_its_limits():
    a = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert first_partial(rules.Clip, a, min=-1, max=1).tolist() == [0, 1, 1, 1, 0]
    assert first_partial(rules.Clip, a, min=None, max=1).tolist() == [1, 1, 1, 1, 0]


def test_pow_has_the_limits_as_gradients_where_a_or_b_is_zero():
    a, b = np.array([0.0, 0.0, 2.0, 0.0]), np.array([0.0, 1.0, 0.0, 2.0])
    c = rules.Pow.forward(a, b)
    assert rules.Pow.da(np.ones(4), c, a, b).tolist() == [0, 1, 0, 0]
    assert rules.Pow.db(np.ones(4), c, a, b).tolist() == [0, 0, pytest.approx(math.log(2)), 0]


def test_pow_of_negative_numbers_by_integers():
    a = np.array([-2.0, -1.5])
    c = rules.Pow.forward(a, np.array(3.0))
    assert rules.Pow.da(np.ones(2), c, a, np.array(3.0)).tolist() == [12, 6.75]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_exact_and_quiet_far_out(dtype):
    a = np.array([-1e4, -100, -20, 0, 20, 1e4], dtype=dtype)
    c = rules.Sigmoid.forward(a)
    exact = [0.0 if x < -700 else 1 / (1 + math.exp(-x)) for x in a.tolist()]
    np.testing.assert_allclose(c, exact, rtol=4 * np.finfo(dtype).eps, atol=1e-37)
    assert np.isfinite(rules.Sigmoid.da(np.ones_like(a), c, a)).all()


def test_logsumexp_is_finite_for_large_numbers():
    for offset in (-1e4, 1e4):
        a = offset + np.array([0.0, math.log(3.0)])
        c = rules.LogSumExp.forward(a, axis=None, keepdims=False)
        assert c == pytest.approx(offset + math.log(4.0), abs=1e-11)
        da = rules.LogSumExp.da(1.0, c, a, axis=None, keepdims=False)
        np.testing.assert_allclose(da, [0.25, 0.75], rtol=1e-11)


def test_gelu_is_near_its_definition_by_the_error_function():
    a = np.linspace(-6, 6, 1001)
    exact = [x * 0.5 * (1 + math.erf(x / math.sqrt(2))) for x in a]
    assert np.abs(rules.GELU.forward(a) - exact).max() < 5e-4


def test_what_an_index_takes_twice_adds_up():
    da = first_partial(rules.Index, np.zeros(3), index=np.array([0, 2, 0, 0]))
    assert da.tolist() == [3, 0, 1]


BASIC = [  # no element can be taken twice
    *(1, -1, np.int64(2), np.uint8(1), (1, 2, 0), (1, -2, np.int32(0), None)),
    *(slice(None), slice(None, None, -1), slice(3, 0, -2), slice(0, 0)),
    *(..., None, (), (..., 1), (None, 2, slice(None)), (slice(1, 3), 0), (slice(2), ..., None)),
]
ADVANCED = [
    *(True, False, np.True_, np.array(1), np.array(False), (True, 1), (np.False_, slice(1))),
    *([0, 0, 3], [], [[2, 0], [2, 2]], range(3), (0, [1, 1]), (slice(None), [0, 0, 2])),
    *(
        np.array([0, 2, 0, 0]),
        np.array([True, False, True, True]),
        np.arange(24).reshape(4, 3, 2) > 5,
    ),
    *((np.array([[0, 1], [1, 0]]), slice(None), 1), ([3, 3], None, [0, 0]), ([0, -4], ..., [1, 1])),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("index", [*BASIC, *ADVANCED], ids=repr)
def test_an_index_of_any_kind_has_the_bits_of_one_addition_after_another(index, dtype):
    a = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(dtype)
    c = np.asarray(rules.Index.forward(a, index))
    dc = np.random.default_rng(1).normal(size=c.shape).astype(dtype)
    dc[dc < -1] = -0.0
    expected = np.zeros_like(a)
    np.add.at(expected, index, dc)
    assert same_bits(rules.Index.da(dc, c, a, index), expected)


def test_what_has_no_array_or_list_in_it_is_known_to_take_no_element_twice():
    assert all(map(is_basic, BASIC))
    assert not any(map(is_basic, ADVANCED))


@pytest.mark.parametrize("index", [(), ..., None, True, np.False_, np.array(True)], ids=repr)
def test_a_number_can_be_indexed_too(index):
    a, c = np.float32(2), np.asarray(rules.Index.forward(np.float32(2), index))
    da = rules.Index.da(np.full_like(c, 3), c, np.asarray(a), index)
    assert same_bits(da, np.array(3.0 * c.size, np.float32))


@pytest.mark.parametrize("index", [*BASIC, *ADVANCED], ids=repr)
def test_an_index_of_any_kind_is_replayed(index):
    loss = fast.replay(lambda a: (a[index] * a[index]).sum())
    for seed in range(3):
        a = sg.Tensor(np.random.default_rng(seed).normal(size=(4, 3, 2)), requires_grad=True)
        loss(a).backward()
        expected = np.zeros_like(a.data)
        np.add.at(expected, index, a.data[index])
        np.testing.assert_array_equal(a.grad, 2 * expected)


# (the shape of a, the shape of b)
PRODUCTS = [
    *(((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 6, 3, 4), (4, 5)), ((2, 1, 3, 4), (4, 5))),
    *(((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((1, 3, 4), (2, 4, 5))),
    *(((2, 3, 4), (1, 4, 5)), ((3, 4), (2, 4, 5)), ((3, 4), (2, 6, 4, 5))),
    *(((3, 4), (4,)), ((2, 3, 4), (4,)), ((2, 6, 3, 4), (4,)), ((4,), (4, 5)), ((4,), (2, 4, 5))),
    *(((0, 3, 4), (4, 5)), ((2, 0, 4), (4, 5)), ((2, 3, 0), (0, 5)), ((2, 3, 4), (4, 0))),
    *(((0, 3, 4), (4,)), ((2, 0, 4), (4,)), ((2, 3, 0), (0,)), ((2, 0, 3, 4), (4, 5))),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("a_shape", "b_shape"), PRODUCTS, ids=str)
def test_the_partials_of_a_matrix_product_are_sums_of_products(a_shape, b_shape, dtype, layout):
    rng = np.random.default_rng(0)
    a, b = (in_layout(rng.normal(size=shape).astype(dtype), layout) for shape in (a_shape, b_shape))
    c = rules.MatMul.forward(a, b)
    dc = in_layout(rng.normal(size=c.shape).astype(dtype), layout)
    matrix_a, matrix_b = np.atleast_2d(a), b if b.ndim > 1 else b[:, None]
    matrix_dc = dc.reshape(np.matmul(matrix_a, matrix_b).shape)
    da = (matrix_dc[..., :, None, :] * matrix_b[..., None, :, :]).sum(axis=-1)  # sum_j dc_ij b_kj
    db = (matrix_a[..., :, :, None] * matrix_dc[..., :, None, :]).sum(axis=-3)  # sum_i a_ik dc_ij
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for x, partial, each, matrix in (
        (a, rules.MatMul.da, da, matrix_a),
        (b, rules.MatMul.db, db, matrix_b),
    ):
        result = unbroadcast(partial(dc, c, a, b), x.shape)
        expected = unbroadcast(each, matrix.shape).reshape(x.shape)
        assert result.dtype == dtype
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ddof", [0, 1, 2])
def test_var_with_any_divisor(ddof):
    a = np.array([[1.0, 4.0, 2.0], [0.5, -1.0, 3.0]])
    params = {"axis": 1, "ddof": ddof, "keepdims": False}
    expected = central_differences(
        lambda a: rules.Var.forward(a, **params), [a], 0, np.array([1.0, 2.0])
    )
    c = rules.Var.forward(a, **params)
    np.testing.assert_allclose(
        rules.Var.da(np.array([1.0, 2.0]), c, a, **params), expected, rtol=1e-7, atol=1e-7
    )


def test_logsumexp_takes_the_largest_number_of_each_row_by_itself():
    a = np.array([[1e4, 1e4], [-1e4, -1e4]])
    c = rules.LogSumExp.forward(a, axis=1, keepdims=False)
    np.testing.assert_allclose(c, [1e4 + math.log(2), -1e4 + math.log(2)], rtol=1e-15)


def test_pow_of_a_negative_number_has_no_derivative_by_its_exponent():
    with np.errstate(invalid="ignore"):
        db = rules.Pow.db(1.0, 4.0, np.array(-2.0), np.array(2.0))
    assert np.isnan(db)


# Numbers at the edge

INF, NAN = np.inf, np.nan

EXTREME = {
    "all -inf": ([-INF, -INF], -INF),
    "inf and a number": ([INF, 0.0], INF),
    "inf and a large number": ([INF, 1e5], INF),
    "two of inf": ([INF, INF], INF),
    "inf and -inf": ([INF, -INF], INF),
    "-inf and a number": ([-INF, 3.0], 3.0),
    "nan": ([NAN, 0.0], NAN),
    "one number": ([-INF], -INF),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", EXTREME)
def test_logsumexp_of_infinities_has_its_limit_without_a_warning(name, dtype):
    numbers, right = EXTREME[name]
    a = np.array([min(x, 6e4) if x < INF else x for x in numbers], dtype)  # as float16 has them
    for array in a, np.stack([a, np.zeros_like(a)]):
        c = rules.LogSumExp.forward(array, axis=-1, keepdims=False)
        assert c.dtype == dtype
        np.testing.assert_array_equal(np.ravel(c)[0], dtype(right))


def test_the_gradient_of_logsumexp_is_nan_where_the_infinity_is_as_pytorchs():
    a = np.array([[-INF, -INF], [INF, 0.0], [-INF, 3.0]])
    c = rules.LogSumExp.forward(a, axis=1, keepdims=False)
    with np.errstate(invalid="ignore"):
        da = rules.LogSumExp.da(np.ones(3), c, a, axis=1, keepdims=False)
    np.testing.assert_array_equal(da, [[NAN, NAN], [NAN, 0], [0, 1]])


@pytest.mark.parametrize(
    ("a", "b", "right"),
    [(0.0, 2.0, 0.0), (0.0, 0.0, 0.0), (0.0, -1.0, -INF), (0.0, -0.5, -INF), (2.0, 0.0, np.log(2))],
)
def test_a_power_of_zero_has_its_limit_as_gradient_of_the_exponent(a, b, right):
    a, b = np.float64(a), np.float64(b)
    with np.errstate(divide="ignore"):
        c = rules.Pow.forward(a, b)
        assert rules.Pow.db(1.0, c, a, b) == right
