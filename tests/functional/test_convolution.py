"""Convolution and pooling: against torch, against loops, and what is said of what does not fit."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import simplegrad as sg
from simplegrad import fast, nn
from tests.helpers.oracles import assert_same_bits


def numbers(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def by_loops(x, W, b, stride, dilation, groups):
    """The equation of a convolution, number by number."""
    N, _, H, V = x.shape
    filters, channels, height, width = W.shape
    rows = (H - dilation * (height - 1) - 1) // stride + 1
    columns = (V - dilation * (width - 1) - 1) // stride + 1
    y = np.zeros((N, filters, rows, columns))
    for n, o, i, j in np.ndindex(*y.shape):
        first = o // (filters // groups) * channels
        for c, k, m in np.ndindex(channels, height, width):
            at = i * stride + k * dilation, j * stride + m * dilation
            y[n, o, i, j] += W[o, c, k, m] * x[n, first + c][at]
        y[n, o, i, j] += b[o]
    return y


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_its_equation(stride, dilation, groups):
    x, W, b = numbers(2, 4, 6, 7), numbers(6, 4 // groups, 3, 2, seed=1), numbers(6, seed=2)
    y = sg.conv2d(x, W, b, stride=stride, dilation=dilation, groups=groups)
    np.testing.assert_allclose(y.numpy(), by_loops(x, W, b, stride, dilation, groups))


def compared(torch, ours, theirs, *arrays):
    """Asserts that results and gradients are those of torch."""
    tensors = [sg.Tensor(a, requires_grad=True) for a in arrays]
    others = [torch.tensor(a, requires_grad=True) for a in arrays]
    c, expected = ours(*tensors), theirs(*others)
    assert c.shape == tuple(expected.shape)
    np.testing.assert_allclose(c.numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-12)
    dc = numbers(*c.shape, seed=9)
    c.backward(dc)
    expected.backward(torch.tensor(dc))
    for t, other in zip(tensors, others, strict=True):
        np.testing.assert_allclose(t.grad, other.grad.numpy(), rtol=1e-10, atol=1e-10)


one_or_two = st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=one_or_two,
    padding=st.integers(0, 2) | st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=one_or_two,
    groups=st.integers(1, 3),
    channels=st.integers(1, 2),
    filters=st.integers(1, 2),
    batch=st.sampled_from([(), (0,), (1,), (3,)]),
    has_bias=st.booleans(),
)
def test_convolutions_of_all_kinds_are_those_of_torch(
    size, stride, padding, dilation, groups, channels, filters, batch, has_bias
):
    torch = pytest.importorskip("torch")
    x = numbers(*batch, groups * channels, 9, 8)
    arrays = [x, numbers(groups * filters, channels, *size, seed=1)]
    arrays += [numbers(groups * filters, seed=2)] if has_bias else []
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    compared(
        torch,
        lambda *tensors: sg.conv2d(*tensors, **options),
        lambda *tensors: torch.nn.functional.conv2d(*tensors, **options),
        *arrays,
    )


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4)])
@pytest.mark.filterwarnings("ignore:.*padding='same'")
def test_padding_in_words_is_that_of_torch(padding, size):
    torch = pytest.importorskip("torch")
    compared(
        torch,
        lambda x, W: sg.conv2d(x, W, padding=padding, dilation=2),
        lambda x, W: torch.nn.functional.conv2d(x, W, padding=padding, dilation=2),
        *(numbers(2, 3, 9, 8), numbers(4, 3, *size, seed=1)),
    )


@given(
    size=st.integers(1, 3) | st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.none() | one_or_two,
    dilation=one_or_two,
    is_padded=st.booleans(),
    batch=st.sampled_from([(2,), (2, 3), (1, 1)]),
)
def test_pooling_is_that_of_torch(size, stride, dilation, is_padded, batch):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    sizes = (size, size) if isinstance(size, int) else size
    padding = tuple(n // 2 for n in sizes) if is_padded else 0
    x = numbers(*batch, 9, 8)
    options = {"stride": stride, "padding": padding}
    compared(
        torch,
        lambda x: sg.max_pool2d(x, size, dilation=dilation, **options),
        lambda x: F.max_pool2d(x, size, dilation=dilation, **options),
        x,
    )
    compared(
        torch,
        lambda x: sg.avg_pool2d(x, size, **options),
        lambda x: F.avg_pool2d(x, size, **options),
        x,
    )


def test_elements_that_tie_for_a_window_share_its_gradient():
    a = sg.Tensor([[1.0, 1.0], [0.0, 1.0]], requires_grad=True)
    sg.max_pool2d(a, 2).backward([[3.0]])
    assert a.grad.tolist() == [[1.0, 1.0], [0.0, 1.0]]


def lenet(dtype=np.float32):
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5, dtype=dtype), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120, dtype=dtype), nn.ReLU()),
        nn.Linear(120, 10, dtype=dtype),
    )


def test_a_lenet_trains_as_in_torch():
    torch = pytest.importorskip("torch")
    tn = torch.nn
    model = lenet(np.float64)
    theirs = tn.Sequential(
        *(tn.Conv2d(1, 6, 5, padding=2), tn.ReLU(), tn.MaxPool2d(2)),
        *(tn.Conv2d(6, 16, 5), tn.ReLU(), tn.MaxPool2d(2)),
        *(tn.Flatten(), tn.Linear(400, 120), tn.ReLU(), tn.Linear(120, 10)),
    ).double()
    for theta, other in zip(model.parameters().values(), theirs.parameters(), strict=True):
        with torch.no_grad():
            other.copy_(torch.tensor(theta.numpy().T if theta.ndim == 2 else theta.numpy()))
    opt = sg.optimizers.SGD(model, lr=0.05)
    other = torch.optim.SGD(theirs.parameters(), lr=0.05)
    for step in range(3):
        x, y = numbers(4, 1, 28, 28, seed=step), np.arange(4) % 3
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        expected = tn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y))
        other.zero_grad()
        expected.backward()
        other.step()
        np.testing.assert_allclose(loss.item(), expected.item(), rtol=1e-10)


def trained_on_images(is_eager):
    """The losses of some steps."""
    sg.manual_seed(0)
    model = lenet()
    opt = fast.Adam(model)

    @fast.replay(eager=is_eager)
    def step(x, y):
        loss = sg.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        opt.zero_grad()
        return loss

    batches = [(numbers(2, 1, 28, 28, seed=i, dtype=np.float32), np.arange(2)) for i in range(4)]
    return [step(*batch).numpy() for batch in batches]


def test_a_whole_step_with_images_is_replayed_to_the_same_bits():
    for loss, expected in zip(trained_on_images(False), trained_on_images(True), strict=True):
        assert_same_bits(loss, expected, "loss")


def test_memory_is_that_of_the_windows():
    x, W = sg.ones((8, 4, 32, 32)), sg.ones((8, 4, 5, 5), requires_grad=True)
    seen = 8 * 4 * 25 * 28 * 28 * 4  # bytes
    tracemalloc.start()
    y = sg.conv2d(x, W)
    y.sum().backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * seen


def test_explain_shows_the_windows_and_the_product():
    x, W = sg.ones((1, 1, 3, 3)), sg.ones((1, 1, 2, 2), requires_grad=True)
    text = str(sg.explain(lambda: sg.conv2d(x, W)))
    assert "X = windows(x, W.shape[-2:], stride, dilation)" in text
    assert "y = (W @ X)" in text


def test_pad_is_that_of_numpy():
    a = numbers(2, 3)
    for width in 0, 2, (1, 2), ((1, 0), (0, 3)), [[1, 1], [2, 2]]:
        expected = np.pad(a, width, constant_values=0.5)
        np.testing.assert_array_equal(sg.pad(a, width, 0.5).numpy(), expected)


images, filters = np.ones((2, 3, 8, 8)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sg.conv2d(images, np.ones((4, 2, 3, 3))), r"weights of shape \(4, 3, 3, 3\)"),
        (lambda: sg.conv2d(images[0, 0], filters), r"x\.reshape\(-1, 1, 28, 28\)"),
        (lambda: sg.conv2d(images, filters[0]), r"weights of shape \(O, C, height, width\)"),
        (lambda: sg.conv2d(images[..., :2], filters), "3 x 3 does not fit into shape"),
        (lambda: sg.conv2d(images, filters, dilation=5), "11 x 11 does not fit into shape"),
        (lambda: sg.conv2d(images, filters, np.ones(3)), r"sg\.zeros\(4\)"),
        (lambda: sg.conv2d(images, filters, stride=0), "stride is an int of at least 1"),
        (lambda: sg.conv2d(images, filters, stride=(1, 2, 3)), "stride is an int of at least 1"),
        (lambda: sg.conv2d(images, filters, padding=-1), '"valid" or an int of at least 0'),
        (lambda: sg.conv2d(images, filters, padding="full"), '"valid" or an int of at least 0'),
        (lambda: sg.conv2d(images, filters, padding="same", stride=2), "Write stride=1"),
        (lambda: sg.conv2d(images, filters, groups=2), "divides 3 channels into 2 groups"),
        (lambda: sg.conv2d(images, np.ones((4, 1, 3, 3)), groups=3), "divides 4 filters into 3"),
        (lambda: sg.conv2d(images, filters, groups=0), r"Write groups=1\."),
        (lambda: sg.conv2d(images.transpose(0, 2, 3, 1), filters), r"x\.transpose\(0, 3, 1, 2\)"),
        (lambda: sg.conv2d(images[0].transpose(1, 2, 0), filters), r"x\.transpose\(2, 0, 1\)"),
        (lambda: sg.max_pool2d(images, 2, padding=2), "at most half a window"),
        (lambda: sg.max_pool2d(images, 0), "kernel_size is an int of at least 1"),
        (lambda: sg.max_pool2d(images, 2, stride=0), "stride is an int of at least 1"),
        (lambda: sg.avg_pool2d(images, 9), "9 x 9 does not fit"),
        (lambda: sg.avg_pool2d(np.ones(3), 2), "does not fit into shape"),
        (lambda: sg.windows(images, 2.0), "size is an int of at least 1"),
        (lambda: sg.pad(images, -1), "pad takes as pad_width"),
        (lambda: sg.pad(images, ((1, 1), (2, 2))), "one for each of the 4 axes"),
        (lambda: nn.Conv2d(3, 4, 0), "kernel_size is an int of at least 1"),
        (lambda: nn.Conv2d(3, 4, 3, groups=2), "Write in_channels=4"),
        (lambda: nn.Conv2d(3, 4, 3, groups=0), r"Write groups=1\."),
        (lambda: nn.Conv2d(3, 4, 3, padding="full"), '"valid" or an int of at least 0'),
        (lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2), "Write stride=1"),
        (lambda: nn.MaxPool2d((2, 2, 2)), "kernel_size is an int of at least 1"),
        (lambda: nn.AvgPool2d(2, stride=0.5), "stride is an int of at least 1"),
    ],
)
def test_what_does_not_fit_is_said_with_what_would(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [None, int, "text"])
def test_a_convolution_is_of_floats(dtype):
    with pytest.raises(TypeError, match="Conv2d computes with floats"):
        nn.Conv2d(3, 4, 3, dtype=dtype)


@pytest.mark.parametrize("constant", ["1", None, 1j])
def test_what_is_padded_with_is_a_number(constant):
    with pytest.raises(TypeError, match="constant_values is a real number"):
        sg.pad(images, 1, constant)


@pytest.mark.parametrize(
    "code",
    [
        "Conv2d(4, 6, (3, 3), stride=(2, 1), padding=(1, 1), dilation=(2, 2), bias=False)",
        "Conv2d(4, 6, (3, 3), groups=2)",
        "Conv2d(4, 6, (3, 3), padding='same')",
        "MaxPool2d((3, 3), stride=(3, 3), padding=(1, 1), dilation=(2, 1))",
        "AvgPool2d((2, 2), stride=(1, 1), padding=(1, 0))",
        "AvgPool2d((2, 2), stride=(2, 2))",
    ],
)
def test_the_repr_of_a_layer_makes_it_again(code):
    assert repr(eval(code, {**vars(nn)})).partition("  ")[0] == code
