"""clip_grad_norm: the norm over all gradients, what is done to them, what is refused."""

import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim


def with_gradient(*values, dtype=np.float64):
    theta = sg.zeros(len(values), dtype=dtype, requires_grad=True)
    theta.grad = np.array(values, dtype)
    return theta


def network():
    """A model whose gradients are those of a loss."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    (model(sg.normal((5, 3))) ** 2).sum().backward()
    return model


def gradients(parameters):
    return {name: theta.grad.copy() for name, theta in parameters.items()}


def refused(error, *said):
    """`error` is raised, and its message has these parts in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(re.escape(part) for part in said))


def unchanged_by(parameters, max_norm, error, *said):
    before = gradients(parameters)
    with refused(error, *said):
        nn.clip_grad_norm(parameters, max_norm)
    for name, grad in before.items():
        np.testing.assert_array_equal(parameters[name].grad, grad)


# What it computes


def test_the_norm_is_that_of_all_gradients_as_one_vector():
    parameters = {"a": with_gradient(2.0, 3.0), "b": with_gradient(6.0)}
    norm = nn.clip_grad_norm(parameters, 100.0)
    assert norm == 7.0  # 4 + 9 + 36 = 49
    assert type(norm) is float


def test_a_longer_gradient_is_shortened_to_the_norm_and_keeps_its_direction():
    parameters = {"a": with_gradient(2.0, 3.0), "b": with_gradient(-6.0)}
    assert nn.clip_grad_norm(parameters, 3.5) == 7.0
    np.testing.assert_array_equal(parameters["a"].grad, [1.0, 1.5])
    np.testing.assert_array_equal(parameters["b"].grad, [-3.0])


@pytest.mark.parametrize("max_norm", [5.0, np.nextafter(5, 6), 6, math.inf, 10**400])
def test_a_gradient_that_is_not_longer_stays_to_the_bit(max_norm):
    parameters = {"a": with_gradient(3.0), "b": with_gradient(4.0)}
    assert nn.clip_grad_norm(parameters, max_norm) == 5.0
    assert gradients(parameters) == {"a": [3.0], "b": [4.0]}


def test_a_gradient_of_zeros_stays():
    parameters = {"a": with_gradient(0.0, -0.0)}
    assert nn.clip_grad_norm(parameters, 1e-300) == 0.0
    np.testing.assert_array_equal(parameters["a"].grad, [0.0, 0.0])


# Of the same size or of very different ones, from the smallest number of a dtype to the largest
DTYPES = {np.float16: 16, np.float32: 32, np.float64: 64}


@st.composite
def gradients_of_a_dtype(draw):
    """(dtype, the elements of each array)."""
    dtype = draw(st.sampled_from(list(DTYPES)))
    largest = float(np.finfo(dtype).max / 8)  # the norm of 20 of them is no larger than a float
    bound = draw(st.just(largest) | st.floats(0, largest, width=DTYPES[dtype]))
    element = st.floats(-bound, bound, width=DTYPES[dtype])
    return dtype, draw(st.lists(st.lists(element, max_size=5), min_size=1, max_size=4))


def test_the_result_is_the_one_of_exact_arithmetic_for_numbers_of_any_size(for_all):
    tiny = Fraction(5e-324)

    @for_all(gradients_of_a_dtype(), st.floats(5e-324, 1.7e308))
    def check(given, max_norm):
        dtype, values = given
        parameters = {str(i): with_gradient(*v, dtype=dtype) for i, v in enumerate(values)}
        exact = sum(Fraction(x) ** 2 for vector in values for x in vector)
        norm = nn.clip_grad_norm(parameters, max_norm)
        error, close = Fraction(1, 10**14), 2 * tiny
        low, high = Fraction(norm) * (1 - error) - close, Fraction(norm) * (1 + error) + close
        assert max(low, 0) ** 2 <= exact <= high**2
        factor = min(Fraction(1), Fraction(max_norm) / Fraction(norm)) if norm else Fraction(1)
        smallest = float(np.finfo(dtype).smallest_subnormal)
        for vector, theta in zip(values, parameters.values(), strict=True):
            expected = [float(factor * Fraction(x)) for x in vector]
            precision = 2e-15 + float(np.finfo(dtype).eps)
            np.testing.assert_allclose(theta.grad, expected, rtol=precision, atol=2 * smallest)


@pytest.mark.parametrize(
    ("gradient", "norm"),
    [
        ([3e200, 4e200], 5e200),
        ([3e-200, 4e-200], 5e-200),
        ([1.2e308, -1.2e308], math.sqrt(2) * 1.2e308),
        ([5e-324] * 4, 1e-323),
    ],
)
@pytest.mark.parametrize("share", [0.5, 1e-200, 1e-100])
def test_no_square_overflows_or_becomes_0(gradient, norm, share):
    parameters = {"a": with_gradient(*gradient[:1]), "b": with_gradient(*gradient[1:])}
    assert nn.clip_grad_norm(parameters, math.inf) == pytest.approx(norm, rel=1e-15)
    max_norm = norm * share or 5e-324
    assert nn.clip_grad_norm(parameters, max_norm) == pytest.approx(norm, rel=1e-15)
    assert nn.clip_grad_norm(parameters, math.inf) == pytest.approx(max_norm, rel=1e-14, abs=1e-323)


def test_a_factor_that_would_be_rounded_to_0_still_gives_the_norm():
    parameters = {"a": with_gradient(3e200, 4e200)}
    nn.clip_grad_norm(parameters, 5e-200)
    np.testing.assert_allclose(parameters["a"].grad, [3e-200, 4e-200], rtol=1e-15)


def test_the_usual_norm_and_the_usual_factor_have_the_bits_of_numpy(for_all):
    usual = st.floats(-1e100, 1e100).filter(lambda x: x == 0 or abs(x) > 1e-100)

    @for_all(st.lists(usual, min_size=1, max_size=9), st.floats(1e-50, 1e50))
    def check(values, max_norm):
        g, parameters = np.array(values), {"w": with_gradient(*values)}
        norm = float(np.linalg.norm(g))
        assert nn.clip_grad_norm(parameters, max_norm) == norm
        expected = g * (np.float64(max_norm) / norm) if norm > max_norm else g
        assert parameters["w"].grad.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_dtype_is_kept_and_squared_in_float64(dtype):
    largest = float(np.finfo(dtype).max) / 2
    theta = with_gradient(largest, -largest, dtype=dtype)
    norm = nn.clip_grad_norm({"w": theta}, 1e-3)
    assert norm == pytest.approx(math.sqrt(2) * float(dtype(largest)), rel=1e-14)
    assert theta.grad.dtype == dtype
    np.testing.assert_allclose(theta.grad, np.array([1, -1]) * 1e-3 / math.sqrt(2), rtol=1e-3)


def test_a_model_and_its_parameters_are_the_same():
    model = network()
    norm = nn.clip_grad_norm(model, math.inf)
    assert norm == nn.clip_grad_norm(model.parameters(), 0.5 * norm)
    assert nn.clip_grad_norm(model, math.inf) == pytest.approx(0.5 * norm, rel=1e-6)


@pytest.mark.parametrize(
    "given", [lambda model: model, nn.Module.parameters], ids=["model", "dict"]
)
def test_a_frozen_parameter_is_left_out(given):
    model = network()
    parameters = given(model)
    frozen = model.layers[0].weight
    frozen.requires_grad = False
    before = frozen.grad.copy()
    norm = nn.clip_grad_norm(parameters, 1e-3)
    np.testing.assert_array_equal(frozen.grad, before)
    assert nn.clip_grad_norm(parameters, math.inf) == pytest.approx(1e-3)
    frozen.grad = None
    assert nn.clip_grad_norm(parameters, math.inf) < norm


def test_a_tensor_of_two_names_counts_once():
    theta = with_gradient(4.0)
    assert nn.clip_grad_norm({"encoder": theta, "decoder": theta}, 2.0) == 4.0
    np.testing.assert_array_equal(theta.grad, [2.0])


def test_parameters_of_no_axes_and_of_no_elements_are_clipped_along():
    scalar = sg.Tensor(1.0, requires_grad=True)
    scalar.grad = np.float32(8)
    parameters = {"scalar": scalar, "none": with_gradient()}
    assert nn.clip_grad_norm(parameters, 2.0) == 8.0
    assert isinstance(scalar.grad, np.ndarray)
    assert scalar.grad == 2.0


def test_it_works_in_place():
    parameters = network().parameters()
    arrays = {name: theta.grad for name, theta in parameters.items()}
    nn.clip_grad_norm(parameters, 1e-3)
    for name, theta in parameters.items():
        assert theta.grad is arrays[name]


@pytest.mark.parametrize("twin", [fast.Adam, fast.SGD])
def test_clipped_training_of_fast_has_the_bits_of_the_reference(twin):
    (reference,) = [kind for kind in twin.__mro__ if kind.__module__.startswith(optim.__name__)][:1]
    results = []
    for optimizer in reference, twin:
        sg.manual_seed(0)
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        opt = optimizer(model, lr=0.1)
        for _ in range(5):
            opt.zero_grad()
            (model(sg.normal((5, 3))) ** 2).sum().backward()
            assert nn.clip_grad_norm(model, 0.1) > 0.1
            opt.step()
        results.append({name: t.data.tobytes() for name, t in model.parameters().items()})
    assert results[0] == results[1]


@pytest.mark.parametrize("max_norm", [1e-3, 1.0, 1e3])
def test_the_values_are_those_of_torch(max_norm):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    rng = np.random.default_rng(0)
    parameters, twins = {}, []
    for name, shape in {"weight": (3, 2), "bias": (2,), "scale": ()}.items():
        parameters[name] = sg.zeros(shape, dtype=np.float64, requires_grad=True)
        parameters[name].grad = 10 * rng.normal(size=shape)
        twins.append(torch.zeros(shape, dtype=torch.float64, requires_grad=True))
        twins[-1].grad = torch.tensor(parameters[name].grad)
    norm = torch.nn.utils.clip_grad_norm_(twins, max_norm).item()
    assert nn.clip_grad_norm(parameters, max_norm) == pytest.approx(norm, rel=1e-14)
    plus = norm / (norm + 1e-6) if norm > max_norm else 1  # torch divides by norm + 1e-6
    for theta, twin in zip(parameters.values(), twins, strict=True):
        np.testing.assert_allclose(theta.grad * plus, twin.grad.numpy(), rtol=1e-14)


# What is refused


@pytest.mark.parametrize("max_norm", [0, 0.0, -1, -math.inf, math.nan, np.float32(0)])
def test_max_norm_is_above_0(max_norm):
    said = f"max_norm must be a number above 0, but got {max_norm!r}. Write, for example, "
    unchanged_by({"w": with_gradient(3.0)}, max_norm, ValueError, said, "max_norm=1.0)")


@pytest.mark.parametrize("max_norm", ["1.0", None, True, np.True_, [1.0], 1j, sg.Tensor(1.0)])
def test_max_norm_is_a_number(max_norm):
    said = f"max_norm must be a number above 0, but got {max_norm!r}. Write, for example, "
    unchanged_by({"w": with_gradient(3.0)}, max_norm, TypeError, said)


@pytest.mark.parametrize(
    "parameters",
    [
        with_gradient(3.0),
        [with_gradient(3.0)],
        ["weight", "bias"],
        {"w": np.ones(2)},
        {"layer": nn.Linear(1, 1)},
        nn.Linear,
        None,
    ],
)
def test_parameters_is_a_module_or_a_dict_of_tensors(parameters):
    with refused(
        TypeError,
        f"clip_grad_norm takes a Module or a dict of tensors by name, but got {parameters!r:.80}",
        "Write nn.clip_grad_norm(model, max_norm=1.0).",
    ):
        nn.clip_grad_norm(parameters, 1.0)


def test_the_corrected_call_works():
    with pytest.raises(TypeError) as error:
        nn.clip_grad_norm(None, 1.0)
    call = re.search(r"Write (.*)\.$", str(error.value))[1]
    assert eval(call, {"nn": nn, "model": network()}) > 1


@pytest.mark.parametrize("parameters", [{}, nn.ReLU()])
def test_there_are_parameters(parameters):
    with refused(ValueError, "there is no parameter. Call loss.backward() first"):
        nn.clip_grad_norm(parameters, 1.0)


def test_missing_gradients_are_named_and_nothing_is_clipped():
    parameters = network().parameters()
    parameters["layers.0.bias"].grad = parameters["layers.2.weight"].grad = None
    rest = {name: t for name, t in parameters.items() if t.grad is not None}
    before = gradients(rest)
    with refused(
        ValueError,
        "needs the gradient of every parameter, but these have none: layers.0.bias, ",
        "layers.2.weight. Call loss.backward() first",
    ):
        nn.clip_grad_norm(parameters, 1e-3)
    for name, grad in before.items():
        np.testing.assert_array_equal(rest[name].grad, grad)


@pytest.mark.parametrize("max_norm", [1.0, math.inf])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_norm_that_is_not_finite_is_refused_with_its_parameters_named(value, max_norm):
    parameters = {"a": with_gradient(3.0), "b": with_gradient(1.0, value), "c": with_gradient(4.0)}
    unchanged_by(
        parameters,
        max_norm,
        FloatingPointError,
        f"the norm of the gradients is {abs(value)}, because of ",
        "'b', and clipping cannot help. Nothing was changed. ",
        "with sg.detect_anomaly():",
    )


def test_a_result_is_refused_and_nothing_is_shortened():
    w = sg.Tensor([3.0, 4.0], requires_grad=True)
    c = w * 2
    c.sum().backward(retain_grads=True)
    for tensors in ({"w": w, "c": c}, {"c": c}, {"w": w, "late": w * 3}):
        with pytest.raises(
            ValueError, match=r"'(c|late)' is a result: Tensor.*Write nn\.clip_grad"
        ):
            nn.clip_grad_norm(tensors, max_norm=1.0)
    np.testing.assert_array_equal(w.grad, [2, 2])
    np.testing.assert_array_equal(c.grad, [1, 1])


def test_a_norm_beyond_the_largest_number_is_refused_with_all_parameters_named():
    parameters = {"a": with_gradient(1.7e308), "b": with_gradient(-1.7e308)}
    said = "the norm of the gradients is inf, because of 'a', 'b', and clipping cannot help. "
    unchanged_by(parameters, 1.0, FloatingPointError, said)
