"""gradcheck: passes right gradients, and says of wrong ones where, by how much, and why."""

import contextlib

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn, rules
from simplegrad.tensor import record
from simplegrad.tools import gradcheck as module
from tests.helpers.oracles import central_differences
from tests.helpers.rules_table import RULES


def x(*shape, name=None):
    data = np.random.default_rng(0).uniform(0.5, 2, shape)
    return sg.Tensor(data, requires_grad=True, name=name)


def at(*values, name=None):
    return sg.Tensor(np.array(values, dtype=float), requires_grad=True, name=name)


def number(value):
    return sg.Tensor(value, requires_grad=True, dtype=np.float64)


def report(fn, inputs, **options):
    """The lines of the report of a function whose gradients differ."""
    with pytest.raises(AssertionError) as caught:
        sg.gradcheck(fn, inputs, **options)
    return str(caught.value).splitlines()


def verdicts(fn, inputs, **options):
    """The last column of the table."""
    lines = report(fn, inputs, **options)
    header = next(line for line in lines if line.startswith("input"))
    rows = lines[lines.index(header) + 1 :]
    column = header.index("verdict")
    return [row[column:] for row in rows if row[column - 2 : column] == "  "]


def with_partials(rule, *partials):
    """A rule of the same forward with other partials."""
    return type(f"Wrong{rule.__name__}", (rule,), {"partials": partials})


def scaled(partial, factor):
    def da(*arrays, **params):
        return factor * partial(*arrays, **params)

    return da


class WrongMul:
    def forward(a, b):
        return a * b

    def da(dc, c, a, b):
        return dc * b

    def db(dc, c, a, b):
        return dc * b  # should be a

    partials = da, db


def by(rule, **params):
    """The function of tensors that a rule is."""
    return lambda *tensors: record(
        rule.forward(*[t.data for t in tensors], **params), rule, *tensors, **params
    )


wrong_mul = by(WrongMul)


# Right gradients


def test_right_gradients_pass():
    assert sg.gradcheck(lambda a, b: sg.exp(a) @ b, [x(2, 3), x(3, 2)]) is True
    assert sg.gradcheck(lambda a: a.sum(), x()) is True


def test_several_results_are_all_checked():
    assert sg.gradcheck(lambda a, b: (a * b, [a, sg.tanh(b)][1]), [x(2, 1), x(3)])
    assert verdicts(lambda a, b: [a + b, wrong_mul(a, b)], [at(2.0), at(3.0)]) == ["wrong"]


def test_an_input_that_is_not_used_has_the_gradient_zero():
    assert sg.gradcheck(lambda a, b: a * 2, [x(2), x(3)])


def test_inputs_without_gradients_are_passed_on():
    given = [x(3), sg.Tensor(np.array([0, 0, 2])), sg.ones(3)]
    assert sg.gradcheck(lambda a, i, b: (a * b)[i], given)


def test_views_empty_tensors_numbers_and_an_input_given_twice():
    a = sg.Tensor(np.arange(1.0, 7.0).reshape(2, 3).T[::-1], requires_grad=True)
    assert sg.gradcheck(lambda a, b: a**2 * b, [a, a])
    assert sg.gradcheck(lambda a: a * 2, x(0, 3))
    assert sg.gradcheck(lambda a: a**2, number(3.0))


def test_a_replayed_function_is_checked():
    assert sg.gradcheck(fast.replay(lambda a: (a**3).sum()), x(3))


def test_dropout_is_checked_with_one_mask_for_each_seed():
    layer = nn.Dropout(0.5)
    seen = []

    def fn(a):
        dropped = layer(a)
        seen.append(tuple(dropped.data != 0))
        return dropped**2

    for seed in range(3):
        assert sg.gradcheck(fn, at(*[1.0] * 9), seed=seed)
    assert len(set(seen)) == 3


def test_numbers_near_the_limits_of_a_function_pass():
    assert sg.gradcheck(sg.sqrt, at(1e-8, 1e-13))
    assert sg.gradcheck(sg.log, at(1e-7, 1e7))
    assert sg.gradcheck(lambda a: 1 / a, at(1e-7, -1e-9))


def test_a_large_number_that_stays_the_same_hides_nothing():
    large = sg.Tensor(np.full(2, 1e12))
    assert sg.gradcheck(lambda a: (large, a**2), x(2))
    rule = with_partials(rules.Tanh, scaled(rules.Tanh.da, 1.0001))
    assert verdicts(lambda a: (large, by(rule)(a)), x(2)) == ["wrong", "wrong"]


# Wrong gradients


def test_a_wrong_gradient_shows_both_numbers_and_where():
    a, b = at(2.0, 3.0), at(2.0, 5.0, name="b")
    assert report(lambda a, b: wrong_mul(a, b).sum(), [a, b]) == [
        "1 of 4 gradients differs (seed=0).",
        "input  element  backward()  differences  verdict",
        "1 (b)  [1]               5            3  wrong",
        "wrong: look at WrongMul.db. To the first row it adds 5, and differences of its forward "
        "say 3.",
    ]


def test_both_numbers_are_those_of_the_weighted_sum():
    a, b = at(2.0, 3.0), at(2.0, 5.0)
    weights = np.random.default_rng(7).uniform(0.5, 1.5, 2)
    row = next(line for line in report(wrong_mul, [a, b], seed=7) if "[1]" in line)
    expected = central_differences(lambda a, b: a * b, [a.data, b.data], 1, weights)[1]
    assert row.split()[2:4] == [f"{5 * weights[1]:.6g}", f"{expected:.6g}"]


def test_the_same_seed_gives_the_same_report():
    first, again, other = (report(wrong_mul, [x(3), at(1, 2, 3)], seed=n) for n in (1, 1, 2))
    assert first == again
    assert first[2:] != other[2:]
    assert first[0].endswith("(seed=1).")


def test_wrong_signs_that_cancel_in_the_sum_are_found():
    class Swapped:
        def forward(a):
            return a * np.array([1.0, 2.0])

        def da(dc, c, a):
            return dc[::-1] * np.array([2.0, 1.0])[::-1]

        partials = (da,)

    assert verdicts(by(Swapped), x(2)) == ["wrong", "wrong"]


@pytest.mark.parametrize("element", range(6))
def test_one_wrong_element_is_found(element):
    where = np.arange(6).reshape(2, 3) == element
    rule = with_partials(rules.Tanh, lambda dc, c, a: dc * (1 - c**2) * np.where(where, -1, 1))
    lines = report(by(rule), x(2, 3))
    assert lines[0].startswith("1 of 6 ")
    assert f"[{element // 3}, {element % 3}]" in lines[3]


def test_the_worst_come_first_and_no_more_than_ten():
    a = sg.Tensor(np.arange(1.0, 16.0), requires_grad=True)
    rule = with_partials(rules.Mul, rules.Mul.da, lambda dc, c, a, b: dc * a * 2)
    lines = report(lambda a, b: by(rule)(a, b).sum(), [a, a])
    assert [line.split()[1] for line in lines[2:12]] == [f"[{i}]" for i in range(14, 4, -1)]
    assert lines[12] == "... and 5 more"


@pytest.mark.parametrize("name", RULES)
def test_a_rule_passes_and_each_of_its_partials_is_named_when_it_is_wrong(name):
    rule, inputs, params = getattr(rules, name), RULES[name].tensors(), RULES[name].params
    assert sg.gradcheck(by(rule, **params), inputs)
    partials = [partial for _, partial in zip(inputs, rule.partials, strict=False)]
    for k, partial in enumerate(partials):
        wrong = with_partials(rule, *partials[:k], scaled(partial, 1.001), *partials[k + 1 :])
        fn = lambda *tensors: by(wrong, **params)(*tensors) ** 2  # noqa: E731, B023
        lines = report(fn, inputs)
        rows = [line for line in lines if line.endswith("  wrong")]
        assert {row.split()[0] for row in rows} == {str(k)}
        (advice,) = [line for line in lines if line.startswith("wrong: ")]
        assert advice.startswith(f"wrong: look at Wrong{name}.da. ")  # what scaled() calls it


def test_a_small_bug_in_a_sum_of_many_is_no_kink():
    a, b = (sg.Tensor(np.arange(12.0) / n, requires_grad=True) for n in (5, 7))
    rule = with_partials(rules.Mul, rules.Mul.da, scaled(rules.Mul.db, 1.001))
    found = verdicts(lambda a, b: sg.tanh(by(rule)(a, b)).sum(), [a, b])
    assert found == ["wrong"] * 10


# The complex step

EVERY_PARTIAL = [(name, k) for name, row in RULES.items() for k in range(len(row.arrays))]


@pytest.mark.parametrize(("name", "k"), EVERY_PARTIAL)
def test_the_complex_step_is_exact_for_the_rules_of_the_table_and_for_no_others(name, k):
    rule, arrays, params = getattr(rules, name), RULES[name].arrays, RULES[name].params
    v = np.random.default_rng(1).uniform(0.5, 1.5, arrays[k].shape)

    def L(a):
        return np.asarray(rule.forward(*arrays[:k], a, *arrays[k + 1 :], **params))

    by_differences = (L(arrays[k] + 1e-6 * v) - L(arrays[k] - 1e-6 * v)) / 2e-6
    for h in 1e-100, -1e-100:
        agrees = False
        with contextlib.suppress(TypeError):  # as of np.logaddexp, which takes real numbers alone
            by_complex_step = module._complex_step(L, arrays[k], v, h)
            agrees = np.allclose(by_complex_step, by_differences, 1e-7, 1e-9)
        assert agrees or rule not in module.ANALYTIC, (
            f"the complex step is wrong for {name}. Take it out of ANALYTIC, in "
            "simplegrad/tools/gradcheck.py: differences alone will check it."
        )
        assert not agrees or rule in module.ANALYTIC, (
            f"the complex step is exact for {name}. Add rules.{name} to ANALYTIC, in "
            "simplegrad/tools/gradcheck.py: it will find a partial that is wrong by 1e-9."
        )


@pytest.mark.parametrize("fn", [np.exp, np.tanh, np.sqrt, np.log], ids=lambda fn: fn.__name__)
def test_it_gives_the_derivatives_of_calculus(fn):
    derivatives = {
        np.exp: np.exp,
        np.tanh: lambda a: 1 / np.cosh(a) ** 2,
        np.sqrt: lambda a: 0.5 / np.sqrt(a),
        np.log: lambda a: 1 / a,
    }
    a = np.array([1e-5, 0.3, 2.0, 18.0])
    slopes = module._complex_step(fn, a, np.ones(4), 1e-100)
    np.testing.assert_allclose(slopes, derivatives[fn](a), rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "k"), [(n, k) for n, k in EVERY_PARTIAL if getattr(rules, n) in module.ANALYTIC]
)
def test_a_partial_that_is_wrong_by_1e_9_is_found(name, k, monkeypatch):
    rule, inputs, params = getattr(rules, name), RULES[name].tensors(), RULES[name].params
    partials = [partial for _, partial in zip(inputs, rule.partials, strict=False)]
    partials[k] = scaled(partials[k], 1 + 1e-9)
    fn = by(rule, **params)
    assert sg.gradcheck(lambda *tensors: sg.exp(-fn(*tensors)), inputs)
    monkeypatch.setattr(rule, "partials", partials)
    lines = report(lambda *tensors: sg.exp(-fn(*tensors)), inputs)
    rows = [line.split() for line in lines if line.endswith("  wrong: by the complex step")]
    assert {row[0] for row in rows} == {str(k)}
    assert any(line.startswith(f"wrong: look at {name}.da. ") for line in lines)


def test_roundoff_of_backward_is_no_bug():
    assert sg.gradcheck(lambda a: 1e6 * (sg.softmax(a).sum() - sg.log_softmax(a).exp().sum()), x(9))
    assert sg.gradcheck(sg.tanh, at(5.0, 10.0, 18.0, 50.0, -300.0))  # 1 - c^2 has few digits
    assert sg.gradcheck(lambda a: sg.log_softmax(1e5 * a), at(1.0, 1.00001, 0.99999))


def test_a_kink_passes_where_backward_gives_the_mean_of_both_slopes():
    assert sg.gradcheck(sg.abs, number(0.0))
    assert sg.gradcheck(sg.maximum, [at(1.0, 2.0), at(1.0, 3.0)])
    assert sg.gradcheck(lambda a: a.max(), at(1.0, 1.0, 0.5))


# Kinks and jumps


@pytest.mark.parametrize(
    ("fn", "where", "left", "right"),
    [
        (sg.relu, 0.0, "0", "1"),
        (lambda a: sg.clip(a, -1, 1), 1.0, "1", "0"),
        (lambda a: sg.clip(a, -1, 1), -1.0, "0", "1"),
        (lambda a: sg.where(a > 2, a, 4 - 1 * a), 2.0, "-1", "1"),
        (lambda a: sg.relu(a - 3) + 100, 3.0, "0", "1"),
        (lambda a: sg.stack([a, a * a, 2 * a - 1]).max(), 1.0, "1", "2"),
    ],
    ids=["relu", "clip above", "clip below", "where", "far from 0", "max of three"],
)
def test_a_kink_is_no_bug(fn, where, left, right):
    lines = report(fn, number(where))
    assert lines[-1].startswith("kink: no bug. The function has no single slope there.")
    assert verdicts(fn, number(where)) == [
        f"kink: slopes {left} left, {right} right, backward() between"
    ]


@pytest.mark.parametrize("distance", [9e-7, 5e-7, 1e-8, 1e-10])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_kink_nearby_is_resolved(distance, side):
    for fn in sg.relu, sg.abs, lambda a: sg.where(a > 0, a + 1, a), lambda a: sg.clip(a, 0, 1):
        assert sg.gradcheck(fn, number(side * distance))
    assert sg.gradcheck(lambda a: sg.relu(a - 1) + a, number(1 + side * max(distance, 1e-8)))
    wrong = with_partials(rules.ReLU, lambda dc, c, a: dc * (a > 0) * 1.1)
    assert sg.gradcheck(by(wrong), number(-distance))
    assert verdicts(by(wrong), number(distance)) == ["wrong"]


def test_a_number_outside_of_both_slopes_is_no_slope_of_a_kink():
    rule = with_partials(rules.Abs, lambda dc, c, a: dc * np.where(a == 0, 5, np.sign(a)))
    lines = report(by(rule), number(0.0))
    assert lines[2].endswith("kink, backward() outside: slopes -1 left, 1 right")
    assert lines[-1].startswith("kink, backward() outside: even at a kink")


@pytest.mark.parametrize("where", [0.0, 1.0])
def test_a_jump_is_told_by_slopes_that_grow(where):
    def floor_like(a):
        return a + sg.where(a >= where, 1.0, 0.0) * np.ones(())

    (verdict,) = verdicts(floor_like, number(where))
    assert verdict.startswith("jump: the slope grows from 1e+06 at h = 1e-06 to 1e+")


def test_a_bug_is_listed_before_a_kink():
    lines = report(lambda a, b: (sg.relu(a) * 9, wrong_mul(b, b * 2)), [at(0.0, 0.0), number(2.0)])
    assert [line.split()[-1] for line in lines[3:6]] == ["wrong", "between", "between"]
    assert [line.split(":")[0] for line in lines[6:]] == ["wrong", "kink"]


# What is not finite


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_result_that_is_not_finite_says_how_to_find_where(value):
    found = rf"1 of 2 elements .* not finite, the first at \[1\]: {value}.*sg.detect_anomaly"
    with pytest.raises(AssertionError, match=found):
        sg.gradcheck(lambda a: a * np.array([1.0, float(value)]), at(1.0, 1.0))


def test_a_gradient_that_is_not_finite_says_how_to_find_where():
    lines = report(sg.sqrt, at(0.0, 1.0))
    assert lines[0].startswith("1 of 2 ")
    assert lines[3].split()[2:] == ["inf", "nan", "not", "finite"]
    assert "sg.detect_anomaly()" in lines[-1]


def test_the_edge_of_where_a_function_is_finite():
    assert verdicts(lambda a: a**1.5, number(0.0)) == ["edge: not finite on the left"]


def test_a_mask_of_minus_infinity_passes():
    mask = np.array([True, False, True])
    assert sg.gradcheck(lambda a: sg.softmax(sg.where(mask, a, -np.inf)), x(3))


# What leaves the graph


@pytest.mark.parametrize(
    "fn",
    [
        lambda a, b: a * sg.Tensor(a.numpy()) + b,
        lambda a, b: a.detach() * b,
        lambda a, b: a * (1 + 1e-4 * a.data) + b,
    ],
    ids=["numpy", "detach", "data, a little"],
)
def test_what_the_graph_does_not_know_is_told_from_a_wrong_partial(fn):
    lines = report(fn, [at(1.0, 2.0), at(3.0, 4.0)])
    assert [line.split()[0] for line in lines[3:5]] == ["0", "0"]
    assert lines[-1].startswith("wrong: the result depends on the input in a way that the graph")


def test_a_result_without_a_graph_is_refused():
    with pytest.raises(ValueError, match=r"requires no gradient.*without \.data"):
        sg.gradcheck(lambda a: sg.Tensor(a.data * 2), x(2))


def test_a_function_of_the_input_itself_is_refused():
    a = x(2)
    with pytest.raises(ValueError, match="fn uses input 1 itself"):
        sg.gradcheck(lambda b, _: a * b, [x(2), a])


# What is random


@pytest.mark.parametrize("period", [1, 7])
def test_a_function_that_changes_by_itself_is_refused(period):
    calls = []

    def fn(a):
        calls.append(a)
        return a * (1 + len(calls) // period)

    with pytest.raises(ValueError, match=r"different results .* L = .*sg.generator.*seed=3"):
        sg.gradcheck(fn, x(2), seed=3)


def test_a_wrong_partial_of_a_random_function_is_found_each_time():
    def fn(a):
        return wrong_mul(sg.uniform(4, dtype=np.float64), a)

    assert report(fn, x(4)) == report(fn, x(4))


# What is left as it was


@pytest.mark.parametrize("ending", ["passes", "differs", "raises", "is interrupted"])
def test_inputs_gradients_and_the_generator_are_left_alone(ending):
    a, w = x(2), x(2)
    a.grad, w.grad = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    before = a.numpy()
    calls = []

    def fn(a):
        calls.append(a)
        a.data += 1
        a = a * sg.uniform(2) * w
        if len(calls) > 3 and ending in ("raises", "is interrupted"):
            raise ZeroDivisionError if ending == "raises" else KeyboardInterrupt
        return wrong_mul(a, a * 2) if ending == "differs" else a * a

    generator = sg.generator()
    state = generator.bit_generator.state
    ends = {"differs": AssertionError, "raises": ZeroDivisionError}
    if ending == "passes":
        assert sg.gradcheck(fn, a)
    else:
        with pytest.raises(ends.get(ending, KeyboardInterrupt)):
            sg.gradcheck(fn, a)
    assert len(calls) > 3
    np.testing.assert_array_equal(a.data, before)
    assert (a.grad.tolist(), w.grad.tolist()) == ([1, 2], [3, 4])
    assert sg.generator() is generator
    assert generator.bit_generator.state == state


# What is refused


def test_float32_has_too_few_digits():
    with pytest.raises(TypeError, match=r"digits of float64, but input 0 is float32.*dtype="):
        sg.gradcheck(lambda a: a, sg.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match=r"digits of float64, but fn returns Tensor\(.*float32"):
        sg.gradcheck(lambda a: sg.ones(2), x(2))


def test_inputs_and_results_are_tensors():
    with pytest.raises(TypeError, match="gradcheck takes Tensors, but input 0 is a ndarray"):
        sg.gradcheck(lambda a: a, [np.ones(2)])
    with pytest.raises(TypeError, match="differentiates Tensors, but fn returns a ndarray"):
        sg.gradcheck(lambda a: a > 0, x(2))


def test_something_must_require_gradients():
    with pytest.raises(ValueError, match="nothing to check"):
        sg.gradcheck(lambda a: a, sg.Tensor(np.ones(2)))


def test_a_shape_that_depends_on_the_values_is_refused():
    with pytest.raises(ValueError, match=r"shapes \[\(1,\)\], and then \[\(0,\)\]"):
        sg.gradcheck(lambda a: a[a.data >= 1], at(1.0))


def test_a_seed_is_an_integer():
    with pytest.raises(ValueError, match="a seed is an integer"):
        sg.gradcheck(lambda a: a, x(2), seed=-1)
