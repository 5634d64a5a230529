"""The engine: the order of the tape, what backward adds where, and what it leaves behind."""

import copy
import gc
import math
import re
import sys
import threading
import weakref

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

import simplegrad as sg
from simplegrad import rules
from simplegrad.autograd import backward, chain_rule, is_grad_enabled, tape_of, unbroadcast
from simplegrad.tensor import record


def leaf(data, name=None):
    return sg.Tensor(data, requires_grad=True, dtype=np.float64, name=name)


# The chain rule


def test_a_tensor_used_twice_gets_both_gradients():
    a = leaf(3.0)
    (a * a + a).backward()
    assert a.grad == 7


def test_many_paths_between_two_tensors_are_each_followed_once():
    a = leaf(1.0)
    c = a
    for _ in range(40):
        c = c + c  # 2**40 paths
    c.backward()
    assert a.grad == 2.0**40


def test_a_tensor_is_after_its_inputs_on_the_tape_and_only_once():
    a, b = leaf(2.0, "a"), leaf(3.0, "b")
    c = a * b
    d = c + a
    e = c * d
    tape = tape_of(e)
    assert [t is u for t, u in zip(tape, [a, b, c, d, e], strict=True)] == [True] * 5
    for i, t in enumerate(tape):
        assert all(any(u is v for v in tape[:i]) for u in t.inputs)


def test_a_leaf_may_be_made_after_results():
    a = leaf(2.0)
    c = a * 3
    b = leaf(5.0)
    (c * b).backward()
    assert (a.grad, b.grad) == (15, 6)


def test_tensors_that_require_no_gradient_are_not_on_the_tape():
    a, constant = leaf(2.0), sg.Tensor(5.0) * 2
    c = a * constant
    assert len(tape_of(c)) == 2
    c.backward()
    assert constant.grad is None


def test_partials_that_nobody_needs_are_not_computed():
    a, exponent = leaf(-2.0), 3.0
    c = a**exponent  # d/d(exponent) would take log(-2), and warn
    c.backward()
    assert a.grad == 12


def test_backward_of_a_leaf_is_one():
    a = leaf(2.0)
    a.backward()
    assert a.grad == 1


def test_backward_can_start_from_a_gradient():
    a = leaf([1.0, 2.0, 3.0])
    (a * a).backward(grad=[1.0, 10.0, 100.0])
    assert a.grad.tolist() == [2, 40, 600]


def test_a_gradient_to_start_from_is_taken_in_the_dtype_of_the_tensor():
    a = sg.Tensor([1.0], requires_grad=True)
    (a * 3).backward(grad=[2**24 + 1])  # float32 has no such number
    assert a.grad.tolist() == [3 * 2**24]


def test_backward_of_one_element_needs_no_gradient_whatever_its_shape():
    a = leaf([[2.0]])
    (a * 3).backward()
    assert a.grad.tolist() == [[3]]


def test_mixed_dtypes_leave_each_gradient_in_the_dtype_of_its_tensor():
    a = sg.Tensor([1.5], requires_grad=True)
    b = leaf([2.0])
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)
    (a * b).sum().backward()
    assert a.grad.dtype == np.float32


# What backward adds, and where


def test_a_second_backward_adds_to_the_leaves_only():
    a = leaf(3.0)
    c = a * a
    d = c * 2
    d.backward()
    d.backward()
    assert a.grad == 24  # micrograd, which adds on the way, too, gives 36
    assert c.grad is None
    assert d.grad is None


def test_the_functions_of_the_engine_retain_nothing_by_themselves():
    a = leaf(3.0)
    c = a * a
    d = c * 2
    assert set(chain_rule(tape_of(d), np.float64(1))) == {a.index}
    backward(d)
    assert (a.grad, c.grad, d.grad) == (12, None, None)


def test_retain_grads_gives_the_tensors_on_the_way_a_gradient():
    a = leaf(3.0)
    c = a * a
    d = c * 2
    d.backward(retain_grads=True)
    assert (a.grad, c.grad, d.grad) == (12, 2, 1)


def test_gradients_accumulate_in_place_once_they_exist():
    a = leaf([1.0, 2.0])
    (a * 2).sum().backward()
    first = a.grad
    (a * 3).sum().backward()
    assert a.grad is first
    assert first.tolist() == [5, 5]


def test_a_gradient_is_nobody_elses_array():
    a, b, start = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.ones(2)
    (a + b).backward(start)
    a.grad[0] = 99
    assert b.grad.tolist() == [1, 1]
    assert start.tolist() == [1, 1]
    a.sum().backward()
    assert a.grad.tolist() == [100, 2]


def test_a_frozen_tensor_gets_no_gradient():
    a, b = leaf(2.0), leaf(3.0)
    b.requires_grad = False
    (a * b).backward()
    assert (a.grad, b.grad) == (3, None)


# Depth and memory


@pytest.mark.parametrize("length", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_long_chain_of_additions_differentiates_within_the_recursion_limit(length):
    limit = sys.getrecursionlimit()
    a = leaf(1.0)
    c = a
    for _ in range(length):
        c = c + 1.0
    c.backward()
    assert a.grad == 1
    assert sys.getrecursionlimit() == limit
    del c  # and is freed within it


def test_the_graph_of_a_finished_step_is_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        model = sg.nn.Sequential(sg.nn.Linear(4, 8), sg.nn.ReLU(), sg.nn.Linear(8, 3))
        opt = sg.optimizers.Adam(model)
        loss = sg.cross_entropy(model(sg.ones((5, 4))), np.zeros(5, dtype=int))
        nodes = [weakref.ref(t) for t in tape_of(loss) if t.rule is not None]
        loss.backward()
        opt.step()
        opt.zero_grad()
        del loss
        assert len(nodes) > 5
        assert [node() for node in nodes] == [None] * len(nodes)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [x for x in gc.garbage if isinstance(x, sg.Tensor | np.ndarray)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


# unbroadcast


def test_unbroadcast_sums_over_the_copies_that_broadcasting_made(for_all):
    @for_all(st.data())
    def check(data):
        shape = data.draw(array_shapes(min_dims=0, max_dims=4, max_side=3))
        stretched = [data.draw(st.integers(1, 3)) if n == 1 else n for n in shape]
        new = data.draw(st.lists(st.integers(1, 3), max_size=2))
        grad = np.random.default_rng(0).normal(size=(*new, *stretched))
        places = np.broadcast_to(np.arange(np.prod(shape, dtype=int)).reshape(shape), grad.shape)
        expected = np.bincount(places.ravel(), weights=grad.ravel()).reshape(shape)
        np.testing.assert_allclose(unbroadcast(grad, shape), expected, atol=1e-12)


def test_unbroadcast_returns_a_gradient_of_the_right_shape_as_it_is():
    grad = np.ones((2, 3))
    assert unbroadcast(grad, (2, 3)) is grad


def test_unbroadcast_to_an_axis_without_elements():
    assert unbroadcast(np.ones((2, 0)), (1, 0)).shape == (1, 0)


# Data that changes between forward and backward


def test_assigning_data_before_backward_is_an_error_that_names_the_tensor():
    w = leaf([1.0, 2.0], name="w")
    loss = (w * w).sum()
    w.data -= 0.1
    with pytest.raises(RuntimeError, match=r"name='w'.*was assigned between forward and backward"):
        loss.backward()
    assert w.grad is None


def test_so_is_assigning_the_data_of_an_input_that_needs_no_gradient():
    w, x = leaf([1.0, 2.0]), sg.Tensor([3.0, 4.0], name="x")
    loss = (w * x).sum()
    x.data = [0.0, 0.0]
    with pytest.raises(RuntimeError, match="name='x'"):
        loss.backward()


def test_so_is_assigning_the_data_of_a_result():
    w = leaf([1.0, 2.0])
    c = w.exp()
    c.data = c.data * 2
    with pytest.raises(RuntimeError, match="rule=Exp"):
        c.sum().backward()


VIEWS = {
    "slice": lambda x: x[1:],
    "row": lambda x: x[0],
    "...": lambda x: x[...],
    "new axis": lambda x: x[None],
    "reshape": lambda x: x.reshape(-1),
    "T": lambda x: x.T,
    "transpose": lambda x: x.transpose(1, 0),
    "squeeze": lambda x: x.squeeze(),  # there is nothing to squeeze: it is the same array
    "unsqueeze": lambda x: x.unsqueeze(0),
    "view of a view": lambda x: x.T[1:].unsqueeze(0)[:, 0],
}


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("name", VIEWS)
def test_so_is_assigning_the_data_that_a_view_shows(name, requires_grad):
    w, x = leaf(3.0), sg.Tensor(np.ones((2, 3)), requires_grad)
    view = VIEWS[name](x)
    loss = (view * w).sum()
    x.data *= 5
    with pytest.raises(RuntimeError, match="was assigned between forward and backward"):
        loss.backward()
    assert w.grad is None

    loss = (x * w).sum()
    view.data *= 5
    if np.shares_memory(x.data, view.data):
        with pytest.raises(RuntimeError, match="was assigned between forward and backward"):
            loss.backward()
    else:
        loss.backward()
        assert w.grad == x.data.sum()


def test_a_view_may_be_taken_and_used_after_its_tensor_was_assigned():
    w = leaf([[1.0, 2.0], [3.0, 4.0]])
    for _ in range(3):
        w.zero_grad()
        (w.T * w[0]).sum().backward()
        w.data -= 0.1 * w.grad
    assert np.isfinite(w.data).all()


def test_what_a_rule_of_ones_own_returns_unchanged_is_the_data_of_its_input():
    class Identity:
        def forward(a):
            return a

        def da(dc, c, a):
            return dc

        partials = (da,)

    x, w = sg.Tensor([1.0, 2.0]), leaf(3.0)
    c = record(Identity.forward(x.data), Identity, x)
    loss = (c * w).sum()
    x.data *= 5
    with pytest.raises(RuntimeError, match="was assigned"):
        loss.backward()


KEPT = {
    "an index": (np.array([0, 1]), np.array([2, 3]), lambda w, i: w[i]),
    "a list": ([0, 1], [2, 3], lambda w, i: w[i]),
    "a mask": (np.array([True, False] * 2), np.array([False] * 4), lambda w, i: w[i]),
    "an index of several": (np.array([0, 1]), np.array([2, 3]), lambda w, i: w.unsqueeze(1)[i, :]),
    "a list in a tuple": ([0, 1], [2, 3], lambda w, i: w.unsqueeze(0)[0, i]),
    "a Tensor": (sg.Tensor(np.array([0, 1])), np.array([2, 3]), lambda w, i: w[i]),
    "a Tensor in a tuple": (sg.Tensor(np.array([0, 1])), [2, 3], lambda w, i: w.unsqueeze(0)[0, i]),
    "a condition": (np.array([True, False] * 2), np.zeros(4, bool), lambda w, s: sg.where(s, w, 0)),
    "an end of a slice": (np.array(1), np.array(3), lambda w, n: w[:n]),
    "an end of a slice in a tuple": (np.array(1), np.array(3), lambda w, n: w.unsqueeze(0)[0, :n]),
    "a list of axes": ([0, 2, 1], [0, 1, 2], lambda w, i: w.reshape(1, 2, 2).transpose(i) * ORDER),
    "a target": (np.array([0]), np.array([1]), lambda w, t: sg.cross_entropy(w.unsqueeze(0), t)),
    "a target, a Tensor": (
        sg.Tensor(np.array([0])),
        np.array([1]),
        lambda w, t: sg.cross_entropy(w.unsqueeze(0), t),
    ),
    "a start of backward": (np.ones(4), np.zeros(4), lambda w, x: (w * sg.Tensor(x)).sum()),
    "an array beside": (np.ones(4), np.zeros(4), lambda w, x: w * x),
}
ORDER = np.arange(4.0).reshape(1, 2, 2)


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("how", ["in place", "assigned"])
def test_what_a_rule_keeps_is_what_it_was(name, how):
    before, after, compute = KEPT[name]
    kept, w = copy.copy(before), leaf(np.arange(4.0))
    compute(w, kept).sum().backward()
    right, w.grad = w.grad, None

    loss = compute(w, kept).sum()
    if isinstance(kept, sg.Tensor) and how == "assigned":
        kept.data = after
    elif isinstance(kept, sg.Tensor):
        kept.data[:] = after
    elif isinstance(kept, np.ndarray):
        kept[...] = after
    else:
        kept[:] = after
    loss.backward()
    assert np.array_equal(w.grad, right)


def test_the_gradients_of_an_embedding_whose_batch_is_filled_anew():
    embedding = sg.nn.Embedding(4, 1)
    batch = np.array([0, 1])
    first = embedding(batch).sum()
    batch[:] = [2, 3]
    (first + embedding(batch).sum()).backward()
    assert embedding.weight.grad.tolist() == [[1], [1], [1], [1]]


def test_gradients_are_those_of_the_forward_pass_or_an_error_whatever_changes(for_all):
    """Tensors and views of them are joined; then data, an index or a condition changes."""

    @for_all(st.data())
    def right_or_an_error(data):
        draw = data.draw
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        index, condition = rng.integers(0, 2, 3), rng.random((2, 3)) < 0.5
        made = [sg.Tensor(rng.normal(size=(2, 3)), draw(st.booleans())) for _ in range(2)]
        made.append(leaf(rng.normal(size=(2, 3))))
        for _ in range(draw(st.integers(1, 5))):
            a, b = draw(st.sampled_from(made)), draw(st.sampled_from(made))
            step = draw(st.sampled_from(["view", "index", "where", "mul", "add", "exp"]))
            if step == "view":
                view = draw(st.sampled_from(["T", "reshape", "slice"]))
                c = {"T": a.T.T, "reshape": a.reshape(6).reshape(2, 3), "slice": a[:]}[view]
            else:
                c = {
                    "index": lambda a, b: a[index[:2]] * b,
                    "where": lambda a, b: sg.where(condition, a, b),
                    "mul": lambda a, b: a * b,
                    "add": lambda a, b: a + b,
                    "exp": lambda a, b: a.tanh(),
                }[step](a, b)
            made.append(c)
        loss = (made[-1] * made[2]).sum()
        leaves = [t for t in tape_of(loss) if t.rule is None]
        right = chain_rule(tape_of(loss), np.ones(()))

        index[:], condition[:] = 1 - index, ~condition
        for t in draw(st.lists(st.sampled_from(made), max_size=2)):
            if draw(st.booleans()):
                t.data = t.data + 1
            else:
                t.data += 1
        try:
            loss.backward()
        except RuntimeError:
            return
        for t in leaves:
            assert np.array_equal(t.grad, right[t.index])


def test_data_may_be_assigned_after_backward_and_before_the_next_forward():
    w = leaf([1.0, 2.0])
    for _ in range(2):
        (w * w).sum().backward()
        w.data -= 0.1 * w.grad
        with sg.no_grad():
            w.data = w.data * 0.5
        w.zero_grad()
    (w * w).sum().backward()
    np.testing.assert_allclose(w.grad, 2 * w.data)


def test_an_old_loss_cannot_be_differentiated_after_a_step():
    w = leaf([1.0])
    opt = sg.optimizers.SGD(param_groups=[{"params": {"w": w}}])
    loss = (w * w).sum()
    loss.backward()
    opt.step()
    with pytest.raises(RuntimeError, match="Call backward"):
        loss.backward()


# Errors


def test_backward_of_several_elements_needs_a_gradient():
    a = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"has 2 elements.*t\.sum\(\)\.backward\(\)"):
        (a * 2).backward()
    assert a.grad is None


def test_backward_of_no_elements_needs_a_gradient():
    with pytest.raises(ValueError, match="has 0 elements"):
        leaf(np.zeros((0, 3))).backward()


def test_backward_of_what_requires_no_gradient():
    with pytest.raises(RuntimeError, match=r"requires no gradient.*requires_grad=True"):
        sg.Tensor(1.0).backward()
    with pytest.raises(RuntimeError, match="requires no gradient"):
        sg.arange(3).sum().backward()


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 2), (2, 1)])
def test_backward_from_a_gradient_of_another_shape(shape):
    a = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=re.escape(f"shape (2,), but got shape {shape}")):
        (a * 2).backward(np.ones(shape))
    assert a.grad is None


def rule_of(*partials):
    """The product, with these partials in place of its own."""
    return type("Mine", (), {"forward": rules.Mul.forward, "partials": partials})


def da(dc, c, a, b):
    return dc * b


def db(dc, c, a, b):
    return dc * a


def transposed(dc, c, a, b):
    return (dc * a).T


def outer(dc, c, a, b):
    return np.multiply.outer(dc, np.ones(dc.shape[-1:])) * a[..., None]


def summed(dc, c, a, b):
    return (dc * a).sum()


def of_one_row_more(dc, c, a, b):
    return np.concatenate([dc * a, dc[:1]])


@pytest.mark.parametrize("partial", [transposed, outer, summed, of_one_row_more])
def test_a_partial_of_a_wrong_shape_is_an_error_that_names_it(partial):
    mine = rule_of(da, partial)
    a, b = leaf(np.ones((2, 3))), leaf(np.ones((2, 3)))
    c = record(mine.forward(a.data, b.data), mine, a, b)
    match = rf"the partial {partial.__name__} of the rule Mine .* its input has shape \(2, 3\)"
    with pytest.raises(ValueError, match=match):
        (c * 2).sum().backward()
    assert a.grad is b.grad is None
    with pytest.raises(ValueError, match=match):
        sg.gradcheck(lambda a, b: record(mine.forward(a.data, b.data), mine, a, b), [a, b])


@pytest.mark.parametrize("partials", [(), (da,)])
def test_a_rule_with_too_few_partials_is_an_error_that_names_it(partials):
    mine = rule_of(*partials)
    for needs_grad in [True, False]:
        a, b = leaf([1.0, 2.0]), sg.Tensor([1.0, 2.0], requires_grad=needs_grad)
        c = record(mine.forward(a.data, b.data), mine, a, b)
        with pytest.raises(ValueError, match=r"rule Mine .* 2 inputs .*Write partials = da, db"):
            c.sum().backward()
        assert a.grad is b.grad is None


def test_a_partial_has_the_shape_of_its_input_or_of_its_broadcast(for_all):
    shapes = mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)

    def broadcasts(shape, to):
        try:
            return np.broadcast_shapes(shape, to) == to
        except ValueError:
            return False

    @for_all(shapes, array_shapes(min_dims=0, max_dims=4, max_side=3))
    def agree(broadcast, other):
        a_shape, b_shape = broadcast.input_shapes
        for shape in a_shape, broadcast.result_shape, other:
            mine = rule_of(lambda dc, c, a, b, shape=shape: np.ones(shape), db)
            a, b = leaf(np.ones(a_shape)), leaf(np.ones(b_shape))
            c = record(mine.forward(a.data, b.data), mine, a, b)
            if shape in (a.shape, c.shape):
                c.sum().backward()
                assert a.grad.shape == a.shape
                assert a.grad.sum() == pytest.approx(math.prod(shape))
            elif not (broadcasts(a.shape, shape) and broadcasts(shape, c.shape)):
                with pytest.raises(ValueError, match="of the rule Mine"):
                    c.sum().backward()


def test_nothing_is_added_when_a_partial_fails():
    class Broken:
        def forward(a, b):
            return a + b

        def da(dc, c, a, b):
            return dc

        def db(dc, c, a, b):
            raise FloatingPointError("broken")

        partials = da, db

    a, b = leaf(1.0), leaf(2.0)
    c = record(Broken.forward(a.data, b.data), Broken, a, b) + a
    with pytest.raises(FloatingPointError, match="broken"):
        c.backward()
    assert (a.grad, b.grad) == (None, None)


# no_grad


def test_no_grad_remembers_nothing():
    a = leaf(2.0)
    with sg.no_grad():
        c = a * 3
    assert (c.requires_grad, c.rule, c.inputs, c.item()) == (False, None, (), 6)
    assert (a * 3).requires_grad


def test_no_grad_ends_with_an_exception_and_nests():
    with pytest.raises(KeyError), sg.no_grad():
        raise KeyError
    assert is_grad_enabled()
    with sg.no_grad():
        with sg.no_grad():
            pass
        assert not is_grad_enabled()


def test_no_grad_decorates_a_function_and_takes_effect_in_each_call():
    @sg.no_grad()
    def predict(x):
        return x * 2

    assert not predict(leaf(1.0)).requires_grad
    assert not predict(leaf(1.0)).requires_grad
    assert is_grad_enabled()


def test_no_grad_is_for_its_own_thread():
    seen = []
    with sg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
