"""Gradients of gradients, Jacobians and Hessians, against differences, closed forms and torch."""

import gc
import itertools
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings

import simplegrad as sg
from simplegrad import fast, nn, optimizers, rules
from simplegrad.autograd import tape_of
from simplegrad.tensor import record
from tests.helpers.drawn import seeds
from tests.helpers.oracles import central_differences, same_bits
from tests.helpers.rules_table import RULES


def leaf(data, **kwargs):
    return sg.Tensor(np.array(data, float), requires_grad=True, **kwargs)


def weights(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 1.5, shape) for shape in shapes]


def slope(ours, arrays, params, w, v):
    """The sum of the gradients of the weighted result, each times its v: leaves and this number."""
    x = [leaf(a) for a in arrays]
    dx = sg.grad((ours(*x, **params) * w).sum(), x, create_graph=True, allow_unused=True)
    return x, dx, sum(((d * v_i).sum() for d, v_i in zip(dx, v, strict=True)), leaf(0.0))


# Every rule


def for_examples_of(name, examples):
    def check(prop):
        limits = settings(max_examples=examples, deadline=None, derandomize=True)
        limits(given(RULES[name].cases, seeds)(prop))()

    return check


@pytest.mark.parametrize("examples", [5, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RULES)
def test_second_derivatives_are_central_differences_of_the_first(name, examples):
    ours = RULES[name].ours

    @for_examples_of(name, examples)
    def agree(case, seed):
        arrays, params = case
        c = ours(*map(sg.Tensor, arrays), **params)
        w, *v = weights(seed, c.shape, *[a.shape for a in arrays])
        x, _, s = slope(ours, arrays, params, w, v)
        second = sg.grad(s, x, allow_unused=True)
        for number, found in enumerate(second):
            expected = central_differences(
                lambda *arrays: slope(ours, arrays, params, w, v)[2].data,
                arrays,
                number,
                np.ones(()),
            )
            np.testing.assert_allclose(found.data, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", RULES)
def test_with_a_graph_and_without_a_gradient_has_the_same_bits(name):
    row = RULES[name]
    for dtype in np.float32, np.float64:
        x = row.tensors(dtype)
        loss = (row(*x) ** 2).sum()
        loss.backward()
        plain, recorded = (sg.grad(loss, x, create_graph=graph) for graph in (False, True))
        for t, dx, dx_recorded in zip(x, plain, recorded, strict=True):
            assert same_bits(dx.data, dx_recorded.data)
            assert same_bits(dx.data.astype(dtype), t.grad)
            assert dx.rule is None


@pytest.mark.parametrize("ours", [sg.abs, sg.relu, sg.Tensor.max, lambda x: sg.clip(x, 0, 1)])
def test_what_consists_of_straight_pieces_has_the_second_derivative_0(ours):
    assert not sg.hessian(lambda x: ours(x).sum(), sg.Tensor([-2.0, 0.0, 0.5, 0.5, 3.0])).data.any()


@pytest.mark.parametrize("zeros", [[], [0], [0, 2], [0, 1, 2], [0, 1, 2, 3]])
def test_a_product_has_derivatives_of_any_order_where_elements_are_0(zeros):
    a = np.array([2.0, 3.0, 5.0, 7.0])
    a[zeros] = 0
    H = sg.hessian(sg.prod, sg.Tensor(a)).data
    third = sg.jacobian(lambda x: sg.hessian(sg.prod, x), sg.Tensor(a)).data
    for i, j in itertools.permutations(range(4), 2):
        assert H[i, j] == np.prod(np.delete(a, [i, j]))
        assert [third[i, j, k] for k in range(4)] == [
            0 if k in (i, j) else np.prod(np.delete(a, [i, j, k])) for k in range(4)
        ]


def test_norm_has_all_derivatives_0_where_it_is_0():
    assert not sg.hessian(sg.norm, sg.zeros(3)).data.any()


def test_third_derivatives_of_polynomials_and_of_exp_are_exact():
    x = leaf([-2.0, 0.0, 1.0, 3.0])
    y = x**4 - 2 * x**3 + x
    for expected in (
        4 * x.data**3 - 6 * x.data**2 + 1,
        12 * x.data**2 - 12 * x.data,
        24 * x.data - 12,
    ):
        y = sg.grad(y.sum(), x, create_graph=True)
        np.testing.assert_array_equal(y.data, expected)
    y = sg.exp(x)
    for _ in range(3):
        y = sg.grad(y.sum(), x, create_graph=True)
        assert same_bits(y.data, np.exp(x.data))


# grad


def test_gradients_come_in_the_form_of_the_inputs_and_grad_stays():
    w, b = leaf([1.0, 2.0], name="w"), leaf(3.0)
    loss = (w * b).sum()
    w.grad = np.array([7.0, 7.0])
    assert sg.grad(loss, b).item() == 3
    assert [t.numpy().tolist() for t in sg.grad(loss, [w, b])] == [[3, 3], 3]
    assert isinstance(sg.grad(loss, (w, b)), tuple)
    assert sg.grad(loss, {"b": b})["b"].item() == 3
    assert (w.grad.tolist(), b.grad) == ([7, 7], None)


def test_the_inputs_may_be_results_and_the_loss_itself():
    x = leaf(2.0)
    y = x**2
    z = y * y * x
    assert [t.item() for t in sg.grad(z, [y, x, z])] == [16, 80, 1]
    dy = sg.grad(z, y, create_graph=True)  # 2 y x
    assert sg.grad(dy, x).item() == 2 * 4 + 2 * 2 * 2 * 2


def test_only_the_partials_on_the_way_to_the_inputs_run():
    class Counted:
        def forward(a, b):
            return a * b

        def da(dc, c, a, b):
            return dc * b

        def db(dc, c, a, b):
            raise AssertionError("nobody has asked for db")

        partials = da, db

    a, b = leaf(2.0), leaf(3.0)
    assert sg.grad(record(Counted.forward(a.data, b.data), Counted, a, b), a).item() == 3


def test_grad_says_how_much_each_element_counts_and_may_be_differentiated_by():
    x, u = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    dx = sg.grad(x**2, x, grad=u, create_graph=True)
    assert dx.numpy().tolist() == [6, 20]
    assert sg.grad(dx.sum(), u).numpy().tolist() == [2, 4]
    assert sg.grad(x**2, x, grad=[1.0, 10.0]).numpy().tolist() == [2, 40]


def test_an_unused_input_is_an_error_or_has_the_gradient_0():
    x, y = leaf([1.0, 2.0]), leaf(1.0, name="other")
    with pytest.raises(RuntimeError, match=r"by Tensor.*'other'.*allow_unused=True"):
        sg.grad(x.sum(), [x, y])
    dx, dy = sg.grad(x.sum(), [x, y], allow_unused=True)
    assert (dx.numpy().tolist(), dy.item()) == ([1, 1], 0)
    with pytest.raises(RuntimeError, match=r"requires_grad=True"):
        sg.grad(x.sum(), sg.ones(2))
    with pytest.raises(RuntimeError, match="requires no gradient"):
        sg.grad(sg.ones(1), x)


WRONG = {
    "no tensor as loss": (lambda x: sg.grad(3.0, x), TypeError, "but got 3.0"),
    "an array as input": (lambda x: sg.grad(x.sum(), np.ones(2)), TypeError, "but got"),
    "a flag as gradient": (lambda x: sg.grad(x.sum(), x, True), TypeError, "create_graph=True"),
    "no function": (lambda x: sg.jacobian(x**2, x), TypeError, "takes a function"),
    "the tensor itself": (lambda x: sg.jacobian(lambda w: x**2, x), TypeError, "not that tensor"),
    "no inputs": (lambda x: sg.grad(x.sum(), []), TypeError, r"but got \[\]"),
    "several elements": (lambda x: sg.grad(x, x), ValueError, r"grad=np.ones\(\(2,\)\)"),
    "another shape": (lambda x: sg.grad(x, x, grad=1.0), ValueError, "needs a gradient of"),
    "PyTorch's name": (lambda x: sg.grad(x, x, grad_outputs=x), TypeError, "grad="),
    "retain_graph": (lambda x: sg.grad(x.sum(), x, retain_graph=True), TypeError, "retain_graph"),
    "no tensor from f": (lambda x: sg.jacobian(lambda x: 1.0, x), TypeError, "returns a Tensor"),
    "several from f": (lambda x: sg.vjp(lambda x: (x, x), x), TypeError, "returns a Tensor"),
    "tangents": (lambda x: sg.jvp(sg.exp, x, [1.0]), ValueError, "tangents"),
    "tangents of hvp": (lambda x: sg.hvp(sg.Tensor.sum, x, 1.0), ValueError, "tangents"),
    "too few tangents": (
        lambda x: sg.jvp(lambda x, y: x * y, [x, x], [np.ones(2)]),
        ValueError,
        "tangents",
    ),
    "integers": (lambda x: sg.jacobian(sg.Tensor.sum, sg.arange(3)), TypeError, "float"),
    "a Hessian of several": (lambda x: sg.hessian(sg.exp, x), ValueError, "needs a scalar"),
    "backward with a graph": (
        lambda x: x.sum().backward(create_graph=True),
        TypeError,
        r"sg\.grad\(loss, inputs, create_graph=True\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said(name):
    call, error, says = WRONG[name]
    with pytest.raises(error, match=says):
        call(leaf([1.0, 2.0]))


def test_under_no_grad_there_is_nothing_to_differentiate_again():
    x = leaf(2.0)
    y = x**3
    with sg.no_grad():
        assert sg.grad(y, x).item() == 12
        for call in lambda: sg.grad(y, x, create_graph=True), lambda: sg.jacobian(sg.exp, x):
            with pytest.raises(RuntimeError, match="no_grad"):
                call()


def test_data_that_changes_in_between_is_an_error():
    x = leaf(2.0)
    dx = sg.grad(x**3, x, create_graph=True)
    x.data = 3.0
    with pytest.raises(RuntimeError, match="data"):
        sg.grad(dx, x)


# A rule of one's own


def cube(forward_of_c, da):
    class Cube:
        forward = forward_of_c
        partials = (da,)

    Cube.da = da
    return lambda a: record(Cube.forward(a.data), Cube, a)


def test_a_rule_of_ones_own_needs_no_more_for_its_second_derivative():
    ours = cube(lambda a: a**3, lambda dc, c, a: 3 * dc * np.square(a))
    x = leaf([1.0, 2.0])
    assert sg.hessian(lambda x: ours(x).sum(), x).numpy().tolist() == [[6, 0], [0, 12]]


class Partial:
    def __call__(self, dc, c, a):
        return 3 * dc * a**2


def test_a_partial_may_be_an_object_that_is_called():
    class Cube:
        partials = (Partial(),)

    x = leaf([1.0, 2.0])
    dx = sg.grad(record(x.data**3, Cube, x).sum(), x, create_graph=True)
    assert (dx.name, sg.grad(dx.sum(), x).numpy().tolist()) == ("Cube.Partial", [6, 12])


def in_place(dc, c, a):
    da = 3 * dc
    da *= a**2
    return da


def added_twice(dc, c, a):
    part = a[0]
    part += 1
    return 3 * dc * a**2


def assigned(dc, c, a):
    da = np.zeros_like(a)
    da[...] = 3 * dc * a**2
    return da


def added_at_places(dc, c, a):
    da = np.zeros_like(a)
    da[[0, 0]] += dc
    return da


def a_part_returned(dc, c, a):
    da = np.zeros_like(a)
    part = da[...]
    part += 3 * dc * a**2
    return part


def a_view_of_what_is_added_to(dc, c, a):
    da = np.zeros_like(a)
    row = da[:1]
    da[0] += dc[0]
    da[1:] += row * dc[1]
    return da


def another_part_set(dc, c, a):
    da = np.zeros_like(a)
    da[1] += dc[1]
    da[0] = da[1]
    return da


UNKNOWN = {
    "a function": lambda dc, c, a: 3 * dc * np.cbrt(c) ** 2,
    "another form": lambda dc, c, a: 3 * dc * np.multiply.outer(a, a),
    "a number": lambda dc, c, a: 3 * dc * a[0].item() ** 2,
    "an array": lambda dc, c, a: 3 * dc * np.asarray(a) ** 2,
    "an argument": lambda dc, c, a: np.multiply(3 * dc, a**2, where=a > 0),
    "a number for math": lambda dc, c, a: 3 * dc * math.exp(a[0]) * a**2,
    "a number for Python": lambda dc, c, a: 3 * dc * float(a[0]) ** 2,
    "a method": lambda dc, c, a: 3 * dc * a.copy() ** 2,
    "only some elements": lambda dc, c, a: 3 * dc * np.sum(a**2, where=a > 1),
    "another order": lambda dc, c, a: 3 * dc * np.reshape(a**2, (2,), "F"),
    "a mask that NumPy takes for places": lambda dc, c, a: (
        3 * dc * np.take(a, np.array([True, True]), 0)
    ),
    "another way for arrays": lambda dc, c, a: dc * a if isinstance(a, np.ndarray) else dc,
    "names of an engine": lambda dc, c, a, partial=1: 3 * dc * np.cbrt(a),
    **{f.__name__: f for f in (in_place, added_twice, assigned, added_at_places)},
    **{f.__name__: f for f in (a_part_returned, a_view_of_what_is_added_to, another_part_set)},
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_partial_that_cannot_run_on_tensors_is_refused_by_name(name):
    ours = cube(lambda a: a**3, UNKNOWN[name])
    x = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match=r"partial .* of the rule Cube"):
        sg.grad(ours(x).sum(), x, create_graph=True)
    with pytest.raises(TypeError, match=r"partial .* of the rule Cube"):
        sg.jvp(ours, x, np.ones(2))
    with pytest.raises(TypeError):
        fast.replay(lambda x: sg.grad(ours(x).sum(), x, create_graph=True).sum())(x)


def test_a_partial_that_changes_what_it_is_given_leaves_the_tensors_alone():
    def da(dc, c, a):
        if isinstance(dc, np.ndarray):
            dc *= 3
            return dc * a**2
        return 3 * dc * a**2

    ours, x, u = cube(lambda a: a**3, da), leaf([1.0, 2.0]), leaf([1.0, 1.0])
    assert sg.grad(ours(x), x, u, create_graph=True).numpy().tolist() == [3, 12]
    assert u.numpy().tolist() == [1, 1]


# Functions of functions


def test_vjp_and_jvp_are_rows_and_columns_of_the_jacobian():
    def f(x, W):
        return sg.tanh(x @ W)

    x, W = map(sg.Tensor, weights(0, (3,), (3, 4)))
    J_x, J_W = sg.jacobian(f, (x, W))
    assert (J_x.shape, J_W.shape) == ((4, 3), (4, 3, 4))
    dc, x_dot, W_dot = weights(1, (4,), (3,), (3, 4))
    c, vjp_of = sg.vjp(f, [x, W])
    dx, dW = vjp_of(dc)
    np.testing.assert_allclose(dx.data, dc @ J_x.data)
    np.testing.assert_allclose(dW.data, np.einsum("c,cij", dc, J_W.data))
    _, c_dot = sg.jvp(f, [x, W], [x_dot, W_dot])
    np.testing.assert_allclose(c_dot.data, J_x.data @ x_dot + np.einsum("cij,ij", J_W.data, W_dot))
    assert same_bits(c.data, f(x, W).data)


def test_jvp_is_a_complex_step():
    def f(x, library):
        return library.exp(library.sin(x) * x**2) / (1 + x**2)

    x, v = weights(2, (5,), (5,))
    _, c_dot = sg.jvp(lambda t: f(t, sg), sg.Tensor(x), v)
    np.testing.assert_allclose(c_dot.data, f(x + 1e-100j * v, np).imag / 1e-100, rtol=1e-14)


def test_the_hessian_times_a_vector_is_hvp_and_it_has_a_block_for_two_inputs():
    def f(x, y):
        return (x**2 * y).sum() + sg.exp(y).prod()

    x, y = map(sg.Tensor, weights(3, (3,), (3,)))
    v, w = weights(4, (3,), (3,))
    (xx, xy), (yx, yy) = sg.hessian(f, [x, y])
    np.testing.assert_allclose(xx.data, 2 * np.diag(y.data))
    np.testing.assert_allclose(xy.data, yx.data.T)
    L, (Hv, Hw) = sg.hvp(f, [x, y], [v, w])
    assert L.item() == f(x, y).item()
    np.testing.assert_allclose(Hv.data, xx.data @ v + xy.data @ w)
    np.testing.assert_allclose(Hw.data, yx.data @ v + yy.data @ w)


def test_tangents_of_python_numbers_take_the_dtype_of_the_inputs():
    x, v = sg.Tensor(np.array([1.0, 2.0])), [0.1, 0.2]
    for d in sg.jvp(lambda x: x**2, x, v)[1], sg.hvp(lambda x: (x**3).sum() / 3, x, v)[1]:
        assert same_bits(d.data, 2 * x.data * v)


def test_they_nest_and_their_results_have_a_graph_where_the_inputs_require_gradients():
    x = sg.Tensor(np.array([1.0, 2.0]))
    H = sg.jacobian(lambda x: sg.jacobian(lambda x: (x**3).sum(), x), x)
    assert (H.numpy().tolist(), H.requires_grad) == ([[6, 0], [0, 12]], False)
    third = sg.jacobian(lambda x: sg.hessian(lambda x: (x**3).sum(), x), x)
    assert third.data[0, 0, 0] == third.data[1, 1, 1] == 6
    assert np.count_nonzero(third.data) == 2
    w = leaf([1.0, 2.0])
    sg.jvp(lambda w: w**3, w, np.ones(2))[1].sum().backward()
    assert w.grad.tolist() == [6, 12]


@pytest.mark.parametrize("n", [0, 1])
def test_a_result_that_does_not_depend_on_the_inputs_or_is_linear_has_zeros(n):
    x = sg.ones(2)
    assert sg.jacobian(lambda x: sg.ones(n), x).shape == (n, 2)
    assert not sg.jacobian(lambda x: sg.ones(n), x).data.any()
    assert not sg.hessian(lambda x: (3 * x).sum(), x).data.any()
    assert not sg.hvp(lambda x: (3 * x).sum(), x, np.ones(2))[1].data.any()
    assert not sg.jvp(lambda x: sg.ones(n), x, np.ones(2))[1].data.any()


@pytest.mark.parametrize("requires_grad", [False, True])
def test_one_differentiates_by_an_argument_and_not_by_what_else_is_that_tensor(requires_grad):
    x = sg.Tensor(np.array([1.0, 2.0]), requires_grad=requires_grad)

    def f(y, z):
        return (y * z**2).sum()

    for found in sg.jacobian(f, [x, x]), sg.vjp(f, [x, x])[1](1.0):
        assert [d.numpy().tolist() for d in found] == [[1, 4], [2, 8]]
    assert sg.jacobian(lambda y: x * y, x).numpy().tolist() == [[1, 0], [0, 2]]
    inner = sg.jacobian(lambda x: sg.jacobian(lambda y: (x * y).sum(), x), x)
    assert inner.numpy().tolist() == [[1, 0], [0, 1]]
    (yy, yz), (zy, zz) = sg.hessian(f, [x, x])
    assert not yy.data.any()
    assert yz.numpy().tolist() == zy.numpy().tolist() == [[2, 0], [0, 4]]
    assert zz.numpy().tolist() == [[2, 0], [0, 4]]


def test_inputs_and_results_may_be_single_numbers():
    x, y = sg.Tensor(3.0), leaf(2.0)
    assert sg.jacobian(lambda x: x**2, x).item() == 6
    assert sg.hessian(lambda x: x**3, x).item() == 18
    assert [[d.item() for d in row] for row in sg.hessian(lambda x, y: x * y**2, [x, y])] == [
        [0, 4],
        [4, 6],
    ]
    assert sg.jacobian(lambda x: x * sg.jacobian(lambda y: x * y, x), x).item() == 6


def test_a_hessian_calls_its_function_once():
    layer, calls = nn.Dropout(0.5), []

    def f(x, y):
        calls.append(1)
        return (layer(x * y) ** 2).sum()

    (_, xy), (yx, _) = sg.hessian(f, [sg.ones(8), sg.ones(8)])
    assert len(calls) == 1
    assert same_bits(xy.data, yx.data.T)


def test_inputs_and_tangents_may_be_dicts_and_tangents_a_generator():
    inputs = {"x": leaf([1.0, 2.0]), "y": leaf(3.0)}
    _, H = sg.hvp(lambda x, y: (x * y**2).sum(), inputs, {"y": 1.0, "x": [0.0, 0.0]})
    assert {key: t.numpy().tolist() for key, t in H.items()} == {"x": [6, 6], "y": 6}
    _, c_dot = sg.jvp(lambda x, y: x * y, (*inputs.values(),), (v for v in ([1.0, 0.0], 1.0)))
    assert c_dot.numpy().tolist() == [4, 2]


@pytest.mark.parametrize("graph", [False, True])
def test_a_gradient_that_is_given_takes_the_dtype_of_the_loss(graph):
    x = sg.Tensor([1.0, 2.0], requires_grad=True)
    for u in sg.Tensor(np.array([1, 2])), np.array([1.0, 2.0]), sg.Tensor(np.array([1.0, 2.0])):
        dx = sg.grad(x**2, x, u, create_graph=graph)
        assert (dx.dtype, dx.numpy().tolist()) == (np.float32, [2, 8])


# With the rest of the library


def test_a_gradient_penalty_trains_as_its_formula_says():
    w = leaf([3.0, 4.0])
    x = leaf([[1.0, 2.0], [3.0, 5.0]])
    dx = sg.grad((x @ w).sum(), x, create_graph=True)  # w in each row
    penalty = ((sg.norm(dx, axis=1) - 1) ** 2).mean()
    penalty.backward()
    np.testing.assert_allclose(w.grad, 2 * (5 - 1) * w.data / 5)
    w.grad = sg.grad(penalty, w)
    opt = optimizers.SGD(lr=0.1, param_groups=[{"params": {"w": w}}])
    opt.step()
    np.testing.assert_allclose(w.data, np.array([3.0, 4.0]) * (1 - 0.1 * 8 / 5))


@pytest.mark.parametrize(
    "f", [sg.norm, sg.Tensor.std, sg.elu, lambda x: sg.where(x > 0, x**3, x), sg.tanh]
)
def test_a_replay_takes_what_masks_gradients_and_jvp(f):
    def penalty(x):
        dx = sg.grad(f(x).sum(), x, create_graph=True)
        return (dx**3).sum() + (sg.jvp(f, x, np.ones(3))[1] ** 2).sum()

    replayed = fast.replay(penalty)
    for seed in range(3):
        x, y = (leaf(weights(seed, (3,))[0] - 1) for _ in range(2))
        penalty(x).backward()
        replayed(y).backward()
        assert same_bits(x.grad, y.grad)


@pytest.mark.parametrize("layer", [nn.Tanh, nn.ReLU, nn.GELU])
def test_a_gradient_penalty_is_replayed_with_the_bits_of_eager(layer):
    model = nn.Sequential(nn.Linear(3, 4), layer(), nn.Linear(4, 1))

    def penalty(x):
        dx = sg.grad(model(x).sum(), x, create_graph=True)
        return ((dx**2).sum(axis=1) - 1).mean()

    replayed = fast.replay(penalty)
    for seed in range(3):
        (x,) = weights(seed, (5, 3))
        found = []
        for f in penalty, replayed:
            opt = optimizers.SGD(lr=0.1, param_groups=[{"params": model.parameters()}])
            opt.zero_grad()
            loss = f(sg.Tensor(x, requires_grad=True))
            loss.backward()
            found.append([loss.data, *[p.grad.copy() for p in model.parameters().values()]])
        assert all(map(same_bits, *found))


def test_gradcheck_takes_what_computes_gradients_and_checks_the_second_order(monkeypatch):
    x = leaf([0.5, -1.5])
    assert sg.gradcheck(lambda x: sg.grad(sg.sin(x * x).sum(), x, create_graph=True), x)
    assert sg.gradcheck(lambda x, y: (sg.sin(x * x) @ y, 3 * x), [x, leaf([1.0, 2.0])], order=2)
    monkeypatch.setattr(rules.Cos, "partials", (lambda dc, c, a: dc * np.sin(a),))
    assert sg.gradcheck(sg.sin, x)
    with pytest.raises(AssertionError, match="2 of 2 gradients differ"):
        sg.gradcheck(sg.sin, x, order=2)
    with pytest.raises(ValueError, match="order=2"):
        sg.gradcheck(sg.sin, x, order=3)


def test_graph_of_a_second_derivative_names_rules_and_partials():
    x = leaf(0.5, name="x")
    dx = sg.grad(sg.tanh(x), x, create_graph=True)
    assert [t.name for t in tape_of(dx) if t.name] == ["x", "Tanh.da"]
    assert "Tanh.da" in sg.draw(dx)._repr_svg_()


def test_detect_anomaly_finds_where_a_second_derivative_is_infinite():
    x = leaf(0.0)
    says = r"Div gives inf(.|\n)*test_derivatives.py"
    with pytest.raises(FloatingPointError, match=says), sg.detect_anomaly():
        sg.grad(sg.sqrt(x), x, create_graph=True)
    dx = sg.grad(x**1.5, x, create_graph=True)
    with pytest.raises(FloatingPointError, match="Pow gives inf in backward"), sg.detect_anomaly():
        sg.grad(dx, x)


def test_graphs_of_graphs_are_freed_at_once():
    gc.collect()
    gc.disable()
    try:
        x = leaf([1.0, 2.0])
        dx = sg.grad((sg.sin(x) @ x) ** 2, x, create_graph=True)
        made = [weakref.ref(t) for t in tape_of(dx) if t is not x]
        sg.grad(dx.sum(), x)
        assert made
        del dx
        assert not any(ref() for ref in made)
    finally:
        gc.enable()


# Known from elsewhere


def test_newtons_method_with_conjugate_gradients_finds_the_minimum_of_rosenbrock():
    def rosenbrock(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    x = np.array([-1.2, 1.0])
    for _ in range(60):
        t = sg.Tensor(x, requires_grad=True)
        loss = rosenbrock(t)
        g = sg.grad(loss, t).data
        p = conjugate_gradients(lambda v, t=t: sg.hvp(rosenbrock, t, v)[1].data, -g)
        step = 1.0
        while rosenbrock(sg.Tensor(x + step * p)).item() > loss.item() + 1e-4 * step * g @ p:
            step /= 2
        x = x + step * p
    np.testing.assert_allclose(x, 1, rtol=1e-10)


def conjugate_gradients(H, b):
    """Solves H p = b as far as H is positive along the way."""
    p, r = np.zeros_like(b), b
    d = r
    for _ in range(2 * len(b)):
        Hd = H(d)
        if d @ Hd <= 0:
            return p if p.any() else b
        alpha = r @ r / (d @ Hd)
        p, last, r = p + alpha * d, r, r - alpha * Hd
        if r @ r < 1e-24 * (b @ b):
            return p
        d = r + r @ r / (last @ last) * d
    return p
