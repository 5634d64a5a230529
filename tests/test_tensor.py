"""Tensor: what it holds, how it joins with numbers and arrays, and what it refuses."""

import copy
import math
import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes

import simplegrad as sg


def w(data=(1.0, 2.0), dtype=None, name=None):
    return sg.Tensor(np.array(data, dtype=dtype), requires_grad=True, name=name)


# Making one


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (2, np.float32),
        (2.5, np.float32),
        (True, np.float32),
        ([1, 2], np.float32),
        ([[1.0], [2.0]], np.float32),
        ([np.float64(1.0)], np.float32),
        (np.array([1.0]), np.float64),
        (np.array([1, 2]), np.int64),
        (np.array([True]), np.bool_),
        (np.array([1.0], dtype=np.float16), np.float16),
        (np.float64(3.0), np.float64),
        (sg.Tensor(np.array([1.0])), np.float64),
    ],
)
def test_python_numbers_become_float32_and_numpy_keeps_its_dtype(data, dtype):
    assert sg.Tensor(data).dtype == dtype


def test_a_dtype_can_be_asked_for():
    assert sg.Tensor([1, 2], dtype=np.int64).dtype == np.int64
    assert sg.Tensor(np.array([1, 2]), dtype=np.float64).dtype == np.float64
    assert sg.Tensor(0.1, dtype=np.float64).item() == 0.1


def test_data_is_copied_in():
    array = np.ones(2)
    first = sg.Tensor(array)
    second = sg.Tensor(first)
    array[0] = 5
    first.data[1] = 7
    assert first.data.tolist() == [1, 7]
    assert second.data.tolist() == [1, 1]


@pytest.mark.parametrize("data", ["two", None, [None], [1, "2"], 1j, {"a": 1}, object(), {1, 2}])
def test_only_real_numbers_make_a_tensor(data):
    with pytest.raises(TypeError, match=r"holds floats, integers or booleans.*sg\.Tensor\(2\.0\)"):
        sg.Tensor(data)


def test_a_dtype_of_anything_else_is_refused():
    with pytest.raises(TypeError, match="complex128"):
        sg.Tensor([1.0], dtype=np.complex128)


def test_ragged_lists_are_refused():
    with pytest.raises(ValueError, match=r"rows of \[\[1, 2\], \[3\]\] differ in length"):
        sg.Tensor([[1, 2], [3]])


def test_a_list_of_tensors_is_refused_since_their_graphs_would_be_lost():
    with pytest.raises(TypeError, match=r"sg\.stack\(tensors\)"):
        sg.Tensor([w(), w()])


@pytest.mark.parametrize("data", [np.array([1, 2]), np.array([True])])
def test_only_floats_can_require_gradients(data):
    with pytest.raises(TypeError, match=r"only floats can require gradients.*dtype=np\.float32"):
        sg.Tensor(data, requires_grad=True)
    t = sg.Tensor(data)
    with pytest.raises(TypeError, match="only floats"):
        t.requires_grad = True
    assert not t.requires_grad


def test_a_misspelled_attribute_is_an_error():
    with pytest.raises(AttributeError):
        w().gard = 1


# Its attributes


def test_shape_ndim_size_and_dtype_are_those_of_the_array():
    t = sg.zeros((2, 3))
    assert (t.shape, t.ndim, t.size, t.dtype) == ((2, 3), 2, 6, np.float32)


def test_a_result_keeps_its_recipe_as_plain_data():
    a = w([[1.0, 2.0]])
    c = a.sum(axis=1)
    assert c.rule is sg.rules.Sum
    assert c.inputs[0] is a
    assert c.params == {"axis": 1, "keepdims": False}
    assert c.requires_grad
    assert (a.rule, a.inputs, a.params) == (None, (), {})


def test_a_result_of_tensors_without_gradients_keeps_no_graph():
    for c in (sg.ones(2) * 2, sg.ones(2).sum(axis=0)):
        assert (c.requires_grad, c.rule, c.inputs, c.params) == (False, None, (), {})


def test_assigned_data_is_copied_and_keeps_shape_and_dtype():
    t, array = sg.Tensor([1.0, 2.0]), np.array([3.0, 4.0])
    t.data = array
    array[0] = 9
    assert t.data.tolist() == [3, 4]
    assert t.dtype == np.float32
    t.data = [5, 6]
    t.data = sg.Tensor([7.0, 8.0])
    assert t.data.tolist() == [7, 8]


def test_data_of_another_shape_is_refused():
    t = sg.Tensor([1.0, 2.0], name="t")
    with pytest.raises(ValueError, match=r"\.data of .*'t'.*its shape \(2,\), but got \(1,\)"):
        t.data = [1.0]
    with pytest.raises(ValueError, match=r"\.grad of .*its shape \(2,\), but got \(\)"):
        t.grad = 0.0
    assert (t.data.tolist(), t.grad) == ([1, 2], None)


def test_data_of_another_kind_is_refused():
    t = sg.Tensor(np.array([1, 2]))
    with pytest.raises(TypeError, match=r"must be of int64, but got float64.*astype\(np\.int64\)"):
        t.data = np.array([1.5, 2.5])
    assert t.data.tolist() == [1, 2]


def test_an_assigned_gradient_is_a_copy_in_the_dtype_of_the_tensor():
    a, b = sg.ones(2, requires_grad=True), sg.ones(2, requires_grad=True)
    a.grad = np.array([1.0, 2.0])
    b.grad = a.grad
    b.grad *= 2
    assert a.grad.tolist() == [1, 2]
    assert a.grad.dtype == np.float32
    a.grad = None
    assert a.grad is None


def test_zero_grad_fills_in_place_and_makes_zeros_where_there_are_none():
    a = w()
    a.zero_grad()
    first = a.grad
    assert first.tolist() == [0, 0]
    first[0] = 5
    a.zero_grad()
    assert a.grad is first
    assert first.tolist() == [0, 0]


def test_a_result_requires_gradients_for_good():
    c = w() * 2
    with pytest.raises(RuntimeError, match=r"t\.detach\(\)"):
        c.requires_grad = False
    assert c.requires_grad


def test_detach_is_a_copy_without_history():
    a = w(name="a")
    c = (a * 2).detach()
    c.data[0] = 99
    assert (c.rule, c.requires_grad) == (None, False)
    assert a.detach().name == "a"


# Out of simplegrad


def test_numpy_is_a_copy():
    a = w()
    a.numpy()[0] = 5
    assert a.data.tolist() == [1, 2]


def test_item_is_a_python_number():
    assert isinstance(sg.Tensor(1.5).item(), float)
    assert isinstance(sg.Tensor(np.array([[3]])).item(), int)
    with pytest.raises(ValueError, match=r"has 2\. Write t\[0\]\.item\(\)"):
        w().item()


def test_python_conversions():
    assert float(sg.Tensor([2.5])) == 2.5
    assert float(w(2.5)) == 2.5
    assert bool(sg.Tensor(0.0)) is False
    assert bool(sg.Tensor([2.5])) is True


def test_a_condition_on_several_elements_is_refused():
    with pytest.raises(ValueError, match=r"asks one question, but .* has 2 .*\(t > 0\)\.any\(\)"):
        bool(w())
    with pytest.raises(ValueError, match="has 0"):
        bool(sg.zeros(0))


def test_a_number_of_several_elements_is_refused():
    for call in (float, math.exp):
        with pytest.raises(ValueError, match=r"take one number, but .* has 2\. Write sg\.exp\(t\)"):
            call(w())


def test_math_on_a_tensor_with_gradients_is_refused():
    t = w(2.0)
    with pytest.raises(TypeError, match=r"math\.sqrt was given .*math\.sqrt\(t\.item\(\)\)"):
        math.sqrt(t)
    with pytest.raises(TypeError, match=r"math\.exp was given"):
        _ = 2 * math.exp(t) + math.exp(1)


def test_math_on_numbers_of_a_tensor_is_let_pass():
    t = w(2.0)
    assert math.isfinite(t)
    assert math.floor(float(t)) == 2
    assert math.sqrt(t.item()) == math.sqrt(float(t)) == math.sqrt(2)
    assert math.sqrt(t.detach()) == math.sqrt(2)


def test_a_number_takes_the_formats_of_numbers():
    assert f"{w(2.5):.2f}" == f"{sg.Tensor([2.5]):.2f}" == "2.50"
    assert f"{w(2.5)}" == repr(w(2.5))
    with pytest.raises(TypeError, match=r"'\.2f' is one for a number, but .* has 2"):
        f"{w():.2f}"


def test_numpy_takes_the_data_of_a_tensor_without_gradients():
    t = sg.Tensor([1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(t), [1, 2])
    assert np.array(t, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.exp(t), np.exp(t.data))
    np.testing.assert_array_equal(np.concatenate([t, t]), [1, 2, 1, 2])
    assert np.allclose(t, [1, 2])


@pytest.mark.parametrize(
    "function",
    [
        lambda t: np.exp(t),
        lambda t: np.abs(t),
        np.asarray,
        np.trace,
        np.tril,
        np.linalg.norm,
        lambda t: np.add(np.ones(2), t),
        lambda t: np.dot(t, t),
        lambda t: np.where(t > 0, t, 0),
        lambda t: np.concatenate([t, t]),
        lambda t: np.array([t, t]),
        lambda t: np.einsum("i,i", t, t),
        lambda t: np.clip(t, 0, 1),
    ],
)
def test_numpy_refuses_a_tensor_whose_gradients_it_would_lose(function):
    with pytest.raises(TypeError, match=r"would be lost\. Write .*t\.numpy\(\)"):
        function(w())


@pytest.mark.parametrize(
    "name", ["sum", "prod", "mean", "max", "min", "var", "std", "amax", "amin"]
)
def test_numpys_reductions_are_the_methods_and_differentiate(name):
    method = getattr(sg.Tensor, name.removeprefix("a"))
    t, u = w([[1.0, 2.0], [4.0, 3.0]]), w([[1.0, 2.0], [4.0, 3.0]])
    for kwargs in {}, {"axis": 0}, {"axis": 1, "keepdims": True}:
        c, expected = getattr(np, name)(t, **kwargs), method(u, **kwargs)
        np.testing.assert_array_equal(c.data, expected.data)
        c.backward(np.ones(c.shape))
        expected.backward(np.ones(c.shape))
    np.testing.assert_array_equal(t.grad, u.grad)


def test_the_shape_is_numpys_to_know():
    assert np.shape(w()) == (2,)
    assert np.ndim(w()) == 1
    assert np.size(w()) == 2


def test_elements_cannot_be_assigned():
    t = w()
    with pytest.raises(TypeError, match=r"one by one.*Write t\.data\[index\] = value"):
        t[0] = 5
    c = t * 2
    with pytest.raises(TypeError, match=r"one by one.*Write sg\.where"):
        c[0] = 5
    assert c.data.tolist() == [2, 4]


def test_len_and_iteration_go_along_the_first_axis():
    rows = sg.Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(rows) == 2
    first, second = rows
    (first * second).sum().backward()
    assert rows.grad.tolist() == [[3, 4], [1, 2]]
    for use in (len, iter, list):
        with pytest.raises(TypeError, match=r"Write t\.item\(\)"):
            use(sg.Tensor(1.0))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_is_another_leaf(copied):
    a = w(name="a")
    a.backward(np.ones(2))
    b = copied(a)
    assert b.index != a.index
    assert (b.name, b.requires_grad, b.grad) == ("a", True, None)
    b.data[0] = 9
    (a * b).sum().backward()
    assert a.data.tolist() == [1, 2]
    assert a.grad.tolist() == [10, 3]
    assert b.grad.tolist() == [1, 2]


def test_a_result_cannot_be_copied():
    with pytest.raises(TypeError, match=r"copy\.deepcopy\(t\.detach\(\)\)"):
        copy.deepcopy(w() * 2)


def test_a_deep_copy_of_a_model_keeps_shared_parameters_shared():
    model = sg.nn.Sequential(sg.nn.Linear(2, 2), sg.nn.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = copy.deepcopy(model)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not model[0].weight


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (lambda: sg.Tensor(0.5), "Tensor(0.5, shape=(), float32)"),
        (lambda: w(), "Tensor([1, 2], shape=(2,), float64, grad=None)"),
        (lambda: sg.arange(9), "Tensor([0, 1, 2, 3, ...], shape=(9,), int64)"),
        (lambda: w(2.0) * 3, "Tensor(6, shape=(), float64, rule=Mul)"),
        (lambda: sg.Tensor([True, False], dtype=bool), "Tensor([1, 0], shape=(2,), bool)"),
        (
            lambda: sg.Tensor([[1 / 3] * 3] * 2, name="x"),
            "Tensor([0.3333, 0.3333, 0.3333, 0.3333, ...], shape=(2, 3), float32, name='x')",
        ),
        (lambda: sg.zeros((0, 3)), "Tensor([], shape=(0, 3), float32)"),
    ],
)
def test_the_repr_is_one_line_for_the_pane_of_a_debugger(t, text):
    assert repr(t()) == text


# Comparisons


@pytest.mark.parametrize("compare", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_comparisons_give_arrays(compare):
    function = getattr(operator, compare)
    a, b = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    for other in (b, sg.Tensor(b), 2.0):
        result = function(sg.Tensor(a), other)
        assert isinstance(result, np.ndarray)
        np.testing.assert_array_equal(result, function(a, b))
    np.testing.assert_array_equal(function(b, sg.Tensor(a)), function(b, a))


def test_tensors_are_keys_by_identity():
    a, b = w(), w()
    assert {a: 1, b: 2}[a] == 1


# Operators with numbers and arrays

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("operate", OPERATORS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_operators_are_those_of_numpy(operate, data):
    shapes = data.draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3))
    numbers = st.floats(0.5, 2.0)
    a, b = (data.draw(arrays(np.float64, s, elements=numbers)) for s in shapes.input_shapes)
    expected = operate(a, b)
    for x, y in [(sg.Tensor(a), sg.Tensor(b)), (sg.Tensor(a), b), (a, sg.Tensor(b))]:
        result = operate(x, y)
        assert isinstance(result, sg.Tensor)
        np.testing.assert_array_equal(result.data, expected)


@pytest.mark.parametrize("operate", OPERATORS)
@pytest.mark.parametrize("number", [2, 0.1, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_python_numbers_take_the_dtype_of_the_tensor_beside_them(operate, number, dtype):
    t = w([1.5, 2.5], dtype)
    for left, right in [(t, number), (number, t)]:
        result = operate(left, right)
        assert result.dtype == dtype
        left_array, right_array = getattr(left, "data", left), getattr(right, "data", right)
        if not isinstance(number, bool) or operate is not operator.sub:
            expected = operate(np.asarray(left_array, dtype), np.asarray(right_array, dtype))
            np.testing.assert_array_equal(result.data, expected)


def test_lists_take_the_dtype_of_the_tensor_beside_them():
    assert (w([1.0, 2.0], np.float64) * [0.1, 0.2]).data.tolist() == [0.1, 0.4]
    assert (w([1.0, 2.0], np.float32) * [0.1, 0.2]).dtype == np.float32


def test_integers_and_python_numbers_promote_as_in_numpy():
    ints = sg.arange(3)
    assert (ints + 1).dtype == np.int64
    assert (ints + 0.5).dtype == np.float64
    assert (ints / 2).dtype == np.float64


def test_an_array_on_the_left_does_not_swallow_the_tensor():
    a = w()
    c = np.array([3.0, 4.0]) * a
    assert isinstance(c, sg.Tensor)
    c.sum().backward()
    assert a.grad.tolist() == [3, 4]
    assert isinstance(np.float64(2.0) * a, sg.Tensor)
    assert isinstance(np.ones((2, 2)) @ a, sg.Tensor)


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((2,), (2, 3)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (4, 3, 2)),
        ((3,), (5, 3, 4)),
        ((5, 2, 3), (3,)),
    ],
)
def test_matmul_takes_vectors_matrices_and_batches(a_shape, b_shape):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=a_shape), rng.normal(size=b_shape)
    for x, y in [(sg.Tensor(a), sg.Tensor(b)), (a, sg.Tensor(b)), (sg.Tensor(a), b)]:
        np.testing.assert_array_equal((x @ y).data, a @ b)
    x, y = sg.Tensor(a, requires_grad=True), sg.Tensor(b, requires_grad=True)
    assert sg.gradcheck(lambda x, y: x @ y, [x, y])


def test_every_operator_passes_the_gradcheck():
    x, y = w([0.7, 1.3]), w([1.1, 0.4])
    assert sg.gradcheck(lambda x, y: (2 / x - 3**y + (1 - y) * -x) ** 2 + abs(x) / 4 + 1, [x, y])


def test_operands_that_do_not_broadcast_are_named_by_both_shapes():
    a, b = sg.ones((2, 3)), sg.ones(2)
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2,\).*b\.unsqueeze\(-1\)"):
        a + b
    with pytest.raises(ValueError, match=r"\(2,\) and \(2, 3\).*a\.unsqueeze\(-1\)"):
        b * a
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(4, 5\).*sizes of 1"):
        a - np.ones((4, 5))
    assert (a + b.unsqueeze(-1)).shape == (2, 3)  # as the message says


def test_a_matrix_product_that_does_not_exist_names_both_shapes():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3\).*3 elements.*has 2.*a @ b\.T"):
        sg.ones((2, 3)) @ sg.ones((2, 3))
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\).*3 elements.*has 2"):
        sg.ones(3) @ sg.ones(2)
    with pytest.raises(ValueError, match=r"neither may be a single number.*a \* b"):
        sg.ones((2, 3)) @ 2.0
    with pytest.raises(ValueError, match="neither may be a single number"):
        sg.Tensor(2.0) @ sg.ones(3)
    with pytest.raises(ValueError, match=r"must broadcast, but \(2,\) and \(3,\) do not"):
        sg.ones((2, 1, 4)) @ sg.ones((3, 4, 1))


def test_an_operand_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="holds floats, integers or booleans"):
        w() + "two"


# Functions, reductions, shapes: as NumPy's


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("exp", np.exp),
        ("log", np.log),
        ("sqrt", np.sqrt),
        ("abs", np.abs),
        ("tanh", np.tanh),
        ("sigmoid", lambda a: 1 / (1 + np.exp(-a))),
        ("relu", lambda a: a * (a > 0)),
    ],
)
def test_a_function_is_also_a_method_and_takes_what_tensor_takes(name, reference):
    data = [0.5, 1.0, 2.0]
    expected = reference(np.array(data))
    function = getattr(sg, name)
    np.testing.assert_allclose(getattr(sg.Tensor(data), name)().data, expected, rtol=1e-6)
    np.testing.assert_allclose(function(np.array(data)).data, expected, rtol=1e-15)
    np.testing.assert_allclose(function(data).data, expected, rtol=1e-6)
    assert function(0.5).shape == ()


def test_maximum_minimum_and_clip():
    t = sg.Tensor([-1.0, 0.5, 3.0])
    assert sg.maximum(0, t).data.tolist() == [0, 0.5, 3]
    assert t.minimum(1).data.tolist() == [-1, 0.5, 1]
    assert t.clip(max=1).data.tolist() == [-1, 0.5, 1]
    assert sg.clip(t, -0.5, 1).data.tolist() == [-0.5, 0.5, 1]
    assert sg.maximum(1, 2).item() == 2


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var"])
def test_reductions_are_those_of_numpy(name, axis, keepdims):
    array = np.random.default_rng(0).normal(size=(2, 3, 4))
    result = getattr(sg.Tensor(array), name)(axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(result.data, getattr(array, name)(axis=axis, keepdims=keepdims))


def test_an_axis_that_is_not_there_is_an_error():
    with pytest.raises(np.exceptions.AxisError, match=r"axis 2 is out of bounds .* dimension 1"):
        w().sum(axis=2)


def test_reshape_takes_ints_or_a_tuple():
    t = sg.arange(6)
    assert t.reshape(2, 3).shape == t.reshape((2, 3)).shape == t.reshape(2, -1).shape == (2, 3)
    with pytest.raises(ValueError, match=r"shape \(6,\) has 6 elements and cannot become \(4,\)"):
        t.reshape(4)


def test_transpose_takes_ints_a_tuple_or_nothing():
    t = sg.ones((2, 3, 4))
    assert t.transpose(0, 2, 1).shape == t.transpose((0, 2, 1)).shape == (2, 4, 3)
    assert t.transpose().shape == t.T.shape == t.transpose(None).shape == (4, 3, 2)
    assert sg.ones(3).transpose(0).shape == (3,)
    with pytest.raises(ValueError, match=r"each of its 3 axes once, but got \(1, 2\)"):
        t.transpose(1, 2)


def test_squeeze_and_unsqueeze():
    t = sg.ones((1, 2, 1))
    assert t.squeeze().shape == (2,)
    assert t.squeeze(0).shape == (2, 1)
    assert t.squeeze((0, -1)).shape == (2,)
    assert sg.ones(2).unsqueeze(-1).shape == (2, 1)
    with pytest.raises(ValueError, match=r"axis 1 of shape \(1, 2, 1\) is none"):
        t.squeeze(1)


def test_shapes_carry_gradients_back():
    x = sg.Tensor(np.random.default_rng(0).normal(size=(2, 1, 3)), requires_grad=True)
    assert sg.gradcheck(
        lambda x: x.squeeze(1).T.reshape(2, 3).unsqueeze(0).transpose(2, 0, 1) ** 2, x
    )


# Indexing


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(None, None, -1),
        (slice(1, None), 0),
        (..., 1),
        None,
        [0, 0, 1],
        np.array([1, 0]),
        np.array([True, False]),
        (np.array([0, 1]), np.array([2, 2])),
        sg.Tensor(np.array([1, 1])),
        (sg.Tensor(np.array([1, 1])), 2),
        sg.Tensor(np.array([True, False])),
    ],
)
def test_indexing_is_that_of_numpy_and_differentiates(index):
    array = np.random.default_rng(0).normal(size=(2, 3))
    plain = index.data if isinstance(index, sg.Tensor) else index
    if isinstance(index, tuple) and isinstance(index[0], sg.Tensor):
        plain = (index[0].data, *index[1:])
    np.testing.assert_array_equal(sg.Tensor(array)[index].data, array[plain])
    assert sg.gradcheck(lambda x: x[index] ** 2, sg.Tensor(array, requires_grad=True))


def test_an_index_out_of_range_names_the_size():
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 2"):
        w()[5]


def test_a_comparison_is_an_index():
    t = sg.Tensor([-1.0, 2.0, 3.0], requires_grad=True)
    t[t > 0].sum().backward()
    assert t.grad.tolist() == [0, 1, 1]


def test_a_tensor_that_a_debugger_sees_half_made_has_a_repr():
    assert repr(sg.Tensor.__new__(sg.Tensor)) == "Tensor(not made yet)"


def test_the_one_axis_of_a_vector_can_be_named_in_transpose():
    t = w([1.0, 2.0])
    t.transpose(0).backward([3.0, 4.0])
    t.transpose(np.int64(0)).backward([3.0, 4.0])
    assert t.grad.tolist() == [6, 8]


@pytest.mark.parametrize("method", ["sum", "mean", "var"])
def test_reductions_to_no_elements_have_gradients_without_elements(method):
    t = w(np.zeros((2, 0)))
    getattr(t, method)(axis=0).backward(np.zeros(0))
    assert t.grad.shape == (2, 0)


def test_a_tensor_may_have_as_many_axes_as_numpy_allows():
    t = sg.Tensor(np.full((1,) * 64, 3.0), requires_grad=True)
    for result in (t * 2.0, 2.0 - t, t + np.ones((1,) * 64), sg.maximum(t, 0), t * np.ones(2)):
        assert result.ndim == 64
    (t * 2.0).sum().backward()
    assert t.grad.item() == 2


# Integers


INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64, np.bool_]

OPERATIONS = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "pow", "lt", "le", "gt", "ge", "eq", "ne")
}


def outcome(operation, a, b):
    """What comes of it: an array, or the kind of the error."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(operation(a, b))
    except (OverflowError, ValueError, TypeError, ZeroDivisionError) as error:
        return type(error)


def test_arithmetic_of_integers_is_numpys_or_the_error_that_numpy_raises(for_all):
    arrays_of_integers = st.sampled_from(INTEGERS).flatmap(lambda dtype: arrays(dtype, 3))
    numbers = st.one_of(st.integers(-300, 300), st.integers(-70_000, 70_000), st.floats(-9, 9))

    @for_all(arrays_of_integers, numbers, st.sampled_from([*OPERATIONS]), st.booleans())
    def agree(array, number, name, is_reflected):
        operation = OPERATIONS[name]
        if is_reflected:
            ours = outcome(lambda a, b: operation(b, a), sg.Tensor(array), number)
            numpys = outcome(lambda a, b: operation(b, a), array, number)
        else:
            ours, numpys = (outcome(operation, a, number) for a in (sg.Tensor(array), array))
        if isinstance(numpys, type) or isinstance(ours, type):
            assert ours is numpys or (array.dtype == bool and numpys is TypeError)
        else:
            ours = np.asarray(ours.item().data if ours.dtype == object else ours)
            assert ours.dtype == numpys.dtype
            np.testing.assert_array_equal(ours, numpys)


def test_a_number_that_a_small_integer_cannot_hold_is_an_error_that_says_so():
    t = sg.Tensor(np.array([100], dtype=np.uint8))
    assert (t / 1000).item() == 0.1
    assert (1000 / t).item() == 10
    for call in (
        lambda: t + 1000,
        lambda: -1 * t,
        lambda: t**1000,
        lambda: sg.maximum(t, 1000),
        lambda: sg.where([True], t, 1000),
        lambda: sg.Tensor([300], dtype=np.uint8),
        lambda: sg.Tensor(np.array([3e9]), dtype=np.int32),
        lambda: sg.Tensor(math.nan, dtype=np.int64),
        lambda: sg.Tensor([2.0**63], dtype=np.int64),  # one more than the largest
        lambda: setattr(sg.Tensor(np.int8([1])), "data", [300]),
        lambda: sg.arange(300, dtype=np.uint8),
        lambda: sg.uniform(2, low=300, high=400, dtype=np.uint8),
    ):
        with pytest.raises(OverflowError, match=r"holds .* but got .*dtype=np\.float32"):
            call()
    assert t.data.tolist() == [100]


CALCULUS = {
    **{name: getattr(sg, name) for name in ("exp", "sqrt", "tanh", "sigmoid", "gelu", "logsumexp")},
    "log": lambda t: sg.log(t[1:]),
    "softmax": sg.softmax,
    "log_softmax": sg.log_softmax,
    "mean": lambda t: sg.Tensor(t).mean(),
    "var": lambda t: sg.Tensor(t).var(),
    "mse_loss": lambda t: sg.mse_loss(t, t[::-1].copy()),
    "mse_loss of floats": lambda t: sg.mse_loss(t.astype(np.float32), t[::-1].copy()),
    "cross_entropy": lambda t: sg.cross_entropy(t, 1),
}


@pytest.mark.parametrize("name", CALCULUS)
@pytest.mark.parametrize("dtype", INTEGERS)
def test_functions_of_calculus_take_integers_as_float32(name, dtype):
    array = np.array([0, 80, 3]).astype(dtype)
    result = CALCULUS[name](array)
    assert result.dtype == np.float32
    exact = CALCULUS[name](array.astype(np.float64))
    np.testing.assert_allclose(result.data, exact.data, rtol=1e-5, atol=1e-6)


def test_the_mean_squared_error_of_pixels():
    assert sg.mse_loss(np.uint8([0]), np.uint8([200])).item() == 40_000


# A gradient lost into an array


def put_into(array, value):
    array[0] = value


def put_into_two(array, value):
    array[0], array[1] = 1.0, value


def add_to(array, value):
    array[0] += value


def put_into_flat(array, value):
    array.flat[0] = value


def put_by_loop(array, value):
    for array[0] in [value]:
        pass


LOSSES_INTO = {
    "an element": put_into,
    "one of two": put_into_two,
    "an element added to": add_to,
    "flat": put_into_flat,
    "a loop": put_by_loop,
    "a row": lambda array, value: put_into(array.reshape(3, 1), value),
    "a slice": lambda array, value: operator.setitem(array, slice(2), value),
    "a mask": lambda array, value: operator.setitem(array, array == 0, value),
    "setitem": lambda array, value: operator.setitem(array, 0, value),
    "__setitem__": lambda array, value: array.__setitem__(0, value),
    "fill": lambda array, value: array.fill(value),
    "put": lambda array, value: array.put(0, value),
    "full": lambda array, value: np.full(3, value),
    "append": lambda array, value: np.append(array, value),
    "fromiter": lambda array, value: np.fromiter([value], float),
    "a list": lambda array, value: np.array([value, 1.0]),
}


@pytest.mark.parametrize("name", LOSSES_INTO)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_a_gradient_is_not_lost_into_an_array(name, dtype):
    array = np.zeros(3, dtype)
    with pytest.raises((TypeError, ValueError)) as caught:
        LOSSES_INTO[name](array, w([1.0, 2.0]).sum())
    error = caught.value
    while error.__cause__:  # NumPy puts errors of its own below, and for `flat` in its place
        error = error.__cause__
    assert "this part of the gradient would be lost" in str(error) or name == "flat"
    assert not array.any() or name == "one of two"


def test_numbers_are_put_into_arrays_where_no_gradient_is_lost():
    array = np.zeros(3)
    array[0] = sg.Tensor(2.0)
    array[1] = w([1.0, 2.0]).sum().item()
    array[2] = float(w([1.0, 3.0]).sum())
    assert array.tolist() == [2, 3, 4]
    objects = np.empty(1, dtype=object)
    objects[0] = t = w([1.0])
    assert objects[0] is t
