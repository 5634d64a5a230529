"""Normalisation: its equations, the running values, and what it refuses."""

import copy
import functools

import numpy as np
import pytest

import simplegrad as sg
from simplegrad import fast, nn
from simplegrad import optimizers as optim
from tests.helpers.oracles import assert_same_bits, check_with_parameters


def x(*shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return sg.Tensor(3 * values + 1, requires_grad=True)


def state_of(module):
    return {name: t.numpy() for name, t in module.tensors().items()}


# BatchNorm

SHAPES = [(5, 3), (4, 3, 2), (2, 3, 4, 5), (2, 3, 1, 1), (1, 3, 2), (2, 3, 2, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_brings_each_channel_to_mean_0_and_variance_1(shape):
    layer, inputs = nn.BatchNorm(3, eps=1e-12, dtype=np.float64), x(*shape)
    axes = (0, *range(2, len(shape)))
    y = layer(inputs).data
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-8)
    layer.weight.data, layer.bias.data = [1.0, -2.0, 3.0], [0.5, 0.0, -1.0]
    rows = np.moveaxis(inputs.data, 1, -1)  # the channels last, where NumPy broadcasts them
    mu, sigma_2 = rows.reshape(-1, 3).mean(axis=0), rows.reshape(-1, 3).var(axis=0)
    expected = (rows - mu) / np.sqrt(sigma_2 + 1e-12) * layer.weight.data + layer.bias.data
    np.testing.assert_allclose(np.moveaxis(layer(inputs).data, 1, -1), expected, rtol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 2), (2, 3, 2, 2)])
def test_the_gradients_of_batch_norm_are_right(shape, training):
    layer = nn.BatchNorm(3, dtype=np.float64)
    layer(x(*shape, seed=1))
    assert check_with_parameters(layer.train() if training else layer.eval(), x(*shape))


def test_the_running_values_follow_the_batches_with_the_unbiased_variance():
    layer = nn.BatchNorm(3, momentum=0.25, dtype=np.float64)
    mean, var = np.zeros(3), np.ones(3)
    for seed in range(4):
        inputs = x(4, 3, 2, seed=seed)
        layer(inputs)
        mean = 0.75 * mean + 0.25 * inputs.data.mean(axis=(0, 2))
        var = 0.75 * var + 0.25 * inputs.data.var(axis=(0, 2), ddof=1)
        np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-14)
        np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-14)


def test_after_eval_the_running_values_are_used_and_stay():
    layer = nn.BatchNorm(3, eps=0, dtype=np.float64).eval()
    layer.running_mean.data, layer.running_var.data = [1.0, 2.0, 3.0], [4.0, 1.0, 0.25]
    before = state_of(layer)
    y = layer(np.full((1, 3), 3.0))  # one example will do
    assert y.data.tolist() == [[1, 1, 0]]
    assert layer(np.zeros((0, 3))).shape == (0, 3)
    for name, values in state_of(layer).items():
        assert_same_bits(values, before[name])


@pytest.mark.parametrize(("momentum", "share"), [(0, 0.0), (1, 1.0), (np.float32(0.5), 0.5)])
def test_the_momentum_is_the_share_of_the_new_batch(momentum, share):
    layer, inputs = nn.BatchNorm(3, momentum=momentum, dtype=np.float64), x(4, 3)
    layer(inputs)
    expected = share * inputs.data.mean(axis=0)
    np.testing.assert_allclose(layer.running_mean.data, expected, rtol=1e-14)


def test_the_running_values_are_no_parameters_but_state():
    layer = nn.BatchNorm(3)
    assert list(layer.parameters()) == ["weight", "bias"]
    assert list(layer.tensors()) == ["weight", "bias", "running_mean", "running_var"]
    expected = "BatchNorm(3, eps=1e-05, momentum=0.1)  6 parameters, 6 not trained"
    assert repr(layer) == expected
    assert list(optim.Adam(layer).param_groups[0]["params"]) == ["weight", "bias"]


def test_the_running_values_stay_the_same_arrays_and_are_updated_without_gradients_too():
    layer = nn.BatchNorm(3)
    arrays = layer.running_mean.data, layer.running_var.data
    with sg.no_grad():
        layer(x(4, 3))
    assert layer.running_mean.data is arrays[0]
    assert layer.running_var.data is arrays[1]
    assert arrays[0].all()


def test_two_passes_before_one_backward_are_no_error():
    layer = nn.BatchNorm(3, dtype=np.float64)
    a, b = x(4, 3, seed=1), x(4, 3, seed=2)
    (layer(a) * layer(b)).sum().backward()
    assert np.isfinite(a.grad).all()
    assert np.isfinite(layer.weight.grad).all()


def test_nan_in_one_channel_stays_in_it():
    layer, inputs = nn.BatchNorm(3), x(4, 3)
    inputs.data[1, 2] = np.nan
    y = layer(inputs).data
    assert np.isnan(y).any(axis=0).tolist() == [False, False, True]
    assert np.isnan(layer.running_mean.data).tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_equal_numbers_become_the_bias(dtype):
    layer = nn.BatchNorm(2, dtype=dtype)
    layer.bias.data = [1.0, 2.0]
    assert layer(np.full((3, 2), 7, dtype)).data.tolist() == [[1, 2]] * 3


@pytest.mark.parametrize("shape", [(1, 3), (0, 3), (1, 3, 1), (1, 3, 1, 1), (4, 3, 0)])
def test_in_training_a_channel_needs_two_numbers(shape):
    layer = nn.BatchNorm(3)
    before = state_of(layer)
    with pytest.raises(ValueError, match=r"at least 2 numbers in each channel.*model\.eval\(\)"):
        layer(sg.ones(shape))
    for name, values in state_of(layer).items():
        assert_same_bits(values, before[name])
    assert layer.eval()(sg.ones(shape)).shape == shape


@pytest.mark.parametrize(
    ("shape", "write"),
    [
        ((3,), r"x\.unsqueeze\(0\)"),
        ((), r"x\.unsqueeze\(0\)"),
        ((2, 4), r"nn\.BatchNorm\(4\)"),
        ((2, 5, 5, 3), r"x\.transpose\(0, 3, 1, 2\)"),
        ((2, 5, 3), r"x\.transpose\(0, 2, 1\)"),
    ],
)
def test_batch_norm_refuses_inputs_of_other_channels(shape, write):
    with pytest.raises(ValueError, match=rf"axis 1 has its 3 channels.*Write {write}"):
        nn.BatchNorm(3)(sg.ones(shape))


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan"), float("inf")])
def test_the_momentum_of_batch_norm_is_from_0_to_1(momentum):
    with pytest.raises(ValueError, match="momentum of BatchNorm is a number from 0 to 1"):
        nn.BatchNorm(3, momentum=momentum)


def test_pytorchs_names_lead_to_it():
    for name in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"):
        with pytest.raises(AttributeError, match=r"Write nn\.BatchNorm\(3\)"):
            getattr(nn, name)
    with pytest.raises(TypeError, match="takes no affine, track_running_stats"):
        nn.BatchNorm(3, affine=False, track_running_stats=False)


# All of them: replay, saving, drawing


def classifier():
    return nn.Sequential(
        nn.Linear(4, 6),
        nn.BatchNorm(6),
        nn.ReLU(),
        nn.RMSNorm(6),
        nn.Linear(6, 6),
        nn.LayerNorm(6),
        nn.Linear(6, 3),
    )


def train(model, opt, wrap, whole_step, steps=8):
    """The losses of a training, whose last steps are in evaluation mode."""

    def loss_of(x, y):
        loss = sg.cross_entropy(model(x), y)
        if whole_step:
            loss.backward()
            opt.step()
            opt.zero_grad()
        return loss

    compute, losses = wrap(loss_of), []
    for step in range(steps):
        if step in (4, 6):
            model.eval() if step == 4 else model.train()
        rng = np.random.default_rng(step)
        inputs = rng.normal(size=(5, 4)).astype(np.float32)
        loss = compute(inputs, rng.integers(0, 3, 5))
        if not whole_step:
            loss.backward()
            opt.step()
            opt.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("whole_step", [True, False])
def test_a_replay_has_the_same_bits_and_the_same_running_values(whole_step):
    model = classifier()
    again = copy.deepcopy(model)
    expected = train(model, fast.Adam(model), lambda f: f, whole_step)
    assert train(again, fast.Adam(again), fast.replay, whole_step) == expected
    for name, t in model.tensors().items():
        assert_same_bits(again.tensors()[name].data, t.data, name)
    assert (model[1].running_var.data != 1).all()


def test_a_replay_of_images_has_the_same_running_values():
    layer = nn.BatchNorm(3)
    again = copy.deepcopy(layer)
    replayed = fast.replay(lambda x: (again(x) ** 2).mean())
    for seed in range(3):
        images = x(2, 3, 4, 4, seed=seed).data.astype(np.float32)
        (layer(images) ** 2).mean().backward()
        replayed(images).backward()
    for name, t in layer.tensors().items():
        assert_same_bits(again.tensors()[name].data, t.data, name)
    assert_same_bits(again.weight.grad, layer.weight.grad)


def test_the_running_values_are_saved_and_loaded(tmp_path):
    model = classifier()
    model(sg.normal((5, 4)))
    sg.save(tmp_path / "model.npz", model)
    other = classifier()
    sg.load(tmp_path / "model.npz", other)
    for name, t in model.tensors().items():
        assert_same_bits(other.tensors()[name].data, t.data, name)
    assert other[1].running_mean.data.any()


def test_explain_shows_the_equations_and_draw_the_graph():
    text = str(sg.explain(nn.BatchNorm(2), sg.Tensor([[1.0, 0.0], [3.0, 8.0]])))
    assert "y = (x - μ)/(√(σ² + ε)) g + b" in text
    inputs = x(2, 4)
    svg = sg.draw(nn.RMSNorm(4)(inputs) + nn.BatchNorm(4)(inputs))._repr_svg_()
    assert all(rule in svg for rule in ("Mean", "Var", "Sqrt", "Div", "Reshape"))


# LayerNorm


def test_layer_norm_brings_the_last_axis_to_mean_0_and_variance_1():
    layer, inputs = nn.LayerNorm(5), x(3, 5)
    y = layer(inputs).data
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), 1, rtol=1e-4)
    layer.astype("float64")
    layer.weight.data = np.arange(1.0, 6.0)
    layer.bias.data = np.arange(5.0)
    mu, sigma_2 = inputs.data.mean(-1, keepdims=True), inputs.data.var(-1, keepdims=True)
    expected = (inputs.data - mu) / np.sqrt(sigma_2 + 1e-5) * layer.weight.data + layer.bias.data
    np.testing.assert_allclose(layer(inputs).data, expected, rtol=1e-14)
    assert check_with_parameters(layer, inputs)


def test_layer_norm_shows_its_size_and_eps():
    assert repr(nn.LayerNorm(3)).startswith("LayerNorm(3, eps=1e-05)")


def test_layer_norm_of_equal_numbers_is_finite():
    assert nn.LayerNorm(3)(sg.ones((2, 3))).data.tolist() == [[0, 0, 0]] * 2


def test_layer_norm_refuses_inputs_of_another_size():
    with pytest.raises(ValueError, match=r"is 3, but got shape \(2, 4\).*nn\.LayerNorm\(4\)"):
        nn.LayerNorm(3)(x(2, 4))


@pytest.mark.parametrize("eps", [-1e-5, float("nan"), float("inf"), "small"])
def test_the_eps_of_layer_norm_is_not_negative(eps):
    with pytest.raises(ValueError, match="eps of LayerNorm is a finite number of at least 0"):
        nn.LayerNorm(3, eps=eps)


@pytest.mark.parametrize("layer", [nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize(
    "shape", [3, (3,), [4, 3], (2, 4, 3)], ids=["int", "(3,)", "[4, 3]", "(2, 4, 3)"]
)
def test_several_axes_are_those_axes_as_one(layer, shape):
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    several, inputs = layer(shape, dtype=np.float64), x(5, 2, 4, 3)
    one = layer(int(np.prod(sizes)), dtype=np.float64)
    assert several.weight.shape == sizes
    for t, flat in zip(several.parameters().values(), one.parameters().values(), strict=True):
        t.data = x(*sizes, seed=1)
        flat.data = t.data.reshape(-1)
    rest = inputs.shape[: inputs.ndim - len(sizes)]
    expected = one(inputs.reshape(*rest, -1)).reshape(inputs.shape)
    np.testing.assert_allclose(several(inputs).data, expected.data, rtol=1e-13)
    assert check_with_parameters(several, x(2, *several.weight.shape))


@pytest.mark.parametrize("layer", [nn.LayerNorm, nn.RMSNorm])
def test_several_axes_are_named_where_they_differ(layer):
    name = layer.__name__
    assert repr(layer((4, 3))).startswith(f"{name}((4, 3), eps=")
    with pytest.raises(
        ValueError, match=rf"last axes are \(4, 3\).*\(2, 3\).*nn\.{name}\(\(2, 3\)\)"
    ):
        layer((4, 3))(x(2, 3))
    with pytest.raises(ValueError, match=rf"last axes are.*shape \(3,\).*nn\.{name}\(3\)"):
        layer((4, 3))(x(3))
    with pytest.raises(ValueError, match=rf"last axis is 3, but got shape \(\).*nn\.{name}\(1\)"):
        layer(3)(sg.Tensor(1.0))
    for wrong in ((), (2, 0), (2, "3"), ((2, 3), 4), (2.0,)):
        with pytest.raises(ValueError, match=f"{name} takes an int of at least 1 as normalized_sh"):
            layer(wrong)


# RMSNorm


def test_rms_norm_brings_the_root_mean_square_to_1():
    layer, inputs = nn.RMSNorm(5, dtype=np.float64), x(3, 5)
    np.testing.assert_allclose((layer(inputs).data ** 2).mean(axis=-1), 1, rtol=1e-12)
    layer.weight.data = np.arange(1.0, 6.0)
    rms = np.sqrt((inputs.data**2).mean(axis=-1, keepdims=True) + np.finfo(np.float64).eps)
    np.testing.assert_allclose(
        layer(inputs).data, inputs.data / rms * layer.weight.data, rtol=1e-14
    )
    assert list(layer.parameters()) == ["weight"]
    assert check_with_parameters(layer, inputs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rms_norm_of_zeros_is_zero_and_so_is_what_is_not_trained_of_it(dtype):
    zeros = sg.zeros((2, 3), requires_grad=True, dtype=dtype)
    y = nn.RMSNorm(3, dtype=dtype)(zeros)
    assert (y.data.tolist(), y.dtype) == ([[0, 0, 0]] * 2, np.dtype(dtype))
    y.sum().backward()
    assert np.isfinite(zeros.grad).all()


def test_the_eps_of_rms_norm_is_a_number_or_none():
    inputs = np.ones((1, 2))
    np.testing.assert_allclose(nn.RMSNorm(2, eps=0.25)(inputs).data, 1 / np.sqrt(1.25), rtol=1e-6)
    assert "eps=None" in repr(nn.RMSNorm(2))
    for wrong in (-1.0, 1.0, float("nan"), "small", True):
        with pytest.raises(ValueError, match="eps of RMSNorm is a finite number of at least 0"):
            nn.RMSNorm(2, eps=wrong)


# PyTorch


@functools.cache
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: an oracle is missing")


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 2), (2, 3, 1, 1)])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.3, "eps": 1e-2}])
def test_batch_norm_is_that_of_pytorch_over_several_steps(shape, options):
    ours = nn.BatchNorm(3, dtype=np.float64, **options)
    kind = torch().nn.BatchNorm2d if len(shape) == 4 else torch().nn.BatchNorm1d
    theirs = kind(3, **options).double()
    ours.weight.data, ours.bias.data = [1.5, -0.5, 2.0], [0.25, 1.0, -3.0]
    with torch().no_grad():
        theirs.weight.copy_(torch().tensor(ours.weight.data))
        theirs.bias.copy_(torch().tensor(ours.bias.data))
    for step in range(7):
        if step in (4, 6):
            ours.eval(), theirs.eval()
        if step == 6:
            ours.train(), theirs.train()
        inputs, w = x(*shape, seed=step), x(*shape, seed=step + 100).data
        other = torch().tensor(inputs.data, requires_grad=True)
        y, y_theirs = ours(inputs), theirs(other)
        (y * w).sum().backward()
        (y_theirs * torch().tensor(w)).sum().backward()
        np.testing.assert_allclose(y.data, y_theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(inputs.grad, other.grad.numpy(), rtol=1e-8, atol=1e-10)
        for name, t in ours.tensors().items():
            same = getattr(theirs, name)
            np.testing.assert_allclose(t.data, same.detach().numpy(), rtol=1e-12)
            if t.requires_grad:
                np.testing.assert_allclose(t.grad, same.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["LayerNorm", "RMSNorm"])
@pytest.mark.parametrize("shape", [(4,), (2, 4)])
def test_layer_norm_and_rms_norm_are_those_of_pytorch(name, shape):
    ours = getattr(nn, name)(shape, dtype=np.float64)
    theirs = getattr(torch().nn, name)(list(shape)).double()
    inputs = x(3, 2, 4)
    other = torch().tensor(inputs.data, requires_grad=True)
    (ours(inputs) ** 3).sum().backward()
    (theirs(other) ** 3).sum().backward()
    np.testing.assert_allclose(inputs.grad, other.grad.numpy(), rtol=1e-9, atol=1e-11)
    for name, t in ours.parameters().items():
        np.testing.assert_allclose(
            t.grad, getattr(theirs, name).grad.numpy(), rtol=1e-9, atol=1e-11
        )
